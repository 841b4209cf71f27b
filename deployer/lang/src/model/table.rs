//! `type: table`.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::shorten;

use super::access::Verb;
use super::definition::{Definition, Drawing, Metrics};
use super::existing::{Existing, OWN_SETTINGS, Refused};
use super::flow::Role;
use super::properties::{Boolean, Choice, Integer, List, Map, Object, Properties, Reference, Str};
use super::{Kind, ResourceRef};

/// Longest name of an attribute that is a key: Amazon DynamoDB Developer Guide, "Quotas". It has no comma, since the
/// worker gets a list.
const MAX_KEY_NAME: usize = 255;

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The table that is there already; none is created then.
    pub existing: Option<Existing>,
    /// Key attributes and their types: the partition key, then the sort key if there is one.
    pub key: Vec<(String, KeyType)>,
    /// Global secondary indexes by name.
    pub indexes: Vec<(String, Index)>,
    /// Attribute with the time, in seconds since 1970, at which an item expires.
    pub time_to_live: Option<String>,
    /// The data that each change puts on the table's stream; no stream without it.
    pub stream: Option<StreamView>,
    /// The reads and writes that the table and each of its indexes are made for.
    pub capacity: Capacity,
    /// `true` if the table can be restored to any second of the last 35 days.
    pub point_in_time_recovery: bool,
    /// The storage class, by which storage is billed.
    pub class: TableClass,
    /// The customer key that encrypts its items.
    pub encryption_key: Option<ResourceRef>,
}

/// One of `indexes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its key attributes and their types: those of the partition key, then those of the sort key.
    pub key: Vec<(String, KeyType)>,
    /// The number of attributes in `key` that are its partition key.
    pub partition: usize,
    /// The attributes of each item that it contains.
    pub projection: Projection,
    /// Further attributes that it holds, with `projection: include`.
    pub attributes: Vec<String>,
}

/// The attributes of each item that an index contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// Everything.
    All,
    /// The keys of table and index.
    KeysOnly,
    /// The keys, and some attributes.
    Include,
}

/// The data that a change puts on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamView {
    /// The key of the item.
    KeysOnly,
    /// The item as it is.
    NewImage,
    /// The item as it was.
    OldImage,
    /// Both.
    NewAndOldImages,
}

/// The reads and writes that a table, and each of its indexes, is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// Capacity that is there, and paid for, all the time.
    Provisioned(Throughput),
    /// Capacity by what is read and written.
    OnDemand {
        /// What it takes at once, without having grown to it first.
        warm: Option<Throughput>,
        /// What it never exceeds: more is throttled.
        maximum: Option<Throughput>,
    },
}

/// Reads and writes a second, in DynamoDB's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// Read units.
    pub read: i64,
    /// Write units.
    pub write: i64,
}

/// The storage class, by which storage is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableClass {
    /// The class for most tables.
    Standard,
    /// The class with cheaper storage, and dearer reads and writes.
    InfrequentAccess,
}

/// Type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `S`.
    String,
    /// `N`.
    Number,
    /// `B`.
    Binary,
}

impl KeyType {
    /// Returns DynamoDB's letter for it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }
}

/// Words for the types of key attributes.
const TYPES: Choice<KeyType> =
    Choice(&[("string", KeyType::String), ("number", KeyType::Number), ("binary", KeyType::Binary)]);
/// Most global secondary indexes of a table: Amazon DynamoDB Developer Guide, "Quotas".
const MAX_INDEXES: usize = 20;
/// Most attributes that all indexes of a table name with `include`: the same page.
const MAX_INCLUDED: usize = 100;
/// Default quota of a table with provisioned capacity: the same page.
const MAX_CAPACITY: i64 = 40_000;
/// What every table on demand takes at once, so that less can't be asked for: Amazon DynamoDB Developer Guide,
/// "Understanding DynamoDB warm throughput".
const WARM: Throughput = Throughput { read: 12_000, write: 4_000 };
/// Most units of a table on demand. Its quota can be raised, so this only keeps out what is no number of units.
const MAX_ON_DEMAND: i64 = 1_000_000_000;
/// Most attributes of the partition key of an index, and of its sort key: Amazon DynamoDB Developer Guide,
/// "Multi-attribute keys".
const MAX_KEY_ATTRIBUTES: usize = 4;

impl Table {
    /// Returns the attributes that are keys of the table or of an index, each once, with their types.
    #[must_use]
    pub fn key_attributes(&self) -> Vec<(&str, KeyType)> {
        let mut all: Vec<(&str, KeyType)> = Vec::new();
        for (name, kind) in self.key.iter().chain(self.indexes.iter().flat_map(|(_, index)| &index.key)) {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name, *kind));
            }
        }
        all
    }
}

