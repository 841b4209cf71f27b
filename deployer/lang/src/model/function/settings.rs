//! `settings` of a function that is a worker of the deployer.

use contract::settings::{
    ExtractSettings, FieldSettings, LoadSettings, OnConflict, Store, TransformSettings,
};
use deployer_syntax::diagnostic::{Diagnostic, Span};

use super::MIB;
use crate::model::properties::{Boolean, Choice, Integer, Map, Object, Properties, Size, Str};
use crate::model::worker::Worker;

/// Settings of a worker. A rule of [`crate::check`] decides which of them a worker has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Settings of `extract`.
    pub extract: ExtractSettings,
    /// Settings of `transform`.
    pub transform: TransformSettings,
    /// Places of its fields.
    pub fields: Vec<Span>,
    /// Settings of `load`.
    pub load: LoadSettings,
    /// Names of the given settings, with their places.
    pub given: Vec<(&'static str, Span)>,
}

/// Names of the settings of each worker.
pub const SETTINGS: [(Worker, &[&str]); 5] = [
    (Worker::Extract, &["shardSize", "maxTasks"]),
    (Worker::Transform, &["fields"]),
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
                Map(Object(read_field)),
            )
            .or(Vec::new());
        let spans = fields.iter().map(|(_, (_, span))| *span).collect();
        let fields = fields.into_iter().map(|(name, (field, _))| FieldSettings { name, ..field }).collect();
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
            transform: TransformSettings { fields },
            fields: spans,
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

fn read_field(properties: &mut Properties<'_>) -> Option<(FieldSettings, Span)> {
    let from = properties.field("from", "Column of the CSV.", Str).required();
    let required = properties.field("required", "Fail rows without a value.", Boolean).or(false);
    let optional = properties
        .field(
            "optional",
            "Accept files without the column. By default, such a file fails as a whole.",
            Boolean,
        )
        .or(false);
    let default = properties
        .field("default", "Value to use if the row has none, or the file lacks the optional column.", Str)
        .optional();
    let sensitive = properties
        .field("sensitive", "Encrypt the value in the task so that only `load` can read it (KMS).", Boolean)
        .or(false);
    if sensitive && properties.has("default") {
        let span = properties.span_of("default");
        properties.report(
            Diagnostic::error("E0107", span, "a sensitive field has no `default`")
                .help("it would be in plain text, here and in the template; remove it"),
        );
    }
    for (with, message, help) in [
        (
            sensitive,
            "a sensitive field can't be optional",
            "in a file with another name for the column, its values would not be encrypted; remove `optional`",
        ),
        (
            required,
            "a field can't be both required and optional",
            "`optional` allows files without the column, and `required` would fail each of their rows; remove one of them",
        ),
    ] {
        if optional && with {
            let span = properties.span_of("optional");
            properties.report(Diagnostic::error("E0107", span, message).help(help));
        }
    }
    let field = FieldSettings { name: String::new(), from: from?, required, optional, default, sensitive };
    Some((field, properties.span_of("")))
}
