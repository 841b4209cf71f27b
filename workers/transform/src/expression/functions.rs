//! The functions and methods of expressions: names, types of their arguments, type of their value.

use super::kind::Kind;

/// A function or an operator whose arguments are all computed first. The types of the arguments, which the
/// checker has seen to, decide between the forms of one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Negate,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Element,
    Size,
    Int,
    Double,
    String,
    Bool,
    Timestamp,
    Duration,
    Contains,
    StartsWith,
    EndsWith,
    Split,
    Join,
    Substring,
    Trim,
    Replace,
    LowerAscii,
    UpperAscii,
    IndexOf,
    Least,
    Greatest,
    LeastOf,
    GreatestOf,
    Abs,
    Round,
    Ceil,
    Floor,
    Part(Part),
}

/// A part of a timestamp in UTC, or a duration in whole units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    /// From 0.
    Month,
    /// The day of the month, from 1.
    Date,
    /// The day of the month, from 0.
    DayOfMonth,
    /// From 0, which is Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A type in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    Boolean,
    Integer,
    Double,
    Text,
    Timestamp,
    Duration,
    Texts,
    /// A list of any type.
    List,
}

impl Simple {
    pub(super) fn accepts(self, kind: &Kind) -> bool {
        match (self, kind) {
            (Self::Texts, Kind::List(element)) => matches!(**element, Kind::Text | Kind::Nothing),
            (Self::List, Kind::List(_)) => true,
            _ => self.kind() == *kind,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Boolean => Kind::Boolean,
            Self::Integer => Kind::Integer,
            Self::Double => Kind::Double,
            Self::Text => Kind::Text,
            Self::Timestamp => Kind::Timestamp,
            Self::Duration => Kind::Duration,
            Self::Texts => Kind::Text.list(),
            Self::List => Kind::Nothing.list(),
        }
    }

    pub(super) fn described(self) -> String {
        match self {
            Self::List => "a list".to_owned(),
            other => other.kind().described(),
        }
    }
}

/// One form of a function.
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// `true` for a method: the value before the point is the first argument.
    pub(super) method: bool,
    pub(super) arguments: &'static [Simple],
    pub(super) result: Simple,
    pub(super) function: Function,
}

const fn function(
    name: &'static str,
    arguments: &'static [Simple],
    result: Simple,
    function: Function,
) -> Signature {
    Signature { name, method: false, arguments, result, function }
}

const fn method(
    name: &'static str,
    arguments: &'static [Simple],
    result: Simple,
    function: Function,
) -> Signature {
    Signature { name, method: true, arguments, result, function }
}

use Function as F;
use Simple::{Boolean, Double, Duration, Integer, List, Text, Texts, Timestamp};

/// Every form of every function, but for `math.least` and `math.greatest`, which take any number of
/// arguments, `matches`, whose pattern is compiled, and macros.
pub(super) const SIGNATURES: &[Signature] = &[
    function("size", &[Text], Integer, F::Size),
    function("size", &[List], Integer, F::Size),
    method("size", &[Text], Integer, F::Size),
    method("size", &[List], Integer, F::Size),
    function("int", &[Integer], Integer, F::Int),
    function("int", &[Double], Integer, F::Int),
    function("int", &[Text], Integer, F::Int),
    function("int", &[Timestamp], Integer, F::Int),
    function("double", &[Double], Double, F::Double),
    function("double", &[Integer], Double, F::Double),
    function("double", &[Text], Double, F::Double),
    function("string", &[Text], Text, F::String),
    function("string", &[Boolean], Text, F::String),
    function("string", &[Integer], Text, F::String),
    function("string", &[Double], Text, F::String),
    function("string", &[Timestamp], Text, F::String),
    function("string", &[Duration], Text, F::String),
    function("bool", &[Boolean], Boolean, F::Bool),
    function("bool", &[Text], Boolean, F::Bool),
    function("timestamp", &[Timestamp], Timestamp, F::Timestamp),
    function("timestamp", &[Text], Timestamp, F::Timestamp),
    function("timestamp", &[Integer], Timestamp, F::Timestamp),
    function("duration", &[Duration], Duration, F::Duration),
    function("duration", &[Text], Duration, F::Duration),
    method("contains", &[Text, Text], Boolean, F::Contains),
    method("startsWith", &[Text, Text], Boolean, F::StartsWith),
    method("endsWith", &[Text, Text], Boolean, F::EndsWith),
    method("split", &[Text, Text], Texts, F::Split),
    method("join", &[Texts], Text, F::Join),
    method("join", &[Texts, Text], Text, F::Join),
    method("substring", &[Text, Integer], Text, F::Substring),
    method("substring", &[Text, Integer, Integer], Text, F::Substring),
    method("trim", &[Text], Text, F::Trim),
    method("replace", &[Text, Text, Text], Text, F::Replace),
    method("lowerAscii", &[Text], Text, F::LowerAscii),
    method("upperAscii", &[Text], Text, F::UpperAscii),
    method("indexOf", &[Text, Text], Integer, F::IndexOf),
    method("indexOf", &[Text, Text, Integer], Integer, F::IndexOf),
    function("math.abs", &[Integer], Integer, F::Abs),
    function("math.abs", &[Double], Double, F::Abs),
    function("math.round", &[Double], Double, F::Round),
    function("math.ceil", &[Double], Double, F::Ceil),
    function("math.floor", &[Double], Double, F::Floor),
    method("getFullYear", &[Timestamp], Integer, F::Part(Part::FullYear)),
    method("getMonth", &[Timestamp], Integer, F::Part(Part::Month)),
    method("getDate", &[Timestamp], Integer, F::Part(Part::Date)),
    method("getDayOfMonth", &[Timestamp], Integer, F::Part(Part::DayOfMonth)),
    method("getDayOfWeek", &[Timestamp], Integer, F::Part(Part::DayOfWeek)),
    method("getDayOfYear", &[Timestamp], Integer, F::Part(Part::DayOfYear)),
    method("getHours", &[Timestamp], Integer, F::Part(Part::Hours)),
    method("getHours", &[Duration], Integer, F::Part(Part::Hours)),
    method("getMinutes", &[Timestamp], Integer, F::Part(Part::Minutes)),
    method("getMinutes", &[Duration], Integer, F::Part(Part::Minutes)),
    method("getSeconds", &[Timestamp], Integer, F::Part(Part::Seconds)),
    method("getSeconds", &[Duration], Integer, F::Part(Part::Seconds)),
    method("getMilliseconds", &[Timestamp], Integer, F::Part(Part::Milliseconds)),
];

