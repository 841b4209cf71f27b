//! What one task has to do: an object, or a part of it, for the first time or again.

use serde::{Deserialize, Serialize};

use crate::ObjectRef;

/// What `extract` gives to a task in [`crate::environment::ASSIGNMENT`], beside [`crate::environment::OBJECT`].
///
/// A task without one reads the whole object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Assignment {
    /// The part of the object, if it is divided among several tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// How many tasks were started for the same before this one and ended before their work did.
    #[serde(skip_serializing_if = "is_zero")]
    pub restarts: u32,
    /// Only these rows, again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// One of the parts into which an object is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its number, from 1.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// The bytes of a [`Shard`]: a row belongs to the part in which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which part.
    #[serde(flatten)]
    pub shard: Shard,
    /// The first byte.
    pub from: u64,
    /// The byte behind the last. The last part has no end: it takes all that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// Which rows are sent again, by what the tally knows of them when the task begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replay {
    /// Rows that failed in some stage, and were not loaded.
    Failed,
    /// Rows that were not loaded, and of which no stage says that they failed.
    Missing,
}

/// A message in the queue of `extract`, beside S3's notifications: extract these rows again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Which rows.
    pub replay: Replay,
    /// The object.
    pub object: ObjectRef,
    /// Tells this request from others for the same rows: a message that is delivered twice starts one task.
    pub id: String,
}

/// A message that `extract` sends to its own queue, to arrive when it is time: start a task in the place of one that has
/// stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartRequest {
    /// What the new task has to do.
    pub restart: Assignment,
    /// The object.
    pub object: ObjectRef,
    /// ARN of the task that has stopped: however often ECS says so, one task takes its place.
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
