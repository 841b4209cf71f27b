//! Compressed text is decoded unchanged, in any pieces, and damage is always noticed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// Returns the text as a member of gzip.
pub fn gzip(text: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

/// Returns the text as a frame of zstd, with a checksum as the command `zstd` writes it.
pub fn zstd(text: &[u8], level: i32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).expect("a level");
    encoder.include_checksum(true).expect("a parameter");
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

/// Decodes chunks into pieces of text, and checks at every step that the buffers stay small.
pub fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), Fault>) {
    let mut decoder = Decoder::new();
    let mut pieces = Vec::new();
    let mut chunks = chunks.into_iter();
    loop {
        let chunk = chunks.next();
        match chunk {
            Some(chunk) => decoder.feed(chunk),
            None => decoder.end(),
        }
        loop {
            match decoder.fill() {
                Ok(true) => {
                    let piece = decoder.piece().to_vec();
                    assert!(
                        !piece.is_empty()
                            && piece.len() <= BUFFER.max(chunk.map_or(MAGIC, <[u8]>::len) + MAGIC)
                    );
                    decoder.consume(piece.len());
                    pieces.push(piece);
                }
                Ok(false) => break,
                Err(fault) => return (pieces, Err(fault)),
            }
        }
        if chunk.is_none() {
            assert!(matches!(decoder.fill(), Ok(false)), "text after the end");
            return (pieces, Ok(()));
        }
    }
}

/// Decodes what can be decoded, and returns its length.
fn drain(decoder: &mut Decoder) -> usize {
    let mut length = 0;
    while decoder.fill().expect("sound") {
        let count = decoder.piece().len();
        decoder.consume(count);
        length += count;
    }
    length
}

fn whole(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let (pieces, end) = decode([bytes]);
    end.map(|()| pieces.concat())
}

fn reason(bytes: &[u8]) -> String {
    let fault = whole(bytes).expect_err("damaged");
    assert_eq!(fault.reason, Reason::InvalidCompression);
    fault.message
}

const TEXT: &[u8] = b"id,name\n1,one\n2,two\n3,three and some more\n4,three and some more\n";

#[test]
fn plain_text_stays_as_it_is() {
    for text in [
        &b""[..],
        b"a",
        b"\x1f",
        b"\x1f\x8c\x08",
        b"\x28\xb5\x2f",
        b"\x28\xb5\x2f\xfe",
        b"P*M",
        b"P*M,",
        b"PK\x03\x04",
        b"\xef\xbb\xbfid",
        TEXT,
    ] {
        assert_eq!(whole(text).as_deref(), Ok(text), "{text:?}");
        assert_eq!(decode(text.chunks(1)).0.concat(), text, "{text:?}");
    }
}

#[test]
fn what_the_tools_write_is_read() {
    // `gzip`, with the name and time of the file; `zstd -19`; `pzstd`, whose first frame is skipped.
    let written: [&[u8]; 3] = [
        b"\x1f\x8b\x08\x08\x88\x24\x06\x6b\x00\x03\x74\x2e\x63\x73\x76\x00\xcb\x4c\xd1\xc9\x4b\xcc\x4d\xe5\
          \x32\xd4\xc9\xcf\x4b\xe5\x32\xd2\x29\x29\xcf\xe7\x32\xd6\x29\xc9\x28\x4a\x4d\x55\x48\xcc\x4b\x51\
          \x28\xce\xcf\x4d\x55\xc8\xcd\x2f\x4a\xe5\x32\xc1\x2a\x0a\x00\x55\x80\x10\x6c\x40\x00\x00\x00",
        b"\x28\xb5\x2f\xfd\x24\x40\x8d\x01\x00\xb2\x02\x0a\x11\xc0\xb7\x01\x00\xb4\x2b\xc9\xac\x0d\xaf\xd2\
          \x23\xa2\x0e\x3f\x5a\x60\xc3\x37\x9b\xf5\xdc\x53\xa8\x57\xbf\x21\xc8\x84\x37\x21\x0b\xbe\xae\x01\
          \x3f\x4f\x0d\x4b\x01\x00\xcb\x6f\x96\x01\xb4\x01\x31\xf9",
        b"\x50\x2a\x4d\x18\x04\x00\x00\x00\x40\x00\x00\x00\x28\xb5\x2f\xfd\x04\x58\x9d\x01\x00\xb4\x02\x69\
          \x64\x2c\x6e\x61\x6d\x65\x0a\x31\x2c\x6f\x6e\x65\x0a\x32\x2c\x74\x77\x6f\x0a\x33\x2c\x74\x68\x72\
          \x65\x65\x20\x61\x6e\x64\x20\x73\x6f\x6d\x65\x20\x6d\x6f\x72\x65\x0a\x34\x01\x00\xcb\x6f\x96\x01\
          \xb4\x01\x31\xf9",
    ];
    for bytes in written {
        assert_eq!(whole(bytes).as_deref(), Ok(TEXT));
        assert_eq!(decode(bytes.chunks(1)).0.concat(), TEXT);
    }
}

#[test]
fn empty_members_and_frames_are_no_end() {
    for (empty, full) in [(gzip(b"", 6), gzip(TEXT, 6)), (zstd(b"", 3), zstd(TEXT, 3))] {
        assert_eq!(whole(&empty).as_deref(), Ok(&b""[..]));
        assert_eq!(
            whole(&[&empty[..], &full, &empty, &empty, &full, &empty].concat()),
            Ok([TEXT, TEXT].concat())
        );
    }
}

