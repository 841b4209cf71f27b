//! The syntax of an expression: a parser of CEL's grammar that climbs the precedence of operators.

use super::ExpressionError;
use super::lexer::{Content, Token, tokens, too_large};

/// The deepest nesting of brackets, calls and conditions. Expressions of people have fewer than ten levels;
/// the parser's stack must hold them all.
pub(super) const DEEPEST_NESTING: usize = 64;
/// The greatest height of the tree, to which a chain such as `a + b + c` adds a level for each operator.
pub(super) const GREATEST_HEIGHT: usize = 128;

/// The words that CEL reserves: none of them can be an identifier.
const RESERVED: [&str; 20] = [
    "in",
    "if",
    "let",
    "var",
    "package",
    "namespace",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "import",
    "loop",
    "void",
    "while",
    "true",
    "false",
    "null",
];

/// A part of an expression, with its bytes in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Syntax {
    pub(super) kind: SyntaxKind,
    pub(super) range: (usize, usize),
    height: usize,
}

/// The kind of a part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SyntaxKind {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Identifier(String),
    /// `of.name`.
    Member {
        of: Box<Syntax>,
        name: String,
        name_range: (usize, usize),
    },
    /// `of[index]`.
    Index {
        of: Box<Syntax>,
        index: Box<Syntax>,
    },
    /// `name(…)`, or `receiver.name(…)`.
    Call {
        receiver: Option<Box<Syntax>>,
        name: String,
        name_range: (usize, usize),
        arguments: Vec<Syntax>,
    },
    List(Vec<Syntax>),
    Not(Box<Syntax>),
    Negative(Box<Syntax>),
    Binary {
        operator: &'static str,
        operator_range: (usize, usize),
        sides: Box<(Syntax, Syntax)>,
    },
    /// `&&` if `all`, else `||`, of two or more parts.
    Logical {
        all: bool,
        parts: Vec<Syntax>,
    },
    Conditional(Box<[Syntax; 3]>),
}

impl Syntax {
    /// Adds the names that may be those of fields.
    pub(super) fn names(&self, names: &mut Vec<String>) {
        match &self.kind {
            SyntaxKind::Identifier(name) => names.push(name.clone()),
            SyntaxKind::Member { of, name, .. } => match of.identifier() {
                Some("item") => names.push(name.clone()),
                Some("row") => {}
                _ => of.names(names),
            },
            SyntaxKind::Index { of, index } => match (of.identifier(), &index.kind) {
                (Some("item"), SyntaxKind::Text(name)) => names.push(name.clone()),
                (Some("row"), _) => {}
                _ => {
                    of.names(names);
                    index.names(names);
                }
            },
            SyntaxKind::Call { receiver, arguments, .. } => {
                receiver.iter().for_each(|receiver| receiver.names(names));
                arguments.iter().for_each(|argument| argument.names(names));
            }
            SyntaxKind::List(all) | SyntaxKind::Logical { parts: all, .. } => {
                all.iter().for_each(|part| part.names(names));
            }
            SyntaxKind::Not(inner) | SyntaxKind::Negative(inner) => inner.names(names),
            SyntaxKind::Binary { sides, .. } => {
                let (left, right) = &**sides;
                match (&left.kind, right.identifier()) {
                    (SyntaxKind::Text(name), Some("item")) => names.push(name.clone()),
                    _ => {
                        left.names(names);
                        right.names(names);
                    }
                }
            }
            SyntaxKind::Conditional(all) => all.iter().for_each(|part| part.names(names)),
            SyntaxKind::Null
            | SyntaxKind::Boolean(_)
            | SyntaxKind::Integer(_)
            | SyntaxKind::Double(_)
            | SyntaxKind::Text(_) => {}
        }
    }

    fn identifier(&self) -> Option<&str> {
        match &self.kind {
            SyntaxKind::Identifier(name) => Some(name),
            _ => None,
        }
    }
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Syntax, ExpressionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    if parser.peek() == &Content::End {
        return Err(ExpressionError::new("the expression is empty", (0, text.len())));
    }
    let syntax = parser.expression()?;
    match parser.peek() {
        Content::End => Ok(syntax),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &Content<'t> {
        self.tokens.get(self.at).map_or(&Content::End, |token| &token.content)
    }

