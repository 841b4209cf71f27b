//! A binary as Fargate wants it: an image of one layer, put together here and not by Docker. This needs no daemon, and
//! the same binary gives the same digest.
//!
//! Formats: Docker Image Manifest Version 2, Schema 2 (manifest, configuration, layer as gzipped tar), which every
//! registry and every version of Fargate's platform takes. OCI's differ by their media types alone.

use std::io::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deployer_lang::model::code::Architecture;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::{Content, Error, Facts, sha256_hex};

/// Media type of the manifest; registries answer with it only when it is asked for.
pub const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// User and group; numbers, since an image without `/etc/passwd` has no names. The task definition has the same.
const USER: &str = "65532:65532";
/// Header of a member of gzip, without a name and a time (RFC 1952, section 2.3).
const MEMBER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// Level of compression; fixed, so that layers do not change with the library's default.
const LEVEL: u32 = 6;
/// The same where a layer is sent to this machine, and a person waits for it.
const QUICK_LEVEL: u32 = 1;
/// Name of the method by which layers are compressed; to be changed with it.
pub const METHOD: &str = "gzip 1";
/// The same for [`layer_quickly`].
pub const QUICK_METHOD: &str = "gzip 1 quick";

/// A part of an image, named by its digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Media type of the part.
    pub media_type: &'static str,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Content of the part.
    pub content: Content,
}

impl Blob {
    /// Creates a part from a content.
    #[must_use]
    pub fn new(media_type: &'static str, content: Content) -> Self {
        Self { media_type, digest: format!("sha256:{}", content.facts.sha256), content }
    }

    /// Returns the digits of the digest.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.digest.trim_start_matches("sha256:")
    }

    pub(crate) fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.content.facts.size })
    }
}

/// An image of one layer.
#[derive(Debug, Clone)]
pub struct Image {
    /// Configuration by which the image is run.
    pub config: Blob,
    /// Layer with the files of the image.
    pub layer: Blob,
    /// Manifest with the names of the others; its digest is that of the image.
    pub manifest: Blob,
}

impl Image {
    /// Returns the bytes of all parts.
    #[must_use]
    pub fn size(&self) -> u64 {
        [&self.config, &self.layer, &self.manifest].map(|blob| blob.content.facts.size).iter().sum()
    }
}

/// Creates the layer of an image that starts a program: that program, with certificates for HTTPS and nothing else.
///
/// # Errors
/// If the tar library refuses.
pub fn layer(name: &str, binary: &[u8]) -> Result<(Vec<u8>, Facts), Error> {
    layer_at(name, binary, LEVEL)
}

/// Creates a layer as [`layer`] does, in a fraction of the time, and larger.
///
/// # Errors
/// If the tar library refuses.
pub fn layer_quickly(name: &str, binary: &[u8]) -> Result<(Vec<u8>, Facts), Error> {
    layer_at(name, binary, QUICK_LEVEL)
}

/// What a layer has before and after the program that a zip contains in compressed form.
///
/// The layer is three members of gzip (RFC 1952), of which the second one is the program. Registries and container runtimes read
/// them as one, as they do those of eStargz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// All files before the program, and the beginning of the program's member.
    pub before: Vec<u8>,
    /// The end of the program's member, and all that follows.
    pub after: Vec<u8>,
}

/// Creates the layer of an image around a program that is compressed already, in the zip that [`crate::zip::pack`] made of it.
///
/// # Errors
/// If the tar library refuses, or the zip has another program.
pub fn around(name: &str, binary: &[u8], zip: &[u8]) -> Result<(Around, Facts), Error> {
    let failed = |error: std::io::Error| Error::new(format!("could not pack `{name}` as an image: {error}"));
    let stream = crate::zip::stream(zip)?;
    if stream.size != binary.len() as u64 {
        return Err(Error::new(format!("could not pack `{name}` as an image: the zip has another program")));
    }
    let (tar, program) = tar(name, binary).map_err(failed)?;
    let mut before = gzip(&tar[..program.start], LEVEL).map_err(failed)?;
    before.extend(MEMBER);
    // Remainder of the size by 2^32, after the checksum.
    let mut after = [stream.crc32, (stream.size & u64::from(u32::MAX)) as u32].map(u32::to_le_bytes).concat();
    after.extend(gzip(&tar[program.end..], LEVEL).map_err(failed)?);
    let layer = [&before, &zip[stream.range], &after].concat();
    let facts = Facts { diff_id: Some(sha256_hex(&tar)), ..Facts::of(&layer) };
    Ok((Around { before, after }, facts))
}

