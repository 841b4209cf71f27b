//! The settings by which a stack fits into an organisation: tags, roles, topics for its events. They are given for the
//! file, and each stack may have others.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::stack_settings::{MOST_TAGS, OWN_TAGS, StackSettings};
use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::{Node, Value, shorten};

use super::arn::{AWS, ArnParts, is_account};
use super::existing::FIFO;
use super::properties::{AnyText, List, Read, Scope, Shape, Str, mismatch};
use super::{Text, TextPart};

mod places;

pub use places::Misplaced;

/// Characters of the key and the value of a tag: AWS CloudFormation API Reference, `Tag`.
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
/// Tags of the deployer: two of the stack, and two of a resource that the stack keeps.
const OF_DEPLOYER: usize = 4;
/// Characters of the path of a role, and of its name: IAM API Reference, `CreateRole`.
const MAX_PATH: usize = 512;
/// Characters of the name of a role.
pub(crate) const MAX_ROLE_NAME: usize = 64;
/// Characters of the name of a managed policy: IAM API Reference, `CreatePolicy`.
const MAX_POLICY_NAME: usize = 128;
/// Characters of the name of a topic: Amazon SNS API Reference, `CreateTopic`.
const MAX_TOPIC_NAME: usize = 256;
/// Topics of a stack: AWS CloudFormation API Reference, `CreateChangeSet`: `NotificationARNs`.
const MAX_TOPICS: usize = 5;

/// The settings of one stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Organisation {
    /// Tags of the stack and all its resources.
    pub tags: BTreeMap<String, String>,
    /// ARN of the policy that limits the permissions of every role that the language makes.
    pub permissions_boundary: Option<Text>,
    /// Path of these roles.
    pub role_path: Option<String>,
    /// Beginning of the names of these roles.
    pub role_prefix: Option<String>,
    /// ARN of the role with which CloudFormation works.
    pub role_arn: Option<String>,
    /// ARNs of the topics that get the events of the stack.
    pub notifications: Vec<String>,
    /// All ARNs among them, for checks of their places; pseudo parameters in them are `*`.
    pub arns: Vec<NamedArn>,
}

impl Organisation {
    /// Returns the settings that the template names.
    #[must_use]
    pub fn settings(&self) -> StackSettings {
        StackSettings { tags: self.tags.keys().cloned().collect(), notifications: self.notifications.clone() }
    }
}

/// An ARN among the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedArn {
    /// The setting.
    pub setting: &'static str,
    /// The ARN.
    pub text: String,
    /// Its place in the file.
    pub span: Span,
}

/// Returns the resource in an ARN of a service.
fn resource_of<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    let parts = ArnParts::parse(arn)?;
    let is_placed = match service {
        // Policies of AWS have no account.
        "iam" => {
            parts.region.is_empty()
                && (is_account(parts.account)
                    || parts.account == AWS && parts.resource.starts_with("policy/"))
        }
        _ => !parts.region.is_empty() && is_account(parts.account),
    };
    (parts.service == service && is_placed).then_some(parts.resource)
}

/// Returns whether a text is the name of a resource of IAM, with its path, in which a wildcard would mean other resources too.
fn is_iam_name(text: &str, most: usize) -> bool {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    let is_path = |path: &str| path.bytes().all(|byte| byte.is_ascii_graphic() && !b"*?$".contains(&byte));
    (1..=most).contains(&name.len()) && is_role_word(name) && path.len() + 2 <= MAX_PATH && is_path(path)
}

/// Returns whether a text can be a part of the name of a role: IAM API Reference, `CreateRole`: `RoleName`.
fn is_role_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

/// Returns whether a text is the ARN of a role of an account.
#[must_use]
pub fn is_role_arn(text: &str) -> bool {
    resource_of(text, "iam")
        .and_then(|rest| rest.strip_prefix("role/"))
        .is_some_and(|name| is_iam_name(name, MAX_ROLE_NAME))
}

/// `tags`: keys and values.
pub(crate) struct Tags;
impl Read for Tags {
    type Out = Vec<(String, Span, String)>;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::String))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let Value::Mapping(entries) = &node.value else {
            scope.report(
                mismatch(node, "a mapping").help("write `team: shop` on lines of their own, indented"),
            );
            return None;
        };
        let read: Vec<Option<_>> = entries
            .iter()
            .map(|entry| {
                let key = check_key(&entry.key, entry.key_span, scope);
                let (value, _) = scope.single(&entry.value, "a text")?;
                let value = check_value(&entry.key, value, entry.value.span, scope);
                key.zip(value).map(|(key, value)| (key, entry.key_span, value))
            })
            .collect();
        read.into_iter().collect()
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

fn tag_problem(span: Span, message: String, help: &str, scope: &Scope) {
    scope.report(Diagnostic::error("E0380", span, message).help(help));
}

