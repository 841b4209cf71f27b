//! `deployer items`.

use std::collections::{BTreeMap, BTreeSet};

use contract::settings::Store;
use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::dynamodb::items::{self, Key, TypedItem};
use deployer_aws::dynamodb::tally as objects_of;
use deployer_aws::s3::objects;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::text::harmless;
use deployer_base::ui;
use deployer_lang::Stack;
use deployer_lang::loading;
use deployer_lang::model::Resource;
use deployer_lang::model::function::Function;
use deployer_lang::model::worker::Worker;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, json};
use transform::event::read_dynamodb_json;

use self::rows::FileRow;
pub use self::rows::{Range, RowOfFile, State};
use super::tally::stack_and_key;
use super::{count, outputs};
use crate::context::Context;
use crate::existing;
use crate::pipeline::{self, physical};
use crate::preview::route::{Choice, Route};
use crate::preview::shown::shown;
use crate::preview::{Preview, SENSITIVE};

pub(super) mod rows;

/// Keys of one BatchGetItem call: Amazon DynamoDB API Reference, `BatchGetItem`.
const KEYS: usize = 100;

/// Show the items of a table, or of the rows of a file beside what the file has
///
/// With a key, reads the rows of the object as the pipeline does, and compares the item of each with the one in the table. Exits
/// with 7 if an item is missing or different, or if the table still has one that a row deletes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key of the object; the table as a whole by default. The name of a stack alone means the stack: write the stack after a key of
    /// that name
    key: Option<String>,
    /// The stack; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
    /// Number of items or rows; 1 to 1,000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
    rows: usize,
    /// First row of the object that is shown, from 1
    #[arg(long, value_name = "N", default_value_t = 1, requires = "key", value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// Name of the table in the stack file, if `load` functions write several
    #[arg(long, conflicts_with_all = ["from", "version_id", "bucket", "function", "task"])]
    table: Option<String>,
    /// Version of the object; the latest by default
    #[arg(long, value_name = "ID", requires = "key")]
    version_id: Option<String>,
    /// Name of the bucket in the stack file, if there are several
    #[arg(long, requires = "key")]
    bucket: Option<String>,
    /// Function with `worker: transform` that makes the items, if there are several
    #[arg(long, value_name = "NAME", requires = "key")]
    function: Option<String>,
    /// Task with `worker: extraction` that reads the object, if there are several
    #[arg(long, value_name = "NAME", requires = "key")]
    task: Option<String>,
    /// Show the values of sensitive fields too
    #[arg(long)]
    show_sensitive: bool,
}

/// Items of a table.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TableItems<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Name of the table.
    table: &'a str,
    /// Items in no order, in DynamoDB's JSON.
    items: Vec<TypedItem>,
    /// `true` if the table has more.
    more: bool,
}

/// Rows of an object, and their items.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FileItems<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Name of the table.
    table: &'a str,
    /// Name of the bucket.
    bucket: &'a str,
    /// Key of the object.
    key: &'a str,
    /// Version of the object; null in a bucket without versions.
    version: Option<&'a str>,
    /// Its rows.
    rows: &'a [RowOfFile],
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let only = [
        ("--from", args.from > 1),
        ("--version-id", args.version_id.is_some()),
        ("--bucket", args.bucket.is_some()),
        ("--function", args.function.is_some()),
        ("--task", args.task.is_some()),
    ];
    let (stack, key) = stack_and_key(context, args.key.as_deref(), args.stack.as_deref(), &only)?;
    match key {
        None => list(context, args, &stack).await,
        Some(key) => compare(context, args, &stack, key).await,
    }
}

/// Connects, and returns what the stack has.
async fn resources_of(context: &Context, stack: &Stack) -> Result<(Session, Vec<StackResource>)> {
    let session = context.connect(&stack.target).await?;
    let cloudformation = CloudFormation::new(&session);
    outputs::deployed(&cloudformation, stack).await?;
    let resources = existing::resources(&cloudformation, &session, stack).await?;
    Ok((session, resources))
}

/// Shows items of a table, whichever DynamoDB returns first.
async fn list(context: &Context, args: &Args, stack: &Stack) -> Result<()> {
    let name = table_of(stack, args.table.as_deref())?;
    let (session, resources) = resources_of(context, stack).await?;
    let table = physical(&resources, stack, name)?;
    let most = i32::try_from(args.rows).unwrap_or(i32::MAX);
    let (mut items, more) = items::first_typed(&session, table, most).await?;
    let sensitive = if args.show_sensitive { BTreeSet::new() } else { sensitive_fields(stack) };
    for (name, value) in items.iter_mut().flatten() {
        if sensitive.contains(name.as_str()) {
            *value = json!({ "S": SENSITIVE });
        }
    }
    if context.ui.is_json() {
        return context.ui.json(TableItems { stack: &stack.name, table, items, more });
    }
    if items.is_empty() {
        context.ui.note(format!("the table {table} has no items"));
        return Ok(());
    }
    let names = columns(&items, &keys_of(stack, name));
    let cells = items
        .iter()
        .map(|item| names.iter().map(|name| item.get(name).map(cell).unwrap_or_default()).collect());
    context.ui.data(&ui::wide_table(&names, cells))?;
    if more {
        context.ui.note(format!("the table {table} has more items: `--rows N` shows more"));
    }
    Ok(())
}

