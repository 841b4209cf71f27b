//! `deployer import --template` and `--stack`: a stack file from a template of CloudFormation, or from a deployed stack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deployer_aws::cloudformation::CloudFormation;
use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_base::text::quoted;
use deployer_cfn::deployed;
use deployer_lang::StackTarget;
use deployer_lang::import::{self, ImportTarget, Typing};
use deployer_lang::model::target::{Removal, Target};
use deployer_syntax::{Diagnostics, Source};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::parameters::MASKED;

/// The template to write a stack file from, and the file.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Template of CloudFormation, JSON or YAML; `-` reads stdin
    #[arg(long, value_name = "FILE", group = "source")]
    template: Option<PathBuf>,
    /// Name of a deployed stack of CloudFormation
    #[arg(long, value_name = "NAME", group = "source")]
    stack: Option<String>,
    /// The stack is in the local cloud of this folder
    #[arg(long, requires = "stack")]
    local: bool,
    /// Write types of the language for the resources that they make exactly
    #[arg(long, conflicts_with = "resources")]
    typed: bool,
    /// The stack file to write; `-` writes to stdout
    #[arg(long, value_name = "FILE", default_value = "stack.yaml")]
    out: PathBuf,
}

/// The stack file that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ImportedFile<'a> {
    /// The stack file; `-` for stdout.
    file: &'a Path,
    /// The name under `stacks` of the stack file.
    stack: &'a str,
    /// With `--stack`: the template that was taken, `Original` as it was submitted or `Processed` after its transforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a str>,
    /// With `--typed`: the resources that became types of the language, and those that stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    typed: Option<TypedImport<'a>>,
    /// The text of the stack file, if it was not written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// The resources of a template that became types of the language, and those for which there is a type and that stay.
#[derive(Debug, Serialize, JsonSchema)]
struct TypedImport<'a> {
    /// Number of resources of the template.
    resources: usize,
    /// Number of resources that the types make.
    made: usize,
    /// Resources of the file that have a type of the language.
    lifted: Vec<TypedEntry<'a>>,
    /// Resources that stay as they are, although there is a type for them.
    kept: Vec<UntypedEntry<'a>>,
}

/// A resource of the file that has a type of the language.
#[derive(Debug, Serialize, JsonSchema)]
struct TypedEntry<'a> {
    /// Its name in the file.
    name: &'a str,
    /// Its type.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The logical IDs of the resources that it makes.
    makes: &'a [String],
    /// Path of the zip with its code, relative to the stack file: a template does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<&'a str>,
}

/// A resource that stays as it is, although there is a type for it.
#[derive(Debug, Serialize, JsonSchema)]
struct UntypedEntry<'a> {
    /// Its logical ID.
    #[serde(rename = "logicalId")]
    logical_id: &'a str,
    /// The type that there is for it.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The first difference between the template and what the type makes.
    reason: &'a str,
}

impl<'a> TypedImport<'a> {
    fn of(typing: &'a Typing) -> Self {
        let lifted: Vec<TypedEntry<'a>> = typing
            .lifted
            .iter()
            .map(|one| TypedEntry {
                name: &one.name,
                kind: one.kind,
                makes: &one.makes,
                zip: one.zip.as_deref(),
            })
            .collect();
        let kept = typing.kept.iter();
        Self {
            resources: typing.resources,
            made: lifted.iter().map(|one| one.makes.len()).sum(),
            kept: kept
                .map(|one| UntypedEntry { logical_id: &one.logical_id, kind: one.kind, reason: &one.reason })
                .collect(),
            lifted,
        }
    }

    /// Returns the lines for people.
    fn lines(&self) -> Vec<String> {
        let mut counts = BTreeMap::<&str, usize>::new();
        for one in &self.lifted {
            *counts.entry(one.kind).or_default() += 1;
        }
        let counts: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let mut lines = vec![match counts.is_empty() {
            true => "no resource became a type of the language".to_owned(),
            false => format!(
                "types of the language make {} of the resources, {} in total: {}",
                self.made,
                self.resources,
                counts.join(", ")
            ),
        }];
        if !self.kept.is_empty() {
            lines.push(format!(
                "{} for which there is a type {}; `--output json` has the first difference of each",
                match self.kept.len() {
                    1 => "1 resource".to_owned(),
                    several => format!("{several} resources"),
                },
                if self.kept.len() == 1 { "stays as it is" } else { "stay as they are" },
            ));
        }
        for (name, zip) in self.lifted.iter().filter_map(|one| Some((one.name, one.zip?))) {
            lines.push(format!(
                "the template does not have the code of {name}: put its zip at {zip}, or name another place"
            ));
        }
        lines
    }
}