fn layer_at(name: &str, binary: &[u8], level: u32) -> Result<(Vec<u8>, Facts), Error> {
    let failed = |error: std::io::Error| Error::new(format!("could not pack `{name}` as an image: {error}"));
    let (tar, _) = tar(name, binary).map_err(failed)?;
    let layer = gzip(&tar, level).map_err(failed)?;
    let facts = Facts { diff_id: Some(sha256_hex(&tar)), ..Facts::of(&layer) };
    Ok((layer, facts))
}

/// Puts an image together around a [`layer`]: the configuration that starts the program, and the manifest that names
/// both.
#[must_use]
pub fn of(name: &str, architecture: Architecture, layer: Content) -> Image {
    let diff_id = layer.facts.diff_id.clone().unwrap_or_default();
    let layer = Blob::new(LAYER_TYPE, layer);
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        // The image specification names processors as Go does.
        "architecture": match architecture {
            Architecture::X86_64 => "amd64",
            Architecture::Arm64 => "arm64",
        },
        "os": "linux",
        "config": {
            "User": USER,
            "Env": [format!("SSL_CERT_FILE=/{CERTIFICATES}")],
            "Entrypoint": [format!("/{name}")],
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "deployer" }],
    });
    let config = Blob::new(CONFIG_TYPE, Content::new(config.to_string().into_bytes()));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    });
    let manifest = Blob::new(MANIFEST_TYPE, Content::new(manifest.to_string().into_bytes()));
    Image { config, layer, manifest }
}

/// Creates an archive of the layer's files, sorted, all of root and of 1970, and returns the place of the program in it, too.
fn tar(name: &str, binary: &[u8]) -> std::io::Result<(Vec<u8>, Range<usize>)> {
    let certificates = certificates();
    let mut entries: Vec<(&str, u32, Option<&[u8]>)> = vec![
        ("etc/", 0o755, None),
        ("etc/ssl/", 0o755, None),
        ("etc/ssl/certs/", 0o755, None),
        (CERTIFICATES, 0o644, Some(certificates.as_bytes())),
        (name, 0o755, Some(binary)),
    ];
    entries.sort_by_key(|(path, ..)| *path);
    let mut builder = tar::Builder::new(Vec::with_capacity(binary.len() + certificates.len() + 8192));
    let mut program = 0..0;
    for (path, mode, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_path(path)?;
        header.set_entry_type(match content {
            Some(_) => tar::EntryType::Regular,
            None => tar::EntryType::Directory,
        });
        let content = content.unwrap_or_default();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        if path == name {
            let start = builder.get_ref().len() + header.as_bytes().len();
            program = start..start + content.len();
        }
        builder.append(&header, content)?;
    }
    Ok((builder.into_inner()?, program))
}