fn check_key(key: &str, span: Span, scope: &Scope) -> Option<String> {
    let shown = shorten(key);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b" _.:/=+-@".contains(&byte);
    let lower = key.to_ascii_lowercase();
    let (message, help) = if key.is_empty() || key.len() > MAX_KEY {
        (
            format!("the key of a tag has {} characters", key.chars().count()),
            format!("between 1 and {MAX_KEY}"),
        )
    } else if lower.starts_with("aws:") {
        (format!("`{shown}` can't be the key of a tag"), "AWS keeps `aws:` for itself".to_owned())
    } else if lower.starts_with(OWN_TAGS) {
        (format!("`{shown}` can't be the key of a tag"), format!("`{OWN_TAGS}` is for tags of the deployer"))
    } else if !key.bytes().all(letter) {
        (
            format!("`{shown}` can't be the key of a tag"),
            "letters and digits of ASCII, spaces, and `_.:/=+-@`".to_owned(),
        )
    } else {
        return Some(key.to_owned());
    };
    tag_problem(span, message, &help, scope);
    None
}

fn check_value(key: &str, value: String, span: Span, scope: &Scope) -> Option<String> {
    let letter = |letter: char| letter.is_alphanumeric() || " _.:/=+-@".contains(letter);
    let shown = shorten(key);
    let (message, help) = if value.is_empty() {
        (
            format!("the tag `{shown}` has no value"),
            "CloudFormation takes no empty one; remove the tag, or write `none`".to_owned(),
        )
    } else if value.chars().count() > MAX_VALUE {
        (
            format!("the value of the tag `{shown}` has {} characters", value.chars().count()),
            format!("at most {MAX_VALUE}"),
        )
    } else if !value.chars().all(letter) {
        (
            format!("`{}` can't be the value of a tag", shorten(&value)),
            "letters, digits, spaces, and `_.:/=+-@`".to_owned(),
        )
    } else {
        return Some(value);
    };
    tag_problem(span, message, &help, scope);
    None
}

/// Returns the tags of a stack: those of the file, with the stack's own in their place.
pub(crate) fn tags(
    of_file: Vec<(String, Span, String)>,
    of_stack: Vec<(String, Span, String)>,
    scope: &Scope,
) -> Option<BTreeMap<String, String>> {
    let most = MOST_TAGS - OF_DEPLOYER;
    let mut tags = BTreeMap::new();
    let mut folded: BTreeMap<String, String> = BTreeMap::new();
    let mut sound = true;
    for (key, span, value) in of_file.into_iter().chain(of_stack) {
        // IAM User Guide, "Tags for AWS Identity and Access Management resources".
        if let Some(other) =
            folded.insert(key.to_ascii_lowercase(), key.clone()).filter(|other| *other != key)
        {
            let message =
                format!("the keys `{}` and `{}` differ only in their case", shorten(&other), shorten(&key));
            tag_problem(span, message, "a role can have only one of them; write both in the same way", scope);
            sound = false;
        }
        tags.insert(key, value);
        if tags.len() == most + 1 {
            let message = format!("the stack has more than {most} tags");
            let help = format!(
                "AWS allows {MOST_TAGS} on a resource, and up to {OF_DEPLOYER} are tags of the deployer; remove some"
            );
            tag_problem(span, message, &help, scope);
            sound = false;
        }
    }
    sound.then_some(tags)
}

/// `permissionsBoundary`: the ARN of a policy.
pub(crate) struct Boundary;
impl Read for Boundary {
    type Out = Text;
    fn shape(&self) -> Shape {
        AnyText.shape()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Text> {
        let text = AnyText.read(node, scope)?;
        let part = |part: &TextPart| match part {
            TextPart::Literal(literal) => Some(literal.clone()),
            TextPart::Pseudo("AWS::Partition") => Some("aws".to_owned()),
            TextPart::Pseudo("AWS::AccountId") => Some("111122223333".to_owned()),
            TextPart::Pseudo(_) | TextPart::Attribute { .. } | TextPart::Raw { .. } => None,
        };
        let filled: Option<String> = text.parts.iter().map(part).collect();
        let policy = filled.as_deref().and_then(|text| resource_of(text, "iam")?.strip_prefix("policy/"));
        if policy.is_some_and(|name| is_iam_name(name, MAX_POLICY_NAME)) {
            return Some(text);
        }
        let message = match &filled {
            Some(text) => format!("`{}` is not the ARN of a policy", shorten(text)),
            None => "the permissions boundary can't be a part of the stack".to_owned(),
        };
        scope.report(Diagnostic::error("E0381", node.span, message).help(
            "such as `arn:aws:iam::111122223333:policy/boundary`; `${AWS::Partition}` and `${AWS::AccountId}` can be in it",
        ));
        None
    }
    fn show(&self, _: &Text) -> Option<String> {
        None
    }
}

/// Returns the text of a boundary, with `*` for pseudo parameters.
pub(crate) fn pattern_of(boundary: &Text) -> String {
    let part = |part: &TextPart| match part {
        TextPart::Literal(literal) => literal.clone(),
        _ => "*".to_owned(),
    };
    boundary.parts.iter().map(part).collect()
}

/// `rolePath`: `/team/`.
pub(crate) struct RolePath;
impl Read for RolePath {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let path = Str.read(node, scope)?;
        let slashes = path.starts_with('/') && path.ends_with('/') && !path.contains("//");
        let reserved = path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/");
        let letters = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*' && byte != b'?');
        if slashes && letters && !reserved && path.len() <= MAX_PATH {
            return Some(path);
        }
        let help = match reserved {
            true => "AWS keeps this path for its own roles; another one, such as `/pipelines/`".to_owned(),
            false => format!(
                "one that begins and ends with `/`, such as `/pipelines/`, without spaces and wildcards, at most {MAX_PATH} characters"
            ),
        };
        let message = format!("`{}` can't be the path of roles", shorten(&path));
        scope.report(Diagnostic::error("E0382", node.span, message).help(help));
        None
    }
    fn show(&self, _: &String) -> Option<String> {
        None
    }
}

