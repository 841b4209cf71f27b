//! Names of an expression: columns, fields, variables, and what belongs to the object and the record.

use contract::columns;

use super::{Checked, Checker, Result};
use crate::expression::functions::{self, Function};
use crate::expression::kind::Kind;
use crate::expression::names::nearest;
use crate::expression::node::{Node, Operation};
use crate::expression::parser::{Syntax, SyntaxKind};
use crate::expression::{ExpressionError, ReadColumn};

/// The names that are no columns, because members of them are.
const ROOTS: [&str; 5] = ["row", "item", "object", "record", "math"];

impl Checker<'_> {
    /// Checks a name by itself: a variable, a field, or else a column.
    pub(super) fn identifier(&mut self, name: &str, range: (usize, usize)) -> Result<Checked> {
        if let Some(position) = self.variables.iter().rposition(|(variable, _)| variable == name) {
            let kind = self.variables.get(position).map_or(Kind::Nothing, |(_, kind)| kind.clone());
            return Ok(Checked { node: Node { operation: Operation::Variable(position), range }, kind });
        }
        if ROOTS.contains(&name) {
            return Err(lone_root(name, range));
        }
        if self.scope.fields.iter().any(|(field, _)| field == name) {
            return self.field(name, range, range);
        }
        if self.column_exists(name, range)? {
            let slot = self.column_slot(name, false);
            return Ok(column(slot, range));
        }
        let columns = self.scope.columns.unwrap_or_default().iter().map(String::as_str);
        let fields = self.scope.fields.iter().map(|(name, _)| name.as_str());
        let variables = self.variables.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = variables.chain(fields).chain(columns).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(meant) if is_identifier(meant) => Some(format!("did you mean `{meant}`?")),
            Some(meant) => Some(format!("did you mean `row[\"{}\"]`?", meant.escape_debug())),
            // `Order-ID` is a difference: the first word of a name that is not an identifier.
            None => names
                .iter()
                .find(|other| other.starts_with(name))
                .map(|other| format!("the column `{0}` is written `row[\"{0}\"]`", other.escape_debug())),
        };
        let message = format!("there is neither a column nor a field `{name}`");
        Err(ExpressionError::new(message, range).maybe_help(help))
    }

    /// Checks `of.name`.
    pub(super) fn member(
        &mut self,
        of: &Syntax,
        name: &str,
        name_range: (usize, usize),
        range: (usize, usize),
    ) -> Result<Checked> {
        let root = self.root(of);
        let known = |operation, kind| Ok(Checked { node: Node { operation, range }, kind });
        match (root, name) {
            (Some("row"), _) => self.row_column(name, name_range, range),
            (Some("item"), _) => self.field(name, name_range, range),
            (Some("object"), "key") => known(Operation::ObjectKey, Kind::Text),
            (Some("object"), "version") => known(Operation::ObjectVersion, Kind::Text),
            (Some("record"), "index") => known(Operation::RecordIndex, Kind::Integer),
            (Some("object"), _) => {
                Err(ExpressionError::new(format!("the object has no `{name}`"), name_range)
                    .help("write `object.key` or `object.version`"))
            }
            (Some("record"), _) => {
                Err(ExpressionError::new(format!("the record has no `{name}`"), name_range)
                    .help("write `record.index`"))
            }
            (Some(_), _) => Err(ExpressionError::new(format!("`math.{name}` is not a value"), range)
                .help(format!("functions have arguments: `math.{name}(…)`"))),
            (None, _) => {
                let kind = self.check(of)?.kind;
                let shown = self.shown(of.range);
                let error = ExpressionError::new(format!("{} has no members", kind.described()), name_range);
                Err(match of.kind {
                    _ if functions::names(true).any(|method| method == name) => {
                        error.help(format!("write `{shown}.{name}(…)`"))
                    }
                    SyntaxKind::Identifier(_) => {
                        error.help(format!("a column of this name is written `row[\"{shown}.{name}\"]`"))
                    }
                    _ => error,
                })
            }
        }
    }

    /// Checks `of[index]`.
    pub(super) fn index(&mut self, of: &Syntax, index: &Syntax, range: (usize, usize)) -> Result<Checked> {
        match (self.root(of), &index.kind) {
            (Some("row"), SyntaxKind::Text(name)) => return self.row_column(name, index.range, range),
            (Some("item"), SyntaxKind::Text(name)) => return self.field(name, index.range, range),
            (Some(root @ ("row" | "item")), _) => {
                return Err(ExpressionError::new(
                    format!("the name in `{root}[…]` must be a constant text"),
                    index.range,
                )
                .help(format!("write `{root}[\"Order ID\"]`")));
            }
            (Some("object" | "record"), SyntaxKind::Text(name)) => {
                return self.member(of, name, index.range, range);
            }
            _ => {}
        }
        let (list, position) = (self.check(of)?, self.check(index)?);
        let Kind::List(element) = list.kind else {
            let message = format!(
                "`[…]` takes an element of a list, and `{}` is {}",
                self.shown(of.range),
                list.kind.described()
            );
            let help = (list.kind == Kind::Text)
                .then(|| "write `substring(start, end)` for a part of a text".to_owned());
            return Err(ExpressionError::new(message, of.range).maybe_help(help));
        };
        if position.kind != Kind::Integer {
            let message = format!("the position in a list is an int, not {}", position.kind.described());
            return Err(ExpressionError::new(message, index.range));
        }
        let parts = Box::new([list.node, position.node]);
        self.folded(Operation::Call2(Function::Element, parts), *element, range)
    }

    /// Checks `value in list`, `"Column" in row` and `"field" in item`.
    pub(super) fn membership(
        &mut self,
        value: &Syntax,
        list: &Syntax,
        range: (usize, usize),
    ) -> Result<Checked> {
        if let Some(root @ ("row" | "item")) = self.root(list) {
            return match &value.kind {
                SyntaxKind::Text(name) => self.presence(root, name, value.range, range),
                _ => Err(ExpressionError::new(
                    format!("the name before `in {root}` must be a constant text"),
                    value.range,
                )
                .help(format!("write `\"Order ID\" in {root}`"))),
            };
        }
        let (one, other) = (self.check(value)?, self.check(list)?);
        let Kind::List(element) = &other.kind else {
            let message = format!(
                "`in` searches a list, and `{}` is {}",
                self.shown(list.range),
                other.kind.described()
            );
            let help = (other.kind == Kind::Text)
                .then(|| format!("write `{}.contains({})`", self.shown(list.range), self.shown(value.range)));
            return Err(ExpressionError::new(message, list.range).maybe_help(help));
        };
        if !one.kind.comparable(element) {
            let message = format!(
                "`in` cannot compare {} with elements of {}",
                one.kind.described(),
                other.kind.described()
            );
            let help = self.operand_help((value, &one.kind), element);
            return Err(ExpressionError::new(message, value.range).maybe_help(help));
        }
        let parts = Box::new([one.node, other.node]);
        self.folded(Operation::Call2(Function::In, parts), Kind::Boolean, range)
    }

    /// Checks `has(row.name)` and `has(item.name)`.
    pub(super) fn has(&mut self, arguments: &[Syntax], range: (usize, usize)) -> Result<Checked> {
        if let [Syntax { kind: SyntaxKind::Member { of, name, name_range }, .. }] = arguments
            && let Some(root @ ("row" | "item")) = self.root(of)
        {
            return self.presence(root, name, *name_range, range);
        }
        let error = ExpressionError::new(
            "`has` takes a column or a field: `has(row.Amount)`, `has(item.total)`",
            range,
        );
        Err(match arguments {
            [Syntax { kind: SyntaxKind::Identifier(name), .. }] => {
                let field = self.scope.fields.iter().any(|(field, _)| field == name);
                error.help(format!("write `has({}.{name})`", if field { "item" } else { "row" }))
            }
            [Syntax { kind: SyntaxKind::Index { of, index }, .. }] if self.root(of).is_some() => {
                error.help(format!("write `{} in {}`", self.shown(index.range), self.shown(of.range)))
            }
            _ => error,
        })
    }

    fn presence(
        &mut self,
        root: &str,
        name: &str,
        name_range: (usize, usize),
        range: (usize, usize),
    ) -> Result<Checked> {
        let operation = if root == "row" {
            if !self.column_exists(name, name_range)? {
                return Err(self.no_column(name, name_range));
            }
            Operation::HasColumn(self.column_slot(name, true))
        } else {
            Operation::HasField(self.field_slot(name, name_range)?.0)
        };
        Ok(Checked { node: Node { operation, range }, kind: Kind::Boolean })
    }

    /// Returns the name of a part that is `row`, `item`, `object`, `record` or `math`, and not a variable.
    pub(super) fn root(&self, syntax: &Syntax) -> Option<&'static str> {
        match &syntax.kind {
            SyntaxKind::Identifier(name) => ROOTS.into_iter().find(|root| root == name),
            _ => None,
        }
    }

    /// Refuses the name of a variable that would hide something else.
    pub(super) fn variable_name(&self, syntax: &Syntax) -> Result<String> {
        match &syntax.kind {
            SyntaxKind::Identifier(name) if ROOTS.contains(&name.as_str()) => {
                Err(ExpressionError::new(format!("`{name}` cannot be a variable"), syntax.range)
                    .help("choose another name, such as `x`"))
            }
            SyntaxKind::Identifier(name) => Ok(name.clone()),
            _ => Err(ExpressionError::new("the first argument is the name of a variable", syntax.range)
                .help("write `list.exists(x, x == \"a\")`")),
        }
    }

    fn row_column(
        &mut self,
        name: &str,
        name_range: (usize, usize),
        range: (usize, usize),
    ) -> Result<Checked> {
        match self.column_exists(name, name_range)? {
            true => Ok(column(self.column_slot(name, false), range)),
            false => Err(self.no_column(name, name_range)),
        }
    }

    fn no_column(&self, name: &str, range: (usize, usize)) -> ExpressionError {
        let columns = self.scope.columns.unwrap_or_default().iter().map(String::as_str);
        let help = nearest(name, columns).map(|meant| format!("did you mean `{}`?", meant.escape_debug()));
        let message = format!("there is no column `{}`", name.escape_debug());
        ExpressionError::new(message, range).maybe_help(help)
    }

    fn column_exists(&self, name: &str, range: (usize, usize)) -> Result<bool> {
        if columns::trim(name).is_empty() {
            return Err(ExpressionError::new("a column without a name cannot be read", range));
        }
        let Some(known) = self.scope.columns else {
            return Ok(true);
        };
        columns::find(known, name).map(|found| found.is_some()).map_err(|_| {
            ExpressionError::new(format!("`{}` fits several columns", name.escape_debug()), range)
                .help("write the exact name of one of them")
        })
    }

    fn column_slot(&mut self, name: &str, optional: bool) -> usize {
        if let Some(slot) = self.columns.iter().position(|column| column.name == name) {
            if let Some(column) = self.columns.get_mut(slot) {
                column.optional |= optional;
            }
            return slot;
        }
        self.columns.push(ReadColumn { name: name.to_owned(), optional });
        self.columns.len() - 1
    }

    fn field(&mut self, name: &str, name_range: (usize, usize), range: (usize, usize)) -> Result<Checked> {
        let (slot, kind) = self.field_slot(name, name_range)?;
        match kind {
            Some(kind) => Ok(Checked { node: Node { operation: Operation::Field(slot), range }, kind }),
            None => Err(ExpressionError::new(
                format!("the field `{}` has a type that expressions cannot read", name.escape_debug()),
                name_range,
            )
            .help(
                "expressions read texts, numbers, booleans, timestamps, dates, and lists and sets of them",
            )),
        }
    }

    fn field_slot(&mut self, name: &str, range: (usize, usize)) -> Result<(usize, Option<Kind>)> {
        let fields = self.scope.fields;
        let found = fields.iter().enumerate().find(|(_, (field, _))| field == name);
        let Some((position, (_, kind))) = found else {
            let meant = nearest(name, fields.iter().map(|(name, _)| name.as_str()));
            let help = meant.map(|meant| format!("did you mean `{}`?", meant.escape_debug()));
            let message = format!("there is no field `{}`", name.escape_debug());
            return Err(ExpressionError::new(message, range).maybe_help(help));
        };
        let slot = self.fields.iter().position(|field| *field == position).unwrap_or_else(|| {
            self.fields.push(position);
            self.fields.len() - 1
        });
        Ok((slot, kind.clone()))
    }
}

fn column(slot: usize, range: (usize, usize)) -> Checked {
    Checked { node: Node { operation: Operation::Column(slot), range }, kind: Kind::Text }
}

fn lone_root(name: &str, range: (usize, usize)) -> ExpressionError {
    let (message, use_of) = match name {
        "row" => ("`row` is all columns, and not a value", "`row.Amount` or `row[\"Order ID\"]`"),
        "item" => ("`item` is all fields, and not a value", "`item.total` or `item[\"total\"]`"),
        "object" => ("`object` is the file, and not a value", "`object.key` or `object.version`"),
        "record" => ("`record` is the row, and not a value", "`record.index`"),
        _ => ("`math` is not a value", "`math.least(…)`"),
    };
    ExpressionError::new(message, range)
        .help(format!("write {use_of}; a column of this name is `row[\"{name}\"]`"))
}

fn is_identifier(name: &str) -> bool {
    name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && !name.starts_with(|first: char| first.is_ascii_digit())
}
