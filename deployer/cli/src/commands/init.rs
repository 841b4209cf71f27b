//! `deployer init`.

use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Message, Result};
use deployer_base::text::{printable, quoted};
use deployer_base::{files, ui};
use deployer_local::emulator;
use deployer_syntax::diagnostic::nearest;
use include_dir::{Dir, include_dir};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::guess::counted;

mod fitting;
mod found;
mod from;
mod render;
mod trial;

/// Create a project that can be deployed as it is: a stack.yaml, its code and a README
///
/// With `--from FILE`, the project is for that file, which is read completely: format, delimiter, encoding, types, formats of
/// dates and the key of the table are guessed from it, and the comments in stack.yaml give the reasons. The stack file is tried on
/// the file, and rows that would fail or overwrite each other are named. Never overwrites existing files. `deployer docs init`
/// explains the guesses.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the project, created if it is missing; its name becomes the name of the pipeline
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Template to start from; `--list` lists all templates
    #[arg(long, value_name = "NAME", default_value = ETL)]
    template: String,
    /// List the templates
    #[arg(long)]
    list: bool,
    /// Guess the fields from a file: CSV or JSON Lines, which can be compressed with gzip or zstd, or a workbook (.xlsx)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["template", "list"])]
    from: Option<PathBuf>,
    /// Column that is the key of the table; given twice, the second one is the sort key
    #[arg(long, value_name = "COLUMN", requires = "from")]
    key: Vec<String>,
    /// Name of the pipeline [default: that of the folder]
    #[arg(long, value_name = "NAME", value_parser = pipeline_name, conflicts_with = "list")]
    name: Option<String>,
}

/// The template of the pipeline for CSV files.
const ETL: &str = "etl";

static TEMPLATES: Dir<'static> = include_dir!("$OUT_DIR/templates");
/// The README of a project for a CSV file.
const FROM_README: &str = include_str!("init/from.md");
const STACK: &str = "stack.yaml";
const SCHEMA: &str = "stack.schema.json";
const IGNORED: &str = "# What builds and the local cloud leave behind.\n/.deployer/\ntarget/\n";
/// The marker that editors look for at the top of a YAML file.
const SCHEMA_LINE: &str = "# yaml-language-server: $schema=";

/// The project that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Project<'a> {
    /// Its folder.
    folder: &'a Path,
    /// The template that it was made from.
    template: &'a str,
    /// The files that were written.
    files: Vec<&'a str>,
    /// With `--from`: the file that the fields were guessed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Guessed<'a>>,
}

/// The file that the fields were guessed from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "guessedFile")]
struct Guessed<'a> {
    /// The file.
    file: &'a Path,
    /// The number of its rows, without those that fail.
    rows: u64,
    /// The number of rows that fail.
    rejected: u64,
    /// The attributes of the key, the partition key first.
    key: Vec<&'a str>,
    /// The reasons of the key, and facts about the file and the way in which it is read.
    notes: Vec<&'a str>,
    /// Facts to know before the pipeline is used.
    warnings: &'a [String],
}

/// With `--list`: the templates.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Templates {
    /// The templates, by name.
    templates: Vec<ListedTemplate>,
}

/// A template of a project.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "template")]
struct ListedTemplate {
    /// Its name.
    name: &'static str,
    /// Description.
    title: &'static str,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    if args.list {
        return list(context);
    }
    let Some(template) = template(&args.template) else {
        let known: Vec<&str> = templates().into_iter().map(|(name, _)| name).collect();
        let hint = match nearest(&args.template, &known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the templates are {}", known.join(", ")),
        };
        return Err(Error::Usage(
            Message::new(format!("there is no template `{}`", args.template)).hint(hint),
        ));
    };
    let name = args.name.clone().or_else(|| name_of(&args.folder));
    if let Some(path) = &args.from {
        return run_from(context, args, path, name, template);
    }
    let project = project(template, name.as_deref());
    write(&args.folder, &project)?;
    let files: Vec<&str> = project.iter().map(|(path, _)| path.as_str()).collect();
    if context.ui.is_json() {
        return context.ui.json(Project {
            folder: &args.folder,
            template: &args.template,
            files,
            from: None,
        });
    }
    let taken = name.as_deref().or_else(|| own_name(file(template, STACK)?));
    say_written(context, args, &files, taken);
    context.ui.note("\nWhat next:");
    enter(context, &args.folder);
    context.ui.note("  deployer local up && deployer deploy   on this machine");
    context.ui.note("  deployer deploy dev                    on AWS, with your credentials");
    context.ui.note("  README.md                              what it does, and what to look at");
    Ok(())
}

