//! `deployer match`.

use std::path::Path;

use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_base::text::printable;
use deployer_base::ui;
use deployer_lang::matching::{Event, Miss};
use deployer_lang::model::pattern::Pattern;
use deployer_lang::routes::{Route, RouteKind, routes};
use deployer_syntax::yaml::{self, Node};
use deployer_syntax::{Source, json as text};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;

/// List the rules, triggers and archives of a stack that match an event, without calling AWS
///
/// Also shows why the others don't match. FILE contains one event as JSON, a list of events, or one event on each line. With
/// `--pattern` and `--event`, prints `true` or `false` for one pattern, without a stack file. Matches as EventBridge does. Exits 0
/// for both answers, 2 when a pattern or an event is invalid.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack, optional if the file has one stack, or one marked `default: true`; and the file with the events
    #[arg(value_names = ["STACK", "FILE"], num_args = 1..=2, required_unless_present = "pattern")]
    stack_and_file: Vec<String>,
    /// Event pattern as JSON, or `@FILE`.
    #[arg(long, value_name = "PATTERN", requires = "event", conflicts_with = "stack_and_file")]
    pattern: Option<String>,
    /// Event as JSON, or `@FILE`.
    #[arg(long, value_name = "EVENT", requires = "pattern")]
    event: Option<String>,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    match (&args.pattern, &args.event, args.stack_and_file.as_slice()) {
        (Some(pattern), Some(event), _) => one(context, pattern, event),
        (_, _, [stack, file]) => all(context, Some(stack), file),
        (_, _, [file]) => all(context, None, file),
        _ => Err(Error::Usage(Message::new("no file with events was given"))),
    }
}

/// Matches one pattern with one event.
fn one(context: &Context, pattern: &str, event: &str) -> Result<()> {
    let source = given("--pattern", pattern)?;
    let pattern = match Pattern::from_json(&source) {
        Ok(pattern) => pattern,
        Err(problems) => {
            context.ui.diagnostics(&source, &problems)?;
            return Err(Error::InvalidFile { errors: problems.count(), file: source.name });
        }
    };
    let source = given("--event", event)?;
    let node = text::parse(&source.text).map_err(|problem| invalid(&source, problem.at, problem.message))?;
    let event = event_of(&source, &node)?;
    let (matches, uncertain) = (pattern.matches(&event), pattern.compiled.is_uncertain(&event));
    if context.ui.is_json() {
        return context.ui.json(PatternMatch { matches, uncertain });
    }
    if uncertain {
        context.ui.warn(UNCERTAIN);
    }
    context.ui.data(&format!("{matches}\n"))
}

const UNCERTAIN: &str = "the pattern requires a field to be absent next to a field in a list; EventBridge looks for it in the \
                         whole event or in one element, depending on the order of the names";

/// Reads the value of an option or argument, which may be a file after `@`.
pub(super) fn given(option: &str, value: &str) -> Result<Source> {
    match value.strip_prefix('@') {
        Some(file) => read(file),
        None => Ok(Source::new(option, value)),
    }
}

fn read(file: &str) -> Result<Source> {
    let path = Path::new(file);
    let bytes = files::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Usage(Message::new(format!("there is no file {file}"))),
        _ => Error::io("read", path, &error),
    })?;
    let text = files::utf_8(file, bytes)?;
    Ok(Source::new(file, text))
}

/// Returns the error of a text that is not JSON, with its place.
pub(super) fn invalid(source: &Source, at: usize, problem: &str) -> Error {
    let place = source.position(at);
    Error::Usage(Message::new(format!(
        "{}:{}:{}: not valid JSON: {problem}",
        source.name, place.line, place.column
    )))
}

fn event_of(source: &Source, node: &Node) -> Result<Event> {
    Event::of_node(node).ok_or_else(|| {
        let place = source.position(node.span.start);
        let message = format!("{}:{}:{}: an event is a JSON object", source.name, place.line, place.column);
        Error::Usage(
            Message::new(message)
                .hint("such as `{\"source\": \"com.example\", \"detail-type\": \"order\", \"detail\": {}}`"),
        )
    })
}

/// Reads the events of a file, each with its line; at least one.
fn events(source: &Source) -> Result<Vec<(usize, Event)>> {
    let events = read_events(source)?;
    match events.is_empty() {
        true => Err(Error::Usage(
            Message::new(format!("{} has no event", source.name))
                .hint("expected an event as JSON, a list of events, or one event on each line"),
        )),
        false => Ok(events),
    }
}

fn read_events(source: &Source) -> Result<Vec<(usize, Event)>> {
    let line = |node: &Node| source.position(node.span.start).line;
    let whole = match text::parse(&source.text) {
        Ok(node) => node,
        Err(problem) => {
            // One event on each line, unless the first line is not even the beginning of one.
            let mut out = Vec::new();
            let mut start = 0;
            for text in source.text.split_inclusive('\n') {
                if !text.trim_matches([' ', '\t', '\r', '\n', '\u{feff}']).is_empty() {
                    // A position after the line end would be in the next line.
                    let node = match text::parse(text.trim_end_matches(['\r', '\n'])) {
                        Ok(node) => node,
                        Err(_) if out.is_empty() => return Err(invalid(source, problem.at, problem.message)),
                        Err(problem) => return Err(invalid(source, start + problem.at, problem.message)),
                    };
                    let number = source.position(start).line;
                    let Some(event) = Event::of_node(&node) else {
                        let message = format!("{}:{number}: an event is a JSON object", source.name);
                        return Err(Error::Usage(Message::new(message)));
                    };
                    out.push((number, event));
                }
                start += text.len();
            }
            return Ok(out);
        }
    };
    match &whole.value {
        yaml::Value::Sequence(items) => {
            items.iter().map(|item| Ok((line(item), event_of(source, item)?))).collect()
        }
        _ => Ok(vec![(line(&whole), event_of(source, &whole)?)]),
    }
}

