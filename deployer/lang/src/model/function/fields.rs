//! `settings.fields` of `transform`: the attributes of the item. Read here, with their places; the package `transform`
//! knows which of them make sense.

use contract::settings::{Case, Element, Empty, FieldSettings, Fold, Form, Otherwise, Type};
use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Node, Value, shorten};

pub(super) use self::place::Placed;
pub use self::place::{FieldPlace, Place};
use self::problems::combinations;
pub(super) use self::text::Expression;
use self::text::Template;
pub use self::text::is_constant;
use crate::model::properties::{
    Boolean, Choice, Integer, Map, Properties, Read, Scope, Shape, Str, describe, mismatch,
};

mod place;
mod problems;
mod text;

pub(super) use self::problems::check;
pub use self::problems::{Conditions, Expressions, ReadColumn};

/// Name of the form of a field, in the schema.
const NAME: &str = "field";
/// Most characters of a text: an item of DynamoDB has 400 KB (Amazon DynamoDB Developer Guide, "Quotas").
const MAX_LENGTH: i64 = 409_600;

/// Fields by name.
pub(super) struct Fields {
    /// `true` if they are in a `map` of a field.
    pub(super) nested: bool,
}

impl Read for Fields {
    type Out = Vec<(FieldSettings, FieldPlace)>;
    fn shape(&self) -> Shape {
        if self.nested {
            return Shape::Map(Box::new(Shape::Again(NAME)));
        }
        let field = Shape::Either(vec![Shape::Template, Shape::Object(describe(read_field))]);
        Shape::Map(Box::new(Shape::Named(NAME, Box::new(field))))
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Self::Out> {
        let Value::Mapping(entries) = &node.value else {
            scope.report(mismatch(node, "a mapping").help(match node.value {
                Value::Sequence(_) => "write `name: { from: Column }` on each line, without `-`",
                _ => "write `name: { from: Column }`",
            }));
            return None;
        };
        let read: Vec<Option<_>> = entries
            .iter()
            .map(|entry| {
                let (field, place) = read_entry(&entry.value, scope)?;
                if !self.nested {
                    for diagnostic in combinations(&field, &place, true) {
                        scope.report(diagnostic);
                    }
                    slip(&entry.key, &field, &place, scope);
                }
                let name = entry.key.clone();
                Some((FieldSettings { name: name.clone(), ..field }, FieldPlace { name, ..place }))
            })
            .collect();
        read.into_iter().collect()
    }
    fn show(&self, value: &Self::Out) -> Option<String> {
        value.is_empty().then(|| "{}".to_owned())
    }
}

/// Reads a field: a mapping, or a text, which is a template.
fn read_entry(node: &Node, scope: &Scope) -> Option<(FieldSettings, FieldPlace)> {
    match &node.value {
        Value::Mapping(_) => Properties::read(node, scope, read_field),
        Value::Scalar { .. } if !node.is_null() => {
            let template = Template.read(node, scope)?;
            let properties = vec![("template", Place::of(node))];
            let place =
                FieldPlace { name: String::new(), span: node.span, properties, map: Vec::new(), bare: true };
            Some((FieldSettings { template: Some(template), ..FieldSettings::default() }, place))
        }
        _ => {
            scope.report(
                mismatch(node, "a field")
                    .help("write `{ from: Column }`, or a text such as `\"ORDER#${ID}\"`"),
            );
            None
        }
    }
}

/// Warns of a text without a column that was likely meant to be the name of one: `town: Town`, `date: Order Date`.
fn slip(name: &str, field: &FieldSettings, place: &FieldPlace, scope: &Scope) {
    let Some(text) = field.template.as_deref().filter(|_| place.bare && is_constant(field)) else {
        return;
    };
    let letters = |text: &str| -> String {
        text.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let like_a_name = text.chars().all(|one| one.is_alphanumeric() || matches!(one, ' ' | '_' | '-' | '.'));
    let own = letters(name);
    if !own.is_empty() && like_a_name && letters(text).contains(&own) {
        let message = format!("the field `{}` is the text `{}` in every row", shorten(name), shorten(text));
        scope.warn(Diagnostic::warning("W0413", place.span, message).help(format!(
            "for the column of this name write `{{ from: {} }}`; for the text itself `{{ template: {0} }}`",
            shorten(text)
        )));
    }
}

/// The properties of a field, and the places of those that are given.
struct Asked<'p, 'a> {
    properties: &'p mut Properties<'a>,
    places: Vec<(&'static str, Place)>,
}

impl Asked<'_, '_> {
    /// Asks for a property.
    fn value<R: Read>(&mut self, name: &'static str, description: &'static str, kind: R) -> Option<R::Out> {
        let (value, place) = self.properties.field(name, description, Placed(kind)).optional()?;
        self.places.push((name, place));
        Some(value)
    }

    /// Asks for a property that is `false` unless it is given.
    fn flag(&mut self, name: &'static str, description: &'static str) -> bool {
        let given = self.properties.has(name);
        let (value, place) =
            self.properties.field(name, description, Placed(Boolean)).or((false, Place::default()));
        if given {
            self.places.push((name, place));
        }
        value
    }
}

fn read_field(properties: &mut Properties<'_>) -> Option<(FieldSettings, FieldPlace)> {
    let mut ask = Asked { properties, places: Vec::new() };
    let mut field = FieldSettings::default();
    let map = read_source(&mut ask, &mut field);
    read_type(&mut ask, &mut field);
    read_presence(&mut ask, &mut field);
    read_text(&mut ask, &mut field);
    read_number(&mut ask, &mut field);
    read_time(&mut ask, &mut field);
    field.sensitive =
        ask.flag("sensitive", "Encrypt the value in the task so that only `load` can read it (KMS).");
    let Asked { properties, places } = ask;
    let place = FieldPlace {
        name: String::new(),
        span: properties.span_of(""),
        properties: places,
        map,
        bare: false,
    };
    Some((field, place))
}

/// Reads the source, and returns the places of the fields of a map.
fn read_source(ask: &mut Asked<'_, '_>, field: &mut FieldSettings) -> Vec<FieldPlace> {
    field.from = ask.value("from", "Column of the CSV.", Str);
    field.template = ask.value(
        "template",
        "Text in which `${Column}`, `${object.bucket}`, `${object.key}`, `${object.version}` and `${record.index}` are \
         replaced; `$${` is a literal `${`. The field can be this text alone.",
        Template,
    );
    field.expression =
        ask.value("expression", "Expression of CEL over columns, as texts, and other fields.", Expression);
    let map = ask.value("map", "Fields of a map, name → source of the value.", Fields { nested: true });
    let (fields, places) =
        map.map(|map| map.into_iter().unzip()).map_or((None, Vec::new()), |(fields, places)| {
            let fields: Vec<FieldSettings> = fields;
            (Some(fields), places)
        });
    field.map = fields;
    places
}

fn read_type(ask: &mut Asked<'_, '_>, field: &mut FieldSettings) {
    field.kind = ask.value(
        "type",
        "Type of the value; by default `string`, or the type of the expression.",
        Choice(Type::WORDS),
    );
    field.of = ask.value(
        "of",
        "Type of the elements of a `set` or `list`; by default `string`.",
        Choice(Element::WORDS),
    );
    field.separator = ask.value(
        "separator",
        "Text between two elements of a `set` or `list`. Without it, the value is a JSON array, or an array of PostgreSQL.",
        Str,
    );
}

fn read_presence(ask: &mut Asked<'_, '_>, field: &mut FieldSettings) {
    let empty = ask.value(
        "empty",
        "Treatment of an empty value. `keep`: an empty string; `omit`: no attribute; `null`: DynamoDB's null; `fail`: the row \
         fails. By default `keep` for strings, and `omit` for all other types and for keys of an index.",
        Emptiness,
    );
    if let Some(Empties { missing, quoted }) = empty {
        if let Some((_, place)) = &quoted {
            ask.places.push(("emptyQuoted", place.clone()));
        }
        (field.empty, field.empty_quoted) = (missing, quoted.map(|(quoted, _)| quoted));
    }
    field.required = ask.flag("required", "Fail rows without a value.");
    field.optional =
        ask.flag("optional", "Accept files without the column. By default, such a file fails as a whole.");
    field.default = ask.value(
        "default",
        "Value to use if the row has none, or the file lacks the optional column; written as in the file.",
        Str,
    );
}

fn read_text(ask: &mut Asked<'_, '_>, field: &mut FieldSettings) {
    field.trim = ask.flag("trim", "Remove blanks and invisible characters around the value.");
    field.case = ask.value("case", "Case that letters are turned into.", Choice(Case::WORDS));
    field.values = ask.value("values", "Texts of the file and what they stand for.", Map(Str));
    field.otherwise = ask.value(
        "otherwise",
        "Treatment of a value that is not in `values`. `fail`: the row fails; `keep`: the value stays as it is; `empty`: it \
         counts as empty. By default `fail`.",
        Choice(Otherwise::WORDS),
    );
    field.minimum = ask.value("minimum", "Smallest number, or first timestamp or date.", Str);
    field.maximum = ask.value("maximum", "Largest number, or last timestamp or date.", Str);
    let max_length =
        ask.value("maxLength", "Maximum number of characters of a string.", Integer(1, MAX_LENGTH));
    field.max_length = max_length.and_then(|length| u32::try_from(length).ok());
    field.pattern = ask.value("pattern", "Regular expression that a string must match.", Str);
}

fn read_number(ask: &mut Asked<'_, '_>, field: &mut FieldSettings) {
    field.decimal =
        ask.value("decimal", "Character before the decimals of a number; by default `.`.", AnyCharacter);
    field.group =
        ask.value("group", "Character between groups of digits of a number; none by default.", AnyCharacter);
    field.truths = ask.value(
        "true",
        "Texts that are true; by default `true`, `t`, `1` and `yes`, in any case.",
        OneOrMany,
    );
    field.falsehoods = ask.value(
        "false",
        "Texts that are false; by default `false`, `f`, `0` and `no`, in any case.",
        OneOrMany,
    );
}

fn read_time(ask: &mut Asked<'_, '_>, field: &mut FieldSettings) {
    field.format = ask.value(
        "format",
        "Formats of a `timestamp` or `date`, such as `%d/%m/%Y %H:%M`, tried in this order; by default ISO 8601.",
        OneOrMany,
    );
    field.zone = ask.value(
        "zone",
        "Time zone of a timestamp without an offset, such as `Europe/Berlin`; by default `UTC`.",
        Str,
    );
    field.fold = ask.value(
        "fold",
        "Meaning of a local time that occurs twice, when clocks go back; by default, the row fails.",
        Choice(Fold::WORDS),
    );
    field.language = ask.value(
        "language",
        "Language of the names of months and weekdays, such as `de`; by default `en`.",
        Str,
    );
    field.leap_seconds = ask.flag("leapSeconds", "Accept the second 60, as second 59.");
    field.plus = ask.value(
        "plus",
        "Span that is added, such as `90d`; days and longer units are those of the calendar in `zone`.",
        Str,
    );
    field.form = ask.value(
        "as",
        "Form in which a timestamp or date is stored; by default `iso`. `epoch`: seconds since 1970, as a table's \
         `timeToLive` needs them.",
        Choice(Form::WORDS),
    );
}

/// `empty`: a word, or one for nothing and one for two quotes.
struct Emptiness;

/// The treatments of empty values; that of quoted ones with its place.
struct Empties {
    missing: Option<Empty>,
    quoted: Option<(Empty, Place)>,
}

impl Read for Emptiness {
    type Out = Empties;
    fn shape(&self) -> Shape {
        Shape::Either(vec![EmptyWord.shape(), Shape::Object(describe(read_empties))])
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Empties> {
        if let Value::Mapping(_) = node.value {
            return Properties::read(node, scope, read_empties);
        }
        let missing = EmptyWord.read(node, scope)?;
        Some(Empties { missing: Some(missing), quoted: None })
    }
    fn show(&self, _: &Empties) -> Option<String> {
        None
    }
}

/// One treatment of empty values. YAML's own `null` is the word.
struct EmptyWord;
impl Read for EmptyWord {
    type Out = Empty;
    fn shape(&self) -> Shape {
        Choice(Empty::WORDS).shape()
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Empty> {
        match &node.value {
            Value::Scalar { text, .. } if text == Empty::Null.word() => Some(Empty::Null),
            _ => Choice(Empty::WORDS).read(node, scope),
        }
    }
    fn show(&self, value: &Empty) -> Option<String> {
        Some(value.word().to_owned())
    }
}

fn read_empties(properties: &mut Properties<'_>) -> Option<Empties> {
    let missing =
        properties.field("missing", "Treatment of a value that is not there at all.", EmptyWord).optional();
    let quoted =
        properties.field("quoted", "Treatment of a value that is two quotes.", Placed(EmptyWord)).optional();
    Some(Empties { missing, quoted })
}

/// A text, or a list of texts.
struct OneOrMany;
impl Read for OneOrMany {
    type Out = Vec<String>;
    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::String, Shape::List(Box::new(Shape::String))])
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Vec<String>> {
        match &node.value {
            Value::Sequence(items) => {
                let read: Vec<Option<String>> = items.iter().map(|item| Str.read(item, scope)).collect();
                read.into_iter().collect()
            }
            Value::Scalar { .. } if !node.is_null() => Some(vec![Str.read(node, scope)?]),
            _ => {
                scope.report(mismatch(node, "a text or a list of texts"));
                None
            }
        }
    }
    fn show(&self, _: &Vec<String>) -> Option<String> {
        None
    }
}

/// One character of any script.
struct AnyCharacter;
impl Read for AnyCharacter {
    type Out = char;
    fn shape(&self) -> Shape {
        Shape::AnyCharacter
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<char> {
        let (text, _) = scope.single(node, "one character")?;
        let mut characters = text.chars();
        if let (Some(character), None) = (characters.next(), characters.next()) {
            return Some(character);
        }
        let message = match text.chars().count() {
            0 => "expected one character, found an empty text".to_owned(),
            count => format!("expected one character, found {count}"),
        };
        scope.report(
            Diagnostic::error("E0103", node.span, message).help("in quotes, such as `\",\"` or `\" \"`"),
        );
        None
    }
    fn show(&self, value: &char) -> Option<String> {
        Some(value.to_string())
    }
}
