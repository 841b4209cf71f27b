//! Guard's report (`validate --structured --output-format json`) as failures.

use deployer_syntax::yaml::shorten;
use serde::Deserialize;
use serde_json::Value;

use crate::verdict::{Evaluated, Failure};

/// Reads the report about a template.
pub(crate) fn read(document: &str, template: &Value) -> serde_json::Result<Evaluated> {
    let reports: Vec<Report> = serde_json::from_str(document)?;
    let mut evaluated = Evaluated::default();
    for report in reports {
        evaluated.followed += report.compliant.len();
        evaluated.skipped += report.not_applicable.len();
        for clause in &report.not_compliant {
            collect(clause, None, template, &mut evaluated.failures);
        }
    }
    // A block says the same for each value that it looks at.
    let mut known: Vec<Failure> = Vec::new();
    evaluated.failures.retain(|failure| {
        let is_new = !known.contains(failure);
        if is_new {
            known.push(failure.clone());
        }
        is_new
    });
    Ok(evaluated)
}

#[derive(Debug, Deserialize)]
struct Report {
    not_compliant: Vec<Clause>,
    not_applicable: Vec<String>,
    compliant: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[expect(clippy::enum_variant_names, reason = "the names are those of the report")]
enum Clause {
    Rule(Rule),
    Block(Block),
    Disjunctions(Disjunctions),
    Clause(Check),
}

#[derive(Debug, Deserialize)]
struct Rule {
    name: String,
    messages: Messages,
    checks: Vec<Clause>,
}

#[derive(Debug, Deserialize)]
struct Disjunctions {
    checks: Vec<Clause>,
}

#[derive(Debug, Deserialize)]
struct Block {
    context: String,
    messages: Messages,
    unresolved: Option<Unresolved>,
}

#[derive(Debug, Deserialize)]
enum Check {
    Unary(Unary),
    Binary(Binary),
}

#[derive(Debug, Deserialize)]
struct Unary {
    check: UnaryCheck,
    context: String,
    messages: Messages,
}

#[derive(Debug, Deserialize)]
struct Binary {
    check: BinaryCheck,
    #[serde(default)]
    context: String,
    messages: Messages,
}

#[derive(Debug, Deserialize)]
enum UnaryCheck {
    UnResolved { value: Unresolved, comparison: Comparison },
    Resolved { value: Part, comparison: Comparison },
    UnResolvedContext(String),
}

#[derive(Debug, Deserialize)]
enum BinaryCheck {
    UnResolved { value: Unresolved, comparison: Comparison },
    Resolved { from: Part, to: Part, comparison: Comparison },
    InResolved { from: Part, to: Vec<Part>, comparison: Comparison },
}

/// A comparison by Guard's name, and whether it is negated.
#[derive(Debug, Deserialize)]
struct Comparison(String, bool);

/// A part of the template, or a value in the rules.
#[derive(Debug, Deserialize)]
struct Part {
    path: String,
    value: Value,
}

#[derive(Debug, Deserialize)]
struct Unresolved {
    traversed_to: Part,
    remaining_query: String,
}

#[derive(Debug, Default, Deserialize)]
struct Messages {
    custom_message: Option<String>,
    error_message: Option<String>,
}

impl Messages {
    /// Returns the message of the rule file, in one line.
    fn own(&self) -> Option<String> {
        self.custom_message.as_deref().and_then(line)
    }
}

/// Returns a text in one line; `None` if it has no words.
fn line(text: &str) -> Option<String> {
    // Guard writes `;` for the ends of lines in some places.
    let words: Vec<&str> = text.split([' ', '\t', '\r', '\n', ';']).filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Adds the failures of a clause, and of those in it.
fn collect(clause: &Clause, rule: Option<&str>, template: &Value, failures: &mut Vec<Failure>) {
    match clause {
        Clause::Rule(inner) => {
            // A rule that is named in another one fails with that one. Clauses outside of rules are Guard's rule `default`.
            let name = rule.unwrap_or(inner.name.as_str());
            let before = failures.len();
            inner.checks.iter().for_each(|check| collect(check, Some(name), template, failures));
            // A rule that fails for what it names elsewhere has no checks.
            if failures.len() == before {
                failures.push(Failure {
                    rule: named(name),
                    path: String::new(),
                    missing: None,
                    demand: "does not follow it".to_owned(),
                    message: inner.messages.own(),
                });
            }
        }
        Clause::Disjunctions(Disjunctions { checks }) => {
            // The checks of a clause follow each other, one for each value.
            let mut all: Vec<(&str, Vec<Failure>)> = Vec::new();
            for check in checks {
                let mut found = Vec::new();
                collect(check, rule, template, &mut found);
                let clause = check.text();
                match all.last_mut().filter(|(last, _)| *last == clause && !clause.is_empty()) {
                    Some((_, failures)) => failures.extend(found),
                    None => all.push((clause, found)),
                }
            }
            let all: Vec<Vec<Failure>> = all.into_iter().map(|(_, found)| found).collect();
            failures.extend(alternatives(&all));
        }
        Clause::Block(block) => failures.push(of_block(block, rule)),
        Clause::Clause(Check::Unary(unary)) => failures.push(of_unary(unary, rule)),
        Clause::Clause(Check::Binary(binary)) => failures.extend(of_binary(binary, rule, template)),
    }
}

impl Clause {
    /// Returns the clause as Guard writes it.
    fn text(&self) -> &str {
        match self {
            Self::Clause(Check::Unary(unary)) => &unary.context,
            Self::Clause(Check::Binary(binary)) => &binary.context,
            Self::Block(block) => &block.context,
            Self::Rule(rule) => &rule.name,
            Self::Disjunctions(_) => "",
        }
    }
}

/// Returns the name of a rule that its file contains.
fn named(name: &str) -> Option<String> {
    (!name.ends_with("/default") && name != "default").then(|| name.to_owned())
}

/// Makes failures of alternatives that all fail: one for each resource of the first, with what the others say of it. An
/// alternative about other resources is told by their names.
fn alternatives(all: &[Vec<Failure>]) -> Vec<Failure> {
    let mut all = all.iter().filter(|failures| !failures.is_empty());
    let Some(first) = all.next() else { return Vec::new() };
    let mut out = first.clone();
    for failure in &mut out {
        for other in all.clone() {
            let same = other.iter().find(|other| owner(&other.path) == owner(&failure.path));
            let Some(other) = same.or(other.first()) else { continue };
            let of = match owner(&other.path) {
                Some(name) if same.is_none() => format!("`{name}` "),
                _ => String::new(),
            };
            let nor = match &other.missing {
                Some(missing) if of.is_empty() => format!("; nor is there `{missing}`"),
                Some(missing) => format!("; nor has {of}`{missing}`"),
                None => format!("; nor is it right for another clause: {of}{}", other.demand),
            };
            if !failure.demand.contains(&nor) {
                failure.demand.push_str(&nor);
            }
            if failure.message.is_none() {
                failure.message.clone_from(&other.message);
            }
        }
    }
    out
}

/// Returns the name of the resource or the output that a path is about.
fn owner(path: &str) -> Option<&str> {
    path.split('/').nth(2).filter(|name| !name.is_empty())
}

fn of_block(block: &Block, rule: Option<&str>) -> Failure {
    let unresolved = block.unresolved.as_ref();
    let reason = block.messages.error_message.as_deref().and_then(line).unwrap_or_default();
    let demand = match (unresolved, reason.as_str()) {
        (Some(_), _) => "must exist".to_owned(),
        (None, "" | "query for block clause did not retrieve any value") => {
            format!("has nothing that `{}` selects", shorten(block.context.trim()))
        }
        (None, reason) => format!("does not follow `{}`: {}", shorten(block.context.trim()), shorten(reason)),
    };
    Failure {
        rule: rule.and_then(named),
        path: unresolved.map(|found| found.traversed_to.path.clone()).unwrap_or_default(),
        missing: unresolved.map(|found| found.remaining_query.clone()),
        demand,
        message: block.messages.own(),
    }
}

fn of_unary(unary: &Unary, rule: Option<&str>) -> Failure {
    let (path, missing, demand) = match &unary.check {
        UnaryCheck::UnResolved { value, comparison } => unresolved(value, comparison),
        UnaryCheck::Resolved { value, comparison } => {
            let demand = comparison.demand();
            let demand = match comparison.0.as_str() {
                // A value that must not be there is not shown, since it may be long.
                "Exists" => demand,
                _ => format!("is {}, but {demand}", shown(&value.value)),
            };
            (value.path.clone(), None, demand)
        }
        UnaryCheck::UnResolvedContext(context) => {
            let context = if context.trim().is_empty() { &unary.context } else { context };
            (String::new(), None, format!("does not follow `{}`", shorten(context.trim())))
        }
    };
    Failure { rule: rule.and_then(named), path, missing, demand, message: unary.messages.own() }
}

fn of_binary(binary: &Binary, rule: Option<&str>, template: &Value) -> Option<Failure> {
    let (from, (path, missing, demand)) = match &binary.check {
        BinaryCheck::UnResolved { value, comparison } => (None, unresolved(value, comparison)),
        BinaryCheck::Resolved { from, to, comparison } => {
            (Some(from), compared(from, std::slice::from_ref(to), comparison))
        }
        BinaryCheck::InResolved { from, to, comparison } => (Some(from), compared(from, to, comparison)),
    };
    let origin = from.map_or(Origin::Template, |from| Origin::of(from, template));
    let (path, demand) = match origin {
        Origin::Key => return None,
        Origin::Rule => (String::new(), format!("does not follow it: a value that it computes {demand}")),
        Origin::Template => (path, demand),
    };
    Some(Failure { rule: rule.and_then(named), path, missing, demand, message: binary.messages.own() })
}

/// The origin of a value that was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The template has it at its path.
    Template,
    /// A key of the mapping at its path, which a filter chooses by: it is not what fails.
    Key,
    /// The rule has made it of what is there, such as a count.
    Rule,
}

impl Origin {
    fn of(part: &Part, template: &Value) -> Self {
        let names = part.path.split('/').skip(1).filter(|name| !name.is_empty());
        let at = names.into_iter().try_fold(template, |value, name| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        });
        let Some(at) = at else { return Self::Template };
        let is_same = *at == part.value || at.as_f64().is_some_and(|one| Some(one) == part.value.as_f64());
        match part.value.as_str() {
            _ if is_same => Self::Template,
            Some(key) if at.get(key).is_some() => Self::Key,
            _ => Self::Rule,
        }
    }
}

