//! The checksums that S3 keeps of objects.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use http::HeaderMap;

/// A checksum that is computed while a body arrives, and its expected value.
pub(crate) struct Checksum {
    state: State,
    expected: Vec<u8>,
}

enum State {
    Crc(Box<crc_fast::Digest>, usize),
    Digest(digest::Context),
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Checksum")
    }
}

impl Checksum {
    /// Returns the checksum that the headers of an answer name, the fastest of several. One over the parts of an upload
    /// can't be compared with a body, and one that can't be read is none.
    pub(crate) fn of_answer(headers: &HeaderMap) -> Option<Self> {
        let crc = |algorithm, bytes| State::Crc(Box::new(crc_fast::Digest::new(algorithm)), bytes);
        let digest = |algorithm| State::Digest(digest::Context::new(algorithm));
        type Start<'a> = (&'static str, &'a dyn Fn() -> State);
        let known: [Start<'_>; 5] = [
            ("x-amz-checksum-crc64nvme", &|| crc(CrcAlgorithm::Crc64Nvme, 8)),
            ("x-amz-checksum-crc32c", &|| crc(CrcAlgorithm::Crc32Iscsi, 4)),
            ("x-amz-checksum-crc32", &|| crc(CrcAlgorithm::Crc32IsoHdlc, 4)),
            ("x-amz-checksum-sha1", &|| digest(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            ("x-amz-checksum-sha256", &|| digest(&digest::SHA256)),
        ];
        let (value, start) = known.into_iter().find_map(|(name, start)| Some((headers.get(name)?, start)))?;
        // `BASE64-3`: of three parts.
        let value = value.to_str().ok().filter(|value| !value.contains('-'))?;
        Some(Self { state: start(), expected: STANDARD.decode(value).ok()? })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(digest, _) => digest.update(bytes),
            State::Digest(context) => context.update(bytes),
        }
    }

    /// Returns whether the bytes so far are those that were expected.
    pub(crate) fn ends_as_expected(self) -> bool {
        match self.state {
            State::Crc(digest, bytes) => {
                let value = digest.finalize().to_be_bytes();
                value.get(value.len() - bytes..) == Some(self.expected.as_slice())
            }
            State::Digest(context) => context.finish().as_ref() == self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Option<Checksum> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Checksum::of_answer(&headers.collect())
    }

    #[test]
    fn each_kind_is_compared() {
        // The check values of the catalogue of CRCs, and of FIPS 180, for `123456789`.
        for (name, value) in [
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            let is_expected = |pieces: &[&[u8]]| {
                let mut checksum = of(&[(name, value)]).expect(name);
                pieces.iter().for_each(|piece| checksum.update(piece));
                checksum.ends_as_expected()
            };
            assert!(is_expected(&[b"123456789"]), "{name}");
            assert!(is_expected(&[b"1234", b"", b"56789"]), "{name}");
            assert!(!is_expected(&[b"123456780"]), "{name}");
            assert!(!is_expected(&[]), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        assert!(of(&[]).is_none());
        assert!(of(&[("x-amz-checksum-crc32", "y/Q5Jg==-2")]).is_none());
        assert!(of(&[("x-amz-checksum-crc32", "?")]).is_none());
        assert!(of(&[("x-amz-checksum-md5", "y/Q5Jg==")]).is_none());
    }
}