/// The template that is imported.
struct Found {
    source: Source,
    target: ImportTarget,
    stage: Option<&'static str>,
}

impl Args {
    /// Returns the template, if it is in a file.
    pub fn template(&self) -> Option<&Path> {
        self.template.as_deref()
    }

    /// Returns whether the stack is in the local cloud.
    pub const fn is_local(&self) -> bool {
        self.local
    }

    fn to_stdout(&self) -> bool {
        self.out == Path::new("-")
    }

    /// Refuses to overwrite a file, before anything else is done.
    fn check(&self) -> Result<()> {
        if self.to_stdout() || !self.out.exists() {
            return Ok(());
        }
        Err(Error::Refused(
            Message::new(format!("{} exists already; nothing was written", self.out.display()))
                .hint("name another file with `--out`"),
        ))
    }
}

/// Imports a template in a file, without calling AWS.
pub fn run_template(context: &Context, args: &Args, path: &Path) -> Result<()> {
    args.check()?;
    write(context, args, &of_file(context, path)?)
}

/// Imports the template of a deployed stack.
pub async fn run_stack(context: &Context, args: &Args) -> Result<()> {
    args.check()?;
    let name = args.stack.as_deref().unwrap_or_default();
    write(context, args, &of_stack(context, name, args.local).await?)
}

fn write(context: &Context, args: &Args, found: &Found) -> Result<()> {
    let to_stdout = args.to_stdout();
    let mut diagnostics = Diagnostics::default();
    let (text, typing) = match args.typed {
        true => import::import_typed(&found.source, &found.target, &mut diagnostics)
            .map_or((None, None), |(text, typing)| (Some(text), Some(typing))),
        false => (import::import(&found.source, &found.target, &mut diagnostics), None),
    };
    let Some(text) = text else {
        return Err(context.invalid(&found.source, &diagnostics)?);
    };
    let typed = typing.as_ref().map(TypedImport::of);
    context.ui.warnings(&found.source, &diagnostics);
    if let Some(stage) = found.stage.filter(|stage| *stage == PROCESSED) {
        context.ui.note(format!("took the template after its transforms ({stage})"));
    }
    if !to_stdout {
        files::write_whole(&args.out, &text)?;
    }
    if context.ui.is_json() {
        return context.ui.json(ImportedFile {
            file: &args.out,
            stack: &found.target.stack,
            stage: found.stage,
            typed,
            text: to_stdout.then_some(text.as_str()),
        });
    }
    for line in typed.iter().flat_map(TypedImport::lines) {
        context.ui.note(line);
    }
    if to_stdout {
        return context.ui.data(&text);
    }
    let file = match args.out == Path::new("stack.yaml") {
        true => String::new(),
        false => format!(" -f {}", quoted(&args.out.to_string_lossy())),
    };
    context.ui.note(format!("wrote {}", args.out.display()));
    context.ui.note(format!("  deployer{file} synth   the template that is made of it"));
    context.ui.note(format!("  deployer{file} diff    its differences from the deployed stack"));
    Ok(())
}

fn of_file(context: &Context, path: &Path) -> Result<Found> {
    let (name, bytes) = match path == Path::new("-") {
        true => {
            let bytes = files::read_from(std::io::stdin().lock());
            let bytes = bytes.map_err(|error| Error::failed(format!("could not read stdin: {error}")))?;
            ("stdin".to_owned(), bytes)
        }
        false => {
            let bytes = files::read(path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::Usage(
                    Message::new(format!("there is no file {}", path.display()))
                        .hint("name a template of CloudFormation with `--template`"),
                ),
                _ => Error::io("read", path, &error),
            })?;
            (path.display().to_string(), bytes)
        }
    };
    let text = files::utf_8(&name, bytes)?;
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let target = ImportTarget {
        name: pipeline_name(stem.split('.').next().unwrap_or_default()),
        stack: "dev".to_owned(),
        region: context.region.clone(),
        origin: if name == "stdin" { String::new() } else { stem },
        ..ImportTarget::default()
    };
    Ok(Found { source: Source::new(name, text), target, stage: None })
}

