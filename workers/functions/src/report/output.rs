//! The output: an object that is written at once, or in parts if it is large, and that can be put aside in between.

use serde::{Deserialize, Serialize};

use super::{Files, Report, Topic};
use crate::extract::Delay;
use crate::messages::NotDone;

/// The content type of the file, which tells browsers the encoding.
pub(super) const CSV: &str = "text/csv; charset=utf-8";
/// The same for JSON Lines.
pub(super) const JSON_LINES: &str = "application/x-ndjson";

/// An output in progress.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Output {
    /// The event that the work is about.
    pub(super) id: String,
    /// The ID of the upload in parts, if there is one, and the tags of its parts.
    upload: Option<String>,
    tags: Vec<String>,
    /// Number of the last row of the file that was read.
    pub(super) row: u64,
    /// The byte of the file after that row.
    pub(super) offset: u64,
    /// `true` if the header is written.
    pub(super) has_header: bool,
    /// What is not uploaded yet.
    #[serde(skip)]
    pub(super) text: String,
}

impl Output {
    /// Returns the output as it is put aside: a line of JSON, and the text.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(self.text.as_bytes());
        bytes
    }

    /// Reads an output that was put aside for an event; returns `None` if it belongs to another.
    fn from_bytes(bytes: Vec<u8>, id: &str) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        let (json, text) = text.split_once('\n')?;
        let output: Self = serde_json::from_str(json).ok()?;
        (output.id == id).then(|| Self { text: text.to_owned(), ..output })
    }
}

fn partial(key: &str) -> String {
    // A key is at most 1,024 bytes, and this one begins as that of the results.
    const SUFFIX: &str = ".partial";
    let mut end = key.len().min(1_024 - SUFFIX.len());
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{SUFFIX}", key.get(..end).unwrap_or_default())
}

impl<T: tally::Source, F: Files, Q: Delay, N: Topic> Report<T, F, Q, N> {
    /// Returns the output that was put aside for an event, or a new one, and whether it was put aside.
    pub(super) async fn begin_output(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<(Output, bool), NotDone> {
        let partial = partial(key);
        let found = self.retried(|| self.files.read(bucket, &partial)).await?;
        let found = found.and_then(|bytes| Output::from_bytes(bytes, id));
        let is_found = found.is_some();
        Ok((found.unwrap_or_else(|| Output { id: id.to_owned(), ..Output::default() }), is_found))
    }

    /// Puts an output aside.
    pub(super) async fn put_aside(&self, bucket: &str, key: &str, output: &Output) -> Result<(), NotDone> {
        let (key, bytes) = (partial(key), output.to_bytes());
        self.retried(|| self.files.put(bucket, &key, "application/octet-stream", bytes.clone())).await
    }

    /// Uploads the text if it is large enough for a part.
    pub(super) async fn flush(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        output: &mut Output,
    ) -> Result<(), NotDone> {
        if output.text.len() < self.part {
            return Ok(());
        }
        if output.upload.is_none() {
            output.upload = Some(self.retried(|| self.files.begin(bucket, key, content_type)).await?);
        }
        self.upload(bucket, key, output).await
    }

    async fn upload(&self, bucket: &str, key: &str, output: &mut Output) -> Result<(), NotDone> {
        let Some(upload) = output.upload.clone() else { return Ok(()) };
        let text = std::mem::take(&mut output.text).into_bytes();
        let number = i32::try_from(output.tags.len() + 1).unwrap_or(i32::MAX);
        let tag = self.retried(|| self.files.part(bucket, key, &upload, number, text.clone())).await;
        match tag {
            Ok(tag) => output.tags.push(tag),
            Err(error) => {
                // An upload that S3 has given up can't be continued: the next attempt begins anew.
                if error.cause.starts_with("NoSuchUpload") {
                    let partial = partial(key);
                    self.retried(|| self.files.delete(bucket, &partial)).await?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the object. `aside`: the output was put aside before.
    pub(super) async fn finish_output(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        mut output: Output,
        aside: bool,
    ) -> Result<(), NotDone> {
        if output.upload.is_some() {
            if !output.text.is_empty() {
                self.upload(bucket, key, &mut output).await?;
            }
            let upload = output.upload.unwrap_or_default();
            self.retried(|| self.files.complete(bucket, key, &upload, &output.tags)).await?;
        } else {
            let text = output.text.into_bytes();
            self.retried(|| self.files.put(bucket, key, content_type, text.clone())).await?;
        }
        if aside {
            let partial = partial(key);
            self.retried(|| self.files.delete(bucket, &partial)).await?;
        }
        Ok(())
    }
}
