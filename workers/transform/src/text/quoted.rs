//! Texts in quotes, with escapes.

use std::borrow::Cow;

/// The escapes that a text in quotes may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Those of JSON (RFC 8259, section 7), and no control characters without one.
    Json,
    /// Those of JSON and of Python (`\x41`, `\'`).
    Python,
    /// A backslash before any character, which is that character, as PostgreSQL writes arrays.
    Any,
}

/// The cause for which a text in quotes can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no closing quote, an unknown escape, or a control character.
    Syntax,
    /// An escape of half of a character: a surrogate without its other half.
    HalfCharacter,
}

/// Reads a text that begins after its opening quote, and returns it with the text after its closing quote. It is
/// borrowed if there is no escape in it. An error has the text from which on it can't be read.
pub(super) fn read(text: &str, quote: char, escapes: Escapes) -> Result<(Cow<'_, str>, &str), (Fault, &str)> {
    let stop = |character: char| {
        character == quote || character == '\\' || (escapes == Escapes::Json && character < ' ')
    };
    let mut found: Cow<'_, str> = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let syntax = (Fault::Syntax, rest);
        let at = rest.find(stop).ok_or(syntax)?;
        let (plain, behind) = rest.split_at_checked(at).ok_or(syntax)?;
        if found.is_empty() {
            found = Cow::Borrowed(plain);
        } else {
            found.to_mut().push_str(plain);
        }
        if let Some(end) = behind.strip_prefix(quote) {
            return Ok((found, end));
        }
        let escape = behind.strip_prefix('\\').ok_or((Fault::Syntax, behind))?;
        let (character, behind) = unescape(escape, escapes).map_err(|fault| (fault, behind))?;
        found.to_mut().push(character);
        rest = behind;
    }
}

/// Reads an escape after its backslash.
fn unescape(text: &str, escapes: Escapes) -> Result<(char, &str), Fault> {
    let mut characters = text.chars();
    let letter = characters.next().ok_or(Fault::Syntax)?;
    let rest = characters.as_str();
    if escapes == Escapes::Any {
        return Ok((letter, rest));
    }
    let python = escapes == Escapes::Python;
    Ok(match letter {
        '"' | '\\' | '/' => (letter, rest),
        'b' => ('\u{8}', rest),
        'f' => ('\u{c}', rest),
        'n' => ('\n', rest),
        'r' => ('\r', rest),
        't' => ('\t', rest),
        'u' => {
            let (first, rest) = hexadecimal(rest, 4)?;
            if !(0xd800..0xe000).contains(&first) {
                return Ok((char::from_u32(first).ok_or(Fault::Syntax)?, rest));
            }
            // RFC 8259, section 7: a character beyond U+FFFF is two escapes, the halves of UTF-16.
            let second = rest.strip_prefix("\\u").ok_or(Fault::HalfCharacter)?;
            let (second, rest) = hexadecimal(second, 4)?;
            if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
                return Err(Fault::HalfCharacter);
            }
            let character = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(character).ok_or(Fault::Syntax)?, rest)
        }
        '\'' if python => (letter, rest),
        'x' | 'U' if python => {
            let (code, rest) = hexadecimal(rest, if letter == 'x' { 2 } else { 8 })?;
            (char::from_u32(code).ok_or(Fault::HalfCharacter)?, rest)
        }
        _ => return Err(Fault::Syntax),
    })
}

fn hexadecimal(text: &str, length: usize) -> Result<(u32, &str), Fault> {
    let (digits, rest) = text.split_at_checked(length).ok_or(Fault::Syntax)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::Syntax);
    }
    Ok((u32::from_str_radix(digits, 16).map_err(|_| Fault::Syntax)?, rest))
}
