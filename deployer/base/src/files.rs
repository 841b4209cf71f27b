//! Files that appear whole or not at all, and texts that people give.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Read, Write as _};
use std::path::Path;

use crate::error::{Error, Message, Result};

/// The most bytes of a text that people write. CloudFormation takes templates of 1 MB; this ends what has no end, such as a device.
const MAX_TEXT: u64 = 64 << 20;

/// Reads the bytes of a text that people write.
///
/// # Errors
/// If the file cannot be read, or has more than 64 MiB.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    read_from(File::open(path)?)
}

/// Reads the bytes of a text that people write from elsewhere, such as stdin.
///
/// # Errors
/// If it cannot be read, or has more than 64 MiB.
pub fn read_from(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    match u64::try_from(read).is_ok_and(|read| read <= MAX_TEXT) {
        true => Ok(bytes),
        false => Err(IoError::new(ErrorKind::FileTooLarge, "it has more than 64 MiB")),
    }
}

/// Returns such bytes as a text.
///
/// # Errors
/// Returns [`Error::Usage`] if they are not UTF-8.
pub fn utf_8(name: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::Usage(Message::new(format!("{name} is not UTF-8 (byte {at})")).hint("save it as UTF-8"))
    })
}

/// Writes a file under another name first, one that no other process uses, so that no process ever reads half of the
/// file.
///
/// # Errors
/// If the file cannot be written.
pub fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    write(path, content.as_ref()).map_err(|error| Error::io("write", path, &error))
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::metadata(folder)?;
    let mut builder = tempfile::Builder::new();
    // The permissions of a file that is written in place, less those that the umask takes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The error has the path of the temporary file, which means nothing to whoever named another one.
    let unwritable = |error: IoError| IoError::from(error.kind());
    let mut file = builder.prefix(".part-").tempfile_in(folder).map_err(unwritable)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let error = read_from(std::io::repeat(b'x')).expect_err("too much");
        assert_eq!(error.to_string(), "it has more than 64 MiB");
        assert_eq!(read_from(&b"name: shop"[..]).expect("read"), b"name: shop");
        let error = utf_8("a.yaml", vec![b'a', 0xff]).expect_err("no text");
        assert!(error.to_string().contains("a.yaml is not UTF-8 (byte 1)"), "{error}");
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        for text in ["first", "second"] {
            write_whole(&path, text).expect("written");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
        let error =
            write_whole(&folder.path().join("missing/a.json"), "x").expect_err("no folder").to_string();
        assert!(error.contains("missing/a.json") && !error.contains(".part-"), "{error}");
        assert!(write_whole(Path::new("/"), "x").is_err());
    }
}
