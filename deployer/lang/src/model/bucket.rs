//! `type: bucket`.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::shorten;

use super::access::Verb;
use super::code::one_of_these;
use super::definition::{Definition, Drawing};
use super::existing::{Existing, OWN_SETTINGS, Refused};
use super::flow::{Flows, Role};
use super::properties::{Boolean, Choice, Duration, List, Object, Properties, Reference, Str};
use super::{Kind, ResourceRef};

/// An S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket that is there already; none is created then.
    pub existing: Option<Existing>,
    /// Receivers of notifications about objects.
    pub notify: Vec<Notification>,
    /// `true` if S3 sends every change to the account's default event bus.
    pub event_bridge: bool,
    /// `true` if overwritten and removed objects are kept as old versions.
    pub versioning: bool,
    /// Rules for objects as they get older.
    pub lifecycle: Vec<Rule>,
    /// Web pages that are allowed to call the bucket.
    pub cors: Vec<Cors>,
    /// Destination of the access logs.
    pub logging: Option<Logging>,
    /// The customer key that encrypts its objects.
    pub encryption_key: Option<ResourceRef>,
}

/// One `lifecycle` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Beginning of the keys that it applies to.
    pub prefix: Option<String>,
    /// Days after which an object is removed.
    pub expire_after: Option<u64>,
    /// Days after which a version is removed that is no longer the newest.
    pub old_versions_expire_after: Option<u64>,
    /// Cheaper storage with time: storage class and days.
    pub transitions: Vec<(StorageClass, u64)>,
}

/// The storage class of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageClass {
    /// A class for objects that are read now and then.
    StandardIa,
    /// A class that S3 chooses by the reads that it sees.
    IntelligentTiering,
    /// An archive that can be read at once.
    GlacierIr,
    /// An archive that is read after minutes to hours.
    Glacier,
    /// An archive that is read after hours.
    DeepArchive,
}

impl StorageClass {
    /// Returns S3's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }
}

/// One `cors` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins, such as `https://example.com`.
    pub origins: Vec<String>,
    /// HTTP methods.
    pub methods: Vec<Method>,
    /// Headers that a request can have.
    pub headers: Vec<String>,
    /// Headers of the response that the page can read.
    pub expose_headers: Vec<String>,
    /// Seconds for which a browser remembers the answer.
    pub max_age: u64,
}

/// An HTTP method that S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `PUT`.
    Put,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
    /// `HEAD`.
    Head,
}

impl Method {
    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// `logging` of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Bucket that receives the logs.
    pub to: ResourceRef,
    /// Prefix of the keys of the logs.
    pub prefix: String,
}

/// One `notify` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The event.
    pub on: BucketEvent,
    /// The receiver.
    pub to: Notified,
    /// Beginning of the keys that it applies to.
    pub prefix: Option<String>,
    /// End of the keys that it applies to.
    pub suffix: Option<String>,
}

/// The receiver of notifications about objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notified {
    /// A queue, which gets a message.
    Queue(ResourceRef),
    /// A function, which is called.
    Function(ResourceRef),
    /// A topic, which gets a message.
    Topic(ResourceRef),
}

impl Notified {
    /// Returns the resource.
    #[must_use]
    pub const fn resource(&self) -> &ResourceRef {
        match self {
            Self::Queue(resource) | Self::Function(resource) | Self::Topic(resource) => resource,
        }
    }
}

/// An event of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketEvent {
    /// The creation or the replacement of an object.
    Created,
    /// The removal of an object.
    Removed,
}

/// The properties that an existing bucket can't have.
const REFUSED: [Refused; 4] = [
    ("versioning", OWN_SETTINGS),
    ("lifecycle", OWN_SETTINGS),
    ("cors", OWN_SETTINGS),
    ("logging", OWN_SETTINGS),
];

