//! A binary as Lambda wants it: a zip with the program `bootstrap`. The same program gives the same zip.

use std::io::{Cursor, Write as _};
use std::ops::Range;
use std::path::Path;

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::{Content, Error};

/// Name of the program that the runtime `provided.al2023` starts.
const ENTRY: &str = "bootstrap";
/// Permissions: readable for all, which Lambda needs, and executable.
const MODE: u32 = 0o755;
/// Level of compression; fixed, so that zips do not change with the library's default.
const LEVEL: i64 = 6;

/// The same where a zip is sent to this machine, and a person waits for it.
const QUICK_LEVEL: i64 = 1;

/// Name of the method by which zips are created; to be changed with it.
pub const METHOD: &str = "zip 1";
/// The same for [`pack_quickly`].
pub const QUICK_METHOD: &str = "zip 1 quick";

/// Largest zip that Lambda takes: unpacked, 250 MB. AWS Lambda Developer Guide, "Lambda quotas".
const MAX_UNPACKED: u64 = 250 * 1024 * 1024;

/// Reads an existing zip.
///
/// # Errors
/// If there is no such file, if it is not a zip that can be read, or if Lambda would not take it.
pub fn read(path: &Path) -> Result<Content, Error> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(format!("there is no file {}", path.display()))
            .hint("`code.zip` of a function names this file, relative to the stack file: build it first"),
        _ => Error::io("read", path, &error),
    })?;
    let wrong = |what: String| {
        Error::new(format!("{} {what}", path.display()))
            .hint("Lambda takes a zip with the code, at most 250 MB unpacked")
    };
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes.as_slice()))
        .map_err(|error| wrong(format!("is not a zip: {error}")))?;
    if archive.is_empty() {
        return Err(wrong("is an empty zip".to_owned()));
    }
    let mut unpacked: u64 = 0;
    for index in 0..archive.len() {
        let entry =
            archive.by_index_raw(index).map_err(|error| wrong(format!("can't be read as a zip: {error}")))?;
        unpacked = unpacked.saturating_add(entry.size());
    }
    if unpacked > MAX_UNPACKED {
        return Err(wrong(format!("has {unpacked} bytes unpacked")));
    }
    drop(archive);
    Ok(Content::new(bytes))
}

/// A compressed program inside a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Place of its bytes in the zip, in the form of DEFLATE (RFC 1951).
    pub range: Range<usize>,
    /// CRC-32 of the program.
    pub crc32: u32,
    /// Number of bytes of the program.
    pub size: u64,
}

/// Finds the compressed program in the zip that [`pack`] made of it.
///
/// # Errors
/// If the bytes are not such a zip.
pub fn stream(zip: &[u8]) -> Result<Stream, Error> {
    let wrong = |what: String| Error::new(format!("the packed functions are damaged: {what}"));
    let mut archive = ::zip::ZipArchive::new(Cursor::new(zip)).map_err(|error| wrong(error.to_string()))?;
    let index = archive.index_for_name(ENTRY).ok_or_else(|| wrong(format!("no `{ENTRY}`")))?;
    let entry = archive.by_index_raw(index).map_err(|error| wrong(error.to_string()))?;
    if entry.compression() != CompressionMethod::Deflated {
        return Err(wrong(format!("`{ENTRY}` is not deflated")));
    }
    let place = |number: u64| usize::try_from(number).map_err(|error| wrong(error.to_string()));
    let start = place(entry.data_start().ok_or_else(|| wrong(format!("no place of `{ENTRY}`")))?)?;
    let range = start..start.saturating_add(place(entry.compressed_size())?);
    match zip.get(range.clone()) {
        Some(_) => Ok(Stream { range, crc32: entry.crc32(), size: entry.size() }),
        None => Err(wrong(format!("`{ENTRY}` ends outside of the zip"))),
    }
}

/// Packs a program. No property of its file, such as the time stamp, has an influence.
///
/// # Errors
/// If the zip library refuses, which it does for programs of 4 GiB and more.
pub fn pack(binary: &[u8]) -> Result<Vec<u8>, Error> {
    pack_at(binary, LEVEL)
}

/// Packs a program as [`pack`] does, in a fraction of the time, as a zip that is larger.
///
/// # Errors
/// If the zip library refuses.
pub fn pack_quickly(binary: &[u8]) -> Result<Vec<u8>, Error> {
    pack_at(binary, QUICK_LEVEL)
}

fn pack_at(binary: &[u8], level: i64) -> Result<Vec<u8>, Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        // 1980-01-01, the first day that the format has.
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(MODE);
    let packed = (|| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(binary.len() / 2)));
        writer.start_file(ENTRY, options)?;
        writer.write_all(binary)?;
        writer.finish()
    })();
    let packed = packed.map_err(|error| Error::new(format!("could not pack a program as a zip: {error}")))?;
    Ok(packed.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_same_binary_gives_the_same_zip() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(ENTRY);
        std::fs::write(&path, b"program".repeat(1000)).expect("written");
        let first = pack(&std::fs::read(&path).expect("read")).expect("packed");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
        let file = std::fs::File::options().append(true).open(&path).expect("opened");
        file.set_modified(later).expect("time set");
        let second = pack(&std::fs::read(&path).expect("read")).expect("packed");
        assert_eq!(first, second);
        // The digest names published code: a change here uploads every worker again.
        let digest = crate::sha256_hex(&first);
        assert_eq!(digest, "5ae7e7a50f858e5e9ca4ba5c5a9f61afbf1bcfe7c46a0fac00290c9aae4d3585");
    }

    #[test]
    fn a_quick_zip_holds_the_same() {
        let binary: Vec<u8> =
            (0..100_000_u32).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        let [small, quick] = [pack, pack_quickly].map(|pack| pack(&binary).expect("packed"));
        assert!(small.len() < quick.len(), "{} {}", small.len(), quick.len());
        for zip in [small, quick] {
            let mut archive = ::zip::ZipArchive::new(Cursor::new(zip)).expect("a zip");
            let mut out = Vec::new();
            let mut entry = archive.by_name(ENTRY).expect("the program");
            std::io::Read::read_to_end(&mut entry, &mut out).expect("unpacked");
            assert!(out == binary);
        }
    }

    #[test]
    fn a_zip_is_taken_as_it_is_and_anything_else_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.zip");
        let message = |path: &Path| read(path).expect_err("refused").message;
        assert!(message(&path).contains("there is no file"));
        std::fs::write(&path, b"PK no zip").expect("written");
        assert!(message(&path).contains("is not a zip"));
        let zip = pack(b"program").expect("packed");
        std::fs::write(&path, &zip).expect("written");
        assert_eq!(read(&path).expect("a zip").bytes().expect("bytes"), zip);
        let empty = ZipWriter::new(Cursor::new(Vec::new())).finish().expect("a zip").into_inner();
        std::fs::write(&path, empty).expect("written");
        assert!(message(&path).contains("empty"));
    }

    #[test]
    fn lambda_finds_an_executable_bootstrap() {
        let packed = pack(b"program").expect("packed");
        let mut archive = ::zip::ZipArchive::new(Cursor::new(packed)).expect("a zip");
        assert_eq!(archive.len(), 1);
        let mut entry = archive.by_name(ENTRY).expect("the entry");
        assert_eq!(entry.unix_mode().map(|mode| mode & 0o777), Some(MODE));
        assert_eq!(
            entry.last_modified().map(|time| (time.year(), time.month(), time.day())),
            Some((1980, 1, 1))
        );
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("read");
        assert_eq!(text, b"program");
    }
}
