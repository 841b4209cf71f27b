//! `deployer docs`.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};
use serde_json::json;
use stack_core::model::Kind;
use stack_core::{diagnostic, docs, registry};

use crate::assets::embed;
use crate::context::Context;
use crate::error::{Error, Message, Result};
use crate::{files, html, markdown};

/// Explains a type, a code of a problem, or a topic. Without one, lists what there is.
///
/// Types are those of the language (`queue`) and of CloudFormation (`AWS::SQS::Queue`). Topics are `language`, `reference`,
/// `access`, `events`, `diagnostics`, `failures` and `cost`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A type, a code (`E0102`) or a topic.
    topic: Option<String>,
    /// Opens all of it as one page in the browser.
    #[arg(long)]
    open: bool,
    /// Writes all of it as one page of HTML that needs nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    out: Option<PathBuf>,
}

/// The pages that are written by hand, and those that are generated and checked by a test.
static PAGES: Dir<'static> = include_dir!("$OUT_DIR/docs");

/// Topics: name, file, what it is.
const TOPICS: [(&str, &str, &str); 9] = [
    ("language", "language.md", "how to write stack.yaml"),
    ("deploying", "deploying.md", "plans, and what stops a deployment"),
    ("reference", "reference.md", "every section, type, property and attribute"),
    ("access", "", "what each verb of `access` allows, on what"),
    ("events", "events.md", "the events of the deployer's workers"),
    ("diagnostics", "diagnostics.md", "the codes of problems"),
    ("exit-codes", "exit-codes.md", "what a command ends with"),
    ("failures", "failures.md", "why deployments fail, and the way out"),
    ("cost", "cost.md", "what the pipeline costs, and the prices"),
];

pub fn run(context: &Context, args: &Args) -> Result<()> {
    // A wrong topic is said, however the page is wanted.
    let page = args.topic.as_deref().map(page).transpose()?;
    if args.open || args.out.is_some() {
        let html = html::page(&sections());
        let path = match &args.out {
            Some(path) => path.clone(),
            // Not in the folder for temporary files, where others could lay something in its way.
            None => {
                let folder = embed::cache_folder()?;
                std::fs::create_dir_all(&folder)
                    .map_err(|error| Error::io("make the folder", &folder, &error))?;
                folder.join("docs.html")
            }
        };
        files::write_whole(&path, &html)?;
        let anchor = args.topic.as_deref().map(html::anchor).unwrap_or_default();
        if args.open {
            html::open(&path, &anchor)?;
        }
        context.ui.note(format!("wrote {}", path.display()));
        return Ok(());
    }
    let text = page.unwrap_or_else(overview);
    if context.ui.is_json() {
        return context.ui.json(json!({ "topic": args.topic, "markdown": text }));
    }
    context.ui.data(&markdown::to_terminal(&text))
}

fn file(name: &str) -> Option<&'static str> {
    PAGES.get_file(name).and_then(|file| file.contents_utf8())
}

/// The page of a topic.
fn page(topic: &str) -> Result<String> {
    if let Some((_, name, _)) = TOPICS.iter().find(|(known, ..)| *known == topic) {
        return Ok(file(name).map_or_else(docs::access_page, str::to_owned));
    }
    let code = topic.to_ascii_uppercase();
    if let Some(text) = file(&format!("diagnostics/{code}.md")) {
        return Ok(text.to_owned());
    }
    if let Some(kind) = Kind::from_name(topic) {
        return Ok(docs::type_page(kind));
    }
    if let Some(type_id) = registry::find(topic) {
        return Ok(docs::raw_page(type_id));
    }
    let known: Vec<&str> = match topic.contains("::") {
        true => registry::names().collect(),
        false => Kind::ALL.map(Kind::name).into_iter().chain(TOPICS.map(|(name, ..)| name)).collect(),
    };
    let hint = match diagnostic::nearest(topic, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`deployer docs` lists what there is".to_owned(),
    };
    Err(Error::Usage(Message::new(format!("there is no type, code or topic `{topic}`")).hint(hint)))
}

/// What there is to ask for.
fn overview() -> String {
    let row = |name: &str, what: &str| format!("| `{name}` | {what} |\n");
    let types: String = Kind::ALL.map(|kind| row(kind.name(), kind.description())).concat();
    let topics: String = TOPICS.map(|(name, _, what)| row(name, what)).concat();
    format!(
        "# Documentation\n\n`deployer docs NAME` shows one of these; `--open` shows all of them in the browser.\n\n\
         ## Topics\n\n| topic | |\n|---|---|\n{topics}\n\
         ## Types\n\n| type | |\n|---|---|\n{types}| `AWS::SQS::Queue` | Any of the {} types of CloudFormation, by its name. |\n\n\
         ## Codes\n\n`deployer docs E0102` explains a code, with a wrong and a right example.\n",
        registry::names().count()
    )
}

/// All pages, in the order in which somebody would read them: anchor, title in the list, text.
fn sections() -> Vec<html::Section> {
    let section = |group, name: &str, text: String| html::Section { group, name: name.to_owned(), text };
    let mut out = Vec::new();
    for name in ["language", "events", "diagnostics", "failures", "access", "cost"] {
        let text = page(name).unwrap_or_default();
        out.push(section("Topics", name, text));
    }
    out.extend(Kind::ALL.map(|kind| section("Types", kind.name(), docs::type_page(kind))));
    let mut codes: Vec<_> = PAGES.get_dir("diagnostics").into_iter().flat_map(Dir::files).collect();
    codes.sort_by_key(|file| file.path());
    for file in codes {
        let name = file.path().file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        out.push(section("Codes", name, file.contents_utf8().unwrap_or_default().to_owned()));
    }
    out
}
