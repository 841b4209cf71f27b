//! The places of the parts of a stack's pipeline: the bucket that files are uploaded to, the queue after it, the table
//! of the tally.

use deployer_aws::cloudformation::StackResource;
use deployer_base::error::{Error, Message, Result};
use deployer_cfn::template::logical_id;
use deployer_lang::Stack;
use deployer_lang::model::access::Verb;
use deployer_lang::model::function::Trigger;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{Resource, ResourceType};

/// Returns the bucket that files are uploaded to: the one that is named, or the only one that notifies a queue.
///
/// # Errors
/// Returns [`Error::Usage`] if there is none, or more than one.
pub fn landing<'s>(stack: &'s Stack, name: Option<&str>) -> Result<&'s Resource> {
    let mut buckets = stack.resources.iter().filter(|resource| match (&resource.is, name) {
        (ResourceType::Bucket(_), Some(name)) => resource.name == name,
        (ResourceType::Bucket(bucket), None) => !bucket.notify.is_empty(),
        _ => false,
    });
    match (buckets.next(), buckets.next()) {
        (Some(bucket), None) => Ok(bucket),
        (Some(_), Some(_)) => Err(Error::Usage(
            Message::new("the stack has several buckets with `notify`").hint("name one with `--bucket`"),
        )),
        (None, _) => Err(Error::Usage(Message::new(match name {
            Some(name) => format!("no bucket is named `{name}`"),
            None => "the stack has no bucket with `notify`".to_owned(),
        }))),
    }
}

/// Returns the name in the file of the table in which `observe` keeps the tally.
///
/// # Errors
/// Returns [`Error::Usage`] if there is none.
pub fn tally(stack: &Stack) -> Result<&str> {
    stack
        .functions()
        .filter(|(_, function)| function.worker() == Some(Worker::Observe))
        .flat_map(|(_, function)| &function.access)
        .find(|access| access.verb == Verb::Tally)
        .map(|access| access.resource.name.as_str())
        .ok_or_else(|| {
            Error::Usage(
                Message::new("the stack has no tally").hint(
                    "add a table with `key: { object: string, part: string }`, and `access: [{ tally: \"${…}\" }]` \
                     to the function with `worker: observe`",
                ),
            )
        })
}

/// Returns the name in the file of the queue from which `extract` takes its work.
///
/// # Errors
/// Returns [`Error::Usage`] if there is none.
pub fn arrivals(stack: &Stack) -> Result<&str> {
    stack
        .functions()
        .filter(|(_, function)| function.worker() == Some(Worker::Extract))
        .flat_map(|(_, function)| &function.triggers)
        .find_map(|trigger| match trigger {
            Trigger::Queue { queue, .. } => Some(queue.name.as_str()),
            _ => None,
        })
        .ok_or_else(|| {
            Error::Usage(
                Message::new("no queue starts a function with `worker: extract`")
                    .hint("set `triggers: [{ queue: \"${…}\" }]`"),
            )
        })
}

/// Returns the name, URL or ARN of a deployed resource.
///
/// # Errors
/// Returns [`Error::Failed`] if the deployed stack lacks the resource.
pub fn physical<'r>(resources: &'r [StackResource], stack: &Stack, name: &str) -> Result<&'r str> {
    let id = logical_id(name);
    resources
        .iter()
        .find(|resource| resource.logical_id == id)
        .map(|resource| resource.physical_id.as_str())
        .ok_or_else(|| {
            Error::failed_with_hint(
                format!("`{name}` is not part of the deployed stack {}", stack.name),
                format!("run `deployer deploy {}`", stack.target.stack),
            )
        })
}

/// Returns the resource of the file for which a resource of the template was made, such as the function of a buffer.
#[must_use]
pub fn owner<'s>(stack: &'s Stack, id: &str) -> Option<&'s str> {
    let names = stack.resources.iter().map(|one| one.name.as_str());
    // The longest name is the closest match.
    names.filter(|name| id.starts_with(&logical_id(name))).max_by_key(|name| name.len())
}