/// Shows rows of an object beside their items.
async fn compare(context: &Context, args: &Args, stack: &Stack, key: &str) -> Result<()> {
    let choice = Choice { function: args.function.as_deref(), task: args.task.as_deref() };
    let question = Question {
        bucket: args.bucket.as_deref(),
        key,
        version: args.version_id.as_deref(),
        choice,
        range: Range { from: args.from, rows: u64::try_from(args.rows).unwrap_or(u64::MAX) },
        show_sensitive: args.show_sensitive,
    };
    let question = question.of(stack)?;
    let (session, resources) = resources_of(context, stack).await?;
    let compared = question.answer(&session, &resources, stack).await?;
    if context.ui.is_json() {
        context.ui.json(FileItems {
            stack: &stack.name,
            table: &compared.table,
            bucket: &compared.bucket,
            key,
            version: compared.version.as_deref(),
            rows: &compared.rows,
        })?;
    } else {
        show(context, &compared.preview, &compared.rows, args)?;
    }
    verdict(&compared.rows, &compared.table)
}

/// The choice of some rows of an object.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Name of the bucket in the stack file; `None` for the only one.
    pub bucket: Option<&'a str>,
    /// Key of the object.
    pub key: &'a str,
    /// Version of the object; the latest by default.
    pub version: Option<&'a str>,
    /// The names that choose among several workers.
    pub choice: Choice<'a>,
    /// The rows.
    pub range: Range,
    /// `true` if the values of sensitive fields are read.
    pub show_sensitive: bool,
}

/// The same, of a stack that loads such rows.
#[derive(Debug)]
pub struct Chosen<'a> {
    question: Question<'a>,
    landing: &'a Resource,
    route: Route<'a>,
    load: &'a Function,
    table: &'a Resource,
}

/// Rows of an object beside their items.
pub struct Compared<'a> {
    /// The fields of the items.
    pub preview: Preview<'a>,
    /// Name of the table.
    pub table: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Version of the object.
    pub version: Option<String>,
    /// The rows.
    pub rows: Vec<RowOfFile>,
}

impl<'a> Question<'a> {
    /// Finds the way of the rows in a stack.
    ///
    /// # Errors
    /// Returns [`Error::Usage`] if the stack has no such way, or more than one.
    pub fn of(self, stack: &'a Stack) -> Result<Chosen<'a>> {
        let landing = pipeline::landing(stack, self.bucket)?;
        let route = Route::find(stack, self.choice, self.key)?;
        let Some((load, table, _)) = route.table else {
            return Err(Error::Usage(
                Message::new(format!(
                    "no function with `worker: load` writes the items of `{}`",
                    route.name()
                ))
                .hint("`deployer preview FILE` shows the items of a file without a table"),
            ));
        };
        Ok(Chosen { question: self, landing, route, load, table })
    }
}

impl<'a> Chosen<'a> {
    /// Reads the rows and their items.
    ///
    /// # Errors
    /// Returns an error if there is no such object, or AWS refuses.
    pub async fn answer(
        self,
        session: &Session,
        resources: &[StackResource],
        stack: &Stack,
    ) -> Result<Compared<'a>> {
        let Self { question: Question { key, version, range, show_sensitive, .. }, load, .. } = self;
        let bucket = physical(resources, stack, &self.landing.name)?;
        let table = physical(resources, stack, &self.table.name)?;
        let version = match version {
            Some(version) => Some(version.to_owned()),
            None => match objects_of::latest(session, bucket, key).await? {
                Some(object) => object.version,
                None => return Err(Error::failed(format!("there is no object s3://{bucket}/{key}"))),
            },
        };
        let preview = Preview::new(self.route, key.to_owned())?.of_object(bucket, version.as_deref());
        let fields: Vec<String> = preview
            .fields()
            .iter()
            .map(|field| field.name.clone())
            .filter(|name| show_sensitive || !preview.is_sensitive(name))
            .collect();
        let object = objects::open(session, bucket, key, version.as_deref()).await?;
        let read = rows::read(&preview, object, range)?;
        let asked: BTreeSet<Key> = read.iter().filter_map(|row| row.key.clone()).collect();
        let mut found = BTreeMap::new();
        let asked: Vec<Key> = asked.into_iter().collect();
        for keys in asked.chunks(KEYS) {
            let keys = keys.iter().cloned().collect();
            found.extend(items::get_typed(session, table, &keys, &fields).await?);
        }
        // What is stored encrypted is another text each time.
        let is_encrypted =
            load.settings.as_ref().is_some_and(|settings| settings.load.store == Store::Encrypted);
        let left_out = |name: &str| (is_encrypted || !show_sensitive) && preview.is_sensitive(name);
        let rows: Vec<RowOfFile> = read
            .into_iter()
            .map(|row: FileRow| {
                let item = row.key.as_ref().and_then(|key| found.get(key)).cloned();
                RowOfFile::new(row, item, left_out)
            })
            .collect();
        Ok(Compared { table: table.to_owned(), bucket: bucket.to_owned(), version, rows, preview })
    }
}

