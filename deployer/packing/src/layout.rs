//! An image in one file: the layout of OCI in a tar, as `docker load`, Podman and skopeo read it.
//!
//! Open Container Initiative, "Image Layout Specification". The parts are those of [`Image`]; only their media types are
//! OCI's, which such tools expect there.

use serde_json::json;

use crate::image::{Blob, Image};
use crate::{Content, Error};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Returns the file of an image, under a name such as `deployer:0.1.0`.
///
/// # Errors
/// If a part can't be read, or the tar library refuses.
pub fn of(image: &Image, name: &str) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::new(format!("could not write the image `{name}`: {error}"));
    let config = Blob::new(CONFIG_TYPE, image.config.content.clone());
    let layer = Blob::new(LAYER_TYPE, image.layer.content.clone());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    });
    let manifest = Blob::new(MANIFEST_TYPE, Content::new(manifest.to_string().into_bytes()));
    let mut named = manifest.descriptor();
    named["annotations"] = json!({
        // The first is what Docker takes, the second what the specification has.
        "io.containerd.image.name": format!("docker.io/library/{name}"),
        "org.opencontainers.image.ref.name": name.rsplit(':').next().unwrap_or(name),
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [named] }).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| -> std::io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path)?;
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        builder.append(&header, content)
    };
    for blob in [&config, &layer, &manifest] {
        add(&format!("blobs/sha256/{}", blob.hex()), &blob.content.bytes()?).map_err(failed)?;
    }
    add("index.json", index.as_bytes()).map_err(failed)?;
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(failed)?;
    builder.into_inner().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use deployer_lang::model::code::Architecture;
    use serde_json::Value;

    use super::*;
    use crate::{image, sha256_hex};

    #[test]
    fn every_part_is_named_by_its_digest() {
        let (layer, facts) = image::layer("program", b"program").expect("packed");
        let image = image::of("program", Architecture::X86_64, Content::known(facts, layer.into()));
        let file = of(&image, "program:1").expect("written");
        assert_eq!(file, of(&image, "program:1").expect("written"));
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(file.as_slice()).entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("read");
            files.insert(path, content);
        }
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
            let content = &files[&format!("blobs/sha256/{digest}")];
            assert_eq!((sha256_hex(content).as_str(), &descriptor["size"]), (digest, &content.len().into()));
            content.clone()
        };
        assert_eq!(json(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
        let manifest = json(&blob(&json(&files["index.json"])["manifests"][0]));
        assert_eq!(manifest["mediaType"], MANIFEST_TYPE);
        assert_eq!(json(&blob(&manifest["config"]))["config"]["Entrypoint"][0], "/program");
        assert_eq!(manifest["layers"][0]["mediaType"], LAYER_TYPE);
        assert_eq!(blob(&manifest["layers"][0]), image.layer.content.bytes().expect("bytes"));
        assert_eq!(files.len(), 5);
    }
}
