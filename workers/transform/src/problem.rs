//! Problems of settings, found before there is a row.

/// A problem of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The part of the settings that is wrong.
    pub place: Place,
    /// The kind of problem, which decides the code of the diagnostic.
    pub kind: ProblemKind,
    /// What is wrong: a clause without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// A place in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The names of the field and of the fields around it, from the outside; empty for a setting beside `fields`.
    pub field: Vec<String>,
    /// The name of the property, as in `stack.yaml`; `None` for the field itself.
    pub property: Option<&'static str>,
    /// The position in a property that is a list, from 0.
    pub element: Option<usize>,
    /// The bytes of the text of the property that are wrong; `None` for all of it.
    pub range: Option<(usize, usize)>,
}

/// The kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// Properties that don't go together.
    Combination,
    /// A value that can't be one of its property.
    Value,
    /// A format of timestamps, or a time zone, that can't be.
    Format,
    /// An expression that doesn't compile, or has the wrong type.
    Expression,
    /// A regular expression that doesn't compile.
    Pattern,
    /// A template that can't be read.
    Template,
    /// A column that the files don't have.
    Column,
}