/// Creates a project for a CSV file.
fn run_from(
    context: &Context,
    args: &Args,
    path: &Path,
    name: Option<String>,
    template: &'static Dir<'static>,
) -> Result<()> {
    if let [_, _, third, ..] = args.key.as_slice() {
        return Err(Error::Usage(
            Message::new(format!("`--key {third}` is the third column, but a key has two at most"))
                .hint("the first column is the partition key, and the second one the sort key"),
        ));
    }
    // Not only after a large file was read.
    refuse_existing(&args.folder, [".gitignore", "README.md", SCHEMA, STACK].into_iter())?;
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.or_else(|| name_of(Path::new(file_name.split('.').next().unwrap_or_default())));
    let name = name.unwrap_or_else(|| ETL.to_owned());
    let naming = render::Naming { name: &name, file: &file_name };
    let template = file(template, STACK).unwrap_or_default();
    let from::Written { text: stack, found, trial } =
        from::write(&context.ui, path, &args.key, template, naming)?;
    let there = quoted(&seen_from(&args.folder, path).to_string_lossy());
    let readme = FROM_README.replace("{file}", &file_name).replace("{path}", &there);
    let mut project = common();
    project.push((STACK.to_owned(), stack_file(&stack, None)));
    project.push(("README.md".to_owned(), readme));
    project.sort();
    write(&args.folder, &project)?;
    let files: Vec<&str> = project.iter().map(|(path, _)| path.as_str()).collect();
    if context.ui.is_json() {
        let key = found.guess.key.iter().map(|part| part.name.as_str()).collect();
        let from = Guessed {
            file: path,
            rows: trial.good,
            rejected: trial.failed,
            key,
            notes: found.guess.key_notes.iter().chain(&found.guess.notes).map(String::as_str).collect(),
            warnings: &trial.warnings,
        };
        return context.ui.json(Project { folder: &args.folder, template: ETL, files, from: Some(from) });
    }
    say_written(context, args, &files, Some(&name));
    context.ui.note(format!(
        "\nGuessed from {} of {}: the key is {}.",
        counted(found.survey.rows(), "row"),
        path.display(),
        printable(found.guess.key_notes.first().map(String::as_str).unwrap_or_default())
    ));
    for note in found.guess.key_notes.iter().skip(1).chain(&found.guess.notes) {
        context.ui.note(format!("  {}", printable(note)));
    }
    for warning in &trial.warnings {
        context.ui.warn(warning);
    }
    context.ui.note("\nWhat next:");
    enter(context, &args.folder);
    context.ui.note(format!("  deployer preview {there}"));
    context.ui.note("  deployer local up && deployer deploy local");
    context.ui.note(format!("  deployer upload {there} --wait"));
    context.ui.note(format!("The comments in {STACK} say what was guessed, and what is in doubt."));
    Ok(())
}

/// Returns the path of a file as seen from a folder.
fn seen_from(folder: &Path, path: &Path) -> PathBuf {
    let plain = |path: &Path| {
        path.components()
            .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
    };
    if path.is_absolute() {
        return path.to_owned();
    }
    if !plain(folder) {
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    }
    let depth = folder.components().filter(|part| matches!(part, std::path::Component::Normal(_))).count();
    PathBuf::from("../".repeat(depth)).join(path)
}

/// Refuses to write where there are files already.
fn refuse_existing<'f>(folder: &Path, files: impl Iterator<Item = &'f str>) -> Result<()> {
    let there: Vec<&str> = files.filter(|path| folder.join(path).symlink_metadata().is_ok()).collect();
    match there.is_empty() {
        true => Ok(()),
        false => Err(Error::Refused(
            Message::new(format!(
                "{} already has {}; nothing was written",
                folder.display(),
                there.join(", ")
            ))
            .hint("name another folder: `deployer init my-pipeline`"),
        )),
    }
}

/// Writes the files of a project, none of which may exist.
fn write(folder: &Path, project: &[(String, String)]) -> Result<()> {
    refuse_existing(folder, project.iter().map(|(path, _)| path.as_str()))?;
    for (path, text) in project {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| Error::io("create the folder", parent, &error))?;
        files::write_whole(&path, text)?;
    }
    Ok(())
}

fn say_written(context: &Context, args: &Args, files: &[&str], taken: Option<&str>) {
    for file in files {
        context.ui.note(format!("wrote {}", args.folder.join(file).display()));
    }
    let taken =
        taken.filter(|taken| args.name.is_none() && folder_name(&args.folder).as_deref() != Some(taken));
    if let Some(taken) = taken {
        context.ui.note(format!(
            "\nThe pipeline is named `{taken}`, because the name of the folder is not a valid one (lower case letters, digits \
             and hyphens, starting with a letter). Change it with `name:` in {STACK}."
        ));
    }
}

