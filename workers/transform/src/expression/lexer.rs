//! The words, numbers, texts and signs of an expression, as CEL's language definition writes them.

use super::ExpressionError;

/// A token, with its bytes in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) content: Content<'t>,
    pub(super) range: (usize, usize),
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content<'t> {
    /// A whole number without its sign: up to 2⁶³, which only a negative number may be.
    Integer(u64),
    Double(f64),
    /// A text without its quotes, with its escapes replaced.
    Text(String),
    /// An identifier or a reserved word.
    Word(&'t str),
    Symbol(&'static str),
    /// The end of the expression.
    End,
}

/// Symbols, those that begin with another one before it.
const SYMBOLS: [&str; 22] = [
    "==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "<", ">", "!", "?", ":", ".", ",", "(", ")",
    "[", "]",
];

/// What people write who know another language, with what is wrong with it and what would be right.
const FOREIGN: [(&str, &str, &str); 15] = [
    ("===", "`===` is not an operator of CEL", "write `==`"),
    ("!==", "`!==` is not an operator of CEL", "write `!=`"),
    ("<>", "`<>` is not an operator of CEL", "write `!=`"),
    ("**", "`**` is not an operator of CEL", "multiply: `x * x`"),
    ("??", "`??` is not an operator of CEL", "write `has(item.x) ? item.x : \"\"`"),
    (
        "${",
        "names are written without `${` and `}` in an expression",
        "write `Amount` or `row[\"Order ID\"]`",
    ),
    (
        "{",
        "maps and messages are not supported",
        "an expression gives one value; a field with `map` is a map",
    ),
    ("`", "backticks are not supported", "write `row[\"Order ID\"]`"),
    ("“", "`“` does not begin a text", "write `\"` or `'` around a text"),
    ("„", "`„` does not begin a text", "write `\"` or `'` around a text"),
    ("‘", "`‘` does not begin a text", "write `\"` or `'` around a text"),
    ("=>", "functions cannot be written", "write a macro, such as `list.exists(x, x > 1)`"),
    ("=", "`=` is not an operator of CEL", "write `==` to compare"),
    ("&", "`&` is not an operator of CEL", "write `&&`"),
    ("|", "`|` is not an operator of CEL", "write `||`"),
];

/// Returns the tokens of the text, of which the last is always [`Content::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let content = lexer.content()?;
        let ended = content == Content::End;
        tokens.push(Token { content, range: (start, lexer.at) });
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|character| !accept(character)).unwrap_or(rest.len());
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|character| character != '\n');
        }
    }

    fn content(&mut self) -> Result<Content<'t>, ExpressionError> {
        let Some(first) = self.peek() else {
            return Ok(Content::End);
        };
        let start = self.at;
        if first.is_ascii_digit() || (first == '.' && self.byte(1).is_some_and(|byte| byte.is_ascii_digit()))
        {
            return self.number();
        }
        if matches!(first, '"' | '\'') {
            return self.text(start, false);
        }
        for (sign, message, help) in FOREIGN {
            if self.rest().starts_with(sign) && !(sign.len() == 1 && self.is_symbol()) {
                return Err(ExpressionError::new(message, (start, start + sign.len())).help(help));
            }
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
            self.at += symbol.len();
            return Ok(Content::Symbol(symbol));
        }
        if first == '_' || first.is_alphanumeric() || !first.is_ascii() {
            return self.word();
        }
        let message = match first {
            ';' => "an expression is not ended by `;`".to_owned(),
            '}' => "`}` does not end anything".to_owned(),
            other => format!("`{}` cannot be in an expression", other.escape_debug()),
        };
        Err(ExpressionError::new(message, (start, start + first.len_utf8())))
    }

    fn is_symbol(&self) -> bool {
        SYMBOLS.iter().any(|symbol| symbol.len() == 2 && self.rest().starts_with(symbol))
    }

    fn word(&mut self) -> Result<Content<'t>, ExpressionError> {
        let start = self.at;
        self.take_while(|character| {
            character == '_'
                || character.is_alphanumeric()
                || !(character.is_ascii() || character.is_whitespace() || "“”„‘’".contains(character))
        });
        let word = self.since(start);
        if matches!(self.byte(0), Some(b'"' | b'\'')) {
            match word {
                "r" | "R" => return self.text(start, true),
                "b" | "B" | "br" | "bR" | "Br" | "BR" | "rb" | "rB" | "Rb" | "RB" => {
                    return Err(ExpressionError::new("bytes are not supported", (start, self.at))
                        .help("write a text without `b` before it"));
                }
                _ => {}
            }
        }
        if word.is_empty() {
            self.at += self.peek().map_or(0, char::len_utf8);
            let message = format!("`{}` cannot be in an expression", self.since(start).escape_debug());
            return Err(ExpressionError::new(message, (start, self.at)));
        }
        if word.is_ascii() {
            return Ok(Content::Word(word));
        }
        let word = word.escape_debug();
        Err(ExpressionError::new(
            format!("`{word}` is not an identifier of CEL, which consists of ASCII letters, digits and `_`"),
            (start, self.at),
        )
        .help(format!("write `row[\"{word}\"]` for a column, or `item[\"{word}\"]` for a field")))
    }

    fn number(&mut self) -> Result<Content<'t>, ExpressionError> {
        let start = self.at;
        let hexadecimal = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        let mut double = false;
        if hexadecimal {
            self.at += 2;
            self.take_while(|character| character.is_ascii_hexdigit());
        } else {
            self.take_while(|character| character.is_ascii_digit());
            if self.byte(0) == Some(b'.') && self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) {
                double = true;
                self.at += 1;
                self.take_while(|character| character.is_ascii_digit());
            }
            let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
            if matches!(self.byte(0), Some(b'e' | b'E'))
                && self.byte(1 + sign).is_some_and(|byte| byte.is_ascii_digit())
            {
                double = true;
                self.at += 1 + sign;
                self.take_while(|character| character.is_ascii_digit());
            }
        }
        let digits = self.since(start);
        self.take_while(|character| character == '_' || character.is_alphanumeric());
        let written = self.since(start);
        let range = (start, self.at);
        let suffix = written.get(digits.len()..).unwrap_or_default();
        match suffix {
            "" => {}
            "u" | "U" => {
                return Err(ExpressionError::new("unsigned integers are not supported", range)
                    .help(format!("write `{digits}`: values of rows are int or double, never uint")));
            }
            _ => {
                let error = ExpressionError::new(format!("`{written}` is not a number"), range);
                return Err(match suffix {
                    "d" | "h" | "m" | "s" | "ms" => error.help(format!("write `duration(\"{written}\")`")),
                    _ => error.help("numbers are written like `1200`, `1.5` or `1e3`"),
                });
            }
        }
        if double {
            let value: f64 = digits.parse().unwrap_or(f64::INFINITY);
            return match value.is_finite() {
                true => Ok(Content::Double(value)),
                false => Err(ExpressionError::new(format!("`{digits}` is too large for a double"), range)),
            };
        }
        if self.byte(0) == Some(b'.')
            && !self.byte(1).is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        {
            return Err(ExpressionError::new("a number cannot end with a point", (start, self.at + 1))
                .help(format!("write `{digits}.0`")));
        }
        let value = match hexadecimal {
            true => u64::from_str_radix(digits.get(2..).unwrap_or_default(), 16),
            false => digits.parse(),
        };
        match value {
            Ok(value) if value <= 1 << 63 => Ok(Content::Integer(value)),
            _ if digits.len() == 2 && hexadecimal => {
                Err(ExpressionError::new(format!("`{digits}` is not a number"), range))
            }
            _ => Err(too_large(digits, range)),
        }
    }

    /// Reads a text whose first quote is the next byte.
    fn text(&mut self, start: usize, raw: bool) -> Result<Content<'t>, ExpressionError> {
        let rest = self.rest();
        let quote = if rest.starts_with('\'') { "'" } else { "\"" };
        let triple = if quote == "'" { "'''" } else { "\"\"\"" };
        let (quote, long) = if rest.starts_with(triple) { (triple, true) } else { (quote, false) };
        self.at += quote.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(quote) {
                self.at += quote.len();
                return Ok(Content::Text(text));
            }
            let at = self.at;
            match self.peek() {
                None | Some('\n' | '\r') if !long || self.peek().is_none() => {
                    return Err(ExpressionError::new("the text is not closed", (start, at))
                        .help(format!("end it with `{quote}`")));
                }
                Some('\\') if !raw => text.push(self.escape()?),
                Some(character) => {
                    text.push(character);
                    self.at += character.len_utf8();
                }
                None => {}
            }
        }
    }

    fn escape(&mut self) -> Result<char, ExpressionError> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek();
        self.at += letter.map_or(0, char::len_utf8);
        let simple = match letter {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(same @ ('\\' | '?' | '"' | '\'' | '`')) => same,
            Some('x' | 'X') => return self.code(start, 2, 16),
            Some('u') => return self.code(start, 4, 16),
            Some('U') => return self.code(start, 8, 16),
            Some('0'..='3') => {
                self.at -= 1;
                return self.code(start, 3, 8);
            }
            _ => {
                let written = self.since(start).escape_default().to_string().replace("\\\\", "\\");
                return Err(ExpressionError::new(
                    format!("`{written}` is not an escape sequence of a text"),
                    (start, self.at),
                )
                .help("write `\\\\` for a backslash; in a pattern, write the text as `r\"…\"`"));
            }
        };
        Ok(simple)
    }

    fn code(&mut self, start: usize, digits: usize, radix: u32) -> Result<char, ExpressionError> {
        let written =
            self.rest().get(..digits).filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)));
        let character =
            written.and_then(|digits| u32::from_str_radix(digits, radix).ok()).and_then(char::from_u32);
        match (written, character) {
            (Some(_), Some(character)) => {
                self.at += digits;
                Ok(character)
            }
            (Some(_), None) => {
                Err(ExpressionError::new("this is not a character of Unicode", (start, self.at + digits)))
            }
            (None, _) => Err(ExpressionError::new(
                format!("`{}` is followed by {digits} digits", self.since(start)),
                (start, self.at),
            )),
        }
    }
}

/// Returns the error of an integer that is out of range.
pub(super) fn too_large(digits: &str, range: (usize, usize)) -> ExpressionError {
    ExpressionError::new(format!("`{digits}` is too large for an int, which has 64 bits"), range)
        .help(format!("write `{digits}.0` for a double"))
}
