//! The way of a file's rows through a stack: the bucket, the task that reads them, the `transform` that makes items, and
//! the table that `load` writes.

use contract::EventKind;
use contract::settings::{ExtractionSettings, OnConflict, TransformSettings};
use deployer_base::error::{Error, Message, Result};
use deployer_lang::Stack;
use deployer_lang::loading;
use deployer_lang::model::access::Verb;
use deployer_lang::model::bucket::{Bucket, BucketEvent, Notified};
use deployer_lang::model::function::{Events, Function, Settings, Trigger};
use deployer_lang::model::table::Table;
use deployer_lang::model::task::Task;
use deployer_lang::model::worker::Worker;
use deployer_lang::model::{Resource, ResourceType};
use deployer_lang::sensitive;
use transform::TableKeys;

/// The names that choose among several.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// A function with `worker: transform`.
    pub function: Option<&'a str>,
    /// A task with `worker: extraction`.
    pub task: Option<&'a str>,
}

/// The way of rows through a stack.
#[derive(Debug, Clone, Copy)]
pub struct Route<'s> {
    stack: &'s Stack,
    /// The bucket whose files start the task, if the stack has it.
    bucket: Option<(&'s Resource, &'s Bucket)>,
    /// The task that reads the files.
    pub task: (&'s Resource, &'s Task),
    /// The function that makes items of rows.
    pub transform: &'s Resource,
    settings: &'s Settings,
    /// The function that writes items, and its table.
    pub table: Option<(&'s Function, &'s Resource, &'s Table)>,
}

impl<'s> Route<'s> {
    /// Finds the way of the rows of a file with this key.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or if there are several and `choice` does not choose.
    pub fn find(stack: &'s Stack, choice: Choice<'_>, key: &str) -> Result<Self> {
        let transforms = stack
            .functions()
            .filter(|(_, function)| function.worker() == Some(Worker::Transform))
            .filter_map(|(resource, function)| Some((resource, (function, function.settings.as_ref()?))));
        let (transform, (function, settings)) =
            only(transforms.collect(), choice.function, "function with `worker: transform`", "--function")?;
        let tasks = stack
            .tasks()
            .filter(|(_, task)| task.image.worker() == Some(Worker::Extraction))
            .filter(|(_, task)| sensitive::rows_come_to(stack, task, function));
        let what = format!("task with `worker: extraction` whose rows come to `{}`", transform.name);
        let task = only(tasks.collect(), choice.task, &what, "--task")?;
        let table = stack
            .functions()
            .filter(|(_, load)| load.worker() == Some(Worker::Load))
            .filter(|(_, load)| sensitive::comes_to(stack, function, load))
            .find_map(|(_, load)| {
                let written = loading::written(load).next()?;
                let resource = stack.resource(&written.resource.name)?;
                match &resource.is {
                    ResourceType::Table(table) => Some((load, resource, table)),
                    _ => None,
                }
            });
        let bucket = bucket(stack, task.0, key);
        Ok(Self { stack, bucket, task, transform, settings, table })
    }

