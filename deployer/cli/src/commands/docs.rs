//! `deployer docs`.

use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_build::embed;
use deployer_cfn::schemas;
use deployer_lang::docs;
use deployer_lang::model::Kind;
use deployer_syntax::diagnostic;
use include_dir::{Dir, include_dir};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::{html, markdown};

/// Explain a type, a code, a reason or a topic, or list them
///
/// A NAME is a type of the language (`queue`) or of CloudFormation (`AWS::SQS::Queue`), a code of a problem (`E0102`), the reason of
/// a failed row (`missing-column`), a known failure of a deployment (`bucket-name-taken`), a topic, or a heading of its page.
#[derive(Debug, clap::Args)]
#[command(after_help = topic_names())]
pub struct Args {
    /// Name to explain; lists all names if it is missing
    #[arg(value_name = "NAME")]
    topic: Option<String>,
    /// Open the whole documentation as one page in the browser
    #[arg(long)]
    open: bool,
    /// Write the whole documentation as one self-contained HTML page
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    out: Option<PathBuf>,
}

/// Returns the names of the topics, for the help. It reads no page, since the help is built at each start.
fn topic_names() -> String {
    let mut names: Vec<&str> = PAGES.files().filter_map(|file| page_name(file.path())).collect();
    names.push(ACCESS.0);
    names.sort_unstable();
    format!("Topics: {}", names.join(", "))
}

/// Returns the name of a page of Markdown.
fn page_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".md")
}

/// The pages that are written by hand, and those that are generated and checked by a test.
static PAGES: Dir<'static> = include_dir!("$OUT_DIR/docs");

/// Names under which people look for a topic, with the heading that explains it.
const ALIASES: [(&str, &str); 15] = [
    ("csv", "workers-and-their-settings"),
    ("where", "fields"),
    ("settings", "workers-and-their-settings"),
    ("extract", "workers-and-their-settings"),
    ("extraction", "workers-and-their-settings"),
    ("transform", "fields"),
    ("load", "workers-and-their-settings"),
    ("observe", "tally"),
    ("report", "results"),
    ("rejects", "results"),
    ("snapshot", "snapshots"),
    ("sensitive", "encryption"),
    ("replay", "tally"),
    ("existing", "resources-that-exist"),
    ("tags", "organisation"),
];

/// The topic that is generated as a whole.
const ACCESS: (&str, &str) = ("access", "Permissions that each verb of `access` grants");

/// A page of the documentation.
struct Topic {
    name: String,
    text: String,
}

/// The meaning of a name: the text, and its place in the page that contains all of them.
struct Found {
    text: String,
    anchor: String,
}

/// Returns all pages, by name.
fn topics() -> Result<Vec<Topic>> {
    let mut topics = pages(&PAGES)?;
    topics.push(Topic { name: ACCESS.0.to_owned(), text: docs::access_page() });
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}

/// Returns the pages of a folder, by name.
fn pages(folder: &Dir<'_>) -> Result<Vec<Topic>> {
    let mut pages = Vec::new();
    for file in folder.files() {
        if let Some(name) = page_name(file.path()) {
            pages.push(Topic { name: name.to_owned(), text: embed::text(file)? });
        }
    }
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pages)
}

fn pages_of(folder: &str) -> Result<Vec<Topic>> {
    PAGES.get_dir(folder).map_or_else(|| Ok(Vec::new()), pages)
}

/// A page of the documentation.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page<'a> {
    /// The name that was given; null for the list of all names.
    topic: Option<&'a str>,
    /// The page.
    markdown: &'a str,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    // An unknown name is an error in every form of output.
    let found = args.topic.as_deref().map(find).transpose()?;
    if args.open || args.out.is_some() {
        let path = match &args.out {
            Some(path) => {
                files::write_whole(path, html::page(&sections()?))?;
                path.clone()
            }
            None => write_in_cache()?,
        };
        if args.open {
            html::open(&path, &found.map(|found| found.anchor).unwrap_or_default())?;
        }
        context.ui.note(format!("wrote {}", path.display()));
        return Ok(());
    }
    let text = found.map_or_else(overview, |found| Ok(found.text))?;
    if context.ui.is_json() {
        return context.ui.json(Page { topic: args.topic.as_deref(), markdown: &text });
    }
    context.ui.data(&markdown::to_terminal(&text))
}

