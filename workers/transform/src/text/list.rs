//! Lists and sets in texts.

use std::borrow::Cow;
use std::collections::HashSet;

use contract::Reason;
use contract::settings::{Element, FieldSettings, Type};

use super::quoted::{self, Escapes};
use super::{Booleans, problem, without_blanks};
use crate::failure::Flaw;
use crate::number::{Number, NumberFormat};
use crate::problem::{Problem, ProblemKind};
use crate::value::Value;

/// The way in which lists or sets of a field are written.
#[derive(Debug, Clone)]
pub struct ListFormat {
    of: Element,
    separator: Option<String>,
    is_set: bool,
    trim: bool,
    numbers: NumberFormat,
    booleans: Booleans,
}

/// An element as it is written.
enum Token<'a> {
    Null,
    Text(Cow<'a, str>),
}

impl ListFormat {
    /// Creates a format from the settings of a field whose type is `set`, or else is taken as `list`.
    ///
    /// # Errors
    /// All problems of the settings. Their places lack the name of the field.
    pub fn new(settings: &FieldSettings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let is_set = settings.kind == Some(Type::Set);
        let of = settings.of.unwrap_or(Element::String);
        if is_set && of == Element::Boolean {
            let help = "a set has texts or numbers; set `type: list`";
            problems.push(problem("of", None, "a set cannot have booleans".to_owned(), help));
        }
        let separator = settings.separator.clone();
        if separator.as_deref() == Some("") {
            let help = "without `separator`, a list is written in brackets or braces";
            problems.push(problem("separator", None, "the separator is empty".to_owned(), help));
        }
        let numbers =
            NumberFormat::new(settings.decimal, settings.group).unwrap_or_else(|(property, message)| {
                problems.push(problem(property, None, message, ""));
                NumberFormat::default()
            });
        if matches!(of, Element::Number | Element::Integer) {
            let between = separator.as_deref().unwrap_or(",");
            for (property, character) in [("decimal", Some(numbers.decimal)), ("group", numbers.group)] {
                if character.is_some_and(|character| between.contains(character)) {
                    let message = format!("`{between}` is also between the elements of the list");
                    let mut found = problem(property, None, message, "name another `separator`");
                    found.kind = ProblemKind::Combination;
                    problems.push(found);
                }
            }
        }
        let booleans = match of {
            Element::Boolean => Booleans::new(settings).unwrap_or_else(|found| {
                problems.extend(found);
                Booleans::default()
            }),
            _ => Booleans::default(),
        };
        match problems.is_empty() {
            true => Ok(Self { of, separator, is_set, trim: settings.trim, numbers, booleans }),
            false => Err(problems),
        }
    }

    /// Parses a list or a set. `None` is a set without elements, which DynamoDB does not have: an empty value.
    ///
    /// Without a separator it is written in brackets, as JSON, Python and DuckDB do, or in braces, as PostgreSQL does.
    /// With one, all that is between two separators is an element, and an empty text is a list without elements.
    /// Duplicates in a set are one element.
    ///
    /// # Errors
    /// [`Reason::InvalidList`] for a text that is written in another way, an element that is not of the type, and a null
    /// in a set.
    pub fn parse<'a>(&self, text: &'a str) -> Result<Option<Value<'a>>, Flaw> {
        let values = (1..).zip(self.tokens(text)?).map(|(position, token)| self.element(token, position));
        self.collect(values.collect::<Result<_, Flaw>>()?)
    }

    /// Returns the list or the set of these elements. `None` is a set without elements, which DynamoDB does not have.
    ///
    /// # Errors
    /// [`Reason::InvalidList`] for an element that a set can't have.
    pub fn collect<'a>(&self, values: Vec<Value<'a>>) -> Result<Option<Value<'a>>, Flaw> {
        if !self.is_set {
            return Ok(Some(Value::List(values)));
        }
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        for (position, value) in (1..).zip(values) {
            match value {
                Value::Text(text) => texts.push(text),
                Value::Number(number) => numbers.push(number),
                Value::Null => {
                    let rule = format!("has an element {position} that is null, which a set cannot have");
                    return Err(flaw(rule));
                }
                _ => {
                    return Err(flaw(format!(
                        "has an element {position} that is neither a text nor a number"
                    )));
                }
            }
        }
        // The first of several equals stays where it is.
        let mut seen = HashSet::with_capacity(texts.len());
        let kept: Vec<bool> = texts.iter().map(|text| seen.insert(&**text)).collect();
        let mut kept = kept.into_iter();
        texts.retain(|_| kept.next().unwrap_or_default());
        let mut seen = HashSet::with_capacity(numbers.len());
        numbers.retain(|number| seen.insert(*number));
        Ok(match (texts.is_empty(), numbers.is_empty()) {
            (false, _) => Some(Value::TextSet(texts)),
            (true, false) => Some(Value::NumberSet(numbers)),
            (true, true) => None,
        })
    }

    fn tokens<'a>(&self, text: &'a str) -> Result<Vec<Token<'a>>, Flaw> {
        if let Some(separator) = &self.separator {
            if text.is_empty() {
                return Ok(Vec::new());
            }
            let trimmed = |part: &'a str| if self.trim { super::trim(part) } else { part };
            return Ok(text
                .split(separator.as_str())
                .map(|part| Token::Text(Cow::Borrowed(trimmed(part))))
                .collect());
        }
        let text = without_blanks(text);
        match text.as_bytes() {
            [b'[', .., b']'] => tokens(text, '[', ']', &BRACKETS),
            [b'{', .., b'}'] => tokens(text, '{', '}', &BRACES),
            _ => Err(flaw("is not a list in brackets or braces, such as `[1, 2]` or `{1,2}`")),
        }
    }

    fn element<'a>(&self, token: Token<'a>, position: usize) -> Result<Value<'a>, Flaw> {
        let text = match token {
            Token::Null => return Ok(Value::Null),
            Token::Text(text) => text,
        };
        let named = |found: Flaw| flaw(format!("has an element {position} that {}", found.rule));
        match self.of {
            Element::String => Ok(Value::Text(text)),
            Element::Number => Number::parse(&text, &self.numbers).map(Value::Number).map_err(named),
            Element::Integer => Number::parse_integer(&text, &self.numbers).map(Value::Number).map_err(named),
            Element::Boolean => self.booleans.parse(&text).map(Value::Boolean).map_err(named),
        }
    }
}