    /// Returns the stack.
    #[must_use]
    pub const fn stack(&self) -> &'s Stack {
        self.stack
    }

    /// Returns whether the function gets every row: a pattern may choose among them.
    #[must_use]
    pub fn is_of_all_rows(&self) -> bool {
        let ResourceType::Function(function) = &self.transform.is else { return false };
        function.triggers.iter().any(|trigger| match trigger {
            Trigger::Bus { events, .. } => {
                matches!(events, Events::Named(EventKind::RecordExtracted | EventKind::Any))
            }
            _ => false,
        })
    }

    /// Returns the name of the function that makes items.
    #[must_use]
    pub fn name(&self) -> &'s str {
        &self.transform.name
    }

    /// Returns the settings of the function that makes items.
    #[must_use]
    pub const fn settings(&self) -> &'s Settings {
        self.settings
    }

    /// Returns the keys of the table and of its indexes.
    #[must_use]
    pub fn keys(&self) -> TableKeys {
        let Some((_, _, table)) = self.table else { return TableKeys::default() };
        let names = |key: &[(String, _)]| key.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let key = names(&table.key);
        let indexes = table.indexes.iter().flat_map(|(_, index)| names(&index.key));
        TableKeys { index_keys: indexes.filter(|name| !key.contains(name)).collect(), key }
    }

    /// Returns the settings of the function that makes items, as it gets them.
    #[must_use]
    pub fn transform_settings(&self) -> TransformSettings {
        let key = match &self.transform.is {
            ResourceType::Function(function) => loading::key(self.stack, function),
            _ => Vec::new(),
        };
        self.settings.transform(key)
    }

    /// Returns the item that stays of those with the same key.
    #[must_use]
    pub fn on_conflict(&self) -> OnConflict {
        self.table.map(|(load, _, _)| loading::on_conflict(load)).unwrap_or_default()
    }

    /// Returns the dialect of the files.
    #[must_use]
    pub fn extraction(&self) -> ExtractionSettings {
        self.task.1.settings.clone().unwrap_or_default()
    }

    /// Returns the columns that the task encrypts.
    #[must_use]
    pub fn sealed(&self) -> Vec<String> {
        let fields = sensitive::contract(&sensitive::of_task(self.stack, self.task.1));
        fields.into_iter().map(|field| field.from).collect()
    }

    /// Returns the columns without which the task fails a file.
    #[must_use]
    pub fn expected(&self) -> Vec<String> {
        sensitive::columns_of(&sensitive::expected(self.stack, self.task.1))
    }

    /// Returns the name of the bucket in the file: its name in AWS is not known.
    #[must_use]
    pub fn bucket_name(&self) -> &'s str {
        self.bucket.map_or("bucket", |(resource, _)| &resource.name)
    }

    /// Returns whether the objects of the bucket have versions.
    #[must_use]
    pub fn is_versioned(&self) -> bool {
        self.bucket.is_some_and(|(_, bucket)| bucket.versioning)
    }
}

/// Returns the only resource, or the one with this name.
fn only<'s, T: Copy>(
    all: Vec<(&'s Resource, T)>,
    name: Option<&str>,
    what: &str,
    option: &str,
) -> Result<(&'s Resource, T)> {
    let names: Vec<String> = all.iter().map(|(resource, _)| format!("`{}`", resource.name)).collect();
    match (name, all.as_slice()) {
        (Some(name), _) => all.iter().find(|(resource, _)| resource.name == name).copied().ok_or_else(|| {
            let message = Message::new(format!("no {what} is named `{name}`"));
            Error::Usage(match names.is_empty() {
                true => message,
                false => message.hint(format!("there is {}", names.join(", "))),
            })
        }),
        (None, [one]) => Ok(*one),
        (None, []) => Err(Error::Usage(Message::new(format!("the stack has no {what}")))),
        (None, _) => Err(Error::Usage(
            Message::new(format!("the stack has more than one {what}: {}", names.join(", ")))
                .hint(format!("choose one with `{option} NAME`")),
        )),
    }
}

/// Returns the bucket whose new objects start the task: one that takes this key, or else any.
fn bucket<'s>(stack: &'s Stack, task: &Resource, key: &str) -> Option<(&'s Resource, &'s Bucket)> {
    let starters = stack.functions().filter(|(_, function)| {
        let runs = |access: &deployer_lang::model::access::Access| {
            access.verb == Verb::Run && access.resource.name == task.name
        };
        function.worker() == Some(Worker::Extract) && function.access.iter().any(runs)
    });
    let queues: Vec<&str> = starters
        .flat_map(|(_, function)| &function.triggers)
        .filter_map(|trigger| match trigger {
            Trigger::Queue { queue, .. } => Some(queue.name.as_str()),
            _ => None,
        })
        .collect();
    let buckets = stack.resources.iter().filter_map(|resource| match &resource.is {
        ResourceType::Bucket(bucket) => Some((resource, bucket)),
        _ => None,
    });
    let starting = |(_, bucket): &(&Resource, &Bucket), takes: bool| {
        bucket.notify.iter().any(|one| {
            let starts = matches!(&one.to, Notified::Queue(queue) if queues.contains(&queue.name.as_str()));
            let fits = one.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
                && one.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix));
            one.on == BucketEvent::Created && starts && (fits || !takes)
        })
    };
    let mut all = buckets.clone();
    all.find(|bucket| starting(bucket, true))
        .or_else(|| buckets.clone().find(|bucket| starting(bucket, false)))
}