/// Writes the whole documentation into the cache, and returns the path of the file.
///
/// # Errors
/// Returns an error if there is no cache, or the file can't be written.
pub(super) fn write_in_cache() -> Result<PathBuf> {
    // Not in the folder for temporary files, where other users could place a file of this name.
    let folder = embed::cache_folder()?;
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("create the folder", &folder, &error))?;
    let path = folder.join("docs.html");
    files::write_whole(&path, html::page(&sections()?))?;
    Ok(path)
}

/// Returns the page of a code, as Markdown.
///
/// # Errors
/// If the program file of the deployer is damaged.
pub(super) fn page_of_code(code: &str) -> Result<Option<String>> {
    PAGES.get_file(format!("diagnostics/{code}.md")).map(embed::text).transpose()
}

/// Returns the page of the reason of a failed row or file.
///
/// # Errors
/// If the program file of the deployer is damaged.
pub fn page_of_reason(reason: &str) -> Result<Option<String>> {
    PAGES.get_file(format!("reasons/{reason}.md")).map(embed::text).transpose()
}

/// Finds the text that a name means.
fn find(name: &str) -> Result<Found> {
    let whole = |name: &str, text: String| Found { text, anchor: html::anchor(name) };
    let pages = [topics()?, pages_of("diagnostics")?, pages_of("reasons")?];
    if let Some(page) = pages.iter().flatten().find(|page| page.name.eq_ignore_ascii_case(name)) {
        return Ok(whole(&page.name, page.text.clone()));
    }
    if let Some(kind) = Kind::from_name(name) {
        return Ok(whole(name, docs::type_page(kind)));
    }
    if let Some(type_id) = schemas::find(name) {
        return Ok(whole("", docs::raw_page(type_id)));
    }
    if let Some((_, other)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return find(other);
    }
    let section = pages[0].iter().find_map(|page| {
        let (text, id) = markdown::section(&page.text, name)?;
        Some(Found { text: text.to_owned(), anchor: format!("{}--{id}", html::anchor(&page.name)) })
    });
    if let Some(section) = section {
        return Ok(section);
    }
    let names = pages.iter().flatten().map(|page| page.name.as_str());
    let known: Vec<&str> = match name.contains("::") {
        true => schemas::names().collect(),
        false => {
            let aliases = ALIASES.iter().map(|(alias, _)| *alias);
            Kind::ALL.map(Kind::name).into_iter().chain(names).chain(aliases).collect()
        }
    };
    let hint = match diagnostic::nearest(name, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`deployer docs` lists all names".to_owned(),
    };
    Err(Error::Usage(Message::new(format!("there is no type, code, reason or topic `{name}`")).hint(hint)))
}

/// Returns the title of the page of a code, which says in a sentence what is wrong.
///
/// # Errors
/// If the program file of the deployer is damaged.
pub(super) fn title_of_code(code: &str) -> Result<Option<String>> {
    Ok(page_of_code(code)?.map(|page| title_behind(code, &page)))
}

/// Returns the description of a page in the list.
fn about(topic: &Topic) -> String {
    if topic.name == ACCESS.0 {
        return ACCESS.1.to_owned();
    }
    markdown::summary(&topic.text)
}

