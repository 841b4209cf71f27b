//! Images of the local cloud's registry: pulled once, verified to the last byte, unpacked into a folder.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::error::PullError;
use crate::layer::{self, Compression};
use crate::manifest::{
    Config, Descriptor, INDEXES, ImageConfig, MANIFESTS, Manifest, choose, digest_in, json,
};
use crate::reference::{Reference, Version, digest_of};

/// Most bytes of a manifest or a configuration: the limit of registries.
const MOST_JSON: u64 = 4 << 20;
/// Prefix of folders whose images are not complete yet.
const INCOMPLETE: &str = ".pull-";

/// An image that can be run.
#[derive(Debug, Clone)]
pub struct PulledImage {
    /// Folder with its files.
    pub root: PathBuf,
    /// Configuration by which the image is run.
    pub config: Config,
}

/// The images that have been pulled, each in a folder named by its digest.
#[derive(Debug)]
pub struct Images {
    folder: PathBuf,
    endpoint: String,
    http: reqwest::Client,
    /// One cell for each digest, so that tasks which start at once share one pull.
    pulled: RefCell<HashMap<String, Rc<OnceCell<PulledImage>>>>,
    pulls: RefCell<u64>,
}

impl Images {
    /// Opens the images in `folder`, from the registry at `endpoint`. Removes the files of an interrupted pull.
    ///
    /// # Errors
    /// If the folder cannot be created or swept.
    pub fn open(folder: &Path, endpoint: &str, http: reqwest::Client) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for entry in folder.read_dir()? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(INCOMPLETE) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            endpoint: endpoint.to_owned(),
            http,
            pulled: RefCell::default(),
            pulls: RefCell::default(),
        })
    }

    /// Returns the image, and pulls it first unless that has been done.
    ///
    /// # Errors
    /// [`PullError`]; nothing is kept then, and the next call tries again.
    pub async fn get(&self, reference: &Reference) -> Result<PulledImage, PullError> {
        let (digest, manifest) = match &reference.version {
            Version::Digest(digest) => (digest.clone(), None),
            Version::Tag(tag) => {
                let manifest = self.manifest(reference, tag).await?;
                (hex::encode(Sha256::digest(&manifest)), Some(manifest))
            }
        };
        let cell = Rc::clone(self.pulled.borrow_mut().entry(digest.clone()).or_default());
        cell.get_or_try_init(|| self.load(reference, digest, manifest)).await.cloned()
    }

    async fn load(
        &self,
        reference: &Reference,
        digest: String,
        manifest: Option<Vec<u8>>,
    ) -> Result<PulledImage, PullError> {
        let folder = self.folder.join(&digest);
        if !folder.exists() {
            self.pull(reference, &digest, manifest, &folder).await?;
        }
        let config = std::fs::read(folder.join("config.json"))?;
        let config: ImageConfig = json("the configuration of the image", &config)?;
        Ok(PulledImage {
            root: folder.join("root").canonicalize()?,
            config: config.config.unwrap_or_default(),
        })
    }

    /// Pulls into a folder of its own, which gets its name when it is complete.
    async fn pull(
        &self,
        reference: &Reference,
        digest: &str,
        manifest: Option<Vec<u8>>,
        target: &Path,
    ) -> Result<(), PullError> {
        let manifest = match manifest {
            Some(manifest) => manifest,
            None => self.verified_manifest(reference, digest).await?,
        };
        let mut manifest: Manifest = json("the manifest of the image", &manifest)?;
        if !manifest.manifests.is_empty() {
            let chosen = digest_in(choose(&manifest.manifests)?)?;
            manifest = json("the manifest of the image", &self.verified_manifest(reference, &chosen).await?)?;
        }
        let Some(config) = manifest.config else {
            return Err(PullError::Unsupported(
                "the manifest of the image names no configuration".to_owned(),
            ));
        };

        let number = *self.pulls.borrow();
        *self.pulls.borrow_mut() += 1;
        let incomplete = Incomplete(self.folder.join(format!("{INCOMPLETE}{number}-{digest}")));
        let root = incomplete.0.join("root");
        std::fs::create_dir_all(&root)?;

        let path = incomplete.0.join("config.json");
        if config.size > MOST_JSON {
            return Err(PullError::Unsupported("the configuration of the image is too long".to_owned()));
        }
        self.blob(reference, &config, &path).await?;
        let parsed: ImageConfig = json("the configuration of the image", &std::fs::read(&path)?)?;
        if parsed.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(PullError::Unsupported(
                "the manifest and the configuration have different layers".to_owned(),
            ));
        }

        for (layer, diff_id) in manifest.layers.iter().zip(&parsed.rootfs.diff_ids) {
            let Some(compression) = Compression::of(&layer.media_type) else {
                return Err(PullError::Unsupported(format!(
                    "layers of type {} are not supported",
                    layer.media_type
                )));
            };
            let blob = incomplete.0.join("layer");
            self.blob(reference, layer, &blob).await?;
            let (root, what) = (root.clone(), format!("the uncompressed layer {}", layer.digest));
            let unpacked = tokio::task::spawn_blocking(move || {
                let found = layer::unpack(&root, BufReader::new(File::open(&blob)?), compression)?;
                std::fs::remove_file(&blob)?;
                Ok::<_, PullError>(found)
            });
            let found = unpacked.await.map_err(std::io::Error::other)??;
            let expected =
                digest_of(diff_id).ok_or_else(|| PullError::Unsupported(format!("digest {diff_id}")))?;
            check(what, expected, found)?;
        }
        std::fs::rename(&incomplete.0, target)?;
        Ok(())
    }

    async fn verified_manifest(&self, reference: &Reference, digest: &str) -> Result<Vec<u8>, PullError> {
        let manifest = self.manifest(reference, &format!("sha256:{digest}")).await?;
        check(
            "the manifest of the image".to_owned(),
            digest.to_owned(),
            hex::encode(Sha256::digest(&manifest)),
        )?;
        Ok(manifest)
    }

    async fn manifest(&self, reference: &Reference, version: &str) -> Result<Vec<u8>, PullError> {
        let mut answer = self.ask(reference, "manifests", version).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > MOST_JSON {
                return Err(PullError::Unsupported("the manifest of the image is too long".to_owned()));
            }
        }
        Ok(body)
    }

    /// Downloads a blob into a file, hashing it on the way.
    async fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        path: &Path,
    ) -> Result<(), PullError> {
        let expected = digest_in(descriptor)?;
        let mut answer = self.ask(reference, "blobs", &descriptor.digest).await?;
        let mut file = File::create(path)?;
        let (mut hash, mut size) = (Sha256::new(), 0_u64);
        while let Some(chunk) = answer.chunk().await? {
            size += chunk.len() as u64;
            if size > descriptor.size {
                return Err(PullError::Unsupported(format!(
                    "{} is longer than its manifest says",
                    descriptor.digest
                )));
            }
            hash.update(&chunk);
            file.write_all(&chunk)?;
        }
        check(format!("the blob {}", descriptor.digest), expected, hex::encode(hash.finalize()))
    }

    async fn ask(
        &self,
        reference: &Reference,
        kind: &str,
        version: &str,
    ) -> Result<reqwest::Response, PullError> {
        let Reference { registry, repository, .. } = reference;
        // By `ns`, a mirror learns which registry is meant; the emulator finds account and region in it.
        let url = format!("{}/v2/{repository}/{kind}/{version}?ns={registry}", self.endpoint);
        let accept = MANIFESTS.iter().chain(&INDEXES).copied().collect::<Vec<_>>().join(", ");
        let answer = self.http.get(url).header("Accept", accept).send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(PullError::Status { status: answer.status().as_u16(), what: format!("{repository} {version}") })
    }
}