/// The stages of a template at CloudFormation.
const ORIGINAL: &str = "Original";
const PROCESSED: &str = "Processed";

async fn of_stack(context: &Context, name: &str, local: bool) -> Result<Found> {
    let place = StackTarget {
        stack: "dev".to_owned(),
        name: Some(name.to_owned()),
        target: if local { Target::Local } else { Target::Aws },
        region: None,
        account: None,
        endpoint: None,
        protect: false,
        removal: Removal::Keep,
        default: false,
        express: false,
        lambda_concurrency: None,
    };
    let session = context.connect(&place).await?;
    let cloudformation = CloudFormation::new(&session);
    let (stack, text) = tokio::try_join!(cloudformation.describe(name), cloudformation.template(name))?;
    let (Some(stack), Some(mut text)) = (stack, text) else {
        return Err(Error::failed_with_hint(
            format!("there is no stack {name} in {}", session.region),
            "`aws cloudformation list-stacks` lists the stacks of a region; `--region` names another",
        ));
    };
    let mut stage = ORIGINAL;
    if uses_sam(&text) {
        stage = PROCESSED;
        text = cloudformation.processed_template(name).await?.unwrap_or(text);
    }
    let masked: Vec<&str> = stack
        .parameters
        .iter()
        .filter(|(_, value)| *value == MASKED)
        .map(|(name, _)| name.as_str())
        .collect();
    if !masked.is_empty() {
        context.ui.note(format!(
            "CloudFormation does not tell the values of {}: a deployment keeps them, and `--config` sets others",
            masked.join(", ")
        ));
    }
    let target = ImportTarget {
        name: pipeline_name(name),
        stack: if local { "local" } else { "dev" }.to_owned(),
        deployed: Some(name.to_owned()),
        region: (!local).then(|| session.region.clone()),
        local,
        values: stack
            .parameters
            .iter()
            .filter(|(_, value)| *value != MASKED)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        origin: format!("the stack {name}"),
    };
    Ok(Found { source: Source::new(format!("template of {name}"), text), target, stage: Some(stage) })
}

/// Returns whether the transform of SAM makes other resources of a template.
fn uses_sam(text: &str) -> bool {
    let template = deployed::read(text);
    let is_sam =
        |value: &serde_json::Value| value.as_str().is_some_and(|name| name.starts_with("AWS::Serverless-"));
    match &template["Transform"] {
        serde_json::Value::Array(names) => names.iter().any(is_sam),
        name => is_sam(name),
    }
}

/// Returns a name for the stack file that resembles another: lower case letters, digits and single hyphens.
fn pipeline_name(text: &str) -> String {
    let mut name = String::new();
    let mut previous = ' ';
    for letter in text.chars() {
        let begins =
            letter.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit());
        if (begins || !letter.is_ascii_alphanumeric()) && !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if letter.is_ascii_alphanumeric() && !(name.is_empty() && letter.is_ascii_digit()) {
            name.push(letter.to_ascii_lowercase());
        }
        previous = letter;
    }
    name.truncate(100);
    let name = name.trim_end_matches('-');
    if name.is_empty() { "imported".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_and_stacks_become_names_of_pipelines() {
        let pairs = [
            ("EventBridgeEtlStack", "event-bridge-etl-stack"),
            ("my_template v2", "my-template-v2"),
            ("2048", "imported"),
            ("--", "imported"),
            ("S3Bucket", "s3-bucket"),
        ];
        for (text, name) in pairs {
            assert_eq!(pipeline_name(text), name);
        }
    }

    #[test]
    fn sam_is_recognized_in_both_forms() {
        assert!(uses_sam("Transform: AWS::Serverless-2016-10-31\nResources: {}\n"));
        assert!(uses_sam(r#"{"Transform": ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]}"#));
        assert!(!uses_sam("Transform: AWS::LanguageExtensions\n"));
    }
}
