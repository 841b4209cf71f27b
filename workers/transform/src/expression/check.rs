//! The types of an expression: every name, operator and function is checked, and what depends on no row is
//! computed.

mod calls;
mod names;

use super::datum::Datum;
use super::evaluate::constant;
use super::functions::Function;
use super::kind::Kind;
use super::node::{Node, Operation};
use super::parser::{Syntax, SyntaxKind};
use super::{ExpressionError, ReadColumn, Scope};

/// A part of an expression whose types fit, and the type of its value.
pub(super) struct Checked {
    pub(super) node: Node,
    pub(super) kind: Kind,
}

type Result<T> = std::result::Result<T, ExpressionError>;

/// A check of one expression.
pub(super) struct Checker<'s> {
    text: &'s str,
    scope: &'s Scope<'s>,
    /// The columns that were found so far.
    pub(super) columns: Vec<ReadColumn>,
    /// The fields that were found so far.
    pub(super) fields: Vec<usize>,
    /// The variables of the macros around, the innermost last.
    variables: Vec<(String, Kind)>,
}

impl<'s> Checker<'s> {
    /// Starts the check of an expression of this text.
    pub(super) const fn new(text: &'s str, scope: &'s Scope<'s>) -> Self {
        Self { text, scope, columns: Vec::new(), fields: Vec::new(), variables: Vec::new() }
    }

    /// Checks a part of an expression.
    pub(super) fn check(&mut self, syntax: &Syntax) -> Result<Checked> {
        let range = syntax.range;
        match &syntax.kind {
            SyntaxKind::Boolean(value) => Ok(constant_of(Datum::Boolean(*value), Kind::Boolean, range)),
            SyntaxKind::Integer(value) => Ok(constant_of(Datum::Integer(*value), Kind::Integer, range)),
            SyntaxKind::Double(value) => Ok(constant_of(Datum::Double(*value), Kind::Double, range)),
            SyntaxKind::Text(text) => Ok(constant_of(Datum::text(text.clone()), Kind::Text, range)),
            SyntaxKind::Null => Err(ExpressionError::new("no value of a row is null", range)
                .help("an empty column is `\"\"`; `has(item.x)` says whether a field has a value")),
            SyntaxKind::Identifier(name) => self.identifier(name, range),
            SyntaxKind::Member { of, name, name_range } => self.member(of, name, *name_range, range),
            SyntaxKind::Index { of, index } => self.index(of, index, range),
            SyntaxKind::Call { receiver: None, name, name_range, arguments } => {
                self.function(name, *name_range, arguments, range)
            }
            SyntaxKind::Call { receiver: Some(receiver), name, name_range, arguments } => {
                self.method(receiver, name, *name_range, arguments, range)
            }
            SyntaxKind::List(elements) => self.list(elements, range),
            SyntaxKind::Not(inner) => {
                let checked = self.boolean(inner, "`!` negates")?;
                self.folded(Operation::Not(Box::new(checked)), Kind::Boolean, range)
            }
            SyntaxKind::Negative(inner) => {
                let checked = self.check(inner)?;
                if !checked.kind.is_number() {
                    let message = format!("`-` negates an int or a double, not {}", checked.kind.described());
                    return Err(ExpressionError::new(message, inner.range)
                        .maybe_help(self.number_help(inner, &checked.kind)));
                }
                let operation = Operation::Call1(Function::Negate, Box::new(checked.node));
                self.folded(operation, checked.kind, range)
            }
            SyntaxKind::Binary { operator: "in", sides, .. } => self.membership(&sides.0, &sides.1, range),
            SyntaxKind::Binary { operator, operator_range, sides } => {
                self.binary(operator, *operator_range, &sides.0, &sides.1, range)
            }
            SyntaxKind::Logical { all, parts } => {
                let what = if *all { "`&&` combines" } else { "`||` combines" };
                let nodes =
                    parts.iter().map(|part| self.boolean(part, what)).collect::<Result<Box<[_]>>>()?;
                let operation = if *all { Operation::All(nodes) } else { Operation::Any(nodes) };
                self.folded(operation, Kind::Boolean, range)
            }
            SyntaxKind::Conditional(parts) => self.conditional(parts, range),
        }
    }

    /// Returns the text of a part of the expression, as short as a message needs it.
    fn shown(&self, range: (usize, usize)) -> String {
        super::shortened(self.text.get(range.0..range.1).unwrap_or_default())
    }