/// The properties that an existing table can't have.
const REFUSED: [Refused; 5] = [
    ("timeToLive", OWN_SETTINGS),
    ("stream", OWN_SETTINGS),
    ("capacity", OWN_SETTINGS),
    ("pointInTimeRecovery", OWN_SETTINGS),
    ("class", OWN_SETTINGS),
];

impl Definition for Table {
    const DESCRIPTION: &'static str =
        "A DynamoDB table: on demand, encrypted, with point-in-time recovery; or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] =
        &[("name", "table name"), ("arn", "ARN"), ("streamArn", "ARN of its stream, if it has one")];
    const ACCESS: &'static [(Verb, &'static str)] = &[
        (Verb::Read, "the items of a table"),
        (Verb::Write, "the items of a table"),
        (Verb::Update, "the items of a table"),
        (Verb::Tally, "a table whose key is `{ object: string, part: string }`"),
        (Verb::Delete, "the items of a table"),
    ];
    const DRAWING: Drawing = Drawing::Always(Role::Store);
    const METRICS: Option<Metrics> = Some(Metrics {
        namespace: "AWS/DynamoDB",
        dimension: "TableName",
        names: &[
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
            "UserErrors",
            "SystemErrors",
            "ConditionalCheckFailedRequests",
            "TransactionConflict",
            "TimeToLiveDeletedItemCount",
        ],
        graphs: [
            ("capacity", "Sum", &["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"]),
            ("throttles", "Sum", &["ReadThrottleEvents", "WriteThrottleEvents"]),
        ],
    });

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let existing = Existing::read(
            properties,
            Kind::Table,
            "Name or ARN of an existing table in the account and region of the stack; the stack creates none, and does not \
             change it. `key` and `indexes` are compared with it at each deployment.",
            &REFUSED,
        );
        let key = properties
            .field(
                "key",
                "The partition key, and a sort key if there is one, such as `{ id: string }`.",
                Map(TYPES),
            )
            .required();
        let indexes = properties
            .field(
                "indexes",
                "Global secondary indexes: name → key and projection.",
                Map(Object(Index::read)),
            )
            .or(Vec::new());
        let time_to_live = properties
            .field(
                "timeToLive",
                "Attribute with the time, in seconds since 1970, at which an item expires.",
                Str,
            )
            .optional();
        let stream = properties
            .field(
                "stream",
                "Content of each change in the table's stream.",
                Choice(&[
                    ("keys-only", StreamView::KeysOnly),
                    ("new-image", StreamView::NewImage),
                    ("old-image", StreamView::OldImage),
                    ("new-and-old-images", StreamView::NewAndOldImages),
                ]),
            )
            .optional();
        let capacity = properties
            .field(
                "capacity",
                "Capacity of the table and of each index: `read` and `write` provision it; without them, the table is on demand.",
                Object(Capacity::read),
            )
            .or(Capacity::OnDemand { warm: None, maximum: None });
        let point_in_time_recovery = properties
            .field(
                "pointInTimeRecovery",
                "Allow the table to be restored to any second of the last 35 days.",
                Boolean,
            )
            .or(true);
        let class = properties
            .field(
                "class",
                "Table class: `infrequent-access` has cheaper storage, and more expensive reads and writes.",
                Choice(&[
                    ("standard", TableClass::Standard),
                    ("infrequent-access", TableClass::InfrequentAccess),
                ]),
            )
            .or(TableClass::Standard);
        let encryption_key = properties
            .field(
                "encryptionKey",
                "Key that encrypts the items; by default the stack's `key`, or the AWS managed one.",
                Reference(&[Kind::Key]),
            )
            .optional();
        check_key(properties, key.as_deref().unwrap_or_default(), "a table");
        check_indexes(properties, key.as_deref().unwrap_or_default(), &indexes);
        if time_to_live.as_ref().is_some_and(|name| !is_attribute(name)) {
            let span = properties.span_of("timeToLive");
            properties.report(
                Diagnostic::error("E0108", span, "this can't be the name of an attribute")
                    .help(format!("1 to {MAX_KEY_NAME} bytes, without a comma")),
            );
        }
        Some(Self {
            existing,
            key: key?,
            indexes,
            time_to_live,
            stream,
            capacity,
            point_in_time_recovery,
            class,
            encryption_key,
        })
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn encryption_key(&self) -> Option<(&ResourceRef, &'static str)> {
        Some((self.encryption_key.as_ref()?, "dynamodb"))
    }

    fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
        self.existing.is_none().then_some(&mut self.encryption_key)
    }
}

fn is_attribute(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_KEY_NAME && !name.contains(',')
}

