//! `stacks`: the instances of the file.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Node, shorten};

use super::organisation::Fields;
use super::section::Section;
use crate::model::properties::{Boolean, Choice, Integer, Properties, Shape, Str};
use crate::model::target::{Removal, StackTarget, Target};

/// A stack, with the parts that are read later as the file contains them.
pub(super) struct StackEntry {
    pub(super) target: StackTarget,
    pub(super) config: Option<Node>,
    pub(super) organisation: Fields,
}

/// Returns whether a text can be a part of the name of a stack.
pub(super) fn is_stack_name(name: &str) -> bool {
    let words = name.split('-');
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && words.clone().all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Returns whether a text has the form of a region: `eu-west-1`, `us-gov-east-1`, `mx-central-1`.
#[must_use]
pub fn is_region(region: &str) -> bool {
    let mut words = region.split('-');
    let number = words.next_back().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether CloudFormation accepts the name of a stack: AWS CloudFormation API reference, `CreateStack`: `StackName`.
pub(crate) fn is_cloudformation_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reads one entry under `stacks`, whose name its caller sets.
pub(super) fn read_stack(properties: &mut Properties<'_>) -> Option<StackEntry> {
    let target = properties
        .field(
            "target",
            "`aws`, or `local` for the local cloud.",
            Choice(&[("aws", Target::Aws), ("local", Target::Local)]),
        )
        .or(Target::Aws);
    let name = properties
        .field("name", "Name of the CloudFormation stack; by default `<name>-<stack>`.", Str)
        .optional();
    let region = properties.field("region", "AWS region.", Str).optional();
    let account = properties.field("account", "Account to deploy to: 12 digits, quoted.", Str).optional();
    let endpoint =
        properties.field("endpoint", "Endpoint of a local cloud that is already running.", Str).optional();
    let protect = properties.field("protect", "Refuse to delete the stack.", Boolean).or(false);
    let removal = properties
        .field(
            "removal",
            "Keep or delete data (buckets, tables, logs) when the stack is deleted; `keep` by default, but `delete` for \
             `target: local`.",
            Choice(&[("keep", Removal::Keep), ("delete", Removal::Delete)]),
        )
        .optional();
    let default =
        properties.field("default", "Use this stack for commands that name none.", Boolean).or(false);
    let express = properties
        .field(
            "express",
            "Finish deployments as soon as the configuration is applied, without waiting for resources to become ready, as with \
             `deploy --express`.",
            Boolean,
        )
        .or(false);
    let lambda_concurrency = properties
        .field(
            "lambdaConcurrency",
            "Concurrent executions that Lambda allows the account there (its quota \"Concurrent executions\"); the reservations \
             of functions are checked against it.",
            Integer(1, 1_000_000),
        )
        .optional();
    let config = properties
        .field("config", "Config values of this stack.", Section(Shape::Map(Box::new(Shape::String))))
        .optional();
    let organisation = Fields::ask(properties);
    if let Some(region) = &region
        && !is_region(region)
    {
        let span = properties.span_of("region");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{region}` is not an AWS region"))
                .help("lower case words and a number with hyphens, such as `eu-west-1`"),
        );
    }
    if let Some(name) = &name
        && !is_cloudformation_name(name)
    {
        let span = properties.span_of("name");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{}` can't be the name of a stack", shorten(name)))
                .help("letters, digits and hyphens, beginning with a letter, at most 128 characters"),
        );
    }
    if let Some(endpoint) = &endpoint
        && !(endpoint.starts_with("http://") || endpoint.starts_with("https://"))
    {
        let span = properties.span_of("endpoint");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{endpoint}` is not an endpoint"))
                .help("a URL, such as `http://127.0.0.1:4566`"),
        );
    }
    if let Some(account) = &account
        && !(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let span = properties.span_of("account");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{account}` is not an account id"))
                .help("12 digits in quotes, such as \"111122223333\""),
        );
    }
    if endpoint.is_some() && target == Target::Aws && properties.is_sound() {
        let span = properties.span_of("endpoint");
        properties.report(
            Diagnostic::error("E0107", span, "`endpoint` can only be used with `target: local`")
                .help("for AWS, set the environment variable AWS_ENDPOINT_URL"),
        );
    }
    let removal = removal.unwrap_or(if target == Target::Local { Removal::Delete } else { Removal::Keep });
    let target = StackTarget {
        stack: String::new(),
        name,
        target,
        region,
        account,
        endpoint,
        protect,
        removal,
        default,
        lambda_concurrency,
        express,
    };
    Some(StackEntry { target, config, organisation })
}
