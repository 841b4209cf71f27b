//! Functions of texts. Positions in texts count characters (code points), as in CEL.

use std::borrow::Cow;

use super::fault::Fault;

/// The longest text that an expression may make, in bytes: DynamoDB's limit of an item
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub(super) const LONGEST_TEXT: usize = 400 * 1024;

/// Returns a length, unless a text of it would be too long.
pub(super) const fn bounded(length: usize) -> Result<usize, Fault> {
    if length > LONGEST_TEXT { Err(Fault::TextTooLong) } else { Ok(length) }
}

/// Returns two texts as one.
pub(super) fn concatenated<'r>(one: Cow<'r, str>, other: Cow<'r, str>) -> Result<Cow<'r, str>, Fault> {
    let length = bounded(one.len().saturating_add(other.len()))?;
    if other.is_empty() {
        return Ok(one);
    }
    if one.is_empty() {
        return Ok(other);
    }
    let mut text = match one {
        Cow::Owned(text) => text,
        Cow::Borrowed(text) => {
            let mut owned = String::with_capacity(length);
            owned.push_str(text);
            owned
        }
    };
    text.push_str(&other);
    Ok(Cow::Owned(text))
}

/// Returns the part of a text that `pick` returns, without a copy if the text is borrowed.
fn part<'r>(text: Cow<'r, str>, pick: impl Fn(&str) -> &str) -> Cow<'r, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(pick(text)),
        Cow::Owned(text) if pick(&text).len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(pick(&text).to_owned()),
    }
}

/// Returns the text without white space at both ends.
pub(super) fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    part(text, str::trim)
}

/// Returns the byte at which a character begins, or at which the text ends if the position is its length.
fn byte_of(text: &str, position: i64) -> Result<usize, Fault> {
    let position = usize::try_from(position).map_err(|_| Fault::PositionOutOfRange)?;
    let bytes = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
    bytes.take(position.saturating_add(1)).enumerate().last().map_or(
        Err(Fault::PositionOutOfRange),
        |(last, byte)| {
            if last == position { Ok(byte) } else { Err(Fault::PositionOutOfRange) }
        },
    )
}

/// Returns the characters from `start` up to `end`, which is not among them.
pub(super) fn substring(text: Cow<'_, str>, start: i64, end: Option<i64>) -> Result<Cow<'_, str>, Fault> {
    let from = byte_of(&text, start)?;
    let to = end.map_or(Ok(text.len()), |end| byte_of(&text, end))?;
    if to < from {
        return Err(Fault::PositionOutOfRange);
    }
    Ok(part(text, |text| text.get(from..to).unwrap_or_default()))
}

/// Returns the position of the first occurrence at or after `start`, or -1.
pub(super) fn index_of(text: &str, sought: &str, start: i64) -> Result<i64, Fault> {
    let from = byte_of(text, start)?;
    let Some(found) = text.get(from..).unwrap_or_default().find(sought) else {
        return Ok(-1);
    };
    Ok(size(text.get(..from + found).unwrap_or_default()))
}

/// Returns the number of characters.
pub(super) fn size(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// Returns the text with all occurrences replaced.
pub(super) fn replaced<'r>(text: Cow<'r, str>, old: &str, new: &str) -> Result<Cow<'r, str>, Fault> {
    let count = text.matches(old).count();
    if count == 0 {
        return Ok(text);
    }
    bounded((text.len() - count * old.len()).saturating_add(count.saturating_mul(new.len())))?;
    Ok(Cow::Owned(text.replace(old, new)))
}

/// Returns the text with the letters A to Z in lower case.
pub(super) fn lowered(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => text,
    }
}

/// Returns the text with the letters a to z in upper case.
pub(super) fn raised(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        true => Cow::Owned(text.to_ascii_uppercase()),
        false => text,
    }
}

/// Returns the parts of a text between separators; its characters if the separator is empty.
pub(super) fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    match separator {
        "" => text
            .char_indices()
            .filter_map(|(start, character)| text.get(start..start + character.len_utf8()))
            .collect(),
        separator => text.split(separator).collect(),
    }
}
