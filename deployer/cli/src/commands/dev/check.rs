//! The check of the stack file in a round of `dev`: what `deployer check` finds, for one stack of the local cloud.

use std::path::Path;
use std::sync::Arc;

use deployer_base::error::{Error, Message, Result};
use deployer_lang::model::target::Target;
use deployer_lang::{Compiled, Document, StackTarget, compile};
use deployer_syntax::{Diagnostics, Source};

use super::inputs::Inputs;
use crate::context::{Context, defect, document_error};
use crate::policies::RuleFiles;

/// Stack of the thread that checks: that of a main thread, on which all other commands check.
const STACK: usize = 8 << 20;

/// A stack file that was checked.
#[derive(Debug)]
pub struct Checked {
    /// The file that the problems are of: the stack file, or a rule file.
    pub source: Source,
    /// The problems; warnings alone, if there is a stack.
    pub diagnostics: Diagnostics,
    /// The stack; `None` if the file has errors.
    pub compiled: Option<Compiled>,
    /// The files that were read.
    pub inputs: Inputs,
}

/// Checks one stack in a thread of its own, so that nothing has to wait for it.
///
/// # Errors
/// Returns [`Error::Usage`] if there is no such file or stack, [`Error::Refused`] if the stack is not one of the local cloud.
pub async fn check(context: Arc<Context>, stack: Option<String>) -> Result<Checked> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = move || {
        // If the receiver is gone, the round was given up.
        let _ = sender.send(checked(&context, stack.as_deref()));
    };
    std::thread::Builder::new()
        .name("check".to_owned())
        .stack_size(STACK)
        .spawn(work)
        .map_err(|error| Error::failed(format!("could not start: {error}")))?;
    receiver.await.map_err(|_| Error::failed("the check of the stack file ended early"))?
}

fn checked(context: &Context, stack: Option<&str>) -> Result<Checked> {
    let mut inputs = Inputs::of_file(&context.file);
    let source = context.source()?;
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&source, &mut diagnostics);
    let Some(document) = document else {
        return Ok(Checked { source, diagnostics, compiled: None, inputs });
    };
    let is_broken = diagnostics.has_errors();
    let target = match choose(&document, stack) {
        Ok(target) => target,
        // The problems of the file may be the reason.
        Err(_) if is_broken => return Ok(Checked { source, diagnostics, compiled: None, inputs }),
        Err(error) => return Err(error),
    };
    add_rules(context.folder(), &document, &mut inputs);
    let compiled = compile(&document, target, &context.config, &mut diagnostics);
    let Some(compiled) = compiled.filter(|_| !diagnostics.has_errors()) else {
        return Ok(Checked { source, diagnostics, compiled: None, inputs });
    };
    if let Some(found) = &compiled.defect {
        return Err(defect(found));
    }
    let rules = RuleFiles::read(context.folder(), &document, &mut diagnostics)?;
    for path in rules.paths() {
        inputs.add_file(path);
    }
    if !diagnostics.has_errors()
        && let Some((source, diagnostics)) = rules.apply(&document, &compiled, &mut diagnostics)?
    {
        return Ok(Checked { source, diagnostics, compiled: None, inputs });
    }
    let compiled = Some(compiled).filter(|_| !diagnostics.has_errors());
    Ok(Checked { source, diagnostics, compiled, inputs })
}

/// Adds the rule files of `policies`, and the folders in which more of them may appear.
fn add_rules(folder: &Path, document: &Document, inputs: &mut Inputs) {
    for policy in &document.policies {
        let pattern = folder.join(&policy.pattern);
        if !policy.is_pattern() {
            inputs.add_file(&pattern);
            continue;
        }
        let is_plain = |part: &&std::ffi::OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
        let fixed: std::path::PathBuf = pattern.iter().take_while(is_plain).collect();
        let ending = policy.pattern.rsplit(['*', '?', ']', '/']).next().unwrap_or_default();
        inputs.endings.insert((super::inputs::real(&fixed), ending.to_owned()));
    }
}

/// Returns the stack of that name; without a name the default one, or the only one of the local cloud.
///
/// # Errors
/// Returns [`Error::Usage`] if there is none, or several could be meant, and [`Error::Refused`] if it is not one of the local
/// cloud.
pub fn choose<'d>(document: &'d Document, name: Option<&str>) -> Result<&'d StackTarget> {
    let is_local = |stack: &&StackTarget| stack.target == Target::Local;
    let locals: Vec<&StackTarget> = document.stacks.iter().filter(is_local).collect();
    let selected = document.select(name);
    match (&selected, locals.as_slice(), name) {
        (Ok(target), ..) if is_local(target) => Ok(target),
        (_, [only], None) => Ok(only),
        (Ok(target), ..) => Err(not_local(target, &locals)),
        (Err(error), ..) => Err(document_error(error)),
    }
}

/// Returns the error for a stack of AWS.
fn not_local(target: &StackTarget, locals: &[&StackTarget]) -> Error {
    let name = &target.stack;
    let others = match locals {
        [] => "add a stack with `target: local` to the file".to_owned(),
        locals => {
            let names: Vec<String> =
                locals.iter().map(|one| format!("`deployer dev {}`", one.stack)).collect();
            format!("run {}", names.join(" or "))
        }
    };
    Error::Refused(
        Message::new(format!(
            "`{name}` is a stack on AWS, and `deployer dev` deploys each save to the local cloud only"
        ))
        .hint(format!("{others}; `deployer deploy {name}` deploys to AWS")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(stacks: &str, name: Option<&str>) -> std::result::Result<String, (u8, String)> {
        let text = format!("name: x\nstacks: {stacks}\nresources: {{ jobs: {{ type: queue }} }}\n");
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&Source::new("stack.yaml", text), &mut diagnostics);
        match choose(&document.expect("a document"), name) {
            Ok(target) => Ok(target.stack.clone()),
            Err(error) => {
                let message = error.message().expect("a message");
                Err((error.exit_code(), format!("{}; {}", message.text, message.hint.unwrap_or_default())))
            }
        }
    }

    #[test]
    fn the_stack_is_the_one_of_the_local_cloud() {
        let both = "{ dev: { default: true }, local: { target: local } }";
        assert_eq!(chosen(both, None).as_deref(), Ok("local"));
        assert_eq!(chosen(both, Some("local")).as_deref(), Ok("local"));
        let (code, text) = chosen(both, Some("dev")).expect_err("refused");
        assert_eq!(code, 5);
        assert!(
            text.contains("`dev` is a stack on AWS") && text.contains("run `deployer dev local`"),
            "{text}"
        );
        let (code, text) = chosen("{ dev: {} }", None).expect_err("refused");
        assert!(code == 5 && text.contains("add a stack with `target: local`"), "{text}");
        let several = "{ a: { target: local }, b: { target: local } }";
        assert_eq!(chosen(several, None).expect_err("ambiguous").0, 2);
        assert_eq!(chosen(both, Some("gone")).expect_err("unknown").0, 2);
    }
}
