//! The note of a verification in the asset bucket: what has to be deleted if the process ends before it has done so.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::event::ResultFiles;
use contract::{ObjectRef, verification};
use deployer_aws::dynamodb::items::{Key, KeyValue};
use deployer_aws::dynamodb::marked;
use deployer_aws::error::AwsError;
use deployer_aws::s3::{objects, records};
use deployer_aws::session::Session;
use deployer_base::error::Result;
use deployer_base::time;
use deployer_build::bucket_name;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tally::details;
use tally::snapshot::Place;

use crate::context::Context;
use crate::gc::VERIFICATIONS;

/// Seconds for which a note says that its verification is under way; it is renewed before they are over.
pub(super) const LEASE: u64 = 20;
/// Time after a deletion in which a worker may still write what it was about to write.
const SETTLING: Duration = Duration::from_secs(1);

/// The note of a verification.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    /// The ID.
    pub(super) id: String,
    /// Seconds since 1970 up to which the verification is certainly under way.
    pub(super) until: u64,
    /// Name of the bucket of the file.
    pub(super) bucket: String,
    /// Key of the file.
    pub(super) key: String,
    /// Version of the file, as soon as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// Name of the table with the items.
    pub(super) table: String,
    /// Keys of the items, in DynamoDB's JSON.
    pub(super) items: Vec<Map<String, Value>>,
    /// Name of the table of the tally, if the stack has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tally: Option<String>,
}

/// Returns a key in DynamoDB's JSON.
pub(super) fn to_json(key: &Key) -> Map<String, Value> {
    let value = |value: &KeyValue| match value {
        KeyValue::Text(text) => json!({ "S": text }),
        KeyValue::Number(digits) => json!({ "N": digits }),
        KeyValue::Binary(bytes) => json!({ "B": STANDARD.encode(bytes) }),
    };
    key.iter().map(|(name, of)| (name.clone(), value(of))).collect()
}

/// Returns the key in DynamoDB's JSON; `None` if it is none.
fn of_json(key: &Map<String, Value>) -> Option<Key> {
    let value = |value: &Value| {
        let (kind, text) = value.as_object()?.iter().next()?;
        let text = text.as_str()?;
        match kind.as_str() {
            "S" => Some(KeyValue::Text(text.to_owned())),
            "N" => Some(KeyValue::Number(text.to_owned())),
            "B" => Some(KeyValue::Binary(STANDARD.decode(text).ok()?)),
            _ => None,
        }
    };
    key.iter().map(|(name, of)| Some((name.clone(), value(of)?))).collect()
}

/// Takes a table or bucket that does not exist for one in which nothing is left: it has gone with the stack that was verified.
fn unless_gone<T: Default>(done: std::result::Result<T, AwsError>) -> std::result::Result<T, AwsError> {
    match done {
        Err(error) if ["ResourceNotFoundException", "NoSuchBucket"].iter().any(|code| error.is(code)) => {
            Ok(T::default())
        }
        done => done,
    }
}

fn folder(stack: &str) -> String {
    format!("{VERIFICATIONS}{stack}/")
}

impl Note {
    fn place(&self, stack: &str) -> String {
        format!("{}{}.json", folder(stack), self.id)
    }

    /// Writes the note, with a new end of its lease.
    pub(super) async fn write(&mut self, session: &Session, stack: &str) -> Result<()> {
        self.until = time::now().saturating_add(LEASE);
        let text = serde_json::to_string(self).unwrap_or_default();
        Ok(objects::put_text(session, &bucket_name(session), &self.place(stack), &text).await?)
    }

    /// Returns the object, in one of its versions.
    pub(super) fn object(&self, version: Option<String>) -> ObjectRef {
        ObjectRef {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            version,
            etag: None,
            uploaded: None,
            replay: None,
        }
    }

