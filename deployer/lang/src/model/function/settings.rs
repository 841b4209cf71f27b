//! `settings` of a function that is a worker of the deployer.

use contract::settings::{
    ExtractSettings, FieldSettings, LoadSettings, OnConflict, Store, TransformSettings,
};
use deployer_syntax::diagnostic::Span;

use super::MIB;
use super::fields::{self, Expression, Expressions, FieldPlace, Fields, Place, Placed};
use crate::model::properties::{Choice, Integer, Properties, Size};
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
    /// Place of its `where`.
    pub filter: Option<Place>,
    /// The facts that only its expressions show.
    pub expressions: Expressions,
    /// Settings of `load`.
    pub load: LoadSettings,
    /// Names of the given settings, with their places.
    pub given: Vec<(&'static str, Span)>,
}

/// Names of the settings of each worker.
pub const SETTINGS: [(Worker, &[&str]); 5] = [
    (Worker::Extract, &["shardSize", "maxTasks"]),
    (Worker::Transform, &["fields", "where"]),
    (Worker::Load, &["onConflict", "store"]),
    (Worker::Observe, &[]),
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
        let (filter, filter_place) = filter.unzip();
        let transform = TransformSettings { fields, filter };
        let complete = complete && filter_place.is_some() == properties.has("where");
        let expressions = match complete {
            true => fields::check(&transform, &places, filter_place.as_ref(), properties),
            false => Expressions::default(),
        };
        let on_conflict = properties
            .field(
                "onConflict",
                "For `load`: the item that is kept if two have the same key. `overwrite`: the one that is written last; \
                 `newest`: the one of the object that was uploaded last, and within one object the one of the last row.",
                Choice(&[("overwrite", OnConflict::Overwrite), ("newest", OnConflict::Newest)]),
            )
            .or(OnConflict::Overwrite);
        let store = properties
            .field(
                "store",
                "For `load`: form in which sensitive fields are written. `decrypted`: as they were in the file; `encrypted`: \
                 with everything that their decryption needs except the key.",
                Choice(&[("decrypted", Store::Decrypted), ("encrypted", Store::Encrypted)]),
            )
            .or(Store::Decrypted);
        let names = SETTINGS.iter().flat_map(|(_, names)| names.iter().copied());
        let given =
            names.filter(|name| properties.has(name)).map(|name| (name, properties.span_of(name))).collect();
        Some(Self {
            extract: ExtractSettings { shard_size, max_tasks: u32::try_from(max_tasks).unwrap_or(1) },
            transform,
            fields: places,
            filter: filter_place,
            expressions,
            load: LoadSettings { on_conflict, store },
            given,
        })
    }

    /// Returns whether this setting is given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Returns the JSON of the settings that the worker reads.
    #[must_use]
    pub fn json(&self, worker: Worker) -> Option<String> {
        match worker {
            Worker::Extract => serde_json::to_string(&self.extract),
            Worker::Transform => serde_json::to_string(&self.transform),
            Worker::Load => serde_json::to_string(&self.load),
            Worker::Observe | Worker::Extraction => return None,
        }
        .ok()
    }
}
