//! Values of raw CloudFormation properties as the file contains them, with config values in their places and intrinsic
//! functions read, before a resource schema gives the single values their types.

use serde_json::Value;

use deployer_syntax::diagnostic::Span;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The value.
    pub is: ExpressionKind,
    /// Its place in the file.
    pub span: Span,
}

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionKind {
    /// `null`, `~` or nothing.
    Null,
    /// A single value without references; not typed yet.
    Scalar {
        /// The text.
        text: String,
        /// `true` if it is written without quotes, so that it may be a number or a boolean.
        plain: bool,
    },
    /// A list.
    List(Vec<Expression>),
    /// A mapping, in the order of the file.
    Map(Vec<ExpressionEntry>),
    /// An intrinsic function or a text with references, as CloudFormation's JSON.
    Function {
        /// `{"Ref": …}`, `{"Fn::Sub": …}` and the like, with logical IDs in the place of names.
        value: Value,
        /// The kind of value that CloudFormation evaluates it to.
        gives: Gives,
    },
    /// `Fn::If`: each branch is in the place of the function.
    If {
        /// Name of the condition.
        condition: String,
        /// The value if the condition holds.
        then: Box<Expression>,
        /// The value if it does not.
        otherwise: Box<Expression>,
    },
    /// `!Ref AWS::NoValue`: as if the property were not given.
    NoValue,
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpressionEntry {
    /// The key.
    pub key: String,
    /// Place of the key.
    pub key_span: Span,
    /// Its value.
    pub value: Expression,
}

/// The kind of value that an intrinsic function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// A single value: text, or a number as text.
    Single,
    /// A list (`Fn::Split`, `Fn::GetAZs`, `Fn::Cidr`).
    List,
    /// Not known before the deployment (`Fn::ImportValue`, `Fn::Select`, `Fn::GetAtt` of some attributes).
    Any,
}
