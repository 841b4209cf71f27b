//! `existing`: a resource of AWS that the stack refers to, and neither creates nor changes.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::shorten;

use super::Kind;
use super::arn::{ArnParts, is_account};
use super::properties::{Properties, Str};
use super::target::{StackTarget, Target};

/// A resource of AWS outside of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its name; of a key, its ID.
    pub name: String,
    /// Its ARN, if the file names it by that.
    pub arn: Option<Arn>,
    /// The place of the name in the file.
    pub span: Span,
    form: &'static Form,
}

/// An ARN, with its parts that are a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn {
    /// The whole ARN.
    pub text: String,
    /// Its partition.
    pub partition: String,
    /// Its region; empty for a bucket.
    pub region: String,
    /// Its account; empty for a bucket.
    pub account: String,
}

/// The names and ARNs of the resources of one type.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    kind: Kind,
    /// The service in an ARN.
    service: &'static str,
    /// The text of an ARN before the name.
    path: &'static str,
    /// Fewest and most characters of a name.
    length: (usize, usize),
    /// Characters of a name besides letters and digits.
    others: &'static str,
    /// The rule in words.
    rule: &'static str,
    /// An example.
    example: &'static str,
}

/// The forms. Sources: Amazon S3 User Guide, "General purpose bucket naming rules"; Amazon DynamoDB API Reference,
/// `CreateTable`; Amazon SQS API Reference, `CreateQueue`; Amazon SNS API Reference, `CreateTopic`; AWS KMS API
/// Reference, `DescribeKey`; Amazon ECS API Reference, `CreateCluster`; Service Authorization Reference for the ARNs.
const FORMS: [Form; 6] = [
    Form {
        kind: Kind::Bucket,
        service: "s3",
        path: "",
        length: (3, 63),
        others: ".-",
        rule: "3 to 63 small letters, digits, `.` and `-`, with a letter or digit at both ends",
        example: "arn:aws:s3:::landing-of-shop",
    },
    Form {
        kind: Kind::Table,
        service: "dynamodb",
        path: "table/",
        length: (3, 255),
        others: "_.-",
        rule: "3 to 255 letters, digits, `_`, `.` and `-`",
        example: "arn:aws:dynamodb:eu-west-1:111122223333:table/orders",
    },
    Form {
        kind: Kind::Queue,
        service: "sqs",
        path: "",
        length: (1, 80),
        others: "_-",
        rule: "at most 80 letters, digits, `_` and `-`, and `.fifo` at the end of a FIFO queue",
        example: "arn:aws:sqs:eu-west-1:111122223333:jobs",
    },
    Form {
        kind: Kind::Topic,
        service: "sns",
        path: "",
        length: (1, 256),
        others: "_-",
        rule: "at most 256 letters, digits, `_` and `-`, and `.fifo` at the end of a FIFO topic",
        example: "arn:aws:sns:eu-west-1:111122223333:news",
    },
    Form {
        kind: Kind::Key,
        service: "kms",
        path: "key/",
        length: (36, 36),
        others: "-",
        rule: "the 36 characters of its ID, such as `1234abcd-12ab-34cd-56ef-1234567890ab`, and not an alias, on which IAM allows nothing",
        example: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    },
    Form {
        kind: Kind::Cluster,
        service: "ecs",
        path: "cluster/",
        length: (1, 255),
        others: "_-",
        rule: "at most 255 letters, digits, `_` and `-`",
        example: "arn:aws:ecs:eu-west-1:111122223333:cluster/shared",
    },
];

impl Form {
    fn is_name(&self, text: &str) -> bool {
        let fifo = matches!(self.kind, Kind::Queue | Kind::Topic);
        let base = text.strip_suffix(FIFO).filter(|_| fifo).unwrap_or(text);
        let letter = |byte: u8| match self.kind {
            Kind::Bucket => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            _ => byte.is_ascii_alphanumeric(),
        };
        let is_formed = match self.kind {
            Kind::Bucket => is_bucket(base),
            Kind::Key => is_key(base),
            _ => true,
        };
        is_formed
            && !base.is_empty()
            && (self.length.0..=self.length.1).contains(&text.len())
            && base.bytes().all(|byte| letter(byte) || self.others.as_bytes().contains(&byte))
    }

