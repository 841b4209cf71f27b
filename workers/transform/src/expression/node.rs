//! The checked tree of an expression.

use regex::Regex;

use super::datum::Datum;
use super::functions::Function;

/// A part of an expression whose types fit.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) operation: Operation,
    /// The bytes of the text.
    pub(super) range: (usize, usize),
}

/// The way in which a part gets its value.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Constant(Datum<'static>),
    Column(usize),
    HasColumn(usize),
    Field(usize),
    HasField(usize),
    /// A variable of a macro, by its position among those that are visible.
    Variable(usize),
    ObjectKey,
    ObjectVersion,
    RecordIndex,
    Not(Box<Node>),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Conditional(Box<[Node; 3]>),
    List(Box<[Node]>),
    Call1(Function, Box<Node>),
    Call2(Function, Box<[Node; 2]>),
    Call3(Function, Box<[Node; 3]>),
    Matches(Box<Node>, Regex),
    Loop(Box<Loop>),
}

/// A macro over the elements of a list.
#[derive(Debug, Clone)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) list: Node,
    /// The elements that count; `None`: all.
    pub(super) filter: Option<Node>,
    /// The value that is computed of each.
    pub(super) body: Node,
}

/// The kinds of macros over lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl Node {
    /// Returns the value, if it depends on no row.
    pub(super) const fn constant(&self) -> Option<&Datum<'static>> {
        match &self.operation {
            Operation::Constant(value) => Some(value),
            _ => None,
        }
    }
}
