//! The place of the cursor in a file that is being written, and is likely not YAML at this moment.
//!
//! A mark takes the place of the word at the cursor, and the reader of the language reads the result: the whole file,
//! else what is before the cursor with its brackets closed, else only the lines that the cursor is inside of by their
//! indentation. The mark is read as a value, and where that is not YAML as a key.

use deployer_syntax::diagnostic::Diagnostics;
use deployer_syntax::yaml::{self, Node, Open, open_at_end};
use deployer_syntax::{Source, Span};

use crate::place::{At, Place, find};
use crate::text::Text;

/// The mark, a word that nobody writes.
const MARK: &str = "qXcursorXq";
/// Longest text in which the cursor is looked for: that of the longest file that the language reads.
const MAX_TEXT: usize = 4 << 20;

/// The place of the cursor.
#[derive(Debug)]
pub struct Cursor {
    root: Node,
    /// Byte of the mark in the text that was read.
    at: usize,
    /// The word at the cursor, which a completion replaces.
    pub word: Span,
    /// What is open before the word.
    pub open: Open,
}

impl Cursor {
    /// Returns the place of the cursor in [`Cursor::root`].
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        find(&self.root, self.at)
    }

    /// Returns the tree with the mark in it, of the whole file or of a part.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Returns whether the word is the whole key or value.
    fn is_whole(&self) -> bool {
        match self.place().map(|place| place.at) {
            Some(At::Key { entry, .. }) => is_mark(&entry.key),
            Some(At::Value { node, .. }) => crate::outline::text(node) == Some(MARK),
            None => false,
        }
    }
}

/// Returns whether a key is the mark.
#[must_use]
pub fn is_mark(key: &str) -> bool {
    key == MARK
}

/// Returns the place of the cursor. `whole` demands that the word at the cursor is a whole key or value, and not a part
/// of a text. `None` in a comment, and where no reading of the file has the cursor in it.
#[must_use]
pub fn read(text: &Text, offset: usize, whole: bool) -> Option<Cursor> {
    let all = text.as_str();
    if all.len() > MAX_TEXT {
        return None;
    }
    let word = word_at(text, offset);
    let (before, after) = (all.get(..word.start)?, all.get(word.end..)?);
    let open = open_at_end(before);
    if open.comment {
        return None;
    }
    let rest = after.lines().next().unwrap_or_default().trim_start();
    let may_be_key = rest.is_empty() || rest.starts_with('#');
    let closed = closing(&open);
    let lines = enclosing_lines(before, false);
    let ancestors = enclosing_lines(before, true);
    let readings = [
        (before, after.to_owned()),
        (before, closed.clone()),
        (lines.as_str(), closing(&open_at_end(&lines))),
        (ancestors.as_str(), closing(&open_at_end(&ancestors))),
    ];
    let colons: &[&str] = if may_be_key { &["", ":"] } else { &[""] };
    for (before, after) in &readings {
        for colon in colons {
            let source = Source::new("", format!("{before}{MARK}{colon}{after}"));
            let Some(root) = yaml::parse(&source, &mut Diagnostics::default()) else { continue };
            let cursor = Cursor { root, at: before.len(), word, open: open.clone() };
            if if whole { cursor.is_whole() } else { cursor.place().is_some() } {
                return Some(cursor);
            }
        }
    }
    None
}

/// Returns the word at a byte: letters, digits, `-`, `_`, `.`, and `::` between them.
#[must_use]
pub fn word_at(text: &Text, offset: usize) -> Span {
    let line = text.line(offset);
    let offset = offset.clamp(line.start, line.end);
    let all = text.as_str();
    let (before, after) =
        (all.get(line.start..offset).unwrap_or_default(), all.get(offset..line.end).unwrap_or_default());
    let part = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let mut start = offset;
    let mut rest = before;
    while let Some(letter) = rest.chars().next_back() {
        if part(letter) {
            start -= letter.len_utf8();
            rest = rest.get(..rest.len() - letter.len_utf8()).unwrap_or_default();
        } else if let Some(shorter) = rest.strip_suffix("::") {
            start -= 2;
            rest = shorter;
        } else {
            break;
        }
    }
    let mut end = offset;
    let mut rest = after;
    while let Some(letter) = rest.chars().next() {
        if part(letter) {
            end += letter.len_utf8();
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        } else if let Some(shorter) = rest.strip_prefix("::") {
            end += 2;
            rest = shorter;
        } else {
            break;
        }
    }
    // The dash of a list is not a part of the word after it.
    let dash = all.get(start..end).is_some_and(|word| word.starts_with('-'));
    Span { start: if dash && start < offset { start + 1 } else { start }, end }
}

