//! Properties that a type of the language and its resource of CloudFormation have one for one, as data.

use deployer_syntax::units::{show_duration, show_size};
use serde_json::{Map, Value, json};

use super::text::Names;
use crate::model::Kind;
use crate::model::properties::{Property, Shape};

/// The form of a property of CloudFormation, from which that of the language follows.
#[derive(Debug, Clone, Copy)]
enum As {
    /// The same text, number or boolean.
    Same,
    /// A duration in units of so many seconds.
    Duration(u64),
    /// A size in units of so many bytes.
    Size(u64),
    /// A reference to a resource, by whatever function.
    Reference,
    /// `true` if it is this word.
    Is(&'static str),
    /// Words of CloudFormation, and those of the language.
    Words(&'static [(&'static str, &'static str)]),
}

/// A property of the language, with `.` between a mapping and its property, and the pointer to that of CloudFormation.
type Row = (&'static str, &'static str, As);

/// Returns the properties of a type that are those of its main resource in another form.
fn rows(kind: Kind) -> &'static [Row] {
    match kind {
        Kind::Queue => &[
            ("visibilityTimeout", "/VisibilityTimeout", As::Duration(1)),
            ("retention", "/MessageRetentionPeriod", As::Duration(1)),
            ("delay", "/DelaySeconds", As::Duration(1)),
            ("receiveWait", "/ReceiveMessageWaitTimeSeconds", As::Duration(1)),
            ("maxMessageSize", "/MaximumMessageSize", As::Size(1)),
            ("fifo.contentBasedDeduplication", "/ContentBasedDeduplication", As::Same),
            ("deadLetter.after", "/RedrivePolicy/maxReceiveCount", As::Same),
            ("encryptionKey", "/KmsMasterKeyId", As::Reference),
        ],
        Kind::Topic => &[
            ("fifo.contentBasedDeduplication", "/ContentBasedDeduplication", As::Same),
            ("encryptionKey", "/KmsMasterKeyId", As::Reference),
        ],
        Kind::Bucket => &[
            (
                "eventBridge",
                "/NotificationConfiguration/EventBridgeConfiguration/EventBridgeEnabled",
                As::Same,
            ),
            ("versioning", "/VersioningConfiguration/Status", As::Is("Enabled")),
            ("logging.to", "/LoggingConfiguration/DestinationBucketName", As::Reference),
            ("logging.prefix", "/LoggingConfiguration/LogFilePrefix", As::Same),
            (
                "encryptionKey",
                "/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/KMSMasterKeyID",
                As::Reference,
            ),
        ],
        Kind::Table => &[
            ("timeToLive", "/TimeToLiveSpecification/AttributeName", As::Same),
            (
                "stream",
                "/StreamSpecification/StreamViewType",
                As::Words(&[
                    ("KEYS_ONLY", "keys-only"),
                    ("NEW_IMAGE", "new-image"),
                    ("OLD_IMAGE", "old-image"),
                    ("NEW_AND_OLD_IMAGES", "new-and-old-images"),
                ]),
            ),
            ("capacity.read", "/ProvisionedThroughput/ReadCapacityUnits", As::Same),
            ("capacity.write", "/ProvisionedThroughput/WriteCapacityUnits", As::Same),
            ("capacity.warm.read", "/WarmThroughput/ReadUnitsPerSecond", As::Same),
            ("capacity.warm.write", "/WarmThroughput/WriteUnitsPerSecond", As::Same),
            ("capacity.maximum.read", "/OnDemandThroughput/MaxReadRequestUnits", As::Same),
            ("capacity.maximum.write", "/OnDemandThroughput/MaxWriteRequestUnits", As::Same),
            ("pointInTimeRecovery", "/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", As::Same),
            ("class", "/TableClass", As::Words(&[("STANDARD_INFREQUENT_ACCESS", "infrequent-access")])),
            ("encryptionKey", "/SSESpecification/KMSMasterKeyId", As::Reference),
        ],
        Kind::Bus => &[
            (
                "log",
                "/LogConfig/Level",
                As::Words(&[("ERROR", "error"), ("INFO", "info"), ("TRACE", "trace")]),
            ),
            ("encryptionKey", "/KmsKeyIdentifier", As::Reference),
        ],
        Kind::Rule => &[("bus", "/EventBusName", As::Reference), ("state", "/State", STATE)],
        Kind::Schedule => &[
            ("timezone", "/ScheduleExpressionTimezone", As::Same),
            ("window", "/FlexibleTimeWindow/MaximumWindowInMinutes", As::Duration(60)),
            ("state", "/State", STATE),
            ("start", "/StartDate", As::Same),
            ("end", "/EndDate", As::Same),
        ],
        Kind::Key => &[
            ("description", "/Description", As::Same),
            ("rotation", "/RotationPeriodInDays", As::Duration(86_400)),
            ("deletionWindow", "/PendingWindowInDays", As::Duration(86_400)),
        ],
        Kind::Cluster => &[("insights", "/ClusterSettings/0/Value", As::Is("enabled"))],
        Kind::Network => &[("cidr", "/CidrBlock", As::Same)],
        Kind::Parameter => &[("description", "/Description", As::Same)],
        Kind::Function => &[
            ("architecture", "/Architectures/0", As::Same),
            ("concurrency", "/ReservedConcurrentExecutions", As::Same),
            ("memory", "/MemorySize", As::Size(1 << 20)),
            ("timeout", "/Timeout", As::Duration(1)),
            ("tmp", "/EphemeralStorage/Size", As::Size(1 << 20)),
            ("tracing", "/TracingConfig/Mode", As::Is("Active")),
        ],
        Kind::Alarm => &[
            ("metric", "/MetricName", As::Same),
            (
                "statistic",
                "/Statistic",
                As::Words(&[
                    ("Sum", "sum"),
                    ("Average", "average"),
                    ("Minimum", "minimum"),
                    ("Maximum", "maximum"),
                ]),
            ),
            ("statistic", "/ExtendedStatistic", As::Same),
            (
                "comparison",
                "/ComparisonOperator",
                As::Words(&[
                    ("GreaterThanThreshold", ">"),
                    ("GreaterThanOrEqualToThreshold", ">="),
                    ("LessThanThreshold", "<"),
                    ("LessThanOrEqualToThreshold", "<="),
                ]),
            ),
            ("threshold", "/Threshold", As::Same),
            ("period", "/Period", As::Duration(1)),
            ("periods", "/EvaluationPeriods", As::Same),
            ("missing", "/TreatMissingData", As::Same),
        ],
        _ => &[],
    }
}

const STATE: As = As::Words(&[("ENABLED", "enabled"), ("DISABLED", "disabled")]);

/// Returns a property in the form of the language; `None` if it has none, and the comparison will say so.
fn convert(value: &Value, form: As, names: &Names) -> Option<Value> {
    let units = |unit: u64| value.as_u64()?.checked_mul(unit);
    match form {
        As::Same => names
            .text(value)
            .filter(|_| value.is_string())
            .map(Value::from)
            .or_else(|| (value.is_number() || value.is_boolean()).then(|| value.clone())),
        As::Duration(unit) => units(unit).map(show_duration).map(Value::from),
        As::Size(unit) => units(unit).map(show_size).map(Value::from),
        As::Reference => names.reference(value),
        As::Is(word) => value.as_str().map(|text| json!(text == word)),
        As::Words(words) => {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, word)| json!(word))
        }
    }
}

