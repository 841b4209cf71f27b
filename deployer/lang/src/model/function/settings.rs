//! `settings` of a function that is a worker of the deployer.

use contract::settings::{
    ExtractSettings, FieldSettings, LoadSettings, ObserveSettings, OnConflict, Share, SnapshotSettings,
    Store, TransformSettings,
};
use deployer_syntax::diagnostic::Span;

use super::MIB;
use super::fields::{self, Conditions, Expression, Expressions, FieldPlace, Fields, Placed};
use crate::model::properties::{Boolean, Choice, Integer, Percent, Properties, Size};
use crate::model::worker::Worker;

/// Settings of a worker. A rule of [`crate::check`] decides which of them a worker has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Settings of `extract`.
    pub extract: ExtractSettings,
    /// Settings of `transform`.
    pub transform: TransformSettings,
    /// Places of its fields.
    pub fields: Vec<FieldPlace>,
    /// Places of its `where` and its `delete`.
    pub conditions: Conditions,
    /// The facts that only its expressions show.
    pub expressions: Expressions,
    /// Settings of `load`.
    pub load: LoadSettings,
    /// Settings of `observe`.
    pub observe: ObserveSettings,
    /// Settings of `snapshot`.
    pub snapshot: SnapshotSettings,
    /// Names of the given settings, with their places.
    pub given: Vec<(&'static str, Span)>,
}

/// Most bytes of an object that `extract` reads itself. A million short rows take a function longer than its 15 minutes, and
/// are then continued by a task.
const MAX_INLINE: u64 = 50 * MIB;

/// Names of the settings of each worker.
pub const SETTINGS: [(Worker, &[&str]); 7] = [
    (Worker::Extract, &["shardSize", "maxTasks", "inline"]),
    (Worker::Transform, &["fields", "where", "delete"]),
    (Worker::Load, &["onConflict", "snapshot", "store"]),
    (Worker::Observe, &["metrics"]),
    (Worker::Report, &[]),
    (Worker::Snapshot, &["maximumDeleted"]),
    (Worker::Extraction, &[]),
];

impl Settings {
    pub(super) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let defaults = ExtractSettings::default();
        let shard_size = properties
            .field(
                "shardSize",
                "For `extract`: size up to which one task reads an object; a larger object is divided among several tasks.",
                Size(MIB, 1 << 50),
            )
            .or(defaults.shard_size);
        let max_tasks = properties
            .field(
                "maxTasks",
                "For `extract`: maximum number of tasks that read one object.",
                Integer(1, 100),
            )
            .or(i64::from(defaults.max_tasks));
        let inline = properties
            .field(
                "inline",
                "For `extract`: size up to which it reads an object itself, without waiting for a task; without it, a task reads \
                 every object.",
                Size(1, MAX_INLINE),
            )
            .optional();
        let fields = properties
            .field(
                "fields",
                "For `transform`: attributes of the item, name → source of the value.",
                Fields { nested: false },
            )
            .optional();
        // Fields that can't be read would make others seem wrong.
        let complete = fields.is_some();
        let fields = fields.unwrap_or_default();
        let (fields, places): (Vec<FieldSettings>, Vec<FieldPlace>) = fields.into_iter().unzip();
        let filter = properties
            .field(
                "where",
                "For `transform`: expression of CEL that is true for the rows that become items; the others are skipped.",
                Placed(Expression),
            )
            .optional();
        let delete = properties
            .field(
                "delete",
                "For `transform`: expression of CEL that is true for the rows that delete the item of their key.",
                Placed(Expression),
            )
            .optional();
        let ((filter, filter_place), (delete, delete_place)) = (filter.unzip(), delete.unzip());
        let conditions = Conditions { filter: filter_place, delete: delete_place };
        let transform = TransformSettings { fields, filter, delete, key: Vec::new() };
        let complete = complete
            && conditions.filter.is_some() == properties.has("where")
            && conditions.delete.is_some() == properties.has("delete");
        let expressions = match complete {
            true => fields::check(&transform, &places, &conditions, properties),
            false => Expressions::default(),
        };
        let on_conflict = properties
            .field(
                "onConflict",
                "For `load`: the item that is kept if two have the same key. `overwrite`: the one that is written last; \
                 `newest`: the one of the object that was uploaded last, and within one object the one of the last row; \
                 `keep`: the one that is in the table; `merge`: the one that is in the table, with the attributes of the \
                 row.",
                Choice(&[
                    ("overwrite", OnConflict::Overwrite),
                    ("newest", OnConflict::Newest),
                    ("keep", OnConflict::Keep),
                    ("merge", OnConflict::Merge),
                ]),
            )
            .or(OnConflict::Overwrite);
        let snapshot = properties
            .field(
                "snapshot",
                "For `load`, with `onConflict: newest`: write the file of each item into its attribute `_source`, so that the \
                 worker `snapshot` deletes the items that a later version of the file lacks.",
                Boolean,
            )
            .or(false);
        let store = properties
            .field(
                "store",
                "For `load`: form in which sensitive fields are written. `decrypted`: as they were in the file; `encrypted`: \
                 with everything that their decryption needs except the key.",
                Choice(&[("decrypted", Store::Decrypted), ("encrypted", Store::Encrypted)]),
            )
            .or(Store::Decrypted);
        let metrics = properties
            .field(
                "metrics",
                "For `observe`, with a tally and a bus: metrics about each file at its end, by the embedded metric format in the \
                 log: files, rows, failed rows and seconds. CloudWatch charges for each in the hours in which files end.",
                Boolean,
            )
            .or(false);
        let maximum_deleted = properties
            .field(
                "maximumDeleted",
                "For `snapshot`: largest share of the items that a file had before that its next version deletes. If it lacks more, \
                 none are deleted, and `snapshot-completed` says so.",
                Percent,
            )
            .or(SnapshotSettings::default().maximum_deleted.0.into());
        let maximum_deleted = Share(u16::try_from(maximum_deleted).unwrap_or_default());
        let names = SETTINGS.iter().flat_map(|(_, names)| names.iter().copied());
        let given =
            names.filter(|name| properties.has(name)).map(|name| (name, properties.span_of(name))).collect();
        Some(Self {
            extract: ExtractSettings { shard_size, max_tasks: u32::try_from(max_tasks).unwrap_or(1), inline },
            transform,
            fields: places,
            conditions,
            expressions,
            load: LoadSettings { on_conflict, store, snapshot },
            observe: ObserveSettings { metrics },
            snapshot: SnapshotSettings { maximum_deleted },
            given,
        })
    }

    /// Returns the settings of a `transform`, with the key that deletions need.
    #[must_use]
    pub fn transform(&self, key: Vec<String>) -> TransformSettings {
        let key = if self.transform.delete.is_some() { key } else { Vec::new() };
        TransformSettings { key, ..self.transform.clone() }
    }

    /// Returns whether this setting is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Returns the JSON of the settings that the worker reads. `key` has the key attributes of the tables that the items
    /// of a `transform` are written to.
    #[must_use]
    pub fn json(&self, worker: Worker, key: Vec<String>) -> Option<String> {
        match worker {
            Worker::Extract => serde_json::to_string(&self.extract),
            Worker::Transform => serde_json::to_string(&self.transform(key)),
            Worker::Load => serde_json::to_string(&self.load),
            Worker::Snapshot => serde_json::to_string(&self.snapshot),
            // Without this setting, it has none.
            Worker::Observe if self.observe.metrics => serde_json::to_string(&self.observe),
            Worker::Observe | Worker::Report | Worker::Extraction => return None,
        }
        .ok()
    }
}
