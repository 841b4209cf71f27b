//! Rules on buckets: their computed names, and the receivers of their notifications.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics};

use crate::model::bucket::{Bucket, Notified};
use crate::model::{Resource, ResourceType, Stack};

pub(super) fn check(stack: &Stack, resource: &Resource, bucket: &Bucket, diagnostics: &mut Diagnostics) {
    if bucket.existing.is_none() {
        bucket_name(stack, resource, diagnostics);
        // Rules of an existing bucket may overlap.
        notifications(bucket, diagnostics);
    }
    fifo_notifications(stack, bucket, diagnostics);
    if let Some(logging) = bucket.logging.as_ref().filter(|logging| logging.to.name == resource.name) {
        diagnostics.push(
            Diagnostic::error("E0107", logging.to.span, "a bucket can't store its own access logs")
                .help("each log would itself be logged; name another bucket"),
        );
    }
}

/// Longest stack name and resource name together that leave room for account, region and hyphens in the 63 characters
/// of a bucket name: Amazon S3 User Guide, "Bucket naming rules"; the longest region names have 14 characters.
const BUCKET_NAME_ROOM: usize = 63 - "-".len() * 3 - 12 - 14;

fn bucket_name(stack: &Stack, resource: &Resource, diagnostics: &mut Diagnostics) {
    let length = stack.name.len() + resource.name.len();
    if length > BUCKET_NAME_ROOM {
        diagnostics.push(
            Diagnostic::error(
                "E0108",
                resource.span,
                format!("`{}-{}` is too long to be part of a bucket name", stack.name, resource.name),
            )
            .help(format!("the names of the stack and of the bucket can have {BUCKET_NAME_ROOM} characters together, but have \
                           {length}")),
        );
    }
}

/// Checks that no two notifications of the same event have overlapping prefixes and suffixes, which S3 refuses.
/// Source: Amazon S3 User Guide, "Configuring event notifications using object key name filtering".
fn notifications(bucket: &Bucket, diagnostics: &mut Diagnostics) {
    let overlaps = |a: &Option<String>, b: &Option<String>, ends: fn(&str, &str) -> bool| {
        let (a, b) = (a.as_deref().unwrap_or(""), b.as_deref().unwrap_or(""));
        ends(a, b) || ends(b, a)
    };
    for (index, second) in bucket.notify.iter().enumerate() {
        let clash = bucket.notify[..index].iter().any(|first| {
            first.on == second.on
                && overlaps(&first.prefix, &second.prefix, |a, b| a.starts_with(b))
                && overlaps(&first.suffix, &second.suffix, |a, b| a.ends_with(b))
        });
        if clash {
            diagnostics.push(
                Diagnostic::error(
                    "E0303",
                    second.to.resource().span,
                    "two notifications of this bucket match the same objects",
                )
                .help("S3 rejects that; use prefixes or suffixes that exclude each other"),
            );
        }
    }
}

/// Checks that no FIFO queue or topic is a destination: Amazon S3 User Guide, "Amazon S3 Event Notifications".
fn fifo_notifications(stack: &Stack, bucket: &Bucket, diagnostics: &mut Diagnostics) {
    for notify in &bucket.notify {
        let to = notify.to.resource();
        let (fifo, what) = match (&notify.to, stack.resource(&to.name).map(|resource| &resource.is)) {
            (Notified::Queue(_), Some(ResourceType::Queue(queue))) => (queue.fifo.is_some(), "queue"),
            (Notified::Topic(_), Some(ResourceType::Topic(topic))) => (topic.fifo.is_some(), "topic"),
            _ => continue,
        };
        if fifo {
            diagnostics.push(
                Diagnostic::error(
                    "E0107",
                    to.span,
                    format!("S3 can't send messages to a FIFO {what}, such as `{}`", to.name),
                )
                .help(format!("name a {what} without `fifo`")),
            );
        }
    }
}
