//! The work of one task: an object, or a part of it, for the first time or again.

use serde::{Deserialize, Serialize};

use crate::ObjectRef;

/// The work that `extract` gives to a task in [`crate::environment::ASSIGNMENT`], beside
/// [`crate::environment::OBJECT`].
///
/// A task without one reads the whole object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Assignment {
    /// The part of the object, if it is divided among several tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The number of tasks that were started for the same work before this one, and stopped before it was done.
    #[serde(skip_serializing_if = "is_zero")]
    pub restarts: u32,
    /// The rows to send again; `None` for all rows, for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// One of the parts into which an object is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// The number of the part, from 1.
    pub index: u32,
    /// The number of parts.
    pub of: u32,
}

/// The bytes of a [`Shard`]: a row belongs to the part in which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The part.
    #[serde(flatten)]
    pub shard: Shard,
    /// The first byte.
    pub from: u64,
    /// The byte after the last. The last part has no end: it takes the rest of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// A choice of rows to send again, by what the tally contains of them when the task begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replay {
    /// Rows that failed in some stage, and were not loaded.
    Failed,
    /// Rows that were not loaded, and that no stage reports as failed.
    Missing,
}

/// A message in the queue of `extract`, beside S3's notifications: extract these rows again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// The rows.
    pub replay: Replay,
    /// The object.
    pub object: ObjectRef,
    /// An ID that tells this request from others for the same rows: a message that is delivered twice starts one task.
    pub id: String,
}

/// A message that `extract` sends to its own queue, to arrive when it is time to start a task in the place of one that
/// has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartRequest {
    /// The work of the new task.
    pub restart: Assignment,
    /// The object.
    pub object: ObjectRef,
    /// ARN of the task that has stopped: however often ECS reports that, one task takes its place.
    pub task: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_survives_the_environment() {
        let whole = Assignment::default();
        assert_eq!(serde_json::to_string(&whole).expect("JSON"), "{}");
        let shard = Shard { index: 2, of: 3 };
        for part in
            [None, Some(Part { shard, from: 7, to: Some(9) }), Some(Part { shard, from: 9, to: None })]
        {
            for replay in [None, Some(Replay::Failed), Some(Replay::Missing)] {
                let assignment = Assignment { part, restarts: 1, replay };
                let text = serde_json::to_string(&assignment).expect("JSON");
                assert_eq!(
                    serde_json::from_str::<Assignment>(&text).expect("own JSON"),
                    assignment,
                    "{text}"
                );
            }
        }
        assert!(serde_json::from_str::<Assignment>(r#"{"parts":1}"#).is_err());
    }

    #[test]
    fn a_request_to_start_a_task_again_survives_the_queue() {
        let object = ObjectRef {
            bucket: "b".into(),
            key: "k".into(),
            version: None,
            etag: None,
            uploaded: None,
            replay: None,
        };
        let restart = Assignment { restarts: 2, ..Assignment::default() };
        let request = RestartRequest { restart, object, task: "arn".into() };
        let text = serde_json::to_string(&request).expect("JSON");
        assert_eq!(serde_json::from_str::<RestartRequest>(&text).expect("own JSON"), request, "{text}");
    }
}