/// Shows the commands that lead to the project.
fn enter(context: &Context, folder: &Path) {
    if folder != Path::new(".") {
        context.ui.note(format!("  cd {}", quoted(&folder.to_string_lossy())));
    }
    if emulator::find_for(folder).is_err() {
        // Otherwise the next command would fail with this advice.
        context.ui.note(format!("  {}", emulator::install_into(Path::new(".venv"))));
    }
}

/// Reads the name of a pipeline.
fn pipeline_name(text: &str) -> std::result::Result<String, String> {
    match name_of_text(text).as_deref() == Some(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected lower case letters, digits and single hyphens, beginning with a letter, at most 40"
                .to_owned())
        }
    }
}

/// Returns the templates with their descriptions: the first sentences of their READMEs.
fn templates() -> Vec<(&'static str, &'static str)> {
    let mut out: Vec<(&str, &str)> = TEMPLATES
        .dirs()
        .filter_map(|dir| {
            let name = dir.path().file_name()?.to_str()?;
            let title = file(dir, "README.md")?.lines().next()?.trim_start_matches("# ");
            Some((name, title))
        })
        .collect();
    out.sort_unstable();
    out
}

fn template(name: &str) -> Option<&'static Dir<'static>> {
    TEMPLATES.dirs().find(|dir| dir.path() == Path::new(name))
}

fn file(dir: &'static Dir<'static>, name: &str) -> Option<&'static str> {
    dir.get_file(dir.path().join(name))?.contents_utf8()
}

fn list(context: &Context) -> Result<()> {
    let templates = templates();
    if context.ui.is_json() {
        let templates = templates.into_iter().map(|(name, title)| ListedTemplate { name, title });
        return context.ui.json(Templates { templates: templates.collect() });
    }
    let rows = templates.iter().map(|(name, title)| [(*name).to_owned(), (*title).to_owned()]);
    context.ui.data(&ui::table(["template", ""], rows))
}

/// Returns the name of the pipeline: that of the folder, as far as it is valid for a stack.
fn name_of(folder: &Path) -> Option<String> {
    name_of_text(&folder_name(folder)?)
}

/// Returns a text as the name of a pipeline, as far as it is valid.
fn name_of_text(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let words: Vec<&str> =
        name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    (name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 40).then_some(name)
}

fn folder_name(folder: &Path) -> Option<String> {
    let absolute = std::path::absolute(folder).ok()?;
    Some(absolute.file_name()?.to_string_lossy().into_owned())
}

/// Returns the name that a stack file contains.
fn own_name(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("name: "))
}

/// Returns the files of a project, by path.
fn project(template: &'static Dir<'static>, name: Option<&str>) -> Vec<(String, String)> {
    let mut out = common();
    let mut folders = vec![template];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let Ok(path) = file.path().strip_prefix(template.path()) else { continue };
            let words: Vec<&str> = path.iter().filter_map(|word| word.to_str()).collect();
            let (path, text) = (words.join("/"), file.contents_utf8().unwrap_or_default());
            let text = if path == STACK { stack_file(text, name) } else { text.to_owned() };
            out.push((path, text));
        }
    }
    out.sort();
    out
}

/// Returns the files that every project has.
fn common() -> Vec<(String, String)> {
    vec![
        (".gitignore".to_owned(), IGNORED.to_owned()),
        (SCHEMA.to_owned(), format!("{:#}\n", deployer_lang::schema::schema())),
    ]
}

/// Returns the stack file with a link to the schema next to it, and with the name of the folder.
fn stack_file(text: &str, name: Option<&str>) -> String {
    let mut out = format!("{SCHEMA_LINE}{SCHEMA}\n");
    for line in text.lines().filter(|line| !line.starts_with(SCHEMA_LINE)) {
        match (line.starts_with("name: "), name) {
            (true, Some(name)) => out.push_str(&format!("name: {name}")),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_the_pipeline_as_far_as_it_can() {
        for (folder, name) in [
            ("/a/my-pipeline", Some("my-pipeline")),
            ("/a/My Pipeline.v2", Some("my-pipeline-v2")),
            ("/a/2024", None),
            ("/a/__", None),
        ] {
            assert_eq!(name_of(Path::new(folder)).as_deref(), name, "{folder}");
        }
    }

    #[test]
    fn every_template_says_what_it_is() {
        let templates = templates();
        assert!(templates.len() > 5 && templates.iter().any(|(name, _)| *name == "etl"), "{templates:?}");
        assert!(templates.iter().all(|(_, title)| !title.is_empty()));
    }
}
