//! One value: plain text ⇄ `enc:v1:…`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The prefix of a sealed value.
const PREFIX: &str = "enc:v1:";

/// The place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Digest of the object.
    pub object: &'a str,
    /// ID of the row.
    pub record: &'a str,
    /// Name of the column, as the settings of `transform` write it.
    pub column: &'a str,
}

impl Place<'_> {
    /// Returns the additional data with which a value is authenticated: each part after its length, eight bytes, big
    /// endian.
    fn aad(self) -> Aad<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in [self.object, self.record, self.column] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        Aad::from(bytes)
    }
}

/// Returns whether a text has the form of a sealed value.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Returns a sealed value with everything that opening it needs besides the KMS key and the column's name:
/// `enc:v1:<data key>:<object>:<record>:<Base64 of nonce, ciphertext and tag>`. `None` when a part does not have its
/// form.
#[must_use]
pub fn self_contained(data_key: &str, place: Place<'_>, sealed: &str) -> Option<String> {
    let content = sealed.strip_prefix(PREFIX)?;
    let bytes = STANDARD.decode(content).ok()?;
    STANDARD.decode(data_key).ok().filter(|key| !key.is_empty())?;
    let Place { object, record, .. } = place;
    (bytes.len() >= NONCE_LEN + AES_256_GCM.tag_len())
        .then(|| format!("{PREFIX}{data_key}:{object}:{record}:{content}"))
}

/// A cipher with one data key.
#[derive(Debug)]
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    /// Creates the cipher with this key of 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Unspecified> {
        Ok(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?)))
    }

    /// Seals `value` with a random nonce.
    pub(crate) fn seal(&self, place: Place<'_>, value: &str) -> Result<String, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        self.seal_with(nonce, place, value)
    }

    fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        place: Place<'_>,
        value: &str,
    ) -> Result<String, Unspecified> {
        // Encrypted in place: no copy of the value remains.
        let mut text = value.as_bytes().to_vec();
        let tag =
            self.0.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), place.aad(), &mut text)?;
        let bytes = [&nonce[..], &text, tag.as_ref()].concat();
        Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// Opens a value that was sealed with the same key at the same place; returns `None` for anything else.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &str) -> Option<Zeroizing<String>> {
        let mut bytes = STANDARD.decode(sealed.strip_prefix(PREFIX)?).ok()?;
        let (nonce, text) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = Zeroizing::new(self.0.open_in_place(nonce, place.aad(), text).ok()?.to_vec());
        let value = std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()));
        zeroize::Zeroize::zeroize(&mut bytes);
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place { object: "object", record: "record", column: "column" };

    fn cipher(first: u8) -> Cipher {
        let key: Vec<u8> = (first..first + 32).collect();
        Cipher::new(&key).expect("32 bytes")
    }

    /// Made with OpenSSL's EVP interface.
    #[test]
    fn another_implementation_seals_the_same() {
        let nonce: [u8; NONCE_LEN] = std::array::from_fn(|index| u8::try_from(index).expect("small"));
        let known = "enc:v1:AAECAwQFBgcICQoLNGe1aaCR8H2yul6mO+xNEIr0izCTdA==";
        assert_eq!(cipher(0).seal_with(nonce, PLACE, "secret").expect("sealed"), known);
        assert_eq!(cipher(0).open(PLACE, known).expect("opened").as_str(), "secret");
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let seal = || cipher(0).seal(PLACE, "x").expect("sealed");
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_has_32_bytes() {
        assert!(Cipher::new(&[0; 16]).is_err());
    }

    #[test]
    fn a_stored_value_names_its_key_and_place() {
        let sealed = cipher(0).seal(PLACE, "x").expect("sealed");
        let content = &sealed[PREFIX.len()..];
        let stored = format!("enc:v1:a2V5:object:record:{content}");
        assert_eq!(self_contained("a2V5", PLACE, &sealed), Some(stored));
        for (key, value) in [
            ("a2V5", "secret"),
            ("a2V5", "enc:v1:secret"),
            ("a2V5", "enc:v1:AAAA"),
            ("a:b", &*sealed),
            ("", &*sealed),
        ] {
            assert_eq!(self_contained(key, PLACE, value), None, "{key} {value}");
        }
    }

    proptest! {
        #[test]
        fn a_value_comes_back_at_its_place_alone(value in any::<String>(), object in "[ab]{0,2}", record in "[ab]{0,2}", column in "[ab]{0,2}") {
            let place = Place { object: &object, record: &record, column: &column };
            let sealed = cipher(0).seal(place, &value).expect("sealed");
            prop_assert!(is_sealed(&sealed));
            let opened = cipher(0).open(place, &sealed).expect("opened");
            prop_assert_eq!(opened.as_str(), value.as_str());
            prop_assert!(cipher(1).open(place, &sealed).is_none());
            // Parts that move from one field into the next are another place, too.
            let moved = format!("{record}{column}");
            for other in [
                Place { object: "c", ..place },
                Place { record: "c", ..place },
                Place { column: "c", ..place },
                Place { record: &moved, column: "", ..place },
            ] {
                prop_assert!(other == place || cipher(0).open(other, &sealed).is_none());
            }
        }

        #[test]
        fn any_flipped_bit_is_noticed(value in ".{0,20}", at in any::<proptest::sample::Index>(), bit in 0..8u32) {
            let sealed = cipher(0).seal(PLACE, &value).expect("sealed");
            let mut bytes = STANDARD.decode(&sealed[PREFIX.len()..]).expect("Base64");
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let changed = format!("{PREFIX}{}", STANDARD.encode(bytes));
            prop_assert!(cipher(0).open(PLACE, &changed).is_none());
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "(enc:v1:)?.{0,40}") {
            prop_assert!(cipher(0).open(PLACE, &text).is_none());
        }
    }
}