fn check(what: String, expected: String, found: String) -> Result<(), PullError> {
    if expected == found { Ok(()) } else { Err(PullError::Digest { what, expected, found }) }
}

/// A folder that is removed unless it has been renamed.
struct Incomplete(PathBuf);

impl Drop for Incomplete {
    fn drop(&mut self) {
        // An error has no effect: a renamed folder is not here any more, and the next start sweeps one that cannot be
        // deleted now.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const REGISTRY: &str = "000000000000.dkr.ecr.eu-west-1.amazonaws.com";

    /// A registry of one image with one layer, as files by path.
    struct Registry {
        endpoint: String,
        requests: Arc<AtomicUsize>,
        digest: String,
    }

    fn digest(bytes: &[u8]) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
    }

    fn serve(change: impl Fn(&mut HashMap<String, Vec<u8>>)) -> Registry {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(6);
        header.set_mode(0o755);
        builder.append_data(&mut header, "extraction", &b"binary"[..]).expect("appended");
        let layer = builder.into_inner().expect("finished");
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "config": { "Entrypoint": ["/extraction"], "Cmd": null, "Env": ["A=1"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = serde_json::to_vec(&config).expect("JSON");
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFESTS[0],
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len() },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len() }],
        });
        let manifest = serde_json::to_vec(&manifest).expect("JSON");
        let image = digest(&manifest);
        let mut files = HashMap::from([
            (format!("/v2/assets/blobs/{}", digest(&layer)), layer),
            (format!("/v2/assets/blobs/{}", digest(&config)), config),
            (format!("/v2/assets/manifests/{image}"), manifest.clone()),
            ("/v2/assets/manifests/v1".to_owned(), manifest),
        ]);
        change(&mut files);

        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("readable") > 0 {
                    request.push(byte[0]);
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let text = String::from_utf8(request).expect("UTF-8");
                let target = text.split(' ').nth(1).expect("a target");
                let path = target.strip_suffix(&format!("?ns={REGISTRY}")).expect("the registry is named");
                let (status, body) =
                    files.get(path).map_or(("404 Not Found", &b""[..]), |body| ("200 OK", body));
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("writable");
            }
        });
        Registry { endpoint, requests, digest: image }
    }

    fn images(temp: &tempfile::TempDir, registry: &Registry) -> Images {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        Images::open(&temp.path().join("images"), &registry.endpoint, http).expect("opened")
    }

    fn reference(version: &str) -> Reference {
        format!("{REGISTRY}/assets{version}").parse().expect("valid")
    }

    #[tokio::test]
    async fn tasks_that_start_at_once_share_one_pull_and_later_ones_need_none() {
        let temp = tempfile::tempdir().expect("a folder");
        let registry = serve(|_| {});
        let by_digest = reference(&format!("@{}", registry.digest));
        let first = images(&temp, &registry);
        let (one, other) = tokio::join!(first.get(&by_digest), first.get(&by_digest));
        let (one, other) = (one.expect("pulled"), other.expect("pulled"));
        assert_eq!(one.root, other.root);
        assert_eq!(std::fs::read(one.root.join("extraction")).expect("a file"), b"binary");
        assert_eq!(one.config.entrypoint.as_deref(), Some(&["/extraction".to_owned()][..]));
        assert_eq!(registry.requests.load(Ordering::SeqCst), 3, "manifest, configuration, layer");

        let again = images(&temp, &registry).get(&by_digest).await.expect("there");
        assert_eq!((again.root, again.config), (one.root.clone(), one.config));
        assert_eq!(registry.requests.load(Ordering::SeqCst), 3);
        // A tag has to be looked up; the image is the same.
        assert_eq!(first.get(&reference(":v1")).await.expect("there").root, one.root);
        assert_eq!(registry.requests.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn what_differs_from_its_digest_is_refused_and_not_kept() {
        for kind in ["manifests", "blobs"] {
            let temp = tempfile::tempdir().expect("a folder");
            let registry = serve(|files| {
                for (_, body) in files.iter_mut().filter(|(path, _)| path.contains(kind)) {
                    // The length is the same: only the digest tells.
                    let last = body.len() - 1;
                    body[last] ^= 1;
                }
            });
            let images = images(&temp, &registry);
            let result = images.get(&reference(&format!("@{}", registry.digest))).await;
            assert!(matches!(result, Err(PullError::Digest { .. })), "{kind}: {result:?}");
            let left = temp.path().join("images").read_dir().expect("a folder").count();
            assert_eq!(left, 0, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_missing_image_says_what_is_missing() {
        let temp = tempfile::tempdir().expect("a folder");
        let registry = serve(|_| {});
        let error = images(&temp, &registry).get(&reference(":v2")).await.expect_err("missing");
        assert_eq!(error.to_string(), "the registry answers 404 for assets v2");
    }

    #[test]
    fn an_interrupted_pull_is_swept() {
        let temp = tempfile::tempdir().expect("a folder");
        let folder = temp.path().join("images");
        std::fs::create_dir_all(folder.join(".pull-0-abc/root")).expect("made");
        std::fs::create_dir_all(folder.join("complete")).expect("made");
        let registry = Registry { endpoint: String::new(), requests: Arc::default(), digest: String::new() };
        images(&temp, &registry);
        assert!(!folder.join(".pull-0-abc").exists());
        assert!(folder.join("complete").exists());
    }
}