/// Adds the properties that follow from those of the main resource.
pub(super) fn fill(kind: Kind, from: &Value, names: &Names, out: &mut Map<String, Value>) {
    for (path, pointer, form) in rows(kind) {
        if let Some(value) = from.pointer(pointer).and_then(|value| convert(value, *form, names)) {
            put(out, path, value);
        }
    }
}

/// Sets a property at a path with `.` between a mapping and its property.
pub(super) fn put(out: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(out.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = out.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Removes what is the default of the language anyway.
pub(super) fn without_defaults(properties: &[Property], out: &mut Map<String, Value>) {
    out.retain(|key, value| {
        let Some(property) = properties.iter().find(|property| property.name == key) else { return true };
        let written = match &*value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if property.default.as_ref().is_some_and(|default| *default == written) {
            return false;
        }
        match (&property.shape, value) {
            (Shape::Object(inner), Value::Object(map)) => {
                let was = map.len();
                without_defaults(inner, map);
                // A mapping that is left empty may be there for its own sake, as `fifo` is.
                was == 0 || !map.is_empty() || key == "fifo"
            }
            (Shape::List(inner), Value::Array(items)) => {
                if let Shape::Object(inner) = &**inner {
                    for item in items {
                        if let Value::Object(map) = item {
                            without_defaults(inner, map);
                        }
                    }
                }
                true
            }
            _ => true,
        }
    });
}
