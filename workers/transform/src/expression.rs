//! Expressions of CEL, checked before there is a row.
//!
//! [`Expression::compile`] parses an expression, checks the types of all its parts, and computes what depends
//! on no row: constants, patterns, spans. [`Expression::evaluate`] computes it over one row. The language is
//! a subset of CEL (<https://github.com/google/cel-spec/blob/master/doc/langdef.md>), without what would be
//! found wrong only at some row, or could differ between two evaluations of the same row;
//! `docs/expressions.md` describes it.

mod call;
mod check;
mod datum;
mod evaluate;
mod fault;
mod functions;
mod kind;
mod lexer;
mod names;
mod node;
mod number;
mod parser;
mod steps;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use datum::{Datum, Elements};
pub use fault::{EvaluationError, Fault};
pub use jiff::SignedDuration;
pub use kind::Kind;
pub use time::Timestamp;

/// The longest expression, in bytes. An expression is for people, who stop reading it long before.
pub const LONGEST_EXPRESSION: usize = 4 * 1024;

/// The names that an expression may use.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'s> {
    /// The columns of the files, if they are known; otherwise any name may be a column.
    pub columns: Option<&'s [String]>,
    /// The fields, with the type of their value; `None` for a type that expressions can't read, such as JSON.
    pub fields: &'s [(String, Option<Kind>)],
}

/// An expression that does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// What is wrong: a clause without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The bytes of the text that are wrong. Both ends are at the boundaries of characters.
    pub range: (usize, usize),
}

impl ExpressionError {
    fn new(message: impl Into<String>, range: (usize, usize)) -> Self {
        Self { message: message.into(), help: None, range }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A column that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadColumn {
    /// The name as the expression writes it. [`contract::columns::find`] finds it in a header.
    pub name: String,
    /// `true` if the expression also asks for the presence of the column (`has(row.Amount)`), so that files
    /// may lack it.
    pub optional: bool,
}

/// The row that an expression is evaluated over. Slots are positions in [`Expression::columns`] and
/// [`Expression::fields`].
pub trait Input<'r> {
    /// Returns the value of a column; `None` if the file has no such column.
    fn column(&self, slot: usize) -> Option<&'r str>;

    /// Returns the value of a field, of the type that the [`Scope`] said; `None` if the field has no value.
    fn field(&self, slot: usize) -> Option<Datum<'r>>;

    /// Returns whether a field has a value, which may be of any type.
    fn has_field(&self, slot: usize) -> bool;

    /// Returns the key of the object.
    fn object_key(&self) -> &'r str;

    /// Returns the version of the object.
    fn object_version(&self) -> &'r str;

    /// Returns the number of the row in the object, from 1.
    fn record_index(&self) -> u64;
}

/// An expression that compiles: evaluating it needs nothing but a row.
#[derive(Debug, Clone)]
pub struct Expression {
    text: Box<str>,
    root: node::Node,
    kind: Kind,
    columns: Vec<ReadColumn>,
    fields: Vec<usize>,
}

impl Expression {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// The first thing that is wrong with the text, for a person.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Self, ExpressionError> {
        if text.len() > LONGEST_EXPRESSION {
            let message = format!("the expression has more than {LONGEST_EXPRESSION} bytes");
            return Err(ExpressionError::new(message, (0, text.len()))
                .help("compute parts of it in fields of their own, and use those fields"));
        }
        let syntax = parser::parse(text)?;
        let mut checker = check::Checker::new(text, scope);
        let checked = checker.check(&syntax)?;
        Ok(Self {
            text: text.into(),
            root: checked.node,
            kind: checked.kind,
            columns: checker.columns,
            fields: checker.fields,
        })
    }

    /// Returns the type of the value.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Returns the columns that the expression reads, by slot.
    #[must_use]
    pub fn columns(&self) -> &[ReadColumn] {
        &self.columns
    }

    /// Returns the fields that the expression reads, by slot, as positions in [`Scope::fields`].
    #[must_use]
    pub fn fields(&self) -> &[usize] {
        &self.fields
    }

    /// Returns the value for a row. The same row gives the same value.
    ///
    /// # Errors
    /// What a row without a value for this expression lacks, such as a number where `double` needs one.
    pub fn evaluate<'r>(&'r self, input: &impl Input<'r>) -> Result<Datum<'r>, EvaluationError> {
        evaluate::evaluate(&self.root, input).map_err(|failed| failed.in_text(&self.text))
    }
}

/// Returns the names that may be those of fields: plain ones, and `total` of `item.total` and `item["total"]`. A text that
/// is no expression has none.
#[must_use]
pub fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    if text.len() <= LONGEST_EXPRESSION
        && let Ok(syntax) = parser::parse(text)
    {
        syntax.names(&mut names);
    }
    names
}

/// Returns a part of an expression, as short as a message needs it.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let text = text.trim();
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    let shown: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().count() > LONGEST { format!("{shown}…") } else { shown }
}