    /// Returns the name in an ARN of this type, and the ARN.
    fn parse(&self, text: &str) -> Option<(String, Option<Arn>)> {
        if !text.starts_with("arn:") {
            return self.is_name(text).then(|| (text.to_owned(), None));
        }
        let parts = ArnParts::parse(text).filter(|parts| parts.service == self.service)?;
        let name = parts.resource.strip_prefix(self.path).filter(|name| self.is_name(name))?;
        let placed = match self.kind {
            // The ARN of a bucket has no place: its name is known to all accounts of a partition.
            Kind::Bucket => parts.region.is_empty() && parts.account.is_empty(),
            _ => !parts.region.is_empty() && is_account(parts.account),
        };
        let [partition, region, account] = [parts.partition, parts.region, parts.account].map(str::to_owned);
        placed.then(|| (name.to_owned(), Some(Arn { text: text.to_owned(), partition, region, account })))
    }
}

/// Returns whether the dots and hyphens of a name are where a bucket can have them: Amazon S3 User Guide, "General purpose
/// bucket naming rules".
fn is_bucket(name: &str) -> bool {
    let ends = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    name.starts_with(ends) && name.ends_with(ends) && !name.contains("..") && !is_address
}

/// Returns whether a text has the form of the ID of a key, in one region or several: AWS KMS Developer Guide, "Key
/// identifiers (KeyId)".
fn is_key(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.strip_prefix("mrk-") {
        Some(rest) => rest.len() == 32 && hex(rest),
        None => {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && id.split('-').all(hex)
        }
    }
}

/// The end of the name of a FIFO queue or topic.
pub(super) const FIFO: &str = ".fifo";

/// A property that an existing resource can't have, with the reason.
pub(super) type Refused = (&'static str, &'static str);

/// The reason for most of them.
pub(super) const OWN_SETTINGS: &str = "it has settings of its own, which the stack does not change";

impl Existing {
    /// Reads `existing`, and refuses the properties that would configure the resource.
    pub(super) fn read(
        properties: &mut Properties<'_>,
        kind: Kind,
        description: &'static str,
        refused: &[Refused],
    ) -> Option<Self> {
        let text = properties.field("existing", description, Str).optional();
        if !properties.has("existing") {
            return None;
        }
        for (name, reason) in refused {
            if !properties.has(name) {
                continue;
            }
            let span = properties.span_of(name);
            let message = format!("`{name}` can't be set for an existing {}: {reason}", kind.name());
            properties.report(
                Diagnostic::error("E0363", span, message).help(format!("remove `{name}`, or `existing`")),
            );
        }
        let form = FORMS.iter().find(|form| form.kind == kind)?;
        let (text, span) = (text?, properties.span_of("existing"));
        let Some((name, arn)) = form.parse(&text) else {
            let message =
                format!("`{}` is neither the name nor the ARN of a {}", shorten(&text), kind.name());
            let help = format!("{}; or its ARN, such as `{}`", form.rule, form.example);
            properties.report(Diagnostic::error("E0362", span, message).help(help));
            return None;
        };
        Some(Self { name, arn, span, form })
    }