fn flaw(rule: impl Into<String>) -> Flaw {
    Flaw::new(Reason::InvalidList, rule)
}

/// The rules by which lists in brackets or in braces are written.
struct Notation {
    /// The characters around texts.
    quotes: &'static [char],
    escapes: Escapes,
    /// The characters that end a text without quotes.
    ends: &'static [char],
    /// The characters that begin a list or map within the list.
    nested: &'static [char],
    /// `true` if the word `None` is null, as Python writes it.
    none: bool,
}

/// JSON, Python and DuckDB.
const BRACKETS: Notation = Notation {
    quotes: &['"', '\''],
    escapes: Escapes::Python,
    ends: &[',', '[', ']', '{', '}', '"'],
    nested: &['[', '{'],
    none: true,
};

/// PostgreSQL, for which brackets are text.
/// <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
const BRACES: Notation = Notation {
    quotes: &['"'],
    escapes: Escapes::Any,
    ends: &[',', '{', '}', '"'],
    nested: &['{'],
    none: false,
};

/// Reads the elements of a list between an opening and a closing character, with commas between them.
fn tokens<'a>(text: &'a str, open: char, close: char, notation: &Notation) -> Result<Vec<Token<'a>>, Flaw> {
    let inside = text.strip_prefix(open).and_then(|text| text.strip_suffix(close)).unwrap_or_default();
    let mut tokens = Vec::new();
    // Positions of the word `None`, and whether Python has written the list: it writes each text in quotes.
    let (mut nones, mut of_python) = (Vec::new(), notation.none);
    let mut rest = inside.trim_start();
    if rest.is_empty() {
        return Ok(tokens);
    }
    loop {
        let position = tokens.len() + 1;
        let token;
        let opening = rest.chars().next();
        (token, rest) = match opening.filter(|first| notation.quotes.contains(first)) {
            Some(quote) => {
                let (text, behind) = quoted::read(rest.get(1..).unwrap_or_default(), quote, notation.escapes)
                    .map_err(|_| {
                        flaw(format!("has an element {position} whose quotes or escapes are wrong"))
                    })?;
                (Token::Text(text), behind)
            }
            None => {
                let end = rest.find(notation.ends).unwrap_or(rest.len());
                let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                let word = word.trim();
                if behind.starts_with(notation.nested) {
                    let rule = "which `type: json` reads if it is JSON";
                    return Err(flaw(format!(
                        "has an element {position} that is itself a list or map, {rule}"
                    )));
                }
                if word.is_empty() {
                    return Err(flaw(format!("has an element {position} that is missing")));
                }
                let null = word.eq_ignore_ascii_case("null");
                if word == "None" {
                    nones.push(tokens.len());
                } else if (null && word != "null") || (!null && is_text_without_quotes(word)) {
                    of_python = false;
                }
                (if null { Token::Null } else { Token::Text(Cow::Borrowed(word)) }, behind)
            }
        };
        tokens.push(token);
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        rest = rest
            .strip_prefix(',')
            .ok_or_else(|| flaw(format!("has something after its element {position} that is not a comma")))?
            .trim_start();
    }
    for none in nones.into_iter().filter(|_| of_python) {
        if let Some(token) = tokens.get_mut(none) {
            *token = Token::Null;
        }
    }
    Ok(tokens)
}

/// Returns whether a word is a text, and not a number or a word of JSON or Python.
fn is_text_without_quotes(word: &str) -> bool {
    let number = word.trim_start_matches(['-', '+', '.']).starts_with(|first: char| first.is_ascii_digit());
    let known = ["true", "false", "nan", "inf", "-inf", "infinity", "-infinity"];
    !number && !known.iter().any(|known| word.eq_ignore_ascii_case(known))
}
