//! `type: topic`.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use deployer_syntax::yaml::shorten;

use super::access::Verb;
use super::definition::{Definition, Drawing, Metrics};
use super::existing::{Existing, Refused};
use super::flow::{Flows, Role};
use super::pattern::{Pattern, PatternReader};
use super::properties::{Boolean, Choice, List, Object, Properties, Reference, Str};
use super::queue::Fifo;
use super::{Kind, Resource, ResourceRef, Stack};

/// An SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The topic that is there already; none is created then.
    pub existing: Option<Existing>,
    /// Receivers of the messages.
    pub subscriptions: Vec<Subscription>,
    /// Settings of a FIFO topic, in order and without duplicates; a standard topic without them.
    pub fifo: Option<Fifo>,
    /// The customer key that encrypts its messages.
    pub encryption_key: Option<ResourceRef>,
}

/// One `subscriptions` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The subscriber.
    pub to: Subscriber,
    /// Pattern of the messages that are delivered.
    pub filter: Option<Pattern>,
    /// `true` if the filter applies to the body of the message, and not to its attributes.
    pub filter_body: bool,
    /// `true` if a queue gets the message itself, without the envelope of SNS.
    pub raw: bool,
    /// Queue that receives messages that could not be delivered.
    pub dead_letter: Option<ResourceRef>,
    /// Place of the entry.
    pub span: Span,
}

/// A subscriber of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscriber {
    /// A queue.
    Queue(ResourceRef),
    /// A function.
    Function(ResourceRef),
    /// An address, whose owner must confirm first.
    Email(String),
}

/// The properties that an existing topic can't have.
const REFUSED: [Refused; 1] = [("fifo", "the name of a FIFO topic ends with `.fifo`")];

impl Definition for Topic {
    const DESCRIPTION: &'static str =
        "An SNS topic with its subscriptions: TLS only; or subscriptions to an existing one.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[("arn", "ARN"), ("name", "topic name")];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Publish, "messages on a topic")];
    const DRAWING: Drawing = Drawing::Always(Role::Hub);
    const METRICS: Option<Metrics> = Some(Metrics {
        namespace: "AWS/SNS",
        dimension: "TopicName",
        names: &[
            "NumberOfMessagesPublished",
            "NumberOfNotificationsDelivered",
            "NumberOfNotificationsFailed",
            "NumberOfNotificationsFilteredOut",
            "PublishSize",
        ],
        graphs: [
            ("messages", "Sum", &["NumberOfMessagesPublished"]),
            ("deliveries", "Sum", &["NumberOfNotificationsDelivered", "NumberOfNotificationsFailed"]),
        ],
    });

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let existing = Existing::read(
            properties,
            Kind::Topic,
            "Name or ARN of an existing topic in the region of the stack; the stack creates none, and adds its subscriptions alone.",
            &REFUSED,
        );
        let subscriptions = properties
            .field("subscriptions", "Receivers of the messages.", List(Object(Subscription::read)))
            .or(Vec::new());
        let fifo = properties
            .field(
                "fifo",
                "FIFO topic: messages in order within a message group, and without duplicates.",
                Object(Fifo::read),
            )
            .optional();
        let encryption_key = properties
            .field(
                "encryptionKey",
                "Key that encrypts the messages; by default the stack's `key`, or SNS's own, or none if an AWS service \
                 publishes, which could not use SNS's own.",
                Reference(&[Kind::Key]),
            )
            .optional();
        let fifo = match &existing {
            Some(existing) => existing.is_fifo().then_some(Fifo::default()),
            None => fifo,
        };
        Some(Self { existing, subscriptions, fifo, encryption_key })
    }

    /// Checks that each subscriber is allowed, and given once: Amazon SNS Developer Guide, "Amazon SNS FIFO topics".
    fn check(&self, stack: &Stack, _: &Resource, diagnostics: &mut Diagnostics) {
        for (index, subscription) in self.subscriptions.iter().enumerate() {
            if self.subscriptions[..index].iter().any(|other| other.to.is_same(&subscription.to)) {
                diagnostics.push(
                    Diagnostic::error(
                        "E0303",
                        subscription.span,
                        "an earlier subscription has the same receiver",
                    )
                    .help("SNS accepts one subscription per receiver; extend its filter to match both"),
                );
            }
            let fifo = match &subscription.to {
                Subscriber::Queue(reference) => {
                    stack.queue(reference).is_some_and(|queue| queue.fifo.is_some())
                }
                Subscriber::Function(_) | Subscriber::Email(_) => false,
            };
            let problem = match (self.fifo.is_some(), fifo, &subscription.to) {
                (false, true, _) => "a FIFO queue can subscribe only to a FIFO topic",
                (true, _, Subscriber::Function(_) | Subscriber::Email(_)) => {
                    "only queues can subscribe to a FIFO topic"
                }
                _ => continue,
            };
            diagnostics.push(
                Diagnostic::error("E0107", subscription.span, problem)
                    .help("set `fifo` for both, or for neither"),
            );
        }
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        for subscription in &self.subscriptions {
            if let Subscriber::Queue(to) | Subscriber::Function(to) = &subscription.to {
                let label = if subscription.filter.is_some() { "filtered" } else { "" };
                flows.add(name, &to.name, label);
            }
            if let Some(to) = &subscription.dead_letter {
                flows.add_failure(name, to, "undelivered");
            }
        }
    }

    fn dead_letter_queues(&self) -> Vec<&ResourceRef> {
        self.subscriptions.iter().filter_map(|one| one.dead_letter.as_ref()).collect()
    }

    fn encryption_key(&self) -> Option<(&ResourceRef, &'static str)> {
        Some((self.encryption_key.as_ref()?, "sns"))
    }

    fn encryption_key_mut(&mut self) -> Option<&mut Option<ResourceRef>> {
        self.existing.is_none().then_some(&mut self.encryption_key)
    }
}

