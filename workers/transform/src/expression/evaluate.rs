//! The value of a checked expression for a row.

use super::Input;
use super::call;
use super::datum::{Datum, Elements};
use super::fault::{Failed, Fault};
use super::node::{Loop, LoopKind, Node, Operation};
use super::steps::Steps;

/// Returns the value of a tree for a row.
pub(super) fn evaluate<'r, I: Input<'r>>(root: &'r Node, input: &I) -> Result<Datum<'r>, Failed> {
    Evaluator { input, variables: Vec::new(), steps: Steps::default() }.value(root)
}

/// Returns the value of a tree that depends on no row.
pub(super) fn constant(root: &Node) -> Result<Datum<'static>, Failed> {
    evaluate(root, &NoRow).map(Datum::into_owned)
}

/// The row of an expression that reads none.
struct NoRow;

impl<'r> Input<'r> for NoRow {
    fn column(&self, _: usize) -> Option<&'r str> {
        None
    }

    fn field(&self, _: usize) -> Option<Datum<'r>> {
        None
    }

    fn has_field(&self, _: usize) -> bool {
        false
    }

    fn object_key(&self) -> &'r str {
        ""
    }

    fn object_version(&self) -> &'r str {
        ""
    }

    fn record_index(&self) -> u64 {
        0
    }
}

struct Evaluator<'r, 'i, I> {
    input: &'i I,
    /// The variables of the macros around, the innermost last.
    variables: Vec<Datum<'r>>,
    steps: Steps,
}