/// `rolePrefix`: the beginning of names.
pub(crate) struct RolePrefix;
impl Read for RolePrefix {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let prefix = Str.read(node, scope)?;
        if !prefix.is_empty() && prefix.len() < MAX_ROLE_NAME && is_role_word(&prefix) {
            return Some(prefix);
        }
        let message = format!("`{}` can't be the beginning of the names of roles", shorten(&prefix));
        scope.report(
            Diagnostic::error("E0382", node.span, message)
                .help("letters and digits of ASCII, and `_+=,.@-`, such as `pipelines-`"),
        );
        None
    }
    fn show(&self, _: &String) -> Option<String> {
        None
    }
}

/// `roleArn`: the ARN of a role.
pub(crate) struct RoleArn;
impl Read for RoleArn {
    type Out = (String, Span);
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let arn = Str.read(node, scope)?;
        if is_role_arn(&arn) {
            return Some((arn, node.span));
        }
        let message = format!("`{}` is not the ARN of a role", shorten(&arn));
        scope.report(
            Diagnostic::error("E0381", node.span, message)
                .help("such as `arn:aws:iam::111122223333:role/cloudformation`"),
        );
        None
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

/// The ARN of a topic.
struct TopicArn;
impl Read for TopicArn {
    type Out = (String, Span);
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let arn = Str.read(node, scope)?;
        let is_name = |name: &str| {
            let base = name.strip_suffix(FIFO).unwrap_or(name);
            !base.is_empty()
                && name.len() <= MAX_TOPIC_NAME
                && base.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if resource_of(&arn, "sns").is_some_and(is_name) {
            return Some((arn, node.span));
        }
        let message = format!("`{}` is not the ARN of a topic", shorten(&arn));
        scope.report(
            Diagnostic::error("E0381", node.span, message)
                .help("such as `arn:aws:sns:eu-west-1:111122223333:deployments`"),
        );
        None
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

/// `notificationArns`: the ARNs of topics.
pub(crate) struct TopicArns;
impl Read for TopicArns {
    type Out = Vec<(String, Span)>;
    fn shape(&self) -> Shape {
        List(TopicArn).shape()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let arns = List(TopicArn).read(node, scope)?;
        let message = if arns.iter().map(|(arn, _)| arn).collect::<BTreeSet<_>>().len() < arns.len() {
            "a topic is in the list twice".to_owned()
        } else if arns.len() > MAX_TOPICS {
            format!("the list has {} topics", arns.len())
        } else {
            return Some(arns);
        };
        scope.report(
            Diagnostic::error("E0381", node.span, message)
                .help(format!("at most {MAX_TOPICS} topics, each once")),
        );
        None
    }
    fn show(&self, _: &Self::Out) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_those_of_their_service() {
        for right in ["arn:aws:iam::111122223333:role/cfn", "arn:aws-cn:iam::111122223333:role/team/cfn"] {
            assert!(is_role_arn(right), "{right}");
        }
        for wrong in [
            "cfn",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:policy/cfn",
            "arn:aws:iam::1111:role/cfn",
            "arn:aws:iam:eu-west-1:111122223333:role/cfn",
            "arn:aws:sns::111122223333:role/cfn",
            "arn:aws:iam::111122223333:role/a b",
            "arn:aws:iam::${AWS::AccountId}:role/cfn",
            "arn:aws:iam::aws:role/cfn",
            "arn:aws:iam::111122223333:role/*/cfn",
            "arn:awsx:iam::111122223333:role/cfn",
            &format!("arn:aws:iam::111122223333:role/{}", "a".repeat(65)),
            &format!("arn:aws:iam::111122223333:role/{}/cfn", "a".repeat(511)),
        ] {
            assert!(!is_role_arn(wrong), "{wrong}");
        }
        assert_eq!(resource_of("arn:aws:sns:eu-west-1:111122223333:news", "sns"), Some("news"));
        assert_eq!(resource_of("arn:aws:sns::111122223333:news", "sns"), None);
        assert_eq!(resource_of("arn:aws:iam::aws:policy/a/b", "iam"), Some("policy/a/b"));
    }
}