impl Subscriber {
    /// Returns whether SNS takes both for the same receiver.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Queue(a), Self::Queue(b)) | (Self::Function(a), Self::Function(b)) => a.name == b.name,
            (Self::Email(a), Self::Email(b)) => a == b,
            _ => false,
        }
    }
}

impl Subscription {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let queue = properties
            .field("queue", "Queue that receives the messages.", Reference(&[Kind::Queue]))
            .optional();
        let function = properties
            .field("function", "Function that receives the messages.", Reference(&[Kind::Function]))
            .optional();
        let email = properties
            .field("email", "E-mail address that receives the messages, once its owner has confirmed.", Str)
            .optional();
        let filter = properties
            .field(
                "filter",
                "Filter policy of SNS that the messages must match.",
                PatternReader::OfNotification,
            )
            .optional();
        let filter_body = properties
            .field(
                "filterScope",
                "Part of a message that the filter is about: its attributes or its body.",
                Choice(&[("attributes", false), ("body", true)]),
            )
            .or(false);
        let raw = properties
            .field("raw", "With `queue`: deliver the message itself, without the envelope of SNS.", Boolean)
            .or(true);
        let dead_letter = properties
            .field(
                "deadLetter",
                "Queue that receives messages that could not be delivered.",
                Reference(&[Kind::Queue]),
            )
            .optional();
        if let Some(filter) = &filter {
            check_filter(properties, filter, filter_body);
        }
        super::code::one_of_these(properties, &["queue", "function", "email"], "queue: \"${name}\"");
        for (name, wrong, with) in
            [("raw", !properties.has("queue"), "queue"), ("filterScope", !properties.has("filter"), "filter")]
        {
            if wrong && properties.has(name) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error("E0107", span, format!("`{name}` can only be used with `{with}`"))
                        .help("remove it"),
                );
            }
        }
        if let Some(email) = &email
            && !is_address(email)
        {
            let span = properties.span_of("email");
            properties.report(
                Diagnostic::error("E0108", span, "this is not an e-mail address")
                    .help("such as `ops@example.com`"),
            );
        }
        let span = queue.as_ref().or(function.as_ref()).map_or(properties.span_of("email"), |to| to.span);
        let to = queue
            .map(Subscriber::Queue)
            .or(function.map(Subscriber::Function))
            .or(email.map(Subscriber::Email));
        Some(Self { to: to?, filter, filter_body, raw, dead_letter, span })
    }
}

/// Checks the fields of a filter policy, and the combinations of their values: Amazon SNS Developer Guide, "Filter
/// policy constraints". In a body, the number of a field's values is multiplied by its depth.
fn check_filter(properties: &mut Properties<'_>, filter: &Pattern, of_body: bool) {
    const MOST_FIELDS: usize = 5;
    const MOST_COMBINATIONS: usize = 150;
    let nested = filter.json.value.as_object().into_iter().flatten();
    let nested = nested.filter(|(_, value)| value.is_object()).map(|(name, _)| name.clone()).next();
    if let Some(name) = nested.filter(|_| !of_body) {
        properties.report(
            Diagnostic::error(
                "E0340",
                filter.span,
                format!("an attribute has no fields, but `{}` has", shorten(&name)),
            )
            .help("attributes are single values; for the body of a message write `filterScope: body`"),
        );
        return;
    }
    for fields in filter.compiled.shape() {
        if fields.len() > MOST_FIELDS {
            properties.report(
                Diagnostic::error("E0340", filter.span, format!("the filter names {} fields", fields.len()))
                    .help(format!("SNS accepts at most {MOST_FIELDS}")),
            );
            return;
        }
        let depth = |name: &str| if of_body { name.split('.').count() } else { 1 };
        let combinations = fields.iter().fold(1_usize, |product, (name, values)| {
            product.saturating_mul(values.saturating_mul(depth(name)))
        });
        if combinations > MOST_COMBINATIONS {
            properties.report(
                Diagnostic::error("E0340", filter.span, format!("the filter has {combinations} combinations of values"))
                    .help(format!(
                        "SNS accepts at most {MOST_COMBINATIONS}: the numbers of values of all fields, and in a body their \
                         depths, multiplied"
                    )),
            );
            return;
        }
    }
}

fn is_address(text: &str) -> bool {
    let whole = !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    whole
        && text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
        })
}