fn show(context: &Context, preview: &Preview<'_>, rows: &[RowOfFile], args: &Args) -> Result<()> {
    if rows.is_empty() {
        context.ui.note(format!("the object has no row {}", args.from));
        return Ok(());
    }
    let fields: Vec<String> = preview.fields().iter().map(|field| field.name.clone()).collect();
    let head: Vec<String> = ["row", "state"].map(str::to_owned).into_iter().chain(fields.clone()).collect();
    let lines = rows.iter().map(|row| {
        let value = |name: &String| match row.item.as_ref().and_then(|item| item.get(name)) {
            // It was not read.
            None if !args.show_sensitive && preview.is_sensitive(name) && row.item.is_some() => {
                SENSITIVE.to_owned()
            }
            value => value.map(cell).unwrap_or_default(),
        };
        [row.row.to_string(), row.state.word().to_owned()]
            .into_iter()
            .chain(fields.iter().map(value))
            .collect()
    });
    context.ui.data(&ui::wide_table(&head, lines))?;
    for row in rows {
        for attribute in &row.different {
            let value = |value: &Option<Json>| value.as_ref().map_or_else(|| "nothing".to_owned(), cell);
            context.ui.note(format!(
                "row {}: `{}` is {} in the table, and {} by the file",
                row.row,
                harmless(&attribute.name),
                harmless(&value(&attribute.table)),
                harmless(&value(&attribute.file))
            ));
        }
        if let Some(message) = &row.message {
            context.ui.note(format!("row {}: {}", row.row, harmless(message)));
        }
    }
    Ok(())
}

/// Returns whether the table has what the rows say.
fn verdict(rows: &[RowOfFile], table: &str) -> Result<()> {
    let count = |state: State| rows.iter().filter(|row| row.state == state).count();
    let wrong: Vec<String> = [State::Missing, State::Different, State::NotDeleted]
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| match count(state) {
            1 => format!("1 is {}", state.word()),
            many => format!("{many} are {}", state.word()),
        })
        .collect();
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Error::Incomplete(
            Message::new(format!("of {} {noun}, {} in table {table}", rows.len(), wrong.join(", "))).hint(
                "`deployer tally KEY` shows what became of each row; another row with the same key, or another file, may have \
                 replaced an item",
            ),
        )),
    }
}

/// Returns the table that is meant: the one that is named, or the only one that `load` functions write.
fn table_of<'s>(stack: &'s Stack, name: Option<&str>) -> Result<&'s str> {
    let loads = stack.functions().filter(|(_, function)| function.worker() == Some(Worker::Load));
    let tables: BTreeSet<&str> = loads
        .flat_map(|(_, load)| loading::written(load))
        .map(|access| access.resource.name.as_str())
        .collect();
    let all: Vec<&str> = tables.into_iter().collect();
    match (name, all.as_slice()) {
        (Some(name), _) => all.iter().copied().find(|table| *table == name).ok_or_else(|| {
            Error::Usage(
                Message::new(format!("no function with `worker: load` writes a table `{name}`"))
                    .hint(format!("they write {}", all.join(", "))),
            )
        }),
        (None, [table]) => Ok(table),
        (None, []) => Err(Error::Usage(Message::new("the stack has no function with `worker: load`"))),
        (None, _) => Err(Error::Usage(
            Message::new(format!("the stack loads several tables: {}", all.join(", ")))
                .hint("name one with `--table`"),
        )),
    }
}

/// Returns the names of the key attributes of a table, the partition key first.
fn keys_of(stack: &Stack, table: &str) -> Vec<String> {
    match stack.resource(table).map(|resource| &resource.is) {
        Some(deployer_lang::model::ResourceType::Table(table)) => {
            table.key.iter().map(|(name, _)| name.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the attributes that are sensitive in any `transform` of a stack.
fn sensitive_fields(stack: &Stack) -> BTreeSet<&str> {
    let transforms = stack.functions().filter_map(|(_, function)| function.settings.as_ref());
    transforms
        .flat_map(|settings| &settings.transform.fields)
        .filter(|field| crate::preview::holds_sensitive(field))
        .map(|field| field.name.as_str())
        .collect()
}

/// Returns the names of all attributes, those of the key first.
fn columns(items: &[TypedItem], key: &[String]) -> Vec<String> {
    let others: BTreeSet<&String> =
        items.iter().flat_map(TypedItem::keys).filter(|name| !key.contains(name)).collect();
    key.iter().chain(others).cloned().collect()
}

/// Returns a value in DynamoDB's JSON for people.
pub fn cell(value: &Json) -> String {
    read_dynamodb_json(value).map_or_else(|| value.to_string(), |value| shown(&value))
}