    /// Deletes what the verification has written, and what was written because of it; the note in the end.
    ///
    /// # Errors
    /// The errors of AWS: the note stays then, and the next verification tries again.
    pub(super) async fn clean(&self, session: &Session, stack: &str) -> Result<Left> {
        // First, so that the workers write nothing more.
        if let Some(tally) = &self.tally {
            unless_gone(marked::disallow(session, tally, &self.id).await)?;
        }
        let mut left = Left { items: self.clean_items(session).await?, ..Left::default() };
        if self.tally.is_some() {
            // The process may have ended before the note had the version.
            let mut versions = unless_gone(objects::versions_of(session, &self.bucket, &self.key).await)?;
            versions.extend([self.version.clone()]);
            versions.sort_unstable();
            versions.dedup();
            left.tally += self.clean_tally(session, &versions).await?;
            tokio::time::sleep(SETTLING).await;
            left.tally += self.clean_tally(session, &versions).await?;
        }
        left.objects += self.clean_objects(session).await?;
        objects::delete(session, &bucket_name(session), &self.place(stack)).await?;
        Ok(left)
    }

    async fn clean_items(&self, session: &Session) -> Result<usize> {
        let mut deleted = 0;
        for key in self.items.iter().filter_map(of_json) {
            deleted += usize::from(unless_gone(marked::delete(session, &self.table, &key, &self.id).await)?);
        }
        Ok(deleted)
    }

    async fn clean_objects(&self, session: &Session) -> Result<usize> {
        let results = ResultFiles::of(&self.key, Some("csv"));
        let mut deleted = 0;
        for key in [Some(self.key.clone()), Some(results.results), results.rejects].into_iter().flatten() {
            deleted += unless_gone(objects::delete_versions(session, &self.bucket, &key).await)?;
        }
        Ok(deleted)
    }

    async fn clean_tally(&self, session: &Session, versions: &[Option<String>]) -> Result<usize> {
        let Some(tally) = &self.tally else { return Ok(0) };
        let (permit, _) = verification::permit(&self.id);
        let file = Place::of_file(&self.object(None).source()).object;
        let digests = versions.iter().map(|version| self.object(version.clone()).digest());
        let of_versions = digests.flat_map(|digest| [details::beside(&digest), digest]);
        let mut deleted = 0;
        for partition in of_versions.chain([file, permit]) {
            deleted += unless_gone(marked::forget(session, tally, &partition).await)?;
        }
        Ok(deleted)
    }
}

/// The numbers of things that were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Items of the table.
    pub(super) items: usize,
    /// Objects and their versions.
    pub(super) objects: usize,
    /// Items of the tally.
    pub(super) tally: usize,
}

/// Deletes what interrupted verifications of a stack have left. One that seems to be under way is waited for, as long as its lease
/// lasts, and left alone if it renews that.
///
/// # Errors
/// The errors of AWS.
pub(super) async fn clean_interrupted(context: &Context, session: &Session, stack: &str) -> Result<()> {
    let bucket = bucket_name(session);
    for place in records::keys(session, &bucket, &folder(stack)).await? {
        let Some(mut note) = read(session, &bucket, &place).await? else { continue };
        let left = note.until.saturating_sub(time::now()).min(LEASE);
        if left > 0 {
            context
                .ui
                .step("waiting", format!("for another verification, or the end of its lease in {left} s"));
            tokio::time::sleep(Duration::from_secs(left + 1)).await;
            match read(session, &bucket, &place).await? {
                Some(now) if now.until <= time::now() => note = now,
                _ => continue,
            }
        }
        let Left { items, objects, tally } = note.clean(session, stack).await?;
        context.ui.step(
            "cleaned",
            format!("after an interrupted verification: {items} items, {objects} objects, {tally} items of the tally"),
        );
    }
    Ok(())
}

async fn read(session: &Session, bucket: &str, place: &str) -> Result<Option<Note>> {
    let text = records::get(session, bucket, place).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_note() {
        let key = Key::from([
            ("a".to_owned(), KeyValue::Text("x".into())),
            ("b".to_owned(), KeyValue::Number("1.5".into())),
            ("c".to_owned(), KeyValue::Binary(vec![0, 255])),
        ]);
        assert_eq!(of_json(&to_json(&key)), Some(key));
        let Value::Object(wrong) = json!({ "a": { "BOOL": true } }) else { unreachable!("an object") };
        assert_eq!(of_json(&wrong), None);
    }
}
