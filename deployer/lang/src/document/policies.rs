//! `policies`: the paths of rule files, which are read by others.

use deployer_syntax::diagnostic::Span;
use deployer_syntax::yaml::Node;

use crate::model::code::Path;
use crate::model::properties::{Read, Scope, Shape};

/// An entry of `policies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Path of a rule file, or a pattern of such paths, relative to the stack file.
    pub pattern: String,
    /// Its place in the file.
    pub span: Span,
}

impl Policy {
    /// Returns whether it names files by a pattern, and not one file.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.pattern.contains(['*', '?', '['])
    }
}

/// The path of a rule file, perhaps with `*`.
pub(super) struct RuleFiles;
impl Read for RuleFiles {
    type Out = Policy;
    fn shape(&self) -> Shape {
        Path.shape()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Policy> {
        Some(Policy { pattern: Path.read(node, scope)?, span: node.span })
    }
    fn show(&self, _: &Policy) -> Option<String> {
        None
    }
}
