//! The `stack.yaml` of a file whose settings were guessed: that of the template `etl`, with fields, key and dialect of
//! its own, and the reasons as comments.

use contract::settings::{Character, CsvSettings, EncodingSetting, FieldSettings, Format, Short};

use super::found::Found;
use crate::guess::{Field, KeyAttribute, counted};

/// The greatest width of a comment.
const WIDTH: usize = 118;
/// Bytes of a file up to which `extract` reads files of its kind itself.
const INLINE: u64 = 5 << 20;
/// Bytes of the names of all columns up to which `extract` does: it gets them in its variables, which have 4 KB.
const MAX_NAMES: usize = 1_024;
/// Rows from which on they share events.
const MANY_ROWS: u64 = 5_000;

/// The facts about the project that are not in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming<'n> {
    /// The name of the pipeline.
    pub(super) name: &'n str,
    /// The name of the file, without its folder.
    pub(super) file: &'n str,
}

/// Returns the stack file, and the number of fields that are comments in it. `template` is that of `etl`, and of the
/// fields that are no part of the key, those are used that have room in so many bytes of settings.
pub(super) fn stack_file(template: &str, naming: Naming<'_>, found: &Found, room: usize) -> (String, usize) {
    let mut out = String::new();
    let mut left_out = 0;
    // The lines of a block that is replaced have a greater indentation than this.
    let mut replaced: Option<usize> = None;
    for line in template.lines() {
        let indentation = line.len() - line.trim_start().len();
        if replaced.is_some_and(|of| indentation > of || line.is_empty()) {
            continue;
        }
        replaced = None;
        let text = line.trim_start();
        if line.starts_with("name: ") {
            out.push_str(&format!("name: {}\n", naming.name));
        } else if line.starts_with("description: ") {
            let about = format!("Upload {}; every row is transformed and lands in DynamoDB.", naming.file);
            out.push_str(&format!("description: {}\n", scalar(&literal(&about))));
        } else if text.starts_with("notify: ") {
            out.push_str(&line.replace(", suffix: .csv", &suffix(naming.file)));
            out.push('\n');
        } else if text.starts_with("properties: { key: { id: ") {
            let pad = " ".repeat(indentation);
            out.push_str(&format!("{pad}properties: {{ key: {{ {} }} }}\n", key(&found.guess.key)));
        } else if text.starts_with(STARTS) && is_inlined(found) {
            inlined(line, indentation, &mut out);
        } else if text.starts_with("disk: ") {
            out.push_str(line);
            out.push('\n');
            reading(found, indentation, &mut out);
        } else if text.starts_with("fields:") {
            about(naming, found, indentation, &mut out);
            let pad = " ".repeat(indentation);
            if let Some(filter) = &found.filter {
                out.push_str(&format!("{pad}where: {}\n", quoted(&literal(filter))));
            }
            out.push_str(&format!("{pad}fields:\n"));
            left_out = fields(found, room, indentation + 2, &mut out);
            replaced = Some(indentation);
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    (out, left_out)
}

/// The beginning of the access of `extract` in the template.
const STARTS: &str = "access: [{ run: \"${extraction}\" }, ";

/// Returns whether `extract` is to read files like this one itself.
fn is_inlined(found: &Found) -> bool {
    let names: usize = found.survey.names().iter().map(String::len).sum();
    found.size <= INLINE && names <= MAX_NAMES
}

/// Writes the access and the settings of an `extract` that reads small files itself.
fn inlined(line: &str, indentation: usize, out: &mut String) {
    let access = line.replacen(
        STARTS,
        &format!("{STARTS}{{ read: \"${{landing}}\" }}, {{ tally: \"${{tally}}\" }}, "),
        1,
    );
    let pad = " ".repeat(indentation);
    out.push_str(&format!(
        "{access}\n{pad}settings: {{ inline: 5MiB }} # without waiting for a task, which reads larger files\n"
    ));
}

/// Returns the suffix of the files that start the pipeline: that of the file.
fn suffix(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    let packed = [".gz", ".zst"].into_iter().find(|end| lower.ends_with(end)).unwrap_or_default();
    let inner = lower.len() - packed.len();
    let start =
        lower.get(..inner).and_then(|name| name.rfind('.')).filter(|dot| *dot > 0 && inner - dot <= 8);
    let end = file.get(start.unwrap_or(inner)..).unwrap_or_default();
    match end.is_empty() {
        true => String::new(),
        false => format!(", suffix: {}", if plain(end) { end.to_owned() } else { quoted(&literal(end)) }),
    }
}

fn plain(suffix: &str) -> bool {
    suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn key(key: &[KeyAttribute]) -> String {
    let parts = key
        .iter()
        .map(|part| format!("{}: {}", scalar(&part.name), if part.is_number { "number" } else { "string" }));
    parts.collect::<Vec<_>>().join(", ")
}

/// Writes the settings of the task.
fn reading(found: &Found, indentation: usize, out: &mut String) {
    let defaults = CsvSettings::default();
    let (settings, csv) = (&found.settings, &found.settings.csv);
    let mut lines: Vec<String> = Vec::new();
    if settings.format == Format::JsonLines {
        lines.push("format: json-lines".to_owned());
    }
    if *csv != defaults {
        lines.push("csv:".to_owned());
        if let Some(EncodingSetting::Declared(encoding)) = csv.encoding {
            lines.push(format!("  encoding: {}", encoding.name()));
        }
        let characters =
            [("delimiter", csv.delimiter), ("escape", csv.escape), ("comment", csv.comment)].into_iter();
        lines.extend(characters.filter_map(|(name, character)| {
            Some(format!("  {name}: {}", quoted(&char::from(character?).to_string())))
        }));
        if csv.skip > 0 {
            lines.push(format!("  skip: {}", csv.skip));
        }
        if csv.short == Short::Pad {
            lines.push("  short: pad".to_owned());
        }
        if !csv.header {
            lines.push("  header: false".to_owned());
        }
        if !csv.columns.is_empty() {
            lines.push("  columns:".to_owned());
            lines.extend(csv.columns.iter().map(|column| format!("    - {}", scalar(&literal(column)))));
        }
    }
    if let Some(sheet) = &settings.xlsx.sheet {
        lines.push(format!("xlsx: {{ sheet: {} }}", scalar(&literal(sheet))));
    }
    if found.survey.rows() >= MANY_ROWS {
        lines.push("rowsPerEvent: 100 # cheaper and faster than an event for each row".to_owned());
    }
    let pad = " ".repeat(indentation);
    if !lines.is_empty() {
        out.push_str(&format!("{pad}settings:\n"));
    }
    lines.iter().for_each(|line| out.push_str(&format!("{pad}  {line}\n")));
}

/// Writes a comment on the file and the key.
fn about(naming: Naming<'_>, found: &Found, indentation: usize, out: &mut String) {
    let guess = &found.guess;
    let rows = counted(found.survey.rows(), "row");
    let mut lines = vec![format!(
        "Guessed from {} ({rows}, {}): {}",
        printable(naming.file),
        counted(guess.fields.iter().filter(|field| field.settings.from.is_some()).count() as u64, "column"),
        match found.survey.rows() {
            0 => "it has no values, so that all fields are texts.",
            _ => "every value of the file has the type of its field. What was in doubt stays text.",
        }
    )];
    let delimiter = found.settings.csv.delimiter.filter(|delimiter| *delimiter != Character::COMMA);
    if let Some(delimiter) = delimiter {
        lines.push(format!("The delimiter is {}.", quoted(&char::from(delimiter).to_string())));
    }
    if let Some(writer) = &guess.writer {
        lines.push(format!("Written by {} ({}): {}.", writer.name, writer.trace, writer.advice));
    }
    for (position, note) in guess.key_notes.iter().enumerate() {
        lines.push(if position == 0 { format!("The key is {note}.") } else { sentence(note) });
    }
    lines.extend(guess.notes.iter().map(|note| sentence(note)));
    lines.extend(found.warnings.iter().map(|warning| sentence(warning)));
    if guess.fields.iter().any(|field| field.sensitive.is_some()) {
        lines.push(
            format!(
                "Fields that seem to be sensitive are marked below. With `sensitive: true`, a value is encrypted between the file and \
                 the table. That needs a resource `secrets: {{ type: key }}`, `{{ encrypt: \"${{secrets}}\" }}` in the `access` of {}, and \
                 `{{ decrypt: \"${{secrets}}\" }}` in that of `load`: see `deployer docs encryption`.",
                if is_inlined(found) { "`extract` and `extraction`" } else { "`extraction`" }
            ),
        );
    }
    lines.iter().for_each(|line| comment(line, indentation, out));
}

/// Returns a note as a sentence.
fn sentence(note: &str) -> String {
    let mut letters = note.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

/// Writes the fields with their notes, and returns the number of those that are comments.
fn fields(found: &Found, room: usize, indentation: usize, out: &mut String) -> usize {
    let is_key = |field: &Field| found.guess.key.iter().any(|part| part.name == field.settings.name);
    let mut used = 0;
    let mut left_out = Vec::new();
    for field in &found.guess.fields {
        if !is_key(field) {
            let bytes = size(&field.settings);
            if used + bytes > room {
                left_out.push(field);
                continue;
            }
            used += bytes;
        }
        write_field(field, indentation, out);
    }
    if left_out.is_empty() {
        return 0;
    }
    comment(
        &format!(
            "{} not used: Lambda holds 4 KB of settings. Swap them with others that you need more:",
            match left_out.len() {
                1 => "1 column is".to_owned(),
                count => format!("{} are", counted(count as u64, "column")),
            }
        ),
        indentation,
        out,
    );
    for field in &left_out {
        out.push_str(&format!("{}# {}\n", " ".repeat(indentation), entry(&field.settings)));
    }
    left_out.len()
}

/// Returns the bytes of a field in the settings of the worker.
pub(super) fn size(field: &FieldSettings) -> usize {
    serde_json::to_string(field).map_or(usize::MAX, |json| json.len() + 1)
}

fn write_field(field: &Field, indentation: usize, out: &mut String) {
    let pad = " ".repeat(indentation);
    let entry = entry(&field.settings);
    let mut notes = field.notes.clone();
    if let Some(what) = field.sensitive {
        notes.push(format!("{what}? propose: `sensitive: true`"));
    }
    let note = notes.join("; ");
    if note.is_empty() {
        out.push_str(&format!("{pad}{entry}\n"));
    } else if indentation + entry.chars().count() + note.chars().count() + 3 <= WIDTH {
        out.push_str(&format!("{pad}{entry} # {}\n", printable(&note)));
    } else {
        comment(&note, indentation, out);
        out.push_str(&format!("{pad}{entry}\n"));
    }
}

/// Returns a field in one line.
fn entry(field: &FieldSettings) -> String {
    let name = scalar(&field.name);
    if let Some(template) = &field.template {
        return format!("{name}: {}", quoted(template));
    }
    let mut parts = Vec::new();
    parts.extend(field.from.as_deref().map(|from| format!("from: {}", scalar(&literal(from)))));
    parts.extend(field.kind.map(|kind| format!("type: {}", kind.word())));
    parts.extend(field.decimal.map(|decimal| format!("decimal: {}", quoted(&decimal.to_string()))));
    parts.extend(field.group.map(|group| format!("group: {}", quoted(&group.to_string()))));
    for (property, words) in [("true", &field.truths), ("false", &field.falsehoods)] {
        if let Some(words) = words {
            let words: Vec<String> = words.iter().map(|word| quoted(&literal(word))).collect();
            parts.push(format!("{property}: [{}]", words.join(", ")));
        }
    }
    let format = field.format.iter().flatten().next();
    parts.extend(format.map(|format| format!("format: {}", quoted(format))));
    for (property, is) in [("required", field.required), ("optional", field.optional)] {
        if is {
            parts.push(format!("{property}: true"));
        }
    }
    format!("{name}: {{ {} }}", parts.join(", "))
}

/// Writes a comment, in several lines if it is long.
fn comment(text: &str, indentation: usize, out: &mut String) {
    let pad = " ".repeat(indentation);
    let mut line = String::new();
    for word in printable(text).split_whitespace() {
        if !line.is_empty() && indentation + 3 + line.chars().count() + word.chars().count() > WIDTH {
            out.push_str(&format!("{pad}#{line}\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&format!("{pad}#{line}\n"));
}

/// Returns a text in which nothing ends the comment that it is in.
fn printable(text: &str) -> String {
    let escape = |out: &mut String, letter: char| {
        if letter.is_control() || is_break(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        escape(&mut out, letter);
        out
    })
}

/// Returns whether YAML 1.1 breaks lines at the character, or refuses it.
const fn is_break(letter: char) -> bool {
    matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Returns a text with `${` as the language writes it for the two characters themselves.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// Returns a text as a scalar of a flow mapping: without quotes if no reader of YAML takes it for anything else.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 12] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "~"];
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'.' | b'-' | b' ');
    let bare = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(word)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if bare { text.to_owned() } else { quoted(text) }
}

/// Returns a text in double quotes.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.chars().fold(String::with_capacity(json.len()), |mut out, letter| {
        if is_break(letter) {
            out.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            out.push(letter);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_is_that_of_the_file() {
        for (file, expected) in [
            ("orders.csv", ", suffix: .csv"),
            ("orders.csv.gz", ", suffix: .csv.gz"),
            ("ORDERS.CSV", ", suffix: .CSV"),
            ("orders.2026-01-31.tsv.zst", ", suffix: .tsv.zst"),
            ("orders", ""),
            (".csv", ""),
            ("orders.a b", ", suffix: \".a b\""),
        ] {
            assert_eq!(suffix(file), expected, "{file}");
        }
    }

    #[test]
    fn a_comment_stays_one() {
        let mut out = String::new();
        comment(&"word ".repeat(60), 4, &mut out);
        comment("a\nb\u{2028}c\u{85}", 4, &mut out);
        assert!(out.lines().count() > 3 && out.lines().all(|line| line.starts_with("    # ")), "{out}");
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
    }

    #[test]
    fn names_are_quoted_where_yaml_needs_it() {
        for (text, expected) in [
            ("Order ID", "Order ID"),
            ("a: b", "\"a: b\""),
            ("#", "\"#\""),
            ("1960", "\"1960\""),
            ("No", "\"No\""),
            ("a,b", "\"a,b\""),
            ("a\nb", "\"a\\nb\""),
            ("Größe", "\"Größe\""),
            ("x\u{2028}", "\"x\\u2028\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
        let field =
            FieldSettings { name: "a".into(), from: Some("x${y}".into()), ..FieldSettings::default() };
        assert_eq!(entry(&field), "a: { from: \"x$${y}\" }");
    }
}
