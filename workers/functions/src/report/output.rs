//! The output: an object that is written at once, or in parts if it is large, and that can be put aside in between.

use client::Bytes;
use contract::settings::Character;
use serde::{Deserialize, Serialize};

use super::{Files, Report, Topic};
use crate::extract::Delay;
use crate::messages::NotDone;

/// The content type of the file, which tells browsers the encoding.
pub(super) const CSV: &str = "text/csv; charset=utf-8";
/// The same for JSON Lines.
pub(super) const JSON_LINES: &str = "application/x-ndjson";

/// The number of parts that S3 takes, and the bytes of the largest: Amazon S3 User Guide, "Amazon S3 multipart upload
/// limits".
const MAX_PARTS: usize = 10_000;
const MAX_PART: u64 = 5 << 30;
/// A part has at least this share of the bytes before it. So a file of less than 11 GB is in parts of one size, and one of
/// 5 TB in fewer than 10,000; the largest of them, which is all that is in memory, has 3.6 GB then.
const GROWTH: u64 = 1_400;

/// Returns the bytes of the next part after `uploaded` bytes, if the first parts have `least` of them.
fn part_size(least: usize, uploaded: u64) -> u64 {
    (least as u64).max((uploaded / GROWTH).min(MAX_PART))
}

/// An output in progress.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Output {
    /// The event that the work is about.
    pub(super) id: String,
    /// The ID of the upload in parts, if there is one, and the tags of its parts.
    upload: Option<String>,
    tags: Vec<String>,
    /// The number of bytes in these parts.
    #[serde(default)]
    uploaded: u64,
    /// Number of the last row of the file that was read, or written without its values.
    pub(super) row: u64,
    /// The byte of the file after that row.
    pub(super) offset: u64,
    /// `true` if the header is written.
    pub(super) has_header: bool,
    /// The delimiter of the file, and the number of its columns, once a row is written.
    #[serde(default)]
    pub(super) columns: Option<(Character, usize)>,
    /// The reason why no further row can be read, and the number of those that were written without their values.
    #[serde(default)]
    pub(super) over: Option<String>,
    #[serde(default)]
    pub(super) missing: u64,
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
        if (output.text.len() as u64) < part_size(self.part, output.uploaded) {
            return Ok(());
        }
        if output.upload.is_none() {
            output.upload = Some(self.retried(|| self.files.begin(bucket, key, content_type)).await?);
        }
        self.upload(bucket, key, output).await
    }

    async fn upload(&self, bucket: &str, key: &str, output: &mut Output) -> Result<(), NotDone> {
        let Some(upload) = output.upload.clone() else { return Ok(()) };
        if output.tags.len() >= MAX_PARTS {
            let bytes = output.uploaded;
            let cause =
                format!("the rejected rows have more than {bytes} bytes, and S3 takes no larger object");
            return Err(NotDone { cause });
        }
        // Bytes share their memory, however often they are sent.
        let text = Bytes::from(std::mem::take(&mut output.text));
        let length = text.len() as u64;
        let number = i32::try_from(output.tags.len() + 1).unwrap_or(i32::MAX);
        let tag = self.retried(|| self.files.part(bucket, key, &upload, number, text.clone())).await;
        match tag {
            Ok(tag) => {
                output.tags.push(tag);
                output.uploaded += length;
            }
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

#[cfg(test)]
mod tests {
    use super::super::PART;
    use super::*;

    /// Amazon S3 User Guide, "Amazon S3 multipart upload limits".
    #[test]
    fn five_terabytes_fit_the_parts_of_an_upload() {
        let (mut uploaded, mut parts, mut largest) = (0_u64, 0, 0);
        while uploaded < 5_000_000_000_000 {
            let size = part_size(PART, uploaded);
            assert!((5 << 20..=MAX_PART).contains(&size), "{size}");
            // A part ends with a row, so it is larger by up to one.
            (uploaded, parts, largest) = (uploaded + size, parts + 1, largest.max(size));
        }
        assert!(parts <= MAX_PARTS, "{parts}");
        assert!(largest < 4_000_000_000, "{largest}");
        // No part of a file of 10 GB is larger than the first.
        assert_eq!(part_size(PART, 10_000_000_000), PART as u64);
        assert_eq!(part_size(PART, u64::MAX), MAX_PART);
    }

    #[test]
    fn work_that_an_earlier_release_put_aside_is_continued() {
        let json = r#"{"id":"a","upload":"u","tags":["t"],"row":3,"offset":60,"has_header":true}"#;
        let found = Output::from_bytes(format!("{json}\ntext").into_bytes(), "a").expect("an output");
        assert_eq!((found.uploaded, found.over, found.text.as_str()), (0, None, "text"));
    }
}
