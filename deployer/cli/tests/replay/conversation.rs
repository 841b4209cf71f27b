//! A conversation with AWS: the calls that are expected, and their answers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::shorthand;
use crate::wire::{Call, MODELS};

/// One call that is expected, and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Service and operation, such as `CloudFormation.DescribeStacks`.
    pub operation: String,
    /// Members that the input must have; `null` for those that it must not have.
    #[serde(default)]
    when: Value,
    /// The output, under the names of AWS's model, or a short form of it.
    pub answer: Option<Value>,
    /// Error instead of an output.
    pub error: Option<Fault>,
    /// `true` if the connection breaks instead of an answer.
    #[serde(default)]
    pub drop: bool,
    #[serde(default)]
    delay_ms: u64,
    /// Number of calls that are answered so: one, unless another is given.
    #[serde(default)]
    times: Times,
    /// `true` if the call may come or not.
    #[serde(default)]
    optional: bool,
    /// Number of the deployer that calls, of several at once: from 1 in the order of their command lines.
    by: Option<usize>,
    /// Flag that ends this exchange: once it is set, the next exchange for the call is taken.
    until: Option<String>,
    /// Flag for which the answer waits.
    pub awaits: Option<String>,
    /// Flag that is set with the answer.
    pub sets: Option<String>,
    /// Signal to the deployer after this call, `INT` or `KILL`; then no answer comes.
    pub signal: Option<String>,
}

/// An error that a service answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Code of the error, such as `ValidationError`.
    pub code: String,
    /// Message for people.
    #[serde(default)]
    pub message: String,
    /// Status of HTTP.
    #[serde(default = "bad_request")]
    pub status: u16,
}

const fn bad_request() -> u16 {
    400
}

/// The number of calls that an exchange answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Times {
    Exactly(usize),
    Word(Forever),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Forever {
    /// At least one call, unless the exchange is optional.
    Forever,
}

impl Default for Times {
    fn default() -> Self {
        Self::Exactly(1)
    }
}

impl Exchange {
    /// Returns the delay of the answer.
    pub const fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

/// A conversation as far as it has gone.
#[derive(Debug)]
pub struct Conversation {
    exchanges: Vec<(Exchange, usize)>,
    unexpected: Vec<String>,
    flags: BTreeSet<String>,
}

impl Conversation {
    /// Creates a conversation that begins.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        let expanded = |mut one: Exchange| {
            let (service, operation) = one.operation.split_once('.').expect("such as S3.PutObject");
            let known = service == "Registry" || MODELS[service]["operations"][operation].is_object();
            assert!(known, "models.json knows no {}; run `make conversations`", one.operation);
            one.answer = one.answer.as_ref().map(shorthand::expand);
            (one, 0)
        };
        Self {
            exchanges: exchanges.into_iter().map(expanded).collect(),
            unexpected: Vec::new(),
            flags: BTreeSet::new(),
        }
    }

    /// Sets a flag.
    pub fn set(&mut self, flag: &str) {
        self.flags.insert(flag.to_owned());
    }

    /// Returns whether a flag is set.
    pub fn is_set(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Returns the first exchange that this call fits and that is not used up. Remembers a call that fits none. `who` is the number
    /// of the deployer that calls.
    pub fn next(&mut self, call: &Call, who: usize) -> Option<Exchange> {
        let name = call.name();
        let flags = &self.flags;
        let found = self.exchanges.iter_mut().find(|(one, used)| {
            let left = match one.times {
                Times::Exactly(times) => *used < times,
                Times::Word(Forever::Forever) => true,
            };
            let own = one.by.is_none_or(|by| by == who);
            let ended = one.until.as_ref().is_some_and(|flag| flags.contains(flag));
            left && own && !ended && one.operation == name && has(&call.input, &one.when)
        });
        let Some((exchange, used)) = found else {
            self.unexpected.push(format!("unexpected: {name} with {}", call.input));
            return None;
        };
        *used += 1;
        Some(exchange.clone())
    }

    /// Returns the calls that were not expected, and the expected ones that did not come.
    pub fn complaints(&self) -> Vec<String> {
        let unused = self.exchanges.iter().enumerate().filter_map(|(at, (one, used))| {
            let wanted = match one.times {
                _ if one.optional => 0,
                Times::Exactly(times) => times,
                Times::Word(Forever::Forever) => 1,
            };
            let number = at + 1;
            (*used < wanted)
                .then(|| format!("exchange {number}, {}: called {used} times, not {wanted}", one.operation))
        });
        self.unexpected.iter().cloned().chain(unused).collect()
    }
}

/// Checks whether an input has all of this: of objects the members, of lists each element somewhere, of the rest the
/// same text.
fn has(input: &Value, wanted: &Value) -> bool {
    match (input, wanted) {
        (_, Value::Object(members)) => members.iter().all(|(name, wanted)| match wanted {
            Value::Null => input[name].is_null(),
            wanted => has(&input[name], wanted),
        }),
        (Value::Array(items), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| items.iter().any(|item| has(item, wanted)))
        }
        (_, Value::Null) => true,
        // An empty list is an empty text in the query protocol.
        (Value::String(input), Value::Array(wanted)) if wanted.is_empty() => input.is_empty(),
        // The star matches the rest of a text; alone, a star is a star.
        (Value::String(input), Value::String(wanted)) => match wanted.strip_suffix('*') {
            Some(beginning) if !beginning.is_empty() => input.starts_with(beginning),
            _ => input == wanted,
        },
        // The query protocol writes every value as a text.
        (Value::String(input), wanted) => {
            let wanted = wanted.to_string();
            *input == wanted
        }
        (input, wanted) => input == wanted,
    }
}
