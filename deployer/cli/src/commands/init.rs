//! `deployer init`.

use std::path::{Path, PathBuf};

use deployer_base::error::{Error, Message, Result};
use deployer_base::text::quoted;
use deployer_base::{files, ui};
use deployer_local::emulator;
use deployer_syntax::diagnostic::nearest;
use include_dir::{Dir, include_dir};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;

/// Create a project that can be deployed as it is: a stack.yaml, its code and a README
///
/// Never overwrites existing files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the project, created if it is missing; its name becomes the name of the pipeline
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Template to start from; `--list` lists all templates
    #[arg(long, value_name = "NAME", default_value = "etl")]
    template: String,
    /// List the templates
    #[arg(long)]
    list: bool,
}

static TEMPLATES: Dir<'static> = include_dir!("$OUT_DIR/templates");
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
    let name = name_of(&args.folder);
    let mut project = project(template, &name);
    project.sort();
    let there: Vec<&str> = project
        .iter()
        .filter(|(path, _)| args.folder.join(path).symlink_metadata().is_ok())
        .map(|(path, _)| path.as_str())
        .collect();
    if !there.is_empty() {
        return Err(Error::Refused(
            Message::new(format!(
                "{} already has {}; nothing was written",
                args.folder.display(),
                there.join(", ")
            ))
            .hint("name another folder: `deployer init my-pipeline`"),
        ));
    }
    for (path, text) in &project {
        let path = args.folder.join(path);
        let parent = path.parent().unwrap_or(&args.folder);
        std::fs::create_dir_all(parent).map_err(|error| Error::io("create the folder", parent, &error))?;
        files::write_whole(&path, text)?;
    }
    let files: Vec<&str> = project.iter().map(|(path, _)| path.as_str()).collect();
    if context.ui.is_json() {
        return context.ui.json(Project { folder: &args.folder, template: &args.template, files });
    }
    let taken = name.as_deref().or_else(|| own_name(file(template, STACK)?));
    for file in files {
        context.ui.note(format!("wrote {}", args.folder.join(file).display()));
    }
    if let Some(taken) = taken.filter(|taken| folder_name(&args.folder).as_deref() != Some(taken)) {
        context.ui.note(format!(
            "\nThe pipeline is named `{taken}`, because the name of the folder is not a valid one (lower case letters, digits \
             and hyphens, starting with a letter). Change it with `name:` in {STACK}."
        ));
    }
    context.ui.note("\nWhat next:");
    if args.folder != Path::new(".") {
        context.ui.note(format!("  cd {}", quoted(&args.folder.to_string_lossy())));
    }
    if emulator::find_for(&args.folder).is_err() {
        // Otherwise the next command would fail with this advice.
        context.ui.note(format!("  {}", emulator::install_into(Path::new(".venv"))));
    }
    context.ui.note("  deployer local up && deployer deploy   on this machine");
    context.ui.note("  deployer deploy dev                    on AWS, with your credentials");
    context.ui.note("  README.md                              what it does, and what to look at");
    Ok(())
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
    let name = folder_name(folder)?.to_ascii_lowercase();
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
fn project(template: &'static Dir<'static>, name: &Option<String>) -> Vec<(String, String)> {
    let mut out = vec![
        (".gitignore".to_owned(), IGNORED.to_owned()),
        (SCHEMA.to_owned(), format!("{:#}\n", deployer_lang::schema::schema())),
    ];
    let mut folders = vec![template];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let Ok(path) = file.path().strip_prefix(template.path()) else { continue };
            let words: Vec<&str> = path.iter().filter_map(|word| word.to_str()).collect();
            let (path, text) = (words.join("/"), file.contents_utf8().unwrap_or_default());
            let text = if path == STACK { stack_file(text, name.as_deref()) } else { text.to_owned() };
            out.push((path, text));
        }
    }
    out
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
