//! Escapes of JSON for one character in two halves, such as `\ud83d\ude00`: RFC 8259, section 7.
//!
//! `json.dumps` of Python writes them, and so does the deployer where it sends templates. YAML has `\U0001f600`
//! instead, and the parser refuses halves.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::offsets::Offsets;
use crate::diagnostic::{Source, Span};

/// Bytes of one escape, such as `\ud83d`.
const HALF: usize = 6;

/// Returns a source as the parser can read it, and the places of its characters; `None` if it is so already.
pub(super) fn joined(source: &Source) -> Option<(String, Offsets<'_>)> {
    let pairs = pairs(source);
    if pairs.is_empty() {
        return None;
    }
    let text = source.text.as_str();
    let mut out = String::with_capacity(text.len());
    let mut bytes = Vec::new();
    let mut copied = 0;
    for (at, letter) in pairs.into_iter().map(|(at, letter)| (at, Some(letter))).chain([(text.len(), None)]) {
        let between = text.get(copied..at).unwrap_or_default();
        out.push_str(between);
        bytes.extend(between.char_indices().map(|(index, _)| copied + index));
        copied = at;
        if let Some(letter) = letter {
            let escape = format!("\\U{:08x}", u32::from(letter));
            bytes.extend(std::iter::repeat_n(at, escape.len()));
            out.push_str(&escape);
            copied += 2 * HALF;
        }
    }
    bytes.push(text.len());
    Some((out, Offsets::of(bytes, source)))
}

/// Returns the place of each pair of halves, and the character that it is.
fn pairs(source: &Source) -> Vec<(usize, char)> {
    // Escapes have a meaning in double quotes only, and where these are is known to the parser alone. So it first reads the text
    // with each half as another character, which takes as many bytes.
    let mut other = source.text.clone().into_bytes();
    let halves: Vec<usize> =
        source.text.match_indices("\\u").map(|(at, _)| at).filter(|at| half(&other, *at).is_some()).collect();
    if halves.is_empty() {
        return Vec::new();
    }
    for at in halves {
        if let Some(digit) = other.get_mut(at + 2) {
            *digit = b'e';
        }
    }
    let other = String::from_utf8(other).unwrap_or_default();
    let offsets = Offsets::new(source);
    let mut out = Vec::new();
    for (event, marks) in Parser::new_from_str(&other).map_while(Result::ok) {
        if let Event::Scalar(_, ScalarStyle::DoubleQuoted, ..) = event {
            let (start, end) = (offsets.byte(marks.start.index()), offsets.byte(marks.end.index()));
            let raw = source.text.get(start..end).unwrap_or_default();
            let pairs = escapes(raw).filter_map(|(at, escape)| match escape {
                Escape::Pair(letter) => Some((start + at, letter)),
                Escape::Lone => None,
            });
            out.extend(pairs);
        }
    }
    out
}

/// Returns the place of the first half without its other half in a text in double quotes, which begins at `from`.
pub(super) fn lone(text: &str, from: usize) -> Option<Span> {
    let raw = text.get(from..).unwrap_or_default();
    let (at, _) = escapes(raw).find(|(_, escape)| matches!(escape, Escape::Lone))?;
    Some(Span { start: from + at, end: from + at + HALF })
}

/// One or two halves.
enum Escape {
    Pair(char),
    Lone,
}

/// Returns the halves in a text in double quotes, each with its place.
fn escapes(raw: &str) -> impl Iterator<Item = (usize, Escape)> + '_ {
    let bytes = raw.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(byte) = bytes.get(at) {
            let start = at;
            match (byte, half(bytes, at)) {
                (b'\\', Some(first)) => {
                    let pair = half(bytes, at + HALF)
                        .and_then(|second| char::decode_utf16([first, second]).next()?.ok());
                    at += if pair.is_some() { 2 * HALF } else { HALF };
                    return Some((start, pair.map_or(Escape::Lone, Escape::Pair)));
                }
                (b'\\', None) => at += 2,
                _ => at += 1,
            }
        }
        None
    })
}

/// Returns the half of a character whose escape begins at a byte.
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + HALF)?.strip_prefix(b"\\u")?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|one| one.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..0xe000).contains(unit))
}