/// The names of functions, methods and macros that are not in [`SIGNATURES`], with `true` for a method.
const OTHERS: [(&str, bool); 10] = [
    ("has", false),
    ("math.least", false),
    ("math.greatest", false),
    ("matches", true),
    ("all", true),
    ("exists", true),
    ("exists_one", true),
    ("existsOne", true),
    ("map", true),
    ("filter", true),
];

/// Returns the names of all functions, or of all methods.
pub(super) fn names(methods: bool) -> impl Iterator<Item = &'static str> {
    let known = SIGNATURES.iter().map(|signature| (signature.name, signature.method));
    known.chain(OTHERS).filter(move |(_, method)| *method == methods).map(|(name, _)| name)
}

/// Returns what to write for a function of CEL or of other languages that does not exist here.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "length" | "count" => "write `size(…)`",
        "float" | "number" | "decimal" | "parseFloat" | "toDouble" | "toNumber" => "write `double(…)`",
        "integer" | "parseInt" | "toInt" => "write `int(…)`",
        "str" | "text" | "toString" | "to_string" => "write `string(…)`",
        "boolean" => "write `bool(…)`",
        "date" | "datetime" | "toDate" => {
            "write `timestamp(…)`; other formats are read by a field of type timestamp"
        }
        "now" | "today" => {
            "an expression has no clock, so that a row that is delivered twice gives the same value"
        }
        "random" | "uuid" => {
            "an expression has no random, so that a row that is delivered twice gives the same value"
        }
        "lower" | "toLower" | "toLowerCase" | "downcase" => {
            "write `lowerAscii()`; `case: lower` of a field also lowers letters beyond ASCII"
        }
        "upper" | "toUpper" | "toUpperCase" | "upcase" => {
            "write `upperAscii()`; `case: upper` of a field also raises letters beyond ASCII"
        }
        "strip" => "write `trim()`",
        "substr" | "slice" => "write `substring(start, end)`",
        "includes" => "write `contains(…)`, or `value in list`",
        "startswith" | "starts_with" => "write `startsWith(…)`",
        "endswith" | "ends_with" => "write `endsWith(…)`",
        "match" | "test" | "regex" => "write `matches(…)`",
        "concat" => "write `one + other`",
        "any" | "some" => "write `exists(x, …)`",
        "every" => "write `all(x, …)`",
        "min" | "math.min" => "write `math.least(…)`",
        "max" | "math.max" => "write `math.greatest(…)`",
        "abs" | "round" | "ceil" | "floor" => "write `math.abs`, `math.round`, `math.ceil` or `math.floor`",
        "if" | "iif" | "coalesce" | "ifnull" | "nvl" => "a condition is written `test ? one : other`",
        "uint" => "unsigned integers are not supported: write `int(…)`",
        "bytes" | "dyn" | "type" | "format" | "optional" => "this function of CEL is not supported",
        _ => return None,
    })
}