/// Values that a message lists.
const MAX_VALUES: usize = 8;

/// Describes a part that does not compare as it must.
fn compared(from: &Part, to: &[Part], comparison: &Comparison) -> (String, Option<String>, String) {
    let is_list = comparison.0 == "In";
    let values: Vec<&Value> = to
        .iter()
        .flat_map(|part| match &part.value {
            Value::Array(items) if is_list => items.iter().collect(),
            other => vec![other],
        })
        .collect();
    let more = if values.len() > MAX_VALUES { ", …" } else { "" };
    let values: Vec<String> = values.into_iter().take(MAX_VALUES).map(shown).collect();
    let demand = comparison.demand();
    let demand = format!("is {}, but {demand} {}{more}", shown(&from.value), values.join(", "));
    (from.path.clone(), None, demand)
}

fn unresolved(value: &Unresolved, comparison: &Comparison) -> (String, Option<String>, String) {
    let demand = match comparison.demand() {
        demand if comparison.is_unary() => demand,
        demand => format!("{demand} a value in the rule"),
    };
    (value.traversed_to.path.clone(), Some(value.remaining_query.clone()), demand)
}

/// Returns a value for a message.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", shorten(text)),
        other => format!("`{}`", shorten(&other.to_string())),
    }
}

impl Comparison {
    fn is_unary(&self) -> bool {
        matches!(self.0.as_str(), "Exists" | "Empty") || self.0.starts_with("Is")
    }

    /// Returns the demand in words.
    fn demand(&self) -> String {
        let be = if self.1 { "must not be" } else { "must be" };
        match self.0.as_str() {
            "Exists" if self.1 => "must not exist".to_owned(),
            "Exists" => "must exist".to_owned(),
            "Empty" => format!("{be} empty"),
            "IsString" => format!("{be} a string"),
            "IsList" => format!("{be} a list"),
            "IsMap" => format!("{be} a mapping"),
            "IsBool" => format!("{be} a boolean"),
            "IsInt" => format!("{be} an integer"),
            "IsFloat" => format!("{be} a number with a fraction"),
            "IsNull" => format!("{be} null"),
            "Eq" => format!("{be} equal to"),
            "In" => format!("{be} one of"),
            "Gt" => format!("{be} greater than"),
            "Ge" => format!("{be} at least"),
            "Lt" => format!("{be} less than"),
            "Le" => format!("{be} at most"),
            other => format!("{be} {other}"),
        }
    }
}