    /// Makes a part, and computes it if all its parts are constants.
    fn folded(&self, operation: Operation, kind: Kind, range: (usize, usize)) -> Result<Checked> {
        let is_constant = match &operation {
            Operation::Not(one) | Operation::Call1(_, one) | Operation::Matches(one, _) => {
                one.constant().is_some()
            }
            Operation::Call2(_, parts) => parts.iter().all(|part| part.constant().is_some()),
            Operation::Call3(_, parts) | Operation::Conditional(parts) => {
                parts.iter().all(|part| part.constant().is_some())
            }
            Operation::All(parts) | Operation::Any(parts) | Operation::List(parts) => {
                parts.iter().all(|part| part.constant().is_some())
            }
            _ => false,
        };
        let node = Node { operation, range };
        if !is_constant {
            return Ok(Checked { node, kind });
        }
        match constant(&node) {
            Ok(value) => Ok(constant_of(value, kind, range)),
            Err(failed) => {
                let message = format!("{} in `{}`", failed.fault.about(), self.shown(failed.range));
                Err(ExpressionError::new(message, failed.range)
                    .maybe_help(failed.fault.help().map(str::to_owned)))
            }
        }
    }

    fn boolean(&mut self, syntax: &Syntax, what: &str) -> Result<Node> {
        let checked = self.check(syntax)?;
        match checked.kind {
            Kind::Boolean => Ok(checked.node),
            kind => {
                let shown = self.shown(syntax.range);
                let help = match kind {
                    Kind::Text => Some(format!("compare it: `{shown} == \"yes\"`, or `bool({shown})`")),
                    _ if kind.is_number() => Some(format!("compare it: `{shown} != 0`")),
                    _ => None,
                };
                let message = format!("{what} bools, and `{shown}` is {}", kind.described());
                Err(ExpressionError::new(message, syntax.range).maybe_help(help))
            }
        }
    }

    fn list(&mut self, elements: &[Syntax], range: (usize, usize)) -> Result<Checked> {
        let mut kind = Kind::Nothing;
        let mut nodes = Vec::with_capacity(elements.len());
        for element in elements {
            let checked = self.check(element)?;
            kind = kind.common(&checked.kind).ok_or_else(|| {
                let message = format!(
                    "the elements of a list have one type, and `{}` is {} beside {}",
                    self.shown(element.range),
                    checked.kind.described(),
                    kind.described()
                );
                ExpressionError::new(message, element.range).maybe_help(mixed_help(&kind, &checked.kind))
            })?;
            nodes.push(checked.node);
        }
        self.folded(Operation::List(nodes.into()), kind.list(), range)
    }

    fn conditional(&mut self, parts: &[Syntax; 3], range: (usize, usize)) -> Result<Checked> {
        let [test, one, other] = parts;
        let test = self.boolean(test, "`?` tests")?;
        let (checked_one, checked_other) = (self.check(one)?, self.check(other)?);
        let Some(kind) = checked_one.kind.common(&checked_other.kind) else {
            let message = format!(
                "the two values of a condition have one type, and `{}` is {}, `{}` {}",
                self.shown(one.range),
                checked_one.kind.described(),
                self.shown(other.range),
                checked_other.kind.described()
            );
            return Err(ExpressionError::new(message, (one.range.0, other.range.1))
                .maybe_help(mixed_help(&checked_one.kind, &checked_other.kind)));
        };
        let operation = Operation::Conditional(Box::new([test, checked_one.node, checked_other.node]));
        self.folded(operation, kind, range)
    }

    fn binary(
        &mut self,
        operator: &'static str,
        operator_range: (usize, usize),
        left: &Syntax,
        right: &Syntax,
        range: (usize, usize),
    ) -> Result<Checked> {
        let (one, other) = (self.check(left)?, self.check(right)?);
        let Some((function, kind)) = operation(operator, &one.kind, &other.kind) else {
            return Err(self.wrong_operands(
                operator,
                operator_range,
                (left, &one.kind),
                (right, &other.kind),
            ));
        };
        self.folded(Operation::Call2(function, Box::new([one.node, other.node])), kind, range)
    }

