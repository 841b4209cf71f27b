//! Calls of functions, methods and macros.

use regex::RegexBuilder;

use super::{Checked, Checker, Result, mixed_help};
use crate::expression::functions::{Function, SIGNATURES, Signature, instead, names};
use crate::expression::kind::Kind;
use crate::expression::names::nearest;
use crate::expression::node::{Loop, LoopKind, Node, Operation};
use crate::expression::parser::Syntax;
use crate::expression::{Datum, ExpressionError};

/// The largest compiled pattern, in bytes; patterns of people have some kilobytes.
const LARGEST_PATTERN: usize = 1 << 20;

impl Checker<'_> {
    /// Checks `name(…)`.
    pub(super) fn function(
        &mut self,
        name: &str,
        name_range: (usize, usize),
        arguments: &[Syntax],
        range: (usize, usize),
    ) -> Result<Checked> {
        match name {
            "has" => return self.has(arguments, range),
            "math.least" | "math.greatest" => return self.extreme(name, arguments, range),
            _ => {}
        }
        if !SIGNATURES.iter().any(|signature| signature.name == name && !signature.method) {
            return Err(self.unknown(name, name_range, arguments, false));
        }
        let checked = arguments.iter().map(|argument| self.check(argument)).collect::<Result<Vec<_>>>()?;
        self.call(name, name_range, false, arguments, checked, range)
    }

    /// Checks `receiver.name(…)`.
    pub(super) fn method(
        &mut self,
        receiver: &Syntax,
        name: &str,
        name_range: (usize, usize),
        arguments: &[Syntax],
        range: (usize, usize),
    ) -> Result<Checked> {
        match self.root(receiver) {
            Some("math") => {
                return self.function(
                    &format!("math.{name}"),
                    (receiver.range.0, name_range.1),
                    arguments,
                    range,
                );
            }
            Some(root @ ("row" | "item")) => {
                let message =
                    format!("`{root}` cannot be iterated, since it has no order, and has no functions");
                return Err(ExpressionError::new(message, (receiver.range.0, name_range.1))
                    .help("name the columns or fields that are meant"));
            }
            _ => {}
        }
        let kind = match name {
            "all" => Some(LoopKind::All),
            "exists" => Some(LoopKind::Exists),
            "exists_one" | "existsOne" => Some(LoopKind::ExistsOne),
            "map" => Some(LoopKind::Map),
            "filter" => Some(LoopKind::Filter),
            _ => None,
        };
        if let Some(kind) = kind {
            return self.each(kind, receiver, (name, name_range), arguments, range);
        }
        if name == "matches" {
            return self.matches(receiver, arguments, name_range, range);
        }
        if !SIGNATURES.iter().any(|signature| signature.name == name && signature.method) {
            let receiver = std::slice::from_ref(receiver);
            return Err(self.unknown(name, name_range, receiver, true));
        }
        let all: Vec<&Syntax> = std::iter::once(receiver).chain(arguments).collect();
        let checked = all.iter().map(|argument| self.check(argument)).collect::<Result<Vec<_>>>()?;
        let all: Vec<Syntax> = all.into_iter().cloned().collect();
        self.call(name, name_range, true, &all, checked, range)
    }

    fn unknown(&self, name: &str, range: (usize, usize), values: &[Syntax], method: bool) -> ExpressionError {
        let (kind, other) = if method { ("method", "function") } else { ("function", "method") };
        let error = ExpressionError::new(format!("there is no {kind} `{name}`"), range);
        let value = values.first().map_or_else(|| "value".to_owned(), |value| self.shown(value.range));
        if names(!method).any(|known| known == name) {
            let written = if method { format!("{name}({value})") } else { format!("{value}.{name}(…)") };
            return error.help(format!("it is a {other}: write `{written}`"));
        }
        match (instead(name), nearest(name, names(method))) {
            (Some(help), _) => error.help(help),
            (None, Some(meant)) => error.help(format!("did you mean `{meant}`?")),
            (None, None) => error,
        }
    }

    fn call(
        &self,
        name: &str,
        name_range: (usize, usize),
        method: bool,
        arguments: &[Syntax],
        checked: Vec<Checked>,
        range: (usize, usize),
    ) -> Result<Checked> {
        let forms = || SIGNATURES.iter().filter(|form| form.name == name && form.method == method);
        let fits = |form: &&Signature| {
            form.arguments.len() == checked.len()
                && form.arguments.iter().zip(&checked).all(|(type_, checked)| type_.accepts(&checked.kind))
        };
        let Some(form) = forms().find(fits) else {
            return Err(self.wrong_arguments(&forms().collect::<Vec<_>>(), name_range, arguments, &checked));
        };
        let mut nodes = checked.into_iter().map(|checked| checked.node);
        let operation = match (nodes.next(), nodes.next(), nodes.next()) {
            (Some(one), None, _) => Operation::Call1(form.function, Box::new(one)),
            (Some(one), Some(two), None) => Operation::Call2(form.function, Box::new([one, two])),
            (Some(one), Some(two), Some(three)) => {
                Operation::Call3(form.function, Box::new([one, two, three]))
            }
            (None, ..) => return Err(ExpressionError::new("the arguments are missing", range)),
        };
        self.folded(operation, form.result.kind(), range)
    }

    /// Returns the error of arguments that fit no form of a function.
    fn wrong_arguments(
        &self,
        forms: &[&Signature],
        name_range: (usize, usize),
        arguments: &[Syntax],
        checked: &[Checked],
    ) -> ExpressionError {
        let Some(first) = forms.first() else {
            return ExpressionError::new("there is no such function", name_range);
        };
        let (name, receiver) = (first.name, usize::from(first.method));
        if !forms.iter().any(|form| form.arguments.len() == checked.len()) {
            let mut counts: Vec<String> = Vec::new();
            for form in forms {
                let count = (form.arguments.len() - receiver).to_string();
                if !counts.contains(&count) {
                    counts.push(count);
                }
            }
            let plural = if counts == ["1"] { "" } else { "s" };
            let given = checked.len() - receiver;
            let message = format!("`{name}` takes {} argument{plural}, not {given}", counts.join(" or "));
            let error = ExpressionError::new(message, name_range);
            return match name.starts_with("get") {
                true => error.help("parts of timestamps are those in UTC"),
                false => error,
            };
        }
        // The first argument that no form takes, among the forms that take those before it.
        let mut forms: Vec<_> = forms.iter().filter(|form| form.arguments.len() == checked.len()).collect();
        for (position, (argument, checked)) in arguments.iter().zip(checked).enumerate() {
            let types: Vec<_> = forms.iter().filter_map(|form| form.arguments.get(position)).collect();
            forms.retain(|form| {
                form.arguments.get(position).is_some_and(|type_| type_.accepts(&checked.kind))
            });
            if !forms.is_empty() {
                continue;
            }
            let mut wanted: Vec<String> = Vec::new();
            for described in types.iter().map(|type_| type_.described()) {
                if !wanted.contains(&described) {
                    wanted.push(described);
                }
            }
            let wanted = match wanted.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => wanted.concat(),
            };
            let message = format!(
                "`{name}` takes {wanted}, and `{}` is {}",
                self.shown(argument.range),
                checked.kind.described()
            );
            let shown = self.shown(argument.range);
            let help = match (&checked.kind, types.as_slice()) {
                (Kind::Text, [wanted, ..]) => match wanted.kind() {
                    Kind::List(_) => Some(format!("write `{shown}.split(\",\")` for a list")),
                    kind => Some(format!("write `{kind}({shown})`")),
                },
                (Kind::Integer, [wanted, ..]) if wanted.kind() == Kind::Double => {
                    Some(format!("write `double({shown})`"))
                }
                (_, [wanted]) if wanted.kind() == Kind::Text && !matches!(checked.kind, Kind::List(_)) => {
                    Some(format!("write `string({shown})`"))
                }
                _ => None,
            };
            return ExpressionError::new(message, argument.range).maybe_help(help);
        }
        ExpressionError::new(format!("`{name}` does not take these arguments"), name_range)
    }

    /// Checks `math.least(…)` and `math.greatest(…)`: of one list, or of any number of numbers.
    fn extreme(&mut self, name: &str, arguments: &[Syntax], range: (usize, usize)) -> Result<Checked> {
        let (two, of_list) = match name {
            "math.least" => (Function::Least, Function::LeastOf),
            _ => (Function::Greatest, Function::GreatestOf),
        };
        let mut result: Option<Checked> = None;
        for argument in arguments {
            let checked = self.check(argument)?;
            if let (Kind::List(element), [_]) = (&checked.kind, arguments)
                && (element.is_number() || **element == Kind::Nothing)
            {
                let kind = (**element).clone();
                return self.folded(Operation::Call1(of_list, Box::new(checked.node)), kind, range);
            }
            if !checked.kind.is_number() {
                let message = format!(
                    "`{name}` takes numbers, and `{}` is {}",
                    self.shown(argument.range),
                    checked.kind.described()
                );
                let help = self.number_help(argument, &checked.kind);
                return Err(ExpressionError::new(message, argument.range).maybe_help(help));
            }
            result = Some(match result {
                None => checked,
                Some(before) if before.kind == checked.kind => {
                    let parts = Box::new([before.node, checked.node]);
                    self.folded(Operation::Call2(two, parts), checked.kind, range)?
                }
                Some(before) => {
                    let message = format!("`{name}` takes numbers of one type");
                    return Err(ExpressionError::new(message, argument.range)
                        .maybe_help(mixed_help(&before.kind, &checked.kind)));
                }
            });
        }
        result.ok_or_else(|| ExpressionError::new(format!("`{name}` takes at least one number"), range))
    }

    /// Checks `text.matches(pattern)`, and compiles the pattern.
    fn matches(
        &mut self,
        receiver: &Syntax,
        arguments: &[Syntax],
        name_range: (usize, usize),
        range: (usize, usize),
    ) -> Result<Checked> {
        let text = self.check(receiver)?;
        let [argument] = arguments else {
            let message = format!("`matches` takes 1 argument, not {}", arguments.len());
            return Err(ExpressionError::new(message, name_range));
        };
        let pattern = self.check(argument)?;
        for (part, checked) in [(receiver, &text), (argument, &pattern)] {
            if checked.kind != Kind::Text {
                let shown = self.shown(part.range);
                let message =
                    format!("`matches` takes a string, and `{shown}` is {}", checked.kind.described());
                return Err(ExpressionError::new(message, part.range));
            }
        }
        let Some(Datum::Text(pattern)) = pattern.node.constant() else {
            return Err(ExpressionError::new(
                "the pattern of `matches` must be a constant text",
                argument.range,
            )
            .help("write it as `r\"^[A-Z]+$\"`; `contains` and `startsWith` take any text"));
        };
        let regex = RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build().map_err(|error| {
            let whole = error.to_string();
            let last = whole.lines().last().unwrap_or_default().trim();
            let why = last.strip_prefix("error: ").unwrap_or(last);
            let error = ExpressionError::new(format!("the pattern is wrong: {why}"), argument.range);
            match why.contains("look-around") {
                true => error.help("combine two patterns by `&&` and `!` instead"),
                false => error,
            }
        })?;
        self.folded(Operation::Matches(Box::new(text.node), regex), Kind::Boolean, range)
    }

    /// Checks a macro over the elements of a list.
    fn each(
        &mut self,
        kind: LoopKind,
        receiver: &Syntax,
        (name, name_range): (&str, (usize, usize)),
        arguments: &[Syntax],
        range: (usize, usize),
    ) -> Result<Checked> {
        let list = self.check(receiver)?;
        let Kind::List(element) = list.kind else {
            let shown = self.shown(receiver.range);
            let message = format!("`{name}` takes a list, and `{shown}` is {}", list.kind.described());
            let help = (list.kind == Kind::Text).then(|| format!("write `{shown}.split(\",\")` for a list"));
            return Err(ExpressionError::new(message, receiver.range).maybe_help(help));
        };
        let (variable, filter, body) = match (kind, arguments) {
            (_, [variable, body]) => (variable, None, body),
            (LoopKind::Map, [variable, filter, body]) => (variable, Some(filter), body),
            _ => {
                let count = if kind == LoopKind::Map { "2 or 3" } else { "2" };
                let message = format!("`{name}` takes {count} arguments, not {}", arguments.len());
                return Err(ExpressionError::new(message, name_range)
                    .help(format!("write `list.{name}(x, …)`, in which `x` is an element")));
            }
        };
        let variable = self.variable_name(variable)?;
        self.variables.push((variable, (*element).clone()));
        let parts = self.loop_parts(kind, name, filter, body);
        self.variables.pop();
        let (filter, body) = parts?;
        let result = match kind {
            LoopKind::Map => body.kind.clone().list(),
            LoopKind::Filter => element.list(),
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Kind::Boolean,
        };
        let each = Loop { kind, list: list.node, filter, body: body.node };
        Ok(Checked { node: Node { operation: Operation::Loop(Box::new(each)), range }, kind: result })
    }

    fn loop_parts(
        &mut self,
        kind: LoopKind,
        name: &str,
        filter: Option<&Syntax>,
        body: &Syntax,
    ) -> Result<(Option<Node>, Checked)> {
        let what = format!("`{name}` tests");
        let filter = filter.map(|filter| self.boolean(filter, &what)).transpose()?;
        let body = match kind {
            LoopKind::Map => self.check(body)?,
            _ => Checked { node: self.boolean(body, &what)?, kind: Kind::Boolean },
        };
        Ok((filter, body))
    }
}