    fn content_after(&self) -> &Content<'t> {
        self.tokens.get(self.at + 1).map_or(&Content::End, |token| &token.content)
    }

    fn range(&self) -> (usize, usize) {
        self.tokens.get(self.at).map_or((self.text.len(), self.text.len()), |token| token.range)
    }

    /// Returns where the token before this one ends.
    fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.range.1)
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Content::Symbol(found) if *found == symbol);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, symbol: &'static str, meaning: &str) -> Result<(), ExpressionError> {
        match self.take(symbol) {
            true => Ok(()),
            false => Err(self.unexpected(meaning)),
        }
    }

    fn unexpected(&self, expected: &str) -> ExpressionError {
        let range = self.range();
        let found = self.text.get(range.0..range.1).unwrap_or_default();
        if self.peek() == &Content::End {
            return ExpressionError::new(
                format!("the expression ends where {expected} should follow"),
                range,
            );
        }
        let shown = super::shortened(found);
        let error = ExpressionError::new(format!("found `{shown}` where {expected} should follow"), range);
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        match (self.peek(), before.map(|token| (&token.content, token.range))) {
            (Content::Word("and"), _) => error.help("write `&&`"),
            (Content::Word("or"), _) => error.help("write `||`"),
            (Content::Word("not"), _) => error.help("write `!`"),
            (Content::Word("is"), _) => error.help("write `==`"),
            (Content::Word("like"), _) => {
                error.help("write `Name.startsWith(\"…\")`, `contains` or `matches`")
            }
            (Content::Word("if" | "then" | "else"), _) => {
                error.help("a condition is written `test ? one : other`")
            }
            (Content::Word(_), Some((Content::Word(_), (start, end)))) => {
                // `Order ID`: a name with a blank.
                let blanks = self.text.get(end..range.0).unwrap_or_default();
                let name = self.text.get(start..range.1).unwrap_or_default();
                match blanks.chars().all(|character| character == ' ') {
                    true => error.help(format!("if this is one column, write `row[\"{name}\"]`")),
                    false => error,
                }
            }
            _ => error,
        }
    }

    fn make(&self, kind: SyntaxKind, range: (usize, usize), below: usize) -> Result<Syntax, ExpressionError> {
        match below < GREATEST_HEIGHT {
            true => Ok(Syntax { kind, range, height: below + 1 }),
            false => Err(too_deep(range)),
        }
    }

    fn expression(&mut self) -> Result<Syntax, ExpressionError> {
        if self.depth >= DEEPEST_NESTING {
            return Err(too_deep(self.range()));
        }
        self.depth += 1;
        let condition = self.binary()?;
        let syntax = if self.take("?") {
            let one = self.binary()?;
            self.expect(":", "`:` and the value for false")?;
            let other = self.expression()?;
            let range = (condition.range.0, other.range.1);
            let below = condition.height.max(one.height).max(other.height);
            self.make(SyntaxKind::Conditional(Box::new([condition, one, other])), range, below)?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(syntax)
    }

    /// Returns the operator that follows, with its precedence.
    fn operator(&self) -> Option<(&'static str, u8)> {
        let operator = match self.peek() {
            Content::Symbol(symbol) => *symbol,
            Content::Word("in") => "in",
            _ => return None,
        };
        let precedence = match operator {
            "||" => 0,
            "&&" => 1,
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => 2,
            "+" | "-" => 3,
            "*" | "/" | "%" => 4,
            _ => return None,
        };
        Some((operator, precedence))
    }

    /// Reads operands with operators between them. The operators that wait for their right side are in a
    /// list, and not on the stack, so that a level of brackets needs little of it.
    fn binary(&mut self) -> Result<Syntax, ExpressionError> {
        let mut left = self.unary()?;
        let mut waiting: Vec<(Syntax, &'static str, u8, (usize, usize))> = Vec::new();
        loop {
            let next = self.operator();
            let precedence = next.map(|(_, precedence)| precedence);
            while let Some((before, operator, _, range)) =
                waiting.pop_if(|(_, _, of, _)| Some(*of) >= precedence)
            {
                left = self.joined(operator, range, before, left)?;
            }
            let Some((operator, precedence)) = next else {
                return Ok(left);
            };
            waiting.push((left, operator, precedence, self.range()));
            self.advance();
            left = self.unary()?;
        }
    }

    fn joined(
        &self,
        operator: &'static str,
        operator_range: (usize, usize),
        left: Syntax,
        right: Syntax,
    ) -> Result<Syntax, ExpressionError> {
        let range = (left.range.0, right.range.1);
        let below = left.height.max(right.height);
        if !matches!(operator, "&&" | "||") {
            let sides = Box::new((left, right));
            return self.make(SyntaxKind::Binary { operator, operator_range, sides }, range, below);
        }
        // A long chain of `||` is one node, so that it is not high.
        let all = operator == "&&";
        match left {
            Syntax { kind: SyntaxKind::Logical { all: same, mut parts }, height, .. } if same == all => {
                let below = right.height.max(height.saturating_sub(1));
                parts.push(right);
                self.make(SyntaxKind::Logical { all, parts }, range, below)
            }
            left => self.make(SyntaxKind::Logical { all, parts: vec![left, right] }, range, below),
        }
    }

    fn unary(&mut self) -> Result<Syntax, ExpressionError> {
        let mut signs = Vec::new();
        loop {
            let start = self.range().0;
            match self.peek() {
                Content::Symbol(sign @ ("!" | "-")) => signs.push((*sign, start)),
                _ => break,
            }
            self.advance();
        }
        let mut syntax = match (signs.last().copied(), self.peek()) {
            // The least int has no positive counterpart.
            (Some(("-", start)), Content::Integer(value)) => {
                let value = 0_i64.checked_sub_unsigned(*value).unwrap_or(i64::MIN);
                signs.pop();
                self.advance();
                let number = self.make(SyntaxKind::Integer(value), (start, self.end()), 0)?;
                self.postfix(number)?
            }
            _ => {
                let primary = self.primary()?;
                self.postfix(primary)?
            }
        };
        while let Some((sign, start)) = signs.pop() {
            let (range, below) = ((start, syntax.range.1), syntax.height);
            let inner = Box::new(syntax);
            let kind = if sign == "!" { SyntaxKind::Not(inner) } else { SyntaxKind::Negative(inner) };
            syntax = self.make(kind, range, below)?;
        }
        Ok(syntax)
    }

    fn postfix(&mut self, mut syntax: Syntax) -> Result<Syntax, ExpressionError> {
        loop {
            let (start, below) = (syntax.range.0, syntax.height);
            if self.take(".") {
                let name_range = self.range();
                let name = match self.peek() {
                    Content::Word(word @ ("in" | "true" | "false" | "null")) => {
                        return Err(reserved(word, name_range));
                    }
                    Content::Word(word) => (*word).to_owned(),
                    _ => return Err(self.unexpected("a name")),
                };
                self.advance();
                if self.take("(") {
                    let arguments = self.elements(")", "`,` or `)`")?;
                    let below = arguments.iter().map(|argument| argument.height).fold(below, usize::max);
                    let receiver = Some(Box::new(syntax));
                    let kind = SyntaxKind::Call { receiver, name, name_range, arguments };
                    syntax = self.make(kind, (start, self.end()), below)?;
                } else {
                    let kind = SyntaxKind::Member { of: Box::new(syntax), name, name_range };
                    syntax = self.make(kind, (start, self.end()), below)?;
                }
            } else if self.take("[") {
                let index = self.expression()?;
                self.expect("]", "`]`")?;
                let below = below.max(index.height);
                let kind = SyntaxKind::Index { of: Box::new(syntax), index: Box::new(index) };
                syntax = self.make(kind, (start, self.end()), below)?;
            } else {
                return Ok(syntax);
            }
        }
    }

    fn primary(&mut self) -> Result<Syntax, ExpressionError> {
        let range = self.range();
        let kind = match self.peek().clone() {
            Content::Integer(value) => match i64::try_from(value) {
                Ok(value) => SyntaxKind::Integer(value),
                Err(_) => {
                    return Err(too_large(self.text.get(range.0..range.1).unwrap_or_default(), range));
                }
            },
            Content::Double(value) => SyntaxKind::Double(value),
            Content::Text(text) => SyntaxKind::Text(text),
            Content::Word("true") => SyntaxKind::Boolean(true),
            Content::Word("false") => SyntaxKind::Boolean(false),
            Content::Word("null") => SyntaxKind::Null,
            Content::Word("not") if matches!(self.content_after(), Content::Word(_)) => {
                return Err(ExpressionError::new("`not` is not an operator of CEL", range).help("write `!`"));
            }
            Content::Word(word) if RESERVED.contains(&word) => return Err(reserved(word, range)),
            Content::Word(word) => {
                self.advance();
                let name = word.to_owned();
                if !self.take("(") {
                    return self.make(SyntaxKind::Identifier(name), range, 0);
                }
                let arguments = self.elements(")", "`,` or `)`")?;
                let below = arguments.iter().map(|argument| argument.height).max().unwrap_or(0);
                let kind = SyntaxKind::Call { receiver: None, name, name_range: range, arguments };
                return self.make(kind, (range.0, self.end()), below);
            }
            Content::Symbol("(") => {
                self.advance();
                let mut inner = self.expression()?;
                self.expect(")", "an operator or `)`")?;
                // Messages about the part show its brackets as well.
                inner.range = (range.0, self.end());
                return Ok(inner);
            }
            Content::Symbol("[") => {
                self.advance();
                let elements = self.elements("]", "`,` or `]`")?;
                let below = elements.iter().map(|element| element.height).max().unwrap_or(0);
                return self.make(SyntaxKind::List(elements), (range.0, self.end()), below);
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        self.make(kind, range, 0)
    }

    /// Reads elements up to the end of a list of them. A comma may follow the last element of a list in
    /// brackets.
    fn elements(&mut self, end: &'static str, meaning: &str) -> Result<Vec<Syntax>, ExpressionError> {
        let mut elements = Vec::new();
        loop {
            if (elements.is_empty() || end == "]") && self.take(end) {
                return Ok(elements);
            }
            elements.push(self.expression()?);
            if self.take(end) {
                return Ok(elements);
            }
            self.expect(",", meaning)?;
        }
    }
}

fn too_deep(range: (usize, usize)) -> ExpressionError {
    ExpressionError::new("the expression is nested too deeply", range)
        .help("compute a part of it in a field of its own, and use that field")
}

fn reserved(word: &str, range: (usize, usize)) -> ExpressionError {
    let help = match word {
        "if" | "else" => {
            format!("a condition is written `test ? one : other`; a column of this name is `row[\"{word}\"]`")
        }
        _ => format!("write `row[\"{word}\"]` for a column, or `item[\"{word}\"]` for a field"),
    };
    ExpressionError::new(format!("`{word}` is a reserved word of CEL"), range).help(help)
}
