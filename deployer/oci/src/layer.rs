//! Unpacks the layers of an image, without trust in the paths that they contain.

use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType};

/// The compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    None,
    /// gzip.
    Gzip,
}

impl Compression {
    /// Returns the compression by the media type of OCI or Docker; `None` for one that is not supported.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Self::Gzip),
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Some(Self::None),
            _ => None,
        }
    }
}

/// The reason why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// An entry that would be outside of the image.
    #[error("the entry `{0}` is outside of the image")]
    Escapes(String),
    /// An error of the archive or the disk.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Unpacks one layer over those before it; returns the SHA-256 of the uncompressed archive, in hex.
///
/// # Errors
/// [`LayerError`]; files may have been written by then, all of them under `root`.
pub fn unpack(root: &Path, compressed: impl Read, compression: Compression) -> Result<String, LayerError> {
    match compression {
        Compression::None => unpack_tar(root, compressed),
        Compression::Gzip => unpack_tar(root, flate2::read::MultiGzDecoder::new(compressed)),
    }
}

fn unpack_tar(root: &Path, tar: impl Read) -> Result<String, LayerError> {
    let root = root.canonicalize()?;
    let mut hashed = Hashed { inner: tar, hash: Sha256::new() };
    let mut archive = Archive::new(&mut hashed);
    archive.set_overwrite(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let escapes = || LayerError::Escapes(shown.clone());
        let path = inner_path(&entry.path()?).ok_or_else(escapes)?;
        if leads_out(&root, &path)? {
            return Err(escapes());
        }
        if let Some(hidden) = hidden_by(&path) {
            hide(&root, &path, &hidden.ok_or_else(escapes)?)?;
            continue;
        }
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            EntryType::Symlink | EntryType::Directory => {}
            EntryType::Link => {
                let target = entry.link_name()?.and_then(|target| inner_path(&target)).ok_or_else(escapes)?;
                if leads_out(&root, &target)? {
                    return Err(escapes());
                }
                link(&root, &target, &path)?;
                continue;
            }
            // Devices and pipes need rights that the local cloud does not have; no worker needs them.
            _ => continue,
        }
        if !make_way(&root, &path, kind == EntryType::Directory)? {
            continue;
        }
        // The crate checks once more that nothing is written through a link that leads out.
        if !entry.unpack_in(&root)? {
            return Err(escapes());
        }
        // Folders that their owner may not write to could neither be filled by the next layer nor deleted.
        let target = root.join(&path);
        if kind == EntryType::Directory && target.symlink_metadata()?.is_dir() {
            let mode = target.metadata()?.permissions().mode();
            std::fs::set_permissions(&target, Permissions::from_mode(mode | 0o700))?;
        }
    }
    // The bytes after the end of the archive belong to its digest too.
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hex::encode(hashed.hash.finalize()))
}

/// Returns the path below the root that an entry means; `None` when it climbs.
fn inner_path(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => inner.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(inner)
}

/// The entries of the layers before that a name hides: the OCI image specification calls it a whiteout.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hidden {
    /// Everything in the folder.
    All,
    /// One name in it.
    Name(String),
}

/// Parses a whiteout: `None` for another entry, `Some(None)` for one that names no entry of its folder.
fn hidden_by(path: &Path) -> Option<Option<Hidden>> {
    let name = path.file_name()?.to_str()?.strip_prefix(".wh.")?;
    Some(match name {
        ".wh..opq" => Some(Hidden::All),
        "" | "." | ".." => None,
        name => Some(Hidden::Name(name.to_owned())),
    })
}