impl Definition for Bucket {
    const DESCRIPTION: &'static str =
        "An S3 bucket: private, encrypted, versioned, TLS only; or an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("name", "bucket name"), ("arn", "ARN")];
    const ACCESS: &'static [(Verb, &'static str)] = &[
        (Verb::Read, "the objects of a bucket"),
        (Verb::Write, "the objects of a bucket"),
        (Verb::Delete, "the objects of a bucket"),
        (Verb::List, "the objects of a bucket"),
    ];
    const DRAWING: Drawing = Drawing::Always(Role::Store);

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let existing = Existing::read(
            properties,
            Kind::Bucket,
            "Name or ARN of an existing bucket in the region of the stack; the stack creates none, and does not change it.",
            &REFUSED,
        );
        let notify = properties
            .field(
                "notify",
                "Queues, functions and topics that are notified when an object is created or removed.",
                List(Object(Notification::read)),
            )
            .or(Vec::new());
        let event_bridge = properties
            .field(
                "eventBridge",
                "Send an event for every change to the account's default event bus; S3 supports no other bus.",
                Boolean,
            )
            .or(false);
        let versioning = properties
            .field("versioning", "Keep overwritten and removed objects as old versions.", Boolean)
            .or(true);
        let lifecycle = properties
            .field(
                "lifecycle",
                "Expiration and storage classes of objects. Old versions expire after 90 days unless an entry without a prefix \
                 sets another time, incomplete uploads after 7.",
                List(Object(Rule::read)),
            )
            .or(Vec::new());
        let cors = properties
            .field("cors", "Web pages that are allowed to call the bucket.", List(Object(Cors::read)))
            .or(Vec::new());
        let logging =
            properties.field("logging", "Destination of the access logs.", Object(Logging::read)).optional();
        let encryption_key = properties
            .field(
                "encryptionKey",
                "Key that encrypts the objects; by default the stack's `key`, or S3's own.",
                Reference(&[Kind::Key]),
            )
            .optional();
        // Amazon S3 User Guide, "Managing the lifecycle of objects": rules of a bucket; two are ours.
        if lifecycle.len() > 998 {
            let span = properties.span_of("lifecycle");
            properties.report(
                Diagnostic::error("E0106", span, "the bucket has too many lifecycle rules")
                    .help("S3 accepts 998 besides those of the deployer"),
            );
        }
        Some(Self { existing, notify, event_bridge, versioning, lifecycle, cors, logging, encryption_key })
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        for notify in &self.notify {
            let on = match notify.on {
                BucketEvent::Created => "created",
                BucketEvent::Removed => "removed",
            };
            let filter = match (&notify.prefix, &notify.suffix) {
                (None, None) => String::new(),
                (prefix, suffix) => {
                    format!(
                        " {}*{}",
                        prefix.as_deref().unwrap_or_default(),
                        suffix.as_deref().unwrap_or_default()
                    )
                }
            };
            flows.add(name, &notify.to.resource().name, format!("{on}{filter}"));
        }
        if self.existing.is_some() {
            flows.add_dead_letters(name, name, "undelivered");
        }
    }

    fn encryption_key(&self) -> Option<(&ResourceRef, &'static str)> {
        Some((self.encryption_key.as_ref()?, "s3"))
    }

    fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
        self.existing.is_none().then_some(&mut self.encryption_key)
    }
}

const DAY: u64 = 86_400;
/// Longest time in a lifecycle rule: any number of days is taken; ten thousand are 27 years.
const MAX_DAYS: u64 = 10_000 * DAY;

impl Rule {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let prefix = properties.field("prefix", "Only keys that begin with this.", Str).optional();
        let expire_after = properties
            .field(
                "expireAfter",
                "Age at which an object is deleted, in whole days.",
                Duration(DAY, MAX_DAYS),
            )
            .optional();
        let old_versions_expire_after = properties
            .field(
                "oldVersionsExpireAfter",
                "Time until a version that is no longer the newest is deleted, in whole days.",
                Duration(DAY, MAX_DAYS),
            )
            .optional();
        let transitions = properties
            .field("transitions", "Transitions to cheaper storage.", List(Object(read_transition)))
            .or(Vec::new());
        for (name, seconds) in
            [("expireAfter", expire_after), ("oldVersionsExpireAfter", old_versions_expire_after)]
        {
            whole_days(properties, name, seconds.unwrap_or_default());
        }
        let nothing =
            !["expireAfter", "oldVersionsExpireAfter", "transitions"].iter().any(|name| properties.has(name));
        if nothing {
            let span = properties.span_of("");
            properties.report(
                Diagnostic::error("E0102", span, "the rule does nothing")
                    .help("write `expireAfter`, `oldVersionsExpireAfter` or `transitions`"),
            );
        }
        let last = transitions.iter().map(|(_, days)| *days).max();
        let ordered = transitions.windows(2).all(|pair| pair[0].1 < pair[1].1);
        let days = |seconds: u64| seconds / DAY;
        let expired_before =
            matches!((last, expire_after), (Some(last), Some(expire)) if days(expire) <= last);
        if properties.is_sound() && (!ordered || expired_before) {
            let span = properties.span_of("transitions");
            properties.report(
                Diagnostic::error(
                    "E0107",
                    span,
                    "each transition must come after the one before it, and before the object expires",
                )
                .help("order them by `after`, below `expireAfter`"),
            );
        }
        Some(Self {
            prefix,
            expire_after: expire_after.map(days),
            old_versions_expire_after: old_versions_expire_after.map(days),
            transitions,
        })
    }
}