#[test]
fn a_skipped_frame_may_be_the_first() {
    let skipped = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc";
    assert_eq!(whole(&[&skipped[..], &zstd(TEXT, 1), skipped].concat()).as_deref(), Ok(TEXT));
    assert!(reason(&skipped[..9]).contains("ends before it is complete"));
}

#[test]
fn zeros_behind_gzip_are_filling_and_anything_else_is_damage() {
    let member = gzip(TEXT, 6);
    let filled = [&member[..], &[0; 700], &member, &[0; 3]].concat();
    assert_eq!(whole(&filled), Ok([TEXT, TEXT].concat()));
    assert_eq!(decode(filled.chunks(1)).0.concat(), [TEXT, TEXT].concat());
    assert!(reason(&[&member[..], b"x"].concat()).contains(&format!("after {} bytes of text", TEXT.len())));
    assert!(reason(&[&member[..], &[0; 5], b"1,2\n"].concat()).contains("the data that follows is not gzip"));
    assert!(reason(&[&member[..], &[0; 5], b"\x1f"].concat()).contains("ends before it is complete"));
    let frame = zstd(TEXT, 3);
    assert!(reason(&[&frame[..], &[0; 8]].concat()).contains("Unknown frame descriptor"));
    reason(&[&frame[..], &member].concat());
    reason(&[&member[..], &frame].concat());
}

#[test]
fn an_end_that_comes_too_early_is_a_fault_at_every_byte() {
    for (bytes, magic) in [(gzip(TEXT, 6), GZIP.len()), (zstd(TEXT, 3), ZSTD.len())] {
        for end in magic..bytes.len() {
            let (pieces, result) = decode(bytes[..end].chunks(5));
            let fault = result.expect_err("cut");
            assert_eq!(fault.reason, Reason::InvalidCompression, "{end}");
            assert!(
                fault.message.contains("the object ends before it is complete"),
                "{end}: {}",
                fault.message
            );
            assert!(TEXT.starts_with(&pieces.concat()), "{end}");
        }
    }
}

#[test]
fn a_bit_that_is_wrong_is_a_fault_or_changes_nothing() {
    for bytes in [gzip(TEXT, 6), zstd(TEXT, 3)] {
        let mut faults = 0;
        // Without its first bytes, it would be another format.
        for bit in MAGIC * 8..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            match whole(&wrong) {
                // The time, the system that wrote it, a larger window.
                Ok(text) => assert_eq!(text, TEXT, "bit {bit}"),
                Err(fault) => {
                    assert_eq!(fault.reason, Reason::InvalidCompression);
                    faults += 1;
                }
            }
        }
        assert!(faults > bytes.len() * 6, "{faults} of {} bytes", bytes.len());
    }
}

#[test]
fn a_window_larger_than_the_bound_is_refused() {
    // No content size, no checksum; windows of 2^27 and 2^28 bytes (RFC 8878, section 3.1.1.1.2); an empty last block.
    let frame = |exponent: u8| [ZSTD, &[0, exponent << 3, 1, 0, 0]].concat();
    assert_eq!(whole(&frame(27 - 10)).as_deref(), Ok(&b""[..]));
    assert!(reason(&frame(28 - 10)).contains("too much memory"));
}

#[test]
fn a_bomb_takes_no_memory() {
    const PIECE: &[u8] = &[b'x'; 1 << 20];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("a level");
    for _ in 0..48 {
        gzip.write_all(PIECE).expect("in memory");
        zstd.write_all(PIECE).expect("in memory");
    }
    for bytes in [gzip.finish().expect("in memory"), zstd.finish().expect("in memory")] {
        assert!(bytes.len() < 100_000);
        let (mut decoder, mut length) = (Decoder::new(), 0);
        for chunk in bytes.chunks(BUFFER) {
            decoder.feed(chunk);
            length += drain(&mut decoder);
            assert!(decoder.buffered() <= 4 * BUFFER, "{} bytes buffered", decoder.buffered());
        }
        decoder.end();
        length += drain(&mut decoder);
        assert_eq!(length, 48 * PIECE.len());
    }
}

/// Returns texts that repeat themselves, so that windows are used, and are longer than a piece now and then.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..300),
        4 => ("[a-e,\n]{1,40}", 1..400usize).prop_map(|(line, times)| line.repeat(times).into_bytes()),
        1 => (any::<u8>(), BUFFER - 2..2 * BUFFER + 2).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back(
        texts in proptest::collection::vec(text(), 1..5),
        as_gzip in any::<bool>(),
        level in 0..9u32,
        size in prop_oneof![1..20usize, 20..5000usize],
    ) {
        let part = |text: &Vec<u8>| match as_gzip {
            true => gzip(text, level),
            false => zstd(text, 1 + i32::try_from(level).unwrap_or(0)),
        };
        let bytes: Vec<u8> = texts.iter().flat_map(part).collect();
        let (pieces, end) = decode(bytes.chunks(size));
        prop_assert_eq!(end, Ok(()));
        prop_assert!(pieces.concat() == texts.concat());
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        magic in proptest::sample::select(vec![&b""[..], b"\x1f\x8b\x08\x00", ZSTD, b"\x28\xb5\x2f\xfd\x24\x10", b"\x50\x2a\x4d\x18"]),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        size in 1..50usize,
    ) {
        let bytes = [magic, &bytes].concat();
        let chunked = decode(bytes.chunks(size));
        let at_once = decode([&bytes[..]]);
        prop_assert_eq!(chunked.1.is_ok(), at_once.1.is_ok());
        // The amount of text that is returned before a fault depends on the ends of the pieces.
        prop_assert!(chunked.1.is_err() || chunked.0.concat() == at_once.0.concat());
    }
}
