//! One stack of a file, from its model to its template. The only place that makes a template from a model.

use deployer_cfn::template::{DanglingReference, Template};
use deployer_syntax::diagnostic::Diagnostics;

use crate::check;
use crate::document::Document;
use crate::lower::{self, existing::Need};
use crate::model::Stack;
use crate::model::target::StackTarget;

/// A stack without errors, and the template made from it.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The model.
    pub stack: Stack,
    /// The template that the rules were applied to.
    pub template: Template,
    /// What the policies of existing resources must allow, and the stack does not write.
    pub needs: Vec<Need>,
    /// A reference of the template to something that is not in it, for which the file is not to blame: a defect of the
    /// lowering.
    pub defect: Option<DanglingReference>,
}

/// Compiles one stack of a file: reads its model, makes its template, and applies the rules to both. `overrides` are
/// the `--config k=v` of the command line.
///
/// Problems are added to `diagnostics`; `None` when one of them is an error.
#[must_use]
pub fn compile(
    document: &Document,
    target: &StackTarget,
    overrides: &[(String, String)],
    diagnostics: &mut Diagnostics,
) -> Option<Compiled> {
    let stack = document.model(target, overrides, diagnostics)?;
    let (template, needs) = lower::lower(&stack);
    let defect = check::check(&stack, &template, diagnostics);
    (!diagnostics.has_errors()).then_some(Compiled { stack, template, needs, defect })
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployer_syntax::diagnostic::Source;

    #[test]
    fn a_stack_is_lowered_once() {
        let source = Source::new("stack.yaml", include_str!("../../../stack.yaml").to_owned());
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(&source, &mut diagnostics).expect("a document");
        for target in &document.stacks {
            let before = lower::COUNT.get();
            let compiled = compile(&document, target, &[], &mut diagnostics).expect("a stack");
            assert!(!compiled.template.resources.is_empty());
            assert_eq!(lower::COUNT.get() - before, 1, "{}", target.stack);
        }
    }
}
