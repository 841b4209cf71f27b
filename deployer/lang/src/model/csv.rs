//! Settings of a task with `worker: extraction`: the format of the files, and their dialect.

use contract::columns;
use contract::encoding::{Encoding, LabelError, Language};
use contract::settings::{
    Character, CsvSettings, EncodingSetting, ExtractionSettings, Fallback, Fill, Format, JsonSettings, Short,
    XlsxSettings,
};
use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::{Node, Value, shorten};

use super::properties::{
    Boolean, Choice, Integer, List, Object, Properties, Read, Scope, Shape, Str, describe,
};

/// Reads `settings`.
pub(super) fn read_settings(properties: &mut Properties<'_>) -> Option<ExtractionSettings> {
    let format = properties
        .field(
            "format",
            "Format of the files. `json-lines`: an object of JSON on each line.",
            Choice(&[("csv", Format::Csv), ("json-lines", Format::JsonLines)]),
        )
        .or(Format::Csv);
    let csv = properties.field("csv", "Dialect of the files, if they are CSV.", Object(read_csv));
    let csv = csv.or(CsvSettings::default());
    let json = properties.field("json", "Columns of the files, if they are JSON Lines.", Object(read_json));
    let json = json.or(JsonSettings::default());
    let xlsx = properties.field(
        "xlsx",
        "Sheet of files that are workbooks (`.xlsx`), which are recognized among files of CSV.",
        Object(read_xlsx),
    );
    let xlsx = xlsx.or(XlsxSettings::default());
    for (name, of) in [("csv", Format::Csv), ("xlsx", Format::Csv), ("json", Format::JsonLines)] {
        if properties.has(name) && format != of && properties.is_sound() {
            let span = properties.span_of(name);
            properties.report(
                Diagnostic::error("E0107", span, format!("`{name}` is for files of another `format`"))
                    .help("`csv` and `xlsx` belong to `format: csv`, which is the default, and `json` to `format: json-lines`"),
            );
        }
    }
    let defaults = ExtractionSettings::default();
    let rows_per_event = properties
        .field(
            "rowsPerEvent",
            "Maximum number of rows in an event. More rows cost less, and are retried together.",
            Integer(1, 1_000),
        )
        .or(i64::from(defaults.rows_per_event));
    let events_per_second = properties
        .field(
            "eventsPerSecond",
            "Maximum number of events that a task publishes per second; by default as many as the bus accepts.",
            Integer(1, 1_000_000),
        )
        .optional();
    Some(ExtractionSettings {
        format,
        csv,
        json,
        xlsx,
        rows_per_event: u32::try_from(rows_per_event).unwrap_or(1),
        events_per_second: events_per_second.and_then(|events| u32::try_from(events).ok()),
    })
}

fn read_json(properties: &mut Properties<'_>) -> Option<JsonSettings> {
    let columns = properties
        .field(
            "columns",
            "Members that become columns, such as `id` or, in an object, `address.street`. By default all of them.",
            List(Column),
        )
        .or(Vec::new());
    if !properties.is_sound() {
        return None;
    }
    if properties.has("columns") && columns.is_empty() {
        let span = properties.span_of("columns");
        properties.report(
            Diagnostic::error("E0106", span, "no columns")
                .help("name the members that are needed, or leave `columns` out for all of them"),
        );
    }
    report_twice(properties, &columns);
    Some(JsonSettings { columns: columns.into_iter().map(|(name, _)| name).collect() })
}

fn read_xlsx(properties: &mut Properties<'_>) -> Option<XlsxSettings> {
    let sheet =
        properties.field("sheet", "Name of the sheet. By default the first visible one.", Str).optional();
    let fill = properties
        .field(
            "fill",
            "Treatment of merged cells. `none`: the first has the value, and the others are empty; `down`: those below the first have it, too.",
            Choice(&[("none", Fill::None), ("down", Fill::Down)]),
        )
        .or(Fill::None);
    Some(XlsxSettings { sheet, fill })
}

