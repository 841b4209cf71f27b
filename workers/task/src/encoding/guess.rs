//! The encoding of bytes that are not ASCII, for `auto`.
//!
//! A detector can't tell the encoding of a few signs: `10 µm` in windows-1252 is a Chinese character in Big5. So it
//! only chooses among the encodings of one language, and without a language it is only believed when it objects.

use std::collections::BTreeSet;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use contract::encoding::{Form, Language};
use contract::settings::Fallback;
use contract::{Encoding, Reason};

use crate::reader::Fault;

/// The number of different signs from which on the detector is believed.
const ENOUGH: usize = 3;

/// Returns whether an encoding of the fallback changes its characters by escapes in ASCII.
pub(super) fn escapes(fallback: Option<Fallback>) -> bool {
    match fallback {
        Some(Fallback::Language(language)) => language.code() == "ja",
        Some(Fallback::Encoding(encoding)) => encoding.name() == "iso-2022-jp",
        None => false,
    }
}

/// Returns the encoding of a text by its bytes from the first one on that is not ASCII; `whole`: up to its end. `None`
/// if they say nothing, being ASCII.
///
/// # Errors
/// A [`Fault`] if the bytes are neither UTF-8 nor look like windows-1252, and no fallback is given.
pub(super) fn encoding(
    bytes: &[u8],
    whole: bool,
    fallback: Option<Fallback>,
) -> Result<Option<Encoding>, Fault> {
    let escaped = bytes.first().is_some_and(u8::is_ascii);
    if !escaped && is_utf_8(bytes, whole) {
        return Ok(Some(Encoding::UTF_8));
    }
    let language = match fallback {
        Some(Fallback::Encoding(encoding)) => return Ok(Some(encoding)),
        Some(Fallback::Language(language)) => Some(language),
        None => None,
    };
    let guess = detect(bytes, whole, language);
    let Some(language) = language else {
        return match guess.filter(|guess| *guess != Encoding::WINDOWS_1252) {
            Some(guess) if has_enough_signs(bytes, guess) => Err(Fault::new(
                Reason::WrongEncoding,
                format!(
                    "the file is not UTF-8, and looks like {guess}: write `encoding: {}`, or `encoding: windows-1252` \
                     if it is that",
                    guess.name()
                ),
            )),
            _ => Ok(Some(Encoding::WINDOWS_1252)),
        };
    };
    if escaped {
        return Ok(guess.filter(|guess| guess.name() == "iso-2022-jp"));
    }
    let mut encodings = language.encodings();
    let first = encodings.next();
    let other = guess.filter(|guess| encodings.any(|encoding| encoding == *guess));
    let believed = |guess: &Encoding| {
        has_enough_signs(bytes, *guess) || first.is_none_or(|first| decode(bytes, first).is_none())
    };
    Ok(other.filter(believed).or(first).or(Some(Encoding::WINDOWS_1252)))
}

fn is_utf_8(bytes: &[u8], whole: bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && !whole,
    }
}

fn detect(bytes: &[u8], whole: bool, language: Option<Language>) -> Option<Encoding> {
    let japanese = language.is_some_and(|language| language.code() == "ja");
    let mut detector = EncodingDetector::new(match japanese {
        true => Iso2022JpDetection::Allow,
        false => Iso2022JpDetection::Deny,
    });
    detector.feed(bytes, whole);
    let domain = language.map(|language| language.domain().as_bytes());
    Encoding::of(detector.guess(domain, Utf8Detection::Deny))
}

/// Returns whether the text has enough different letters for a guess. Half-width katakana are no letters here: what is
/// Western text with signs such as `½` and `°` is made of them in Shift_JIS.
pub(super) fn has_enough_signs(bytes: &[u8], encoding: Encoding) -> bool {
    let letter = |character: &char| {
        !character.is_ascii() && character.is_alphabetic() && !matches!(*character, '\u{ff61}'..='\u{ff9f}')
    };
    let Some(text) = decode(bytes, encoding) else { return false };
    text.chars().filter(letter).collect::<BTreeSet<_>>().len() >= ENOUGH
}

/// Returns the text in this encoding, without a character that is cut off at its end; `None` if it has bytes that are
/// not text.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Option<String> {
    if let (Form::SingleByte, Some(table)) = (encoding.form(), encoding.table()) {
        let mut text = String::new();
        return table.decode(bytes, &mut text).then_some(text);
    }
    let mut decoder = encoding.decoder();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    let (result, _) = decoder.decode_to_string_without_replacement(bytes, &mut text, false);
    matches!(result, encoding_rs::DecoderResult::InputEmpty).then_some(text)
}