/// Returns the characters that close what is open.
fn closing(open: &Open) -> String {
    let brackets = open.brackets.iter().rev().map(|(_, bracket)| if *bracket == '{' { '}' } else { ']' });
    open.quote.into_iter().chain(brackets).collect()
}

/// Returns the lines before the cursor that it is inside of by their indentation, and its own line as far as the
/// cursor. Unless `only` these are wanted, the lines of one key and value beside them are added, such as `type: queue`.
fn enclosing_lines(before: &str, only: bool) -> String {
    let (above, own) = before.rsplit_once('\n').map_or(("", before), |(above, own)| (above, own));
    let indent_of = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut limit = match own.trim() {
        "" => own.len(),
        _ => own.len() - own.trim_start().len(),
    };
    let mut kept = vec![own];
    for line in above.lines().rev() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let spaces = line.len() - line.trim_start().len();
        let simple = || {
            trimmed.contains(": ")
                && open_at_end(line) == Open { comment: open_at_end(line).comment, ..Open::default() }
        };
        if spaces < limit {
            limit = spaces;
            kept.push(line);
        } else if !only && indent_of(line) == limit && simple() {
            kept.push(line);
        }
        if limit == 0 {
            break;
        }
    }
    kept.reverse();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Step;

    /// Returns the path to the cursor `|` of a text, with `?` for a key.
    fn path(text: &str) -> Option<String> {
        let offset = text.find('|').expect("a cursor");
        let text = Text::new("s", text.replacen('|', "", 1));
        let cursor = read(&text, offset, true)?;
        let place = cursor.place()?;
        let steps = place.path.iter().map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Item => "*".to_owned(),
        });
        let mut out: Vec<String> = steps.collect();
        if let At::Key { .. } = place.at {
            out.push("?".to_owned());
        }
        Some(out.join("."))
    }

    #[test]
    fn the_cursor_is_found_in_a_file_that_is_being_written() {
        for (text, expected) in [
            ("a:\n  b: |\n", "a.b"),
            ("a:\n  |\n", "a"),
            ("a:\n  b: 1\n  c|\n", "a.?"),
            ("a:\n  b: 1\n  c|: 2\n", "a.?"),
            ("a:\n  b: 1\n  |\nd: 1\n", "a.?"),
            ("a: { b: 1, c| }\n", "a.?"),
            ("a: { b: [{ c: x| }] }\n", "a.b.*.c"),
            ("a: [|]\n", "a.*"),
            ("a:\n- b: 1\n  |\n", "a.*.?"),
            ("a:\n- |\n", "a.*"),
            // What follows, or comes before, is not YAML.
            ("a:\n  b: |\n  c: {\n", "a.b"),
            ("a: { b: [{ c: x|\nd: 1\n", "a.b.*.c"),
            ("a: [{ b: \"x|\n", "a.*.b"),
            ("x: {\na:\n  t: q\n  b:\n    c: |\n", "a.b.c"),
            ("x: }\na:\n  b:\n    c|", "a.b"),
        ] {
            assert_eq!(path(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(path("a: 1 # |\n"), None, "a comment");
        assert_eq!(path("a: one |\n"), None, "a part of a text");
    }

    #[test]
    fn a_word_ends_where_a_name_does() {
        let word = |text: &str| {
            let offset = text.find('|').expect("a cursor");
            let text = Text::new("s", text.replacen('|', "", 1));
            let word = word_at(&text, offset);
            text.as_str().get(word.start..word.end).expect("a word").to_owned()
        };
        assert_eq!(word("type: AWS::SQ|S::Queue\n"), "AWS::SQS::Queue");
        assert_eq!(word("- na|me: x"), "name");
        assert_eq!(word("- |name"), "name");
        assert_eq!(word("a: \"🦀ü|\""), "ü");
        assert_eq!(word("a: |"), "");
    }
}