/// Lists the names that can be explained.
fn overview() -> Result<String> {
    let row = |name: &str, what: &str| format!("| `{name}` | {what} |\n");
    let types: String = Kind::ALL.map(|kind| row(kind.name(), kind.description())).concat();
    let topics: String = topics()?.iter().map(|topic| row(&topic.name, &about(topic))).collect();
    let reasons: String = pages_of("reasons")?
        .iter()
        .map(|page| row(&page.name, &title_behind(&page.name, &page.text)))
        .collect();
    Ok(format!(
        "# Documentation\n\n`deployer docs NAME` shows one of these; `--open` shows all of them in the browser.\n\n\
         ## Topics\n\n| topic | |\n|---|---|\n{topics}\n\
         ## Types\n\n| type | |\n|---|---|\n{types}| `AWS::SQS::Queue` | Any of the {} types of CloudFormation, by its name. |\n\n\
         ## Reasons of failed rows and files\n\n| reason | |\n|---|---|\n{reasons}\n\
         ## Codes\n\n`deployer docs E0102` explains a code of a problem in stack.yaml, with a wrong and a right example.\n",
        schemas::names().count()
    ))
}

/// Returns the title of a page without its name, if it begins with the name.
fn title_behind(name: &str, text: &str) -> String {
    let title = markdown::title(text);
    title.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or_default().to_owned()
}

/// Returns all pages, in the order in which a reader would look for them.
fn sections() -> Result<Vec<html::Section>> {
    let mut out = Vec::new();
    for topic in topics()? {
        let title = match markdown::title(&topic.text) {
            title if title.eq_ignore_ascii_case(&topic.name) => String::new(),
            title => title,
        };
        out.push(html::Section { group: "Topics", title, name: topic.name, text: topic.text });
    }
    out.extend(Kind::ALL.map(|kind| html::Section {
        group: "Types",
        name: kind.name().to_owned(),
        title: String::new(),
        text: docs::type_page(kind),
    }));
    for (group, folder) in [("Reasons", "reasons"), ("Codes", "diagnostics")] {
        out.extend(pages_of(folder)?.into_iter().map(|page| {
            let title = title_behind(&page.name, &page.text);
            html::Section { group, title, name: page.name, text: page.text }
        }));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::Reason;
    use deployer_lang::model::worker::Worker;

    use super::*;

    #[test]
    fn every_reason_has_its_page() {
        let pages = pages_of("reasons").expect("pages");
        let named: BTreeSet<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        let codes: Vec<String> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(named, codes.iter().map(String::as_str).collect(), "docs/reasons, and the contract");
        let table = find("reasons").expect("the list").text;
        for page in pages {
            let title = title_behind(&page.name, &page.text);
            assert!(!title.is_empty(), "{}: the title is `# {}: …`", page.name, page.name);
            for heading in ["## Example", "## What to do"] {
                assert!(page.text.contains(&format!("\n{heading}\n")), "{} has no {heading}", page.name);
            }
            let row = format!("| [`{0}`](reasons/{0}.md) | {title} |", page.name);
            assert!(table.lines().any(|line| line == row), "docs/reasons.md lacks\n{row}");
        }
    }

    #[test]
    fn what_we_print_can_be_looked_up() {
        let failures = find("failures").expect("the page").text;
        let failures = failures.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
        assert!(failures.clone().count() > 10);
        let workers = Worker::ALL.map(Worker::name);
        for name in workers.into_iter().chain(failures).chain(ALIASES.map(|(alias, _)| alias)) {
            assert!(find(name).is_ok(), "{name}");
        }
        for topic in topics().expect("pages") {
            assert!(!about(&topic).is_empty(), "{}", topic.name);
            assert!(topic_names().contains(&topic.name));
        }
    }

    #[test]
    fn links_between_pages_are_names_that_can_be_asked_for() {
        for page in [
            topics().expect("pages"),
            pages_of("diagnostics").expect("pages"),
            pages_of("reasons").expect("pages"),
        ]
        .iter()
        .flatten()
        {
            for link in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if let Some(topic) = markdown::topic(link) {
                    assert!(find(topic).is_ok(), "{}: {link}", page.name);
                }
            }
        }
    }
}