fn gzip(bytes: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let out = Vec::with_capacity(bytes.len() / 2);
    let mut encoder = GzBuilder::new().mtime(0).write(out, Compression::new(level));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Returns the certificate authorities that Mozilla trusts, as PEM (RFC 7468: lines of 64).
fn certificates() -> String {
    let mut out = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let text = STANDARD.encode(certificate);
        out.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, next) = rest.split_at(rest.len().min(64));
            out.push_str(line);
            out.push('\n');
            rest = next;
        }
        out.push_str("-----END CERTIFICATE-----\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn image(program: &[u8]) -> Image {
        let (layer, facts) = layer("extraction", program).expect("packed");
        of("extraction", Architecture::X86_64, Content::known(facts, layer.into()))
    }

    fn bytes(blob: &Blob) -> Vec<u8> {
        blob.content.bytes().expect("bytes").to_vec()
    }

    #[test]
    fn the_same_binary_gives_the_same_image() {
        let first = image(b"program");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = image(b"program");
        assert_eq!(first.manifest.digest, second.manifest.digest);
        assert_eq!(bytes(&first.layer), bytes(&second.layer));
        let other = image(b"another");
        assert_ne!(first.manifest.digest, other.manifest.digest);
    }

    #[test]
    fn the_parts_name_each_other() {
        let image = image(b"program");
        let manifest: Value = serde_json::from_slice(&bytes(&image.manifest)).expect("JSON");
        let types =
            [&manifest["mediaType"], &manifest["config"]["mediaType"], &manifest["layers"][0]["mediaType"]];
        assert_eq!(types, [MANIFEST_TYPE, CONFIG_TYPE, LAYER_TYPE]);
        assert!([MANIFEST_TYPE, CONFIG_TYPE, LAYER_TYPE].iter().all(|one| one.contains(".docker.")));
        assert_eq!(manifest["config"]["digest"], image.config.digest);
        assert_eq!(manifest["config"]["size"], bytes(&image.config).len());
        assert_eq!(manifest["layers"][0]["digest"], image.layer.digest);
        assert_eq!(image.manifest.digest, format!("sha256:{}", sha256_hex(&bytes(&image.manifest))));
        let config: Value = serde_json::from_slice(&bytes(&image.config)).expect("JSON");
        let (layer, mut tar) = (bytes(&image.layer), Vec::new());
        flate2::read::GzDecoder::new(layer.as_slice()).read_to_end(&mut tar).expect("gzip");
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256_hex(&tar)));
        assert_eq!(config["config"]["User"], USER);
        assert_eq!(config["config"]["Entrypoint"], json!(["/extraction"]));
    }

    #[test]
    fn a_layer_around_a_zipped_program_has_the_same_files() {
        let program: Vec<u8> = (0..100_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let zip = crate::zip::pack(&program).expect("packed");
        let (Around { before, after }, facts) = around("extraction", &program, &zip).expect("packed");
        let stream = crate::zip::stream(&zip).expect("a program");
        assert!(before.len() + after.len() < layer("extraction", b"").expect("packed").0.len() + 200);
        let layer = [before, zip[stream.range].to_vec(), after].concat();
        assert_eq!(Facts { diff_id: None, ..facts.clone() }, Facts::of(&layer));
        let mut tar = Vec::new();
        flate2::read::MultiGzDecoder::new(layer.as_slice()).read_to_end(&mut tar).expect("gzip");
        let (_, alone) = super::layer("extraction", &program).expect("packed");
        assert_eq!(
            (facts.diff_id, sha256_hex(&tar)),
            (alone.diff_id.clone(), alone.diff_id.expect("a digest"))
        );
        let wrong = around("extraction", b"another", &zip).expect_err("another program");
        assert!(wrong.message.contains("another program"), "{wrong}");
    }

    #[test]
    fn the_layer_holds_the_program_and_certificates() {
        let image = image(b"program");
        let layer = bytes(&image.layer);
        let decoder = flate2::read::GzDecoder::new(layer.as_slice());
        assert_eq!(decoder.header().map(|header| (header.mtime(), header.filename())), Some((0, None)));
        let mut archive = tar::Archive::new(decoder);
        let mut seen = Vec::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let header = entry.header();
            let owner =
                (header.uid().expect("uid"), header.gid().expect("gid"), header.mtime().expect("mtime"));
            assert_eq!(owner, (0, 0, 0), "{path}");
            seen.push((path, header.mode().expect("mode")));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("read");
            match seen.len() {
                4 => {
                    let text = String::from_utf8(content).expect("PEM is ASCII");
                    assert!(text.lines().all(|line| line.len() <= 64), "lines are short");
                    let count = text.matches("BEGIN CERTIFICATE").count();
                    assert_eq!(count, webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
                }
                5 => assert_eq!(content, b"program"),
                _ => assert!(content.is_empty()),
            }
        }
        let seen: Vec<_> = seen.iter().map(|(path, mode)| (path.as_str(), *mode)).collect();
        let wanted = [
            ("etc/", 0o755),
            ("etc/ssl/", 0o755),
            ("etc/ssl/certs/", 0o755),
            (CERTIFICATES, 0o644),
            ("extraction", 0o755),
        ];
        assert_eq!(seen, wanted);
    }
}