fn whole_days(properties: &mut Properties<'_>, name: &str, seconds: u64) {
    if !seconds.is_multiple_of(DAY) {
        let span = properties.span_of(name);
        properties.report(Diagnostic::error("E0104", span, "S3 counts whole days").help("such as `30d`"));
    }
}

/// Reads a storage class and days.
fn read_transition(properties: &mut Properties<'_>) -> Option<(StorageClass, u64)> {
    let to = properties
        .field(
            "to",
            "The storage class.",
            Choice(&[
                ("standard-ia", StorageClass::StandardIa),
                ("intelligent-tiering", StorageClass::IntelligentTiering),
                ("glacier-ir", StorageClass::GlacierIr),
                ("glacier", StorageClass::Glacier),
                ("deep-archive", StorageClass::DeepArchive),
            ]),
        )
        .required();
    let after =
        properties.field("after", "Age of the object, in whole days.", Duration(DAY, MAX_DAYS)).required();
    whole_days(properties, "after", after.unwrap_or_default());
    // Amazon S3 User Guide, "Transitioning objects using Amazon S3 Lifecycle".
    if to == Some(StorageClass::StandardIa) && after.is_some_and(|after| after < 30 * DAY) {
        let span = properties.span_of("after");
        properties.report(
            Diagnostic::error("E0104", span, "S3 does not move objects to `standard-ia` before 30 days")
                .help("write `30d` or more"),
        );
    }
    Some((to?, after? / DAY))
}

impl Cors {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let origins =
            properties.field("origins", "Origins, such as `https://example.com`.", List(Str)).required();
        let methods = properties
            .field(
                "methods",
                "HTTP methods.",
                List(Choice(&[
                    ("GET", Method::Get),
                    ("PUT", Method::Put),
                    ("POST", Method::Post),
                    ("DELETE", Method::Delete),
                    ("HEAD", Method::Head),
                ])),
            )
            .required();
        let headers =
            properties.field("headers", "Headers that a request can have.", List(Str)).or(Vec::new());
        let expose_headers = properties
            .field("exposeHeaders", "Headers of the response that the page can read.", List(Str))
            .or(Vec::new());
        let max_age = properties
            .field("maxAge", "Time for which a browser caches the response.", Duration(0, DAY))
            .or(3_600);
        for name in ["origins", "methods"] {
            let empty = match name {
                "origins" => origins.as_ref().is_some_and(Vec::is_empty),
                _ => methods.as_ref().is_some_and(Vec::is_empty),
            };
            if empty {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0106", span, format!("`{name}` is empty")).help("name at least one"),
                );
            }
        }
        Some(Self { origins: origins?, methods: methods?, headers, expose_headers, max_age })
    }
}

impl Logging {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let to =
            properties.field("to", "Bucket that receives the logs.", Reference(&[Kind::Bucket])).required();
        let prefix =
            properties.field("prefix", "Prefix of the keys of the logs.", Str).or("access/".to_owned());
        Some(Self { to: to?, prefix })
    }
}

impl Notification {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let on = properties
            .field(
                "on",
                "Which events.",
                Choice(&[("created", BucketEvent::Created), ("removed", BucketEvent::Removed)]),
            )
            .or(BucketEvent::Created);
        let queue = properties
            .field("queue", "Queue that receives a message for each object.", Reference(&[Kind::Queue]))
            .optional();
        let function = properties
            .field("function", "Function that is invoked for each object.", Reference(&[Kind::Function]))
            .optional();
        let topic = properties
            .field("topic", "Topic that receives a message for each object.", Reference(&[Kind::Topic]))
            .optional();
        let prefix = properties.field("prefix", "Only keys that begin with this.", Str).optional();
        let suffix =
            properties.field("suffix", "Only keys that end with this, such as `.csv`.", Str).optional();
        for (name, text) in [("prefix", &prefix), ("suffix", &suffix)] {
            if let Some(text) = text
                && text.contains(['“', '”', '„', '‘', '’', '«', '»'])
            {
                let span = properties.span_of(name);
                let message =
                    format!("`{}` has typographic quotes, which no key begins or ends with", shorten(text));
                let plain = text.trim_matches(['“', '”', '„', '‘', '’', '«', '»']);
                properties.report(
                    Diagnostic::error("E0108", span, message)
                        .help(format!("write `{name}: \"{}\"`", shorten(plain))),
                );
            }
        }
        one_of_these(properties, &["queue", "function", "topic"], "queue: \"${name}\"");
        let to =
            queue.map(Notified::Queue).or(function.map(Notified::Function)).or(topic.map(Notified::Topic));
        Some(Self { on, to: to?, prefix, suffix })
    }
}