impl<'r, I: Input<'r>> Evaluator<'r, '_, I> {
    fn value(&mut self, node: &'r Node) -> Result<Datum<'r>, Failed> {
        let failed = |fault| Failed { fault, range: node.range };
        self.steps.take(1).map_err(failed)?;
        match &node.operation {
            Operation::Constant(value) => Ok(value.borrowed()),
            Operation::Column(slot) => {
                self.input.column(*slot).map(Datum::text).ok_or(Fault::NoColumn).map_err(failed)
            }
            Operation::Field(slot) => self.input.field(*slot).ok_or(Fault::NoValue).map_err(failed),
            Operation::Call1(function, argument) => {
                let argument = self.value(argument)?;
                call::one(*function, argument, &mut self.steps).map_err(failed)
            }
            Operation::Call2(function, arguments) => {
                let [one, other] = &**arguments;
                let (one, other) = (self.value(one)?, self.value(other)?);
                call::two(*function, one, other, &mut self.steps).map_err(failed)
            }
            Operation::Call3(function, arguments) => {
                let [one, two, three] = &**arguments;
                let (one, two, three) = (self.value(one)?, self.value(two)?, self.value(three)?);
                call::three(*function, one, two, three, &mut self.steps).map_err(failed)
            }
            Operation::Conditional(parts) => {
                let [test, one, other] = &**parts;
                if self.boolean(test)? { self.value(one) } else { self.value(other) }
            }
            Operation::Not(inner) => Ok(Datum::Boolean(!self.boolean(inner)?)),
            Operation::All(parts) => self.logical(parts, false),
            Operation::Any(parts) => self.logical(parts, true),
            Operation::Matches(text, pattern) => match self.value(text)? {
                Datum::Text(text) => {
                    self.steps.matched(text.len()).map_err(failed)?;
                    Ok(Datum::Boolean(pattern.is_match(&text)))
                }
                _ => Err(failed(Fault::WrongType)),
            },
            Operation::HasColumn(slot) => Ok(Datum::Boolean(self.input.column(*slot).is_some())),
            Operation::HasField(slot) => Ok(Datum::Boolean(self.input.has_field(*slot))),
            Operation::ObjectKey => Ok(Datum::text(self.input.object_key())),
            Operation::ObjectVersion => Ok(Datum::text(self.input.object_version())),
            Operation::RecordIndex => {
                let index = i64::try_from(self.input.record_index());
                index.map(Datum::Integer).map_err(|_| failed(Fault::TooLargeForInt))
            }
            Operation::Variable(position) => {
                let variable = self.variables.get(*position).ok_or_else(|| failed(Fault::WrongType))?;
                self.steps.bytes(variable.weight()).map_err(failed)?;
                Ok(variable.clone())
            }
            Operation::List(elements) => {
                let elements = elements.iter().map(|element| self.value(element));
                Ok(Datum::list(elements.collect::<Result<_, _>>()?))
            }
            Operation::Loop(each) => self.each(each, node.range),
        }
    }

    fn boolean(&mut self, node: &'r Node) -> Result<bool, Failed> {
        match self.value(node)? {
            Datum::Boolean(value) => Ok(value),
            _ => Err(Failed { fault: Fault::WrongType, range: node.range }),
        }
    }

    /// Returns the value of `||`, if `decisive` is true, or of `&&`. As CEL has it, a part that fails is of
    /// no account if another part decides.
    fn logical(&mut self, parts: &'r [Node], decisive: bool) -> Result<Datum<'r>, Failed> {
        let mut failed = None;
        for part in parts {
            match self.boolean(part) {
                Ok(value) if value == decisive => return Ok(Datum::Boolean(decisive)),
                Ok(_) => {}
                Err(error) if error.fault.is_bound() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Datum::Boolean(!decisive)), Err)
    }

    fn each(&mut self, each: &'r Loop, range: (usize, usize)) -> Result<Datum<'r>, Failed> {
        let list = match self.value(&each.list)? {
            Datum::List(elements) => elements,
            _ => return Err(Failed { fault: Fault::WrongType, range }),
        };
        let depth = self.variables.len();
        let mut result = Collected { kind: each.kind, values: Vec::new(), count: 0, failed: None };
        match list {
            Elements::Borrowed(elements) => {
                for element in elements {
                    let ended = self.element(each, element.borrowed(), &mut result);
                    self.variables.truncate(depth);
                    if let Some(value) = ended? {
                        return Ok(Datum::Boolean(value));
                    }
                }
            }
            Elements::Owned(elements) => {
                for element in elements {
                    let ended = self.element(each, element, &mut result);
                    self.variables.truncate(depth);
                    if let Some(value) = ended? {
                        return Ok(Datum::Boolean(value));
                    }
                }
            }
        }
        match (result.failed, each.kind) {
            (Some(failed), _) => Err(failed),
            (None, LoopKind::All) => Ok(Datum::Boolean(true)),
            (None, LoopKind::Exists) => Ok(Datum::Boolean(false)),
            (None, LoopKind::ExistsOne) => Ok(Datum::Boolean(result.count == 1)),
            (None, LoopKind::Map | LoopKind::Filter) => Ok(Datum::list(result.values)),
        }
    }

    /// Computes one element. Returns the value of the macro as soon as it is decided.
    fn element(
        &mut self,
        each: &'r Loop,
        element: Datum<'r>,
        result: &mut Collected<'r>,
    ) -> Result<Option<bool>, Failed> {
        self.variables.push(element);
        if let Some(filter) = &each.filter
            && !self.boolean(filter)?
        {
            return Ok(None);
        }
        match result.kind {
            LoopKind::Map => result.values.push(self.value(&each.body)?),
            LoopKind::Filter => {
                if self.boolean(&each.body)? {
                    result.values.extend(self.variables.pop());
                }
            }
            LoopKind::ExistsOne => result.count += usize::from(self.boolean(&each.body)?),
            LoopKind::All | LoopKind::Exists => {
                let decisive = result.kind == LoopKind::Exists;
                match self.boolean(&each.body) {
                    Ok(value) if value == decisive => return Ok(Some(decisive)),
                    Ok(_) => {}
                    Err(error) if error.fault.is_bound() => return Err(error),
                    Err(error) => result.failed = result.failed.or(Some(error)),
                }
            }
        }
        Ok(None)
    }
}

/// The result of a macro so far.
struct Collected<'r> {
    kind: LoopKind,
    values: Vec<Datum<'r>>,
    count: usize,
    failed: Option<Failed>,
}