    /// Returns the error of an operator that does not take these operands.
    fn wrong_operands(
        &self,
        operator: &str,
        operator_range: (usize, usize),
        (left, one): (&Syntax, &Kind),
        (right, other): (&Syntax, &Kind),
    ) -> ExpressionError {
        let verb = match operator {
            "+" => "add",
            "-" => "subtract",
            "*" => "multiply",
            "/" | "%" => "divide",
            _ => "compare",
        };
        let message = format!("`{operator}` cannot {verb} {} and {}", one.described(), other.described());
        let comparison = verb == "compare";
        let help = if one.is_number() && other.is_number() {
            if operator == "%" {
                Some("the remainder is that of ints: write `int(…)`".to_owned())
            } else {
                mixed_help(one, other)
            }
        } else if operator == "+"
            && (one == &Kind::Text) != (other == &Kind::Text)
            && !is_column(left, right, one, other)
        {
            let number = if one == &Kind::Text { right } else { left };
            Some(format!("write `string({})` to join texts", self.shown(number.range)))
        } else if comparison && one == other {
            Some("lists are compared by `==` and `!=` only".to_owned())
        } else {
            // A timestamp is moved by a duration.
            let read_as = |kind: &Kind| match (kind, comparison) {
                (Kind::Timestamp, false) => Kind::Duration,
                _ => kind.clone(),
            };
            self.operand_help((left, one), &read_as(other))
                .or_else(|| self.operand_help((right, other), &read_as(one)))
        };
        ExpressionError::new(message, operator_range).maybe_help(help)
    }

    /// Returns how to read a text as the type of the other operand.
    fn operand_help(&self, (text, kind): (&Syntax, &Kind), other: &Kind) -> Option<String> {
        if kind != &Kind::Text {
            return None;
        }
        let shown = self.shown(text.range);
        if matches!(text.kind, SyntaxKind::Text(_)) {
            return (other != &Kind::Text).then(|| format!("write `{other}({shown})`"));
        }
        match other {
            Kind::Integer => {
                Some(format!("columns are texts: write `int({shown})`, or `double({shown})` and a double"))
            }
            Kind::Double | Kind::Timestamp | Kind::Duration | Kind::Boolean => {
                Some(format!("columns are texts: write `{other}({shown})`"))
            }
            Kind::Text => Some(format!("columns are texts: write `double({shown})` or `int({shown})`")),
            Kind::List(_) | Kind::Nothing => None,
        }
    }

    fn number_help(&self, text: &Syntax, kind: &Kind) -> Option<String> {
        let shown = self.shown(text.range);
        (kind == &Kind::Text).then(|| format!("write `double({shown})` or `int({shown})`"))
    }
}

impl ExpressionError {
    fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

fn constant_of(value: Datum<'static>, kind: Kind, range: (usize, usize)) -> Checked {
    Checked { node: Node { operation: Operation::Constant(value), range }, kind }
}

/// Returns whether the text beside a number is not a constant, so that it is more likely to be read as a
/// number than joined with one.
fn is_column(left: &Syntax, right: &Syntax, one: &Kind, other: &Kind) -> bool {
    let text = if one == &Kind::Text { left } else { right };
    let number = if one == &Kind::Text { other } else { one };
    number.is_number() && !matches!(text.kind, SyntaxKind::Text(_))
}

/// Returns what to write where an int meets a double.
fn mixed_help(one: &Kind, other: &Kind) -> Option<String> {
    (one != other && one.is_number() && other.is_number())
        .then(|| "ints and doubles are not mixed: write `2.0` for `2`, or `double(…)`".to_owned())
}

/// Returns the function of an operator for operands of these types, and the type of its value.
fn operation(operator: &str, one: &Kind, other: &Kind) -> Option<(Function, Kind)> {
    use Kind::{Boolean, Double, Duration, Integer, List, Text, Timestamp};
    let function = match operator {
        "+" => Function::Add,
        "-" => Function::Subtract,
        "*" => Function::Multiply,
        "/" => Function::Divide,
        "%" => Function::Remainder,
        "==" => Function::Equal,
        "!=" => Function::Unequal,
        "<" => Function::Less,
        "<=" => Function::LessOrEqual,
        ">" => Function::Greater,
        ">=" => Function::GreaterOrEqual,
        _ => return None,
    };
    let kind = match (function, one, other) {
        (Function::Remainder, Integer, Integer) => Integer,
        (Function::Remainder, ..) => return None,
        (Function::Equal | Function::Unequal, ..) => {
            return one.comparable(other).then_some((function, Boolean));
        }
        (Function::Less | Function::LessOrEqual | Function::Greater | Function::GreaterOrEqual, ..) => {
            let ordered = !matches!(one, List(_)) && !matches!(other, List(_)) && one.comparable(other);
            return ordered.then_some((function, Boolean));
        }
        (_, Integer, Integer) => Integer,
        (_, Double, Double) => Double,
        (Function::Add, Text, Text) => Text,
        (Function::Add, List(_), List(_)) => one.common(other)?,
        (Function::Add | Function::Subtract, Timestamp, Duration) => Timestamp,
        (Function::Add, Duration, Timestamp) => Timestamp,
        (Function::Subtract, Timestamp, Timestamp) => Duration,
        (Function::Add | Function::Subtract, Duration, Duration) => Duration,
        _ => return None,
    };
    Some((function, kind))
}