    /// Returns whether it is a FIFO queue or topic, which its name says.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        matches!(self.form.kind, Kind::Queue | Kind::Topic) && self.name.ends_with(FIFO)
    }

    /// Returns its account, if the file names it.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.account.as_str()).filter(|account| !account.is_empty())
    }

    /// Returns its partition, if the file names it.
    #[must_use]
    pub fn partition(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.partition.as_str())
    }

    /// Returns its region, if the file names it.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.region.as_str()).filter(|region| !region.is_empty())
    }

    /// Returns the account of a stack, and that of the resource, if the file says that they differ.
    #[must_use]
    pub fn other_account<'s>(&'s self, target: &'s StackTarget) -> Option<(&'s str, &'s str)> {
        let (own, other) = (target.account.as_deref()?, self.account()?);
        (own != other && target.target == Target::Aws).then_some((own, other))
    }

    /// Returns its ARN as a text of `Fn::Sub`: without a place in the file, it is in that of the stack.
    #[must_use]
    pub fn arn(&self) -> String {
        if let Some(arn) = &self.arn {
            return arn.text.clone();
        }
        let Form { service, path, .. } = self.form;
        let place = match self.form.kind {
            Kind::Bucket => ":",
            _ => "${AWS::Region}:${AWS::AccountId}",
        };
        format!("arn:${{AWS::Partition}}:{service}:{place}:{path}{}", self.name)
    }

    /// Returns the URL of a queue as a text of `Fn::Sub`.
    #[must_use]
    pub fn url(&self) -> String {
        let account = self.account().unwrap_or("${AWS::AccountId}");
        format!("https://sqs.${{AWS::Region}}.${{AWS::URLSuffix}}/{account}/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(kind: Kind) -> &'static Form {
        FORMS.iter().find(|form| form.kind == kind).expect("a form")
    }

    #[test]
    fn every_example_is_an_arn_of_its_type_and_of_no_other() {
        for one in &FORMS {
            for other in &FORMS {
                let found = other.parse(one.example).and_then(|(_, arn)| arn).map(|arn| arn.text);
                let expected = (one.kind == other.kind).then(|| one.example.to_owned());
                assert_eq!(found, expected, "{} as {}", one.example, other.kind.name());
            }
        }
    }

    #[test]
    fn names_are_those_of_the_service() {
        for (kind, text, fits) in [
            (Kind::Bucket, "landing.of-shop", true),
            (Kind::Bucket, "Landing", false),
            (Kind::Bucket, "ab", false),
            (Kind::Bucket, "-landing", false),
            (Kind::Bucket, "landing.", false),
            (Kind::Bucket, "landing..shop", false),
            (Kind::Bucket, "192.168.5.4", false),
            (Kind::Bucket, "192.168.5.400", true),
            (Kind::Bucket, "arn:aws:s3:::landing/key", false),
            (Kind::Bucket, "arn:aws:s3:eu-west-1::landing", false),
            (Kind::Table, "orders_1.old", true),
            (Kind::Table, "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/index/a", false),
            (Kind::Table, "arn:aws:dynamodb:eu-west-1:1111:table/orders", false),
            (Kind::Queue, "jobs.fifo", true),
            (Kind::Queue, ".fifo", false),
            (Kind::Queue, "jobs.old", false),
            (Kind::Queue, "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs", false),
            (Kind::Topic, "arn:aws-cn:sns:cn-north-1:111122223333:news.fifo", true),
            (Kind::Key, "1234abcd-12ab-34cd-56ef-1234567890ab", true),
            (Kind::Key, "mrk-1234abcd12ab34cd56ef1234567890ab", true),
            (Kind::Key, "alias/shop", false),
            (Kind::Key, "------------------------------------", false),
            (Kind::Key, "1234abcd-12ab-34cd-56ef-1234567890ax", false),
            (Kind::Topic, "arn:aws-cn:sns:us-east-1:111122223333:news", false),
            (Kind::Cluster, "shared", true),
            (Kind::Cluster, "${shared}", false),
            (Kind::Cluster, "", false),
        ] {
            assert_eq!(form(kind).parse(text).is_some(), fits, "{} {text}", kind.name());
        }
    }

    #[test]
    fn a_name_is_one_of_the_place_of_the_stack() {
        let of = |kind, text: &str| {
            let (name, arn) = form(kind).parse(text).expect("a name");
            Existing { name, arn, span: Span::default(), form: form(kind) }
        };
        let queue = of(Kind::Queue, "jobs.fifo");
        assert_eq!(queue.arn(), "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:jobs.fifo");
        assert_eq!(queue.url(), "https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/jobs.fifo");
        assert!(queue.is_fifo());
        assert_eq!(of(Kind::Bucket, "landing").arn(), "arn:${AWS::Partition}:s3:::landing");
        let other = of(Kind::Queue, "arn:aws:sqs:eu-west-1:111122223333:jobs");
        assert_eq!(other.account(), Some("111122223333"));
        assert_eq!(other.url(), "https://sqs.${AWS::Region}.${AWS::URLSuffix}/111122223333/jobs");
        assert!(!other.is_fifo());
    }
}