/// Matches the events of a file with all rules and triggers of a stack.
fn all(context: &Context, stack: Option<&str>, file: &str) -> Result<()> {
    let stack = context.load_stack(stack)?;
    let source = read(file)?;
    let (events, routes) = (events(&source)?, routes(&stack));
    if context.ui.is_json() {
        let events = events.iter().map(|(line, event)| RoutedEvent {
            line: *line,
            routes: routes.iter().map(|route| RouteMatch::new(route, event)).collect(),
        });
        return context.ui.json(EventMatches { stack: &stack.name, events: events.collect() });
    }
    if routes.is_empty() {
        context.ui.note(format!("the stack {} has no rule and no trigger on a bus", stack.name));
    }
    let mut out = String::new();
    for (line, event) in &events {
        if events.len() > 1 {
            out.push_str(&format!("{file}:{line}\n"));
        }
        let rows = routes.iter().map(|route| row(route, event));
        let head = ["", "name", "bus", "why"].map(str::to_owned);
        out.push_str(&match context.ui.is_data_on_terminal() {
            true => ui::wrapped_table(&head, rows),
            false => ui::wide_table(&head, rows),
        });
        out.push('\n');
    }
    context.ui.data(out.strip_suffix('\n').unwrap_or(&out))
}

/// The answer for one event and one pattern.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PatternMatch {
    /// `true` if it matches.
    matches: bool,
    /// `true` if the answer depends on how EventBridge reads `exists: false` in a list.
    uncertain: bool,
}

/// The destinations of the events of a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EventMatches<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// The events, in the order of the file.
    events: Vec<RoutedEvent<'a>>,
}

/// The destinations of an event.
#[derive(Debug, Serialize, JsonSchema)]
struct RoutedEvent<'a> {
    /// Line of the file on which it begins.
    #[schemars(range(min = 1))]
    line: usize,
    /// Rules, triggers and archives of the stack, in the order of the file.
    routes: Vec<RouteMatch<'a>>,
}

/// The answer for one event and one rule, trigger or archive.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "route")]
struct RouteMatch<'a> {
    /// Rule, trigger or archive.
    kind: RouteKind,
    /// Name of the rule, the function, or the bus.
    resource: &'a str,
    /// Name of the bus.
    bus: &'a str,
    /// Names of the resources that it leads to.
    targets: &'a [String],
    /// False for a rule that is disabled.
    enabled: bool,
    /// `true` if the event matches.
    matches: bool,
    /// `true` if the answer depends on how EventBridge reads `exists: false` in a list.
    uncertain: bool,
    /// The conditions that the event does not meet; empty if it matches.
    misses: Vec<Miss>,
}

impl<'a> RouteMatch<'a> {
    fn new(route: &'a Route, event: &Event) -> Self {
        let misses = route.pattern.misses(event);
        Self {
            kind: route.kind,
            resource: &route.resource,
            bus: &route.bus,
            targets: &route.targets,
            enabled: route.enabled,
            matches: misses.is_empty(),
            uncertain: route.pattern.is_uncertain(event),
            misses,
        }
    }
}

fn row(route: &Route, event: &Event) -> Vec<String> {
    let misses = route.pattern.misses(event);
    let answer = match (misses.is_empty(), route.enabled, route.pattern.is_uncertain(event)) {
        (_, _, true) => "maybe",
        (true, true, _) => "yes",
        _ => "no",
    };
    let why = match (misses.is_empty(), route.enabled) {
        (true, false) => "it matches, but the rule is disabled".to_owned(),
        (true, true) if route.targets.is_empty() => "it is kept".to_owned(),
        (true, true) => format!("goes to {}", route.targets.join(", ")),
        (false, _) => misses.iter().map(shown).collect::<Vec<_>>().join("; "),
    };
    let name = format!("{} {}", route.kind.name(), route.resource);
    vec![answer.to_owned(), name, route.bus.clone(), printable(&why)]
}

/// Describes for people why an event doesn't match.
fn shown(miss: &Miss) -> String {
    let several = |values: &[String]| {
        /// Number of values that are shown.
        const MOST: usize = 4;
        let more = if values.len() > MOST { ", …" } else { "" };
        format!("{}{more}", values.iter().take(MOST).cloned().collect::<Vec<_>>().join(", "))
    };
    match (&miss.field, miss.found.as_slice()) {
        (None, _) => "each field matches, but never in the same element of a list".to_owned(),
        (Some(field), []) => format!("{field} is missing; expected {}", several(&miss.wanted)),
        (Some(field), found) => format!("{field} is {}; expected {}", several(found), several(&miss.wanted)),
    }
}