/// Reports columns with the name of an earlier one.
fn report_twice(properties: &mut Properties<'_>, columns: &[(String, Span)]) {
    for (position, (name, span)) in columns.iter().enumerate() {
        if let Some(first) = columns[..position].iter().position(|(other, _)| other == name) {
            let (first, second) = (first + 1, position + 1);
            let message = format!("columns {first} and {second} have the same name, `{}`", shorten(name));
            properties.report(
                Diagnostic::error("E0303", *span, message)
                    .help("fields are found by the name of their column"),
            );
        }
    }
}

fn read_csv(properties: &mut Properties<'_>) -> Option<CsvSettings> {
    let encoding = properties
        .field(
            "encoding",
            "Encoding of files without a byte order mark: a label of the Encoding Standard, or `auto`, which chooses between UTF-8, \
             UTF-16 and one other. By default UTF-8, or UTF-16 where the bytes are that.",
            OneEncoding,
        )
        .optional();
    let delimiter = properties
        .field(
            "delimiter",
            "Character between two fields. By default it is detected in the header; without a header it is a comma.",
            OneCharacter,
        )
        .optional();
    let quote = properties
        .field(
            "quote",
            "Character around a field that contains a delimiter, a line end or the quote itself, which is then doubled.",
            OneCharacter,
        )
        .or(Character::QUOTE);
    let escape = properties
        .field(
            "escape",
            "Escape character that makes the character after it literal, such as `\\` for MySQL; none by default.",
            OneCharacter,
        )
        .optional();
    let comment = properties
        .field(
            "comment",
            "Character at the beginning of lines that are skipped; none by default.",
            OneCharacter,
        )
        .optional();
    let skip = properties
        .field(
            "skip",
            "Number of lines before the header, or before the first row, that are skipped.",
            Integer(0, 1_000),
        )
        .or(0);
    let short = properties
        .field(
            "short",
            "Treatment of a row with fewer fields than columns. `reject`: the row fails; `pad`: the missing fields are empty.",
            Choice(&[("reject", Short::Reject), ("pad", Short::Pad)]),
        )
        .or(Short::Reject);
    let header =
        properties.field("header", "The first line contains the names of the columns.", Boolean).or(true);
    let columns = properties
        .field(
            "columns",
            "Names of the columns, for a file without a header or instead of the names in the header.",
            List(Column),
        )
        .or(Vec::new());
    if !properties.is_sound() {
        return None;
    }
    if delimiter.or((!header).then_some(Character::COMMA)) == Some(quote) {
        let span = properties.span_of(if properties.has("delimiter") { "delimiter" } else { "quote" });
        properties.report(
            Diagnostic::error("E0107", span, "delimiter and quote are the same character")
                .help("a delimiter separates fields, and a quote encloses a field"),
        );
    }
    let first = delimiter.or((!header).then_some(Character::COMMA));
    for (name, given, others) in
        [("escape", escape, [first, Some(quote), None]), ("comment", comment, [first, Some(quote), escape])]
    {
        if given.is_some() && others.contains(&given) {
            let message = format!("`{name}` is the delimiter, the quote or the escape character as well");
            properties.report(Diagnostic::error("E0107", properties.span_of(name), message).help(
                "use a character of its own; without `escape`, a quote within quotes is written twice",
            ));
        }
    }
    match (properties.has("columns"), columns.is_empty()) {
        (false, _) if !header => {
            let span = properties.span_of("header");
            properties.report(
                Diagnostic::error("E0102", span, "`columns` is missing")
                    .help("a file without a header has no names of columns; write `columns: [id, name]`"),
            );
        }
        (true, true) => {
            let span = properties.span_of("columns");
            properties.report(
                Diagnostic::error("E0106", span, "no columns")
                    .help("name every column of the file, from the first to the last"),
            );
        }
        _ => {}
    }
    report_twice(properties, &columns);
    let columns = columns.into_iter().map(|(name, _)| name).collect();
    let skip = u32::try_from(skip).unwrap_or(0);
    Some(CsvSettings { encoding, delimiter, quote, escape, comment, skip, short, header, columns })
}