/// Checks whether a link on the way to an entry leads out of the root.
fn leads_out(root: &Path, path: &Path) -> io::Result<bool> {
    // Missing folders are created, as plain ones, inside of existing ones.
    for folder in path.ancestors().skip(1) {
        match root.join(folder).canonicalize() {
            Ok(real) => return Ok(!real.starts_with(root)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Creates a hard link within the root. The crate would take an absolute target for one outside of it.
fn link(root: &Path, target: &Path, path: &Path) -> io::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    remove(&path)?;
    // If the target is itself a symbolic link, this is another name of the link, not of its target.
    std::fs::hard_link(root.join(target), path)
}

/// Applies a whiteout. Layers list whiteouts before what they add to the same folder.
fn hide(root: &Path, whiteout: &Path, hidden: &Hidden) -> io::Result<()> {
    let folder = root.join(whiteout.parent().unwrap_or(Path::new("")));
    match hidden {
        Hidden::Name(name) => remove(&folder.join(name)),
        Hidden::All => match folder.read_dir() {
            Ok(mut entries) => entries.try_for_each(|entry| remove(&entry?.path())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        },
    }
}

/// Removes an entry of an earlier layer if this one has another kind in its place, as upper layers replace lower ones.
/// Returns `false` if nothing need be created.
fn make_way(root: &Path, path: &Path, folder: bool) -> io::Result<bool> {
    let target = root.join(path);
    let is_inner_folder = || target.canonicalize().is_ok_and(|real| real.starts_with(root) && real.is_dir());
    match target.symlink_metadata() {
        // A folder may be reached by a link to it, as `/bin` is in many images.
        Ok(data) if folder && data.is_symlink() && is_inner_folder() => return Ok(false),
        Ok(data) if data.is_dir() != folder => remove(&target)?,
        _ => {}
    }
    Ok(true)
}

/// Removes a file, a link or a whole folder; it may be missing. Links are not followed.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(data) if data.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A reader that hashes the bytes read through it.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Creates an archive of (kind, path, content or link). Paths are written as they are: the crate's builder refuses
    /// `..`.
    fn tar(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Directory { 0o555 } else { 0o755 });
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            let data = match kind {
                EntryType::Symlink | EntryType::Link => {
                    header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
                    ""
                }
                _ => *content,
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).expect("appended");
        }
        builder.into_inner().expect("finished")
    }

    struct Place {
        _temp: tempfile::TempDir,
        root: PathBuf,
        outside: PathBuf,
    }

    fn place() -> Place {
        let temp = tempfile::tempdir().expect("a folder");
        let (root, outside) = (temp.path().join("root"), temp.path().join("outside"));
        for path in [&root, &outside] {
            std::fs::create_dir(path).expect("made");
        }
        std::fs::write(outside.join("kept"), "kept").expect("written");
        Place { _temp: temp, root, outside }
    }

    fn layer(place: &Place, entries: &[(EntryType, &str, &str)]) -> Result<String, LayerError> {
        unpack(&place.root, tar(entries).as_slice(), Compression::None)
    }

    fn read(place: &Place, path: &str) -> String {
        std::fs::read_to_string(place.root.join(path)).expect("a file")
    }

    #[test]
    fn files_folders_and_links_land_under_the_root() {
        let place = place();
        let archive = tar(&[
            (EntryType::Directory, "etc/", ""),
            (EntryType::Regular, "/etc/name", "absolute paths mean the root of the image"),
            (EntryType::Regular, "./extraction", "binary"),
            (EntryType::Symlink, "entry", "/extraction"),
            (EntryType::Link, "usr/same", "/extraction"),
            (EntryType::Char, "dev/null", ""),
        ]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&archive).expect("compressed");
        let diff_id = unpack(&place.root, gzip.finish().expect("compressed").as_slice(), Compression::Gzip);
        assert_eq!(diff_id.expect("unpacked"), hex::encode(Sha256::digest(&archive)));
        assert_eq!(read(&place, "extraction"), "binary");
        assert_eq!(read(&place, "usr/same"), "binary");
        assert!(read(&place, "etc/name").starts_with("absolute"));
        assert_eq!(place.root.join("entry").read_link().expect("a link"), Path::new("/extraction"));
        assert!(!place.root.join("dev/null").exists());
        let mode = std::fs::metadata(place.root.join("extraction")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }

    #[test]
    fn nothing_leaves_the_root() {
        let outside = |place: &Place| place.outside.to_str().expect("UTF-8").to_owned();
        type Entries = fn(&str) -> Vec<(EntryType, &'static str, String)>;
        let hostile: [(&str, Entries); 7] = [
            ("climbing", |_| vec![(EntryType::Regular, "../outside/kept", "changed".to_owned())]),
            ("climbing later", |_| vec![(EntryType::Regular, "a/../../outside/kept", "changed".to_owned())]),
            ("through an absolute link", |outside| {
                vec![
                    (EntryType::Symlink, "link", outside.to_owned()),
                    (EntryType::Regular, "link/kept", "changed".to_owned()),
                ]
            }),
            ("through a relative link", |_| {
                vec![
                    (EntryType::Symlink, "link", "../outside".to_owned()),
                    (EntryType::Regular, "link/kept", "changed".to_owned()),
                ]
            }),
            ("by a hard link", |_| vec![(EntryType::Link, "kept", "../outside/kept".to_owned())]),
            ("by a hard link through a link", |outside| {
                vec![
                    (EntryType::Symlink, "link", outside.to_owned()),
                    (EntryType::Link, "kept", "link/kept".to_owned()),
                ]
            }),
            ("hiding through a link", |outside| {
                vec![
                    (EntryType::Symlink, "link", outside.to_owned()),
                    (EntryType::Regular, "link/.wh.kept", String::new()),
                ]
            }),
        ];
        for (name, entries) in hostile {
            let place = place();
            let entries = entries(&outside(&place));
            let entries: Vec<_> =
                entries.iter().map(|(kind, path, text)| (*kind, *path, text.as_str())).collect();
            let result = layer(&place, &entries);
            assert!(matches!(result, Err(LayerError::Escapes(_))), "{name}: {result:?}");
            assert_eq!(std::fs::read_to_string(place.outside.join("kept")).expect("kept"), "kept", "{name}");
            assert!(!place.root.join("kept").exists(), "{name}");
        }
    }

    #[test]
    fn a_link_is_replaced_not_written_through() {
        let place = place();
        let target = place.outside.join("kept");
        let target = target.to_str().expect("UTF-8");
        layer(&place, &[(EntryType::Symlink, "file", target), (EntryType::Regular, "file", "own")])
            .expect("unpacked");
        assert_eq!(read(&place, "file"), "own");
        assert_eq!(std::fs::read_to_string(place.outside.join("kept")).expect("kept"), "kept");
    }

    #[test]
    fn a_folder_replaces_a_link_out_and_uses_one_inside() {
        let place = place();
        let outside = place.outside.to_str().expect("UTF-8");
        let before = std::fs::metadata(outside).expect("a folder").permissions();
        let entries = [
            (EntryType::Symlink, "out", outside),
            (EntryType::Directory, "out", ""),
            (EntryType::Directory, "usr/bin", ""),
            (EntryType::Symlink, "bin", "usr/bin"),
            (EntryType::Directory, "bin", ""),
            (EntryType::Regular, "bin/tool", "tool"),
        ];
        layer(&place, &entries).expect("unpacked");
        assert_eq!(std::fs::metadata(outside).expect("a folder").permissions(), before);
        assert!(place.root.join("out").symlink_metadata().expect("there").is_dir());
        assert_eq!(read(&place, "usr/bin/tool"), "tool");
    }

    #[test]
    fn an_upper_layer_replaces_and_hides() {
        let place = place();
        let lower = [
            (EntryType::Regular, "gone", "1"),
            (EntryType::Regular, "folder/old", "1"),
            (EntryType::Regular, "cleared/old", "1"),
            (EntryType::Regular, "file", "1"),
        ];
        layer(&place, &lower).expect("unpacked");
        let upper = [
            (EntryType::Regular, ".wh.gone", ""),
            (EntryType::Regular, ".wh.never-there", ""),
            (EntryType::Regular, "cleared/.wh..wh..opq", ""),
            (EntryType::Regular, "cleared/new", "2"),
            (EntryType::Regular, "folder", "2"),
            (EntryType::Regular, "file", "2"),
        ];
        layer(&place, &upper).expect("unpacked");
        for gone in ["gone", "cleared/old", ".wh.gone", "cleared/.wh..wh..opq"] {
            assert!(!place.root.join(gone).exists(), "{gone}");
        }
        for (path, content) in [("cleared/new", "2"), ("folder", "2"), ("file", "2")] {
            assert_eq!(read(&place, path), content);
        }
        assert!(matches!(layer(&place, &[(EntryType::Regular, ".wh...", "")]), Err(LayerError::Escapes(_))));
    }

    #[test]
    fn a_broken_archive_is_an_error() {
        let place = place();
        assert!(unpack(&place.root, &b"not gzip"[..], Compression::Gzip).is_err());
        let mut cut = tar(&[(EntryType::Regular, "file", &"x".repeat(2000))]);
        cut.truncate(1000);
        assert!(unpack(&place.root, cut.as_slice(), Compression::None).is_err());
    }
}
