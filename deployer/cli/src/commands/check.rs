//! `deployer check`.

use deployer_base::error::Result;
use deployer_base::ui::Output;
use deployer_lang::{Document, compile};
use deployer_syntax::{Diagnostics, Severity, Source};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::{Context, defect, document_error, invalid_file};
use crate::policies::RuleFiles;

mod sarif;

/// Check the file, in all of its stacks, without building anything or calling AWS
///
/// Shows each problem once, whichever stacks have it, and exits with 2 if one of them is an error. The template of each stack is also
/// checked against the rules of `policies`; if these are the only problems, the exit code is 5. With `--output sarif`, writes the
/// problems as SARIF, which code scanning services and editors read; `--message-format github` makes annotations of them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stacks; all stacks of the file if there are none
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
}

/// A file without errors.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checked<'a> {
    /// The stack file.
    file: &'a str,
    /// The stacks that were checked, by their keys in the file.
    stacks: &'a [&'a str],
    /// Number of rule files of `policies` whose rules the stacks follow.
    rule_files: usize,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let source = context.source()?;
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics);
    let mut stacks = Vec::new();
    let mut rule_files = 0;
    if let Some(document) = &document {
        let rules = RuleFiles::read(context.folder(), document, &mut diagnostics)?;
        rule_files = rules.count();
        let targets = match args.stacks.as_slice() {
            [] => document.stacks.iter().collect(),
            names => names
                .iter()
                .map(|name| document.select(Some(name)).map_err(|error| document_error(&error)))
                .collect::<Result<Vec<_>>>()?,
        };
        for target in targets {
            // What another stack breaks does not keep this one from being checked.
            let mut own = Diagnostics::default();
            let compiled = compile(document, target, &context.config, &mut own);
            if let Some(compiled) = compiled {
                if let Some(found) = compiled.defect {
                    return Err(defect(&found));
                }
                if let Some((file, problem)) = rules.apply(document, &compiled, &mut own)? {
                    return report(context, &file, &problem);
                }
            }
            diagnostics.extend(own);
            stacks.push(target.stack.as_str());
        }
    }
    if diagnostics.has_errors() || context.ui.output == Output::Sarif {
        return report(context, &source, &diagnostics);
    }
    if !diagnostics.is_empty() {
        context.ui.warnings(&source, &diagnostics);
    }
    if context.ui.is_json() {
        return context.ui.json(Checked { file: &source.name, stacks: &stacks, rule_files });
    }
    let warnings = diagnostics.sorted().iter().filter(|one| one.severity == Severity::Warning).count();
    let problems = match warnings {
        0 => "no problems".to_owned(),
        1 => "1 warning".to_owned(),
        many => format!("{many} warnings"),
    };
    let followed = match rule_files {
        0 => String::new(),
        1 => "; the rules of 1 file are followed".to_owned(),
        many => format!("; the rules of {many} files are followed"),
    };
    context.ui.data(&format!("{}: {problems} in {}{followed}\n", source.name, counted(&stacks)))
}

/// Shows the problems of a file, and fails if one of them is an error.
fn report(context: &Context, source: &Source, diagnostics: &Diagnostics) -> Result<()> {
    if context.ui.output != Output::Sarif {
        return Err(context.invalid(source, diagnostics)?);
    }
    context.ui.data(&sarif::log(source, diagnostics)?)?;
    match diagnostics.has_errors() {
        true => Err(invalid_file(source, diagnostics)),
        false => Ok(()),
    }
}

/// Names the stacks that were checked.
fn counted(stacks: &[&str]) -> String {
    match stacks {
        [one] => format!("stack {one}"),
        many => format!("{} stacks: {}", many.len(), many.join(", ")),
    }
}