/// A label of an encoding, `auto`, or `{ auto: … }`.
struct OneEncoding;
impl Read for OneEncoding {
    type Out = EncodingSetting;
    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::String, Shape::Object(describe(read_auto))])
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<EncodingSetting> {
        if matches!(node.value, Value::Mapping(_)) {
            let fallback = Properties::read(node, scope, read_auto)?;
            return Some(EncodingSetting::Auto(Some(fallback)));
        }
        let (text, _) = scope.single(node, "an encoding, `auto`, or `{ auto: … }`")?;
        if text == "auto" {
            return Some(EncodingSetting::Auto(None));
        }
        match Encoding::from_label(&text) {
            Ok(encoding) => Some(EncodingSetting::Declared(encoding)),
            Err(error) => {
                let known = Encoding::COMMON.into_iter().chain(["auto"]);
                scope.report(no_encoding(node, &text, &error, "is not a known encoding", known));
                None
            }
        }
    }
    fn show(&self, _: &EncodingSetting) -> Option<String> {
        None
    }
}

fn read_auto(properties: &mut Properties<'_>) -> Option<Fallback> {
    properties
        .field(
            "auto",
            "Encoding of a file that is neither UTF-8 nor UTF-16: the code of the language in which it is written, such as `de`, or a label.",
            OneFallback,
        )
        .required()
}

/// The code of a language, or a label of an encoding.
struct OneFallback;
impl Read for OneFallback {
    type Out = Fallback;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Fallback> {
        let (text, _) = scope.single(node, "a language or an encoding")?;
        Fallback::from_text(&text)
            .inspect_err(|error| {
                let known = Encoding::COMMON.into_iter().chain(Language::codes());
                let unknown = "is neither a known language nor a known encoding";
                scope.report(no_encoding(node, &text, error, unknown, known));
            })
            .ok()
    }
    fn show(&self, _: &Fallback) -> Option<String> {
        None
    }
}

fn no_encoding<'a>(
    node: &Node,
    text: &str,
    error: &LabelError,
    unknown: &str,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let problem = |words: &str| Diagnostic::error("E0108", node.span, format!("`{}` {words}", shorten(text)));
    match error {
        LabelError::Unknown => problem(unknown).suggest(text, known),
        LabelError::Unreadable(why) => problem("cannot be read").help(*why),
    }
}

/// A delimiter or a quote.
struct OneCharacter;
impl Read for OneCharacter {
    type Out = Character;
    fn shape(&self) -> Shape {
        Shape::Character
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<Character> {
        let (text, _) = scope.single(node, "one character")?;
        let mut characters = text.chars();
        if let (Some(character), None) = (characters.next(), characters.next())
            && let Ok(found) = Character::try_from(character)
        {
            return Some(found);
        }
        let help = match text.as_str() {
            // YAML reads a bare `|` or `>` as an empty text.
            "" => "in quotes, such as `\"|\"`",
            "\\t" | "tab" => "a tab is `\"\\t\"`, in double quotes",
            _ => "an ASCII character that is not a line end, such as `\";\"` or `\"\\t\"`",
        };
        let shown = match text.as_str() {
            "" => "an empty text".to_owned(),
            text if text.contains(char::is_control) => {
                format!("`{}`", shorten(&text.escape_debug().to_string()))
            }
            text => format!("`{}`", shorten(text)),
        };
        scope.report(
            Diagnostic::error("E0108", node.span, format!("{shown} can't be a delimiter or a quote"))
                .help(help),
        );
        None
    }
    fn show(&self, value: &Character) -> Option<String> {
        Some(char::from(*value).to_string())
    }
}

/// The name of a column, trimmed as those of a header are, and its place.
struct Column;
impl Read for Column {
    type Out = (String, Span);
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<(String, Span)> {
        let name = Str.read(node, scope)?;
        let name = columns::trim(&name);
        if name.is_empty() {
            scope.report(
                Diagnostic::error("E0108", node.span, "a column needs a name")
                    .help("fields are found by it; a column that is not needed can have any name"),
            );
            return None;
        }
        Some((name.to_owned(), node.span))
    }
    fn show(&self, _: &(String, Span)) -> Option<String> {
        None
    }
}