fn check_key(properties: &mut Properties<'_>, key: &[(String, KeyType)], what: &str) {
    let span = properties.span_of("key");
    if properties.has("key") && properties.is_sound() && !(1..=2).contains(&key.len()) {
        properties.report(
            Diagnostic::error("E0106", span, format!("{what} has one or two key attributes"))
                .help("write the partition key first, then the sort key"),
        );
    }
    check_key_names(properties, span, key);
}

fn check_key_names(properties: &mut Properties<'_>, span: Span, key: &[(String, KeyType)]) {
    for (name, _) in key.iter().filter(|(name, _)| !is_attribute(name)) {
        properties.report(
            Diagnostic::error(
                "E0108",
                span,
                format!("`{}` can't be the name of a key attribute", shorten(name)),
            )
            .help(format!("1 to {MAX_KEY_NAME} bytes, without a comma")),
        );
    }
}

fn check_indexes(properties: &mut Properties<'_>, key: &[(String, KeyType)], indexes: &[(String, Index)]) {
    let span = properties.span_of("indexes");
    let included: usize = indexes.iter().map(|(_, index)| index.attributes.len()).sum();
    for (count, most, what) in
        [(indexes.len(), MAX_INDEXES, "indexes"), (included, MAX_INCLUDED, "attributes in its indexes")]
    {
        if count > most {
            properties.report(
                Diagnostic::error("E0106", span, format!("the table has {count} {what}"))
                    .help(format!("DynamoDB accepts at most {most}")),
            );
        }
    }
    let mut types: Vec<(&str, KeyType)> = key.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    for (name, index) in indexes {
        // API reference, `GlobalSecondaryIndex`.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !((3..=255).contains(&name.len()) && name.bytes().all(letter)) {
            properties.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` can't be the name of an index", shorten(name)),
                )
                .help("3 to 255 letters, digits, `_`, `-` and `.`"),
            );
        }
        for (attribute, kind) in &index.key {
            match types.iter().find(|(known, _)| known == attribute) {
                Some((_, first)) if first != kind => properties.report(
                    Diagnostic::error(
                        "E0107",
                        span,
                        format!("the key attribute `{}` has two types", shorten(attribute)),
                    )
                    .help("an attribute has one type in the table and in all of its indexes"),
                ),
                Some(_) => {}
                None => types.push((attribute, *kind)),
            }
        }
    }
}

impl Index {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let key = properties
            .field("key", "Its partition key, and a sort key if there is one.", Map(TYPES))
            .or(Vec::new());
        let partition_key = properties
            .field(
                "partitionKey",
                "In the place of `key`: the attributes of its partition key, one to four. A query needs all of them.",
                Map(TYPES),
            )
            .or(Vec::new());
        let sort_key = properties
            .field(
                "sortKey",
                "With `partitionKey`: the attributes of its sort key, up to four, from left to right.",
                Map(TYPES),
            )
            .or(Vec::new());
        let projection = properties
            .field(
                "projection",
                "Attributes of each item that it contains; `include`: the keys and `attributes`.",
                Choice(&[
                    ("all", Projection::All),
                    ("keys-only", Projection::KeysOnly),
                    ("include", Projection::Include),
                ]),
            )
            .or(Projection::All);
        let attributes = properties
            .field("attributes", "Attributes that it contains besides the keys.", List(Str))
            .or(Vec::new());
        let (key, partition) = index_key(properties, key, partition_key, sort_key);
        if properties.is_sound() && (projection == Projection::Include) == attributes.is_empty() {
            let span = properties.span_of("attributes");
            properties.report(
                Diagnostic::error("E0107", span, "`attributes` can only be used with `projection: include`")
                    .help("write `{ projection: include, attributes: [name] }`, or neither"),
            );
        }
        Some(Self { key, partition, projection, attributes })
    }
}

/// Returns all key attributes of an index, and how many of them are its partition key.
fn index_key(
    properties: &mut Properties<'_>,
    key: Vec<(String, KeyType)>,
    partition_key: Vec<(String, KeyType)>,
    sort_key: Vec<(String, KeyType)>,
) -> (Vec<(String, KeyType)>, usize) {
    let span = properties.span_of("");
    match (properties.has("key"), properties.has("partitionKey")) {
        (false, false) => properties.report(Diagnostic::error("E0102", span, "the index has no key").help(
            "write `key: { id: string }`, or `partitionKey` and `sortKey` if they have several attributes",
        )),
        (true, true) => properties.report(
            Diagnostic::error(
                "E0107",
                properties.span_of("key"),
                "`key` and `partitionKey` are two ways to write the same",
            )
            .help("remove one of them"),
        ),
        (true, false) if properties.has("sortKey") => properties.report(
            Diagnostic::error(
                "E0107",
                properties.span_of("sortKey"),
                "`sortKey` can only be used with `partitionKey`",
            )
            .help(
                "write `key: { partition: string, sort: string }`, or `partitionKey` in the place of `key`",
            ),
        ),
        (true, false) => check_key(properties, &key, "an index"),
        (false, true) => check_index_key(properties, &partition_key, &sort_key),
    }
    if properties.has("partitionKey") {
        let partition = partition_key.len();
        (partition_key.into_iter().chain(sort_key).collect(), partition)
    } else {
        (key, 1)
    }
}

/// Checks a key whose parts may have several attributes.
fn check_index_key(
    properties: &mut Properties<'_>,
    partition: &[(String, KeyType)],
    sort: &[(String, KeyType)],
) {
    for (part, name, least) in [(partition, "partitionKey", 1), (sort, "sortKey", 0)] {
        let span = properties.span_of(name);
        if properties.is_sound() && !(least..=MAX_KEY_ATTRIBUTES).contains(&part.len()) {
            properties.report(
                Diagnostic::error("E0106", span, format!("`{name}` has {} attributes", part.len()))
                    .help(format!("an index accepts {least} to {MAX_KEY_ATTRIBUTES}")),
            );
        }
        check_key_names(properties, span, part);
    }
    let span = properties.span_of("sortKey");
    for (name, _) in sort.iter().filter(|(name, _)| partition.iter().any(|(other, _)| other == name)) {
        properties.report(
            Diagnostic::error("E0107", span, format!("`{}` is in both parts of the key", shorten(name)))
                .help("an attribute is in one of them"),
        );
    }
}

impl Capacity {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let read =
            properties.field("read", "Provisioned read capacity units.", Integer(1, MAX_CAPACITY)).optional();
        let write = properties
            .field("write", "Provisioned write capacity units.", Integer(1, MAX_CAPACITY))
            .optional();
        let warm = properties
            .field(
                "warm",
                "On demand: units a second that the table and each index take at once, without growing to them first; AWS charges for them once.",
                Object(|properties| Throughput::read(properties, WARM)),
            )
            .optional();
        let maximum = properties
            .field(
                "maximum",
                "On demand: units a second of the table and of each index, which are never exceeded; more is throttled.",
                Object(|properties| Throughput::read(properties, Throughput { read: 1, write: 1 })),
            )
            .optional();
        let (provisioned, on_demand) = (
            ["read", "write"].map(|name| properties.has(name)),
            ["warm", "maximum"].map(|name| properties.has(name)),
        );
        let (provisioned, both) = (provisioned.contains(&true), !provisioned.contains(&false));
        if provisioned && on_demand.contains(&true) {
            let span = properties.span_of(if on_demand[0] { "warm" } else { "maximum" });
            properties.report(
                Diagnostic::error(
                    "E0107",
                    span,
                    "a table has either provisioned capacity, or capacity on demand",
                )
                .help("remove `read` and `write`, or `warm` and `maximum`"),
            );
        } else if provisioned && !both {
            let span = properties.span_of("");
            properties.report(
                Diagnostic::error("E0102", span, "provisioned capacity needs `read` and `write`")
                    .help("such as `{ read: 5, write: 5 }`"),
            );
        } else if !provisioned && !on_demand.contains(&true) {
            let span = properties.span_of("");
            properties.report(
                Diagnostic::error("E0102", span, "the entry sets no capacity").help(
                    "set `read` and `write`, or `warm` or `maximum` for a table on demand; or remove it",
                ),
            );
        }
        if let (Some(warm), Some(maximum)) = (warm, maximum)
            && (maximum.read < warm.read || maximum.write < warm.write)
        {
            let span = properties.span_of("maximum");
            properties.report(
                Diagnostic::error("E0107", span, "the maximum is lower than the capacity that is kept warm")
                    .help("raise `maximum`, or lower `warm`, which is paid for once and then never used"),
            );
        }
        match (read, write) {
            (Some(read), Some(write)) => Some(Self::Provisioned(Throughput { read, write })),
            _ => Some(Self::OnDemand { warm, maximum }),
        }
    }

    /// Returns the capacity that is there all the time.
    #[must_use]
    pub const fn provisioned(self) -> Option<Throughput> {
        match self {
            Self::Provisioned(throughput) => Some(throughput),
            Self::OnDemand { .. } => None,
        }
    }
}

impl Throughput {
    /// Reads both units, of which each is at least that of `least`.
    fn read(properties: &mut Properties<'_>, least: Self) -> Option<Self> {
        let read =
            properties.field("read", "Read units a second.", Integer(least.read, MAX_ON_DEMAND)).required();
        let write = properties
            .field("write", "Write units a second.", Integer(least.write, MAX_ON_DEMAND))
            .required();
        Some(Self { read: read?, write: write? })
    }
}
