//! `environment:` of functions and tasks with code of the user's own.

use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::{Node, Value, shorten};

use super::Text;
use super::TextPart;
use super::properties::{AnyText, Read, Scope, Shape, mismatch};

/// Environment variables in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment(pub Vec<Variable>);

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Place of the name.
    pub span: Span,
    /// Its value.
    pub value: Text,
}

impl Variable {
    /// Returns the literal parts of the value.
    #[must_use]
    pub fn literal(&self) -> String {
        let literal = |part: &TextPart| match part {
            TextPart::Literal(literal) => Some(literal.clone()),
            _ => None,
        };
        self.value.parts.iter().filter_map(literal).collect()
    }
}

/// A reader of `environment`.
pub enum Variables {
    /// Of a function: Lambda reserves some names.
    OfFunction,
    /// Of a task: ECS takes any name of letters, digits and `_`.
    OfTask,
}

/// Reserved names: AWS Lambda Developer Guide, "Defined runtime environment variables".
const RESERVED: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
];

impl Variables {
    fn check(&self, name: &str, span: Span, scope: &Scope) {
        let first =
            |letter: char| letter.is_ascii_alphabetic() || (matches!(self, Self::OfTask) && letter == '_');
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !name.starts_with(first) || !name.bytes().all(word) || name.len() < 2 {
            scope.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` can't be the name of an environment variable", shorten(name)),
                )
                .help("two or more letters, digits and `_`, beginning with a letter"),
            );
        } else if matches!(self, Self::OfFunction) && RESERVED.contains(&name) {
            scope.report(
                Diagnostic::error("E0108", span, format!("Lambda sets `{name}` itself"))
                    .help("choose another name"),
            );
        }
    }
}

impl Read for Variables {
    type Out = Environment;
    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::Text))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Environment> {
        let Value::Mapping(entries) = &node.value else {
            scope.report(mismatch(node, "a mapping").help("write `NAME: value`"));
            return None;
        };
        let read: Vec<Option<Variable>> = entries
            .iter()
            .map(|entry| {
                self.check(&entry.key, entry.key_span, scope);
                let value = AnyText.read(&entry.value, scope)?;
                Some(Variable { name: entry.key.clone(), span: entry.key_span, value })
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Environment)
    }
    fn show(&self, value: &Environment) -> Option<String> {
        value.0.is_empty().then(|| "{}".to_owned())
    }
}
