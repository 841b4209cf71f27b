//! Changes of a text: those of a [`Fix`], in the form of the file.
//!
//! A problem says what to change by names, because the stage that finds it has a model and no text. [`Fix::edits`] finds
//! the bytes, and gives nothing where the text has a form that it can't change safely.

use crate::diagnostic::{Diagnostics, Source, Span};
use crate::fix::Fix;
use crate::yaml::{self, Entry, Node, Value};

/// One change: a range of the text and its new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that are replaced.
    pub span: Span,
    /// The text in their place.
    pub text: String,
}

impl Edit {
    fn insert(at: usize, text: String) -> Self {
        Self { span: Span { start: at, end: at }, text }
    }
}

impl Fix {
    /// Returns the changes of a text whose root is `root`, in the order of the text; `None` if the text has a form in
    /// which the fix can't be applied. `marked` is the place of the problem.
    #[must_use]
    pub fn edits(&self, marked: Span, source: &Source, root: &Node) -> Option<Vec<Edit>> {
        let text = source.text.get(marked.start..marked.end)?;
        let mut edits = match self {
            Self::Word { wrong, right } => {
                let at = marked.start + only_word(text, wrong)?;
                let span = Span { start: at, end: at + wrong.len() };
                vec![Edit { span, text: right.clone() }]
            }
            Self::Value(value) => vec![Edit { span: marked, text: value.clone() }],
            Self::List => match block_mapping(root, source, marked) {
                Some(()) => list_of_block(source, marked)?,
                None => {
                    vec![Edit::insert(marked.start, "[".to_owned()), Edit::insert(marked.end, "]".to_owned())]
                }
            },
            Self::Item { list, item } => vec![add_item(source, root, list, item)?],
            Self::Move { key, below } => moved(source, root, marked, key, below)?,
        };
        edits.sort_by_key(|edit| edit.span);
        // A value in the wrong form of quotes, or a comment in the way: the changed text must at least be YAML.
        let changed = Source::new(source.name.as_str(), apply(&source.text, &edits)?);
        let mut problems = Diagnostics::default();
        yaml::parse(&changed, &mut problems)?;
        problems.is_empty().then_some(edits)
    }
}

/// Finds the mapping at a place that is written on lines, and not in brackets.
fn block_mapping(node: &Node, source: &Source, marked: Span) -> Option<()> {
    match &node.value {
        Value::Mapping(_) if node.span == marked && !is_flow(source, node) => Some(()),
        Value::Mapping(entries) => {
            entries.iter().find_map(|entry| block_mapping(&entry.value, source, marked))
        }
        Value::Sequence(items) => items.iter().find_map(|item| block_mapping(item, source, marked)),
        Value::Tagged { node, .. } => block_mapping(node, source, marked),
        Value::Scalar { .. } => None,
    }
}

/// Makes a mapping on lines the only item of a list: a dash before its first key, and the other lines below that.
fn list_of_block(source: &Source, marked: Span) -> Option<Vec<Edit>> {
    let line = source.text.get(..marked.start)?.rfind('\n').map_or(0, |end| end + 1);
    // After a tag or an anchor, the lines would not be below the dash.
    source.text.get(line..marked.start)?.trim().is_empty().then_some(())?;
    let text = source.text.get(marked.start..marked.end)?;
    let lines = text.match_indices('\n').map(|(at, _)| marked.start + at + 1);
    let is_filled = |at: &usize| {
        let rest = source.text.get(*at..marked.end).unwrap_or_default();
        rest.lines().next().is_some_and(|line| !line.trim().is_empty())
    };
    let rest = lines.filter(is_filled).map(|at| Edit::insert(at, "  ".to_owned()));
    Some(std::iter::once(Edit::insert(marked.start, "- ".to_owned())).chain(rest).collect())
}

/// Applies changes, in the order of the text, to it; `None` if they overlap or are not on characters.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::new();
    let mut at = 0;
    for Edit { span, text: new } in edits {
        out.push_str(text.get(at..span.start)?);
        out.push_str(new);
        at = span.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// Returns the place of a word that a text contains once.
fn only_word(text: &str, word: &str) -> Option<usize> {
    let part_of_word =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || "-_".contains(letter));
    let mut found = text.match_indices(word).map(|(at, _)| at).filter(|at| {
        let (before, after) = (text.get(..*at), text.get(at + word.len()..));
        !part_of_word(before.and_then(|before| before.chars().next_back()))
            && !part_of_word(after.and_then(|after| after.chars().next()))
    });
    let first = found.next()?;
    (found.next().is_none() && !word.is_empty()).then_some(first)
}

fn add_item(source: &Source, root: &Node, list: &[String], item: &str) -> Option<Edit> {
    let mut node = root;
    for (depth, key) in list.iter().enumerate() {
        let Value::Mapping(entries) = &node.value else { return None };
        let Some(entry) = entries.iter().find(|entry| entry.key == *key) else {
            let value = nested(list.get(depth + 1..)?, item);
            return add_entry(source, node, entries, &format!("{key}: {value}"));
        };
        if entry.value.is_null() {
            let value = nested(list.get(depth + 1..)?, item);
            return Some(Edit::insert(after_colon(source, entry)?, format!(" {value}")));
        }
        node = &entry.value;
    }
    let Value::Sequence(items) = &node.value else { return None };
    add_to_list(source, node, items, item)
}

/// Sets the value below some keys, each of a mapping, or the number of an item of a list: in its place if it is there, else after the
/// last key or item beside it. `value` is written on one line. `None` if the text has a form in which that can't be done.
#[must_use]
pub fn set(source: &Source, root: &Node, keys: &[String], value: &str) -> Option<Edit> {
    let mut node = root;
    for (depth, key) in keys.iter().enumerate() {
        let rest = keys.get(depth + 1..)?;
        let nested =
            || rest.iter().rev().fold(value.to_owned(), |value, key| format!("{{ {key}: {value} }}"));
        match &node.value {
            Value::Mapping(entries) => match entries.iter().find(|entry| entry.key == *key) {
                Some(entry) if entry.value.is_null() => {
                    return Some(Edit::insert(after_colon(source, entry)?, format!(" {}", nested())));
                }
                Some(entry) => node = &entry.value,
                None => return add_entry(source, node, entries, &format!("{key}: {}", nested())),
            },
            Value::Sequence(items) => match key.parse::<usize>().ok()? {
                at if at < items.len() => node = items.get(at)?,
                at if at == items.len() && rest.is_empty() => {
                    return add_to_list(source, node, items, value);
                }
                _ => return None,
            },
            Value::Scalar { .. } | Value::Tagged { .. } => return None,
        }
    }
    // A block, or a text of several lines, would have to be indented anew.
    let written = source.text.get(node.span.start..node.span.end)?;
    (!written.contains('\n')).then(|| Edit { span: node.span, text: value.to_owned() })
}

/// Removes the entry below some keys, or the item of a list. `None` if the text has a form in which that can't be done.
#[must_use]
pub fn remove(source: &Source, root: &Node, keys: &[String]) -> Option<Edit> {
    let (last, parents) = keys.split_last()?;
    let mut node = root;
    for key in parents {
        node = match &node.value {
            Value::Mapping(entries) => &entries.iter().find(|entry| entry.key == *key)?.value,
            Value::Sequence(items) => items.get(key.parse::<usize>().ok()?)?,
            Value::Scalar { .. } | Value::Tagged { .. } => return None,
        };
    }
    let spans: Vec<Span> = match &node.value {
        Value::Mapping(entries) => {
            entries.iter().map(|one| Span { start: one.key_span.start, end: one.value.span.end }).collect()
        }
        Value::Sequence(items) => items.iter().map(|item| item.span).collect(),
        Value::Scalar { .. } | Value::Tagged { .. } => return None,
    };
    let at = match &node.value {
        Value::Mapping(entries) => entries.iter().position(|entry| entry.key == *last)?,
        _ => last.parse::<usize>().ok()?,
    };
    let own = *spans.get(at)?;
    let removed = if is_flow(source, node) {
        match (at.checked_sub(1).and_then(|before| spans.get(before)), spans.get(at + 1)) {
            (_, Some(after)) => Span { start: own.start, end: after.start },
            (Some(before), None) => Span { start: before.end, end: own.end },
            (None, None) => own,
        }
    } else {
        // An empty block would be nothing instead of an empty mapping.
        if spans.len() == 1 {
            return None;
        }
        let start = source.text.get(..own.start)?.rfind('\n').map_or(0, |end| end + 1);
        let rest = source.text.get(own.end..)?;
        let end = rest.find('\n').map_or(source.text.len(), |end| own.end + end + 1);
        let before = source.text.get(start..own.start)?.trim();
        (before.is_empty() || before == "-" && matches!(node.value, Value::Sequence(_)))
            .then_some(Span { start, end })?
    };
    Some(Edit { span: removed, text: String::new() })
}

/// Adds an item at the end of a list.
fn add_to_list(source: &Source, node: &Node, items: &[Node], item: &str) -> Option<Edit> {
    let Some(last) = items.last() else {
        return Some(Edit { span: node.span, text: format!("[{item}]") });
    };
    if is_flow(source, node) {
        return Some(Edit::insert(last.span.end, format!(", {item}")));
    }
    let line = source.text.get(..last.span.start)?.rfind('\n').map_or(0, |end| end + 1);
    let before = source.text.get(line..last.span.start)?;
    let dash =
        before.rfind('-').filter(|dash| before.get(dash + 1..).is_some_and(|rest| rest.trim().is_empty()))?;
    Some(new_line(source, last.span.end, dash, &format!("- {item}")))
}

/// Returns whether a list or a mapping is written in brackets. The place of a block list may be that of its first item.
fn is_flow(source: &Source, node: &Node) -> bool {
    let first = match &node.value {
        Value::Sequence(items) => items.first().map(|item| item.span.start),
        Value::Mapping(entries) => entries.first().map(|entry| entry.key_span.start),
        Value::Scalar { .. } | Value::Tagged { .. } => return false,
    };
    let bracket = source.text.get(node.span.start..).is_some_and(|rest| rest.starts_with(['[', '{']));
    bracket && first != Some(node.span.start)
}

/// Returns a list of one item below some keys, on one line.
fn nested(keys: &[String], item: &str) -> String {
    keys.iter().rev().fold(format!("[{item}]"), |value, key| format!("{{ {key}: {value} }}"))
}

/// Returns the place after the colon of a key without a value.
fn after_colon(source: &Source, entry: &Entry) -> Option<usize> {
    let rest = source.text.get(entry.key_span.end..)?;
    let colon = rest.find(|letter: char| letter != ' ')?;
    rest.get(colon..)?.starts_with(':').then_some(entry.key_span.end + colon + 1)
}

/// Adds a key with its value at the end of a mapping.
fn add_entry(source: &Source, node: &Node, entries: &[Entry], text: &str) -> Option<Edit> {
    let Some(last) = entries.last() else {
        return Some(Edit { span: node.span, text: format!("{{ {text} }}") });
    };
    if is_flow(source, node) {
        return Some(Edit::insert(last.value.span.end, format!(", {text}")));
    }
    let first = entries.first()?.key_span.start;
    let line = source.text.get(..first)?.rfind('\n').map_or(0, |end| end + 1);
    Some(new_line(source, last.value.span.end, first - line, text))
}

/// Adds a line after the one in which something ends.
fn new_line(source: &Source, after: usize, indent: usize, text: &str) -> Edit {
    let rest = source.text.get(after..).unwrap_or_default();
    let end = rest.find('\n').unwrap_or(rest.len());
    let (end, line_end) = match rest.get(..end).is_some_and(|line| line.ends_with('\r')) {
        true => (end - 1, "\r\n"),
        false => (end, "\n"),
    };
    Edit::insert(after + end, format!("{line_end}{:indent$}{text}", ""))
}

fn moved(source: &Source, root: &Node, marked: Span, key: &str, below: &str) -> Option<Vec<Edit>> {
    let (node, entries) = mapping_with(root, marked)?;
    let at = entries.iter().position(|entry| entry.key_span == marked)?;
    let entry = entries.get(at)?;
    let value = source.text.get(entry.value.span.start..entry.value.span.end)?;
    // A block value would have to be indented anew.
    let is_block = !matches!(entry.value.value, Value::Scalar { .. }) && !is_flow(source, &entry.value);
    if entry.value.is_null() || is_block || value.contains('\n') {
        return None;
    }
    let text = format!("{key}: {value}");
    let added = match entries.iter().find(|entry| entry.key == below) {
        Some(Entry { value, .. }) => match &value.value {
            Value::Mapping(inner) => add_entry(source, value, inner, &text)?,
            _ => return None,
        },
        None => {
            let text = format!("{below}: {{ {text} }}");
            return Some(vec![Edit { span: Span { start: marked.start, end: entry.value.span.end }, text }]);
        }
    };
    let removed = if is_flow(source, node) {
        match (at.checked_sub(1).and_then(|before| entries.get(before)), entries.get(at + 1)) {
            (_, Some(after)) => Span { start: marked.start, end: after.key_span.start },
            (Some(before), None) => Span { start: before.value.span.end, end: entry.value.span.end },
            (None, None) => return None,
        }
    } else {
        let start = source.text.get(..marked.start)?.rfind('\n').map_or(0, |end| end + 1);
        let rest = source.text.get(entry.value.span.end..)?;
        let end = rest.find('\n').map_or(source.text.len(), |end| entry.value.span.end + end + 1);
        // The dash of a list is on the line of its first key.
        source.text.get(start..marked.start)?.trim().is_empty().then_some(Span { start, end })?
    };
    Some(vec![Edit { span: removed, text: String::new() }, added])
}

/// Returns the mapping that has the key at a place.
fn mapping_with(node: &Node, key: Span) -> Option<(&Node, &[Entry])> {
    match &node.value {
        Value::Mapping(entries) if entries.iter().any(|entry| entry.key_span == key) => Some((node, entries)),
        Value::Mapping(entries) => entries.iter().find_map(|entry| mapping_with(&entry.value, key)),
        Value::Sequence(items) => items.iter().find_map(|item| mapping_with(item, key)),
        Value::Tagged { node, .. } => mapping_with(node, key),
        Value::Scalar { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies a fix to a text, at the first place of `marked`.
    fn fixed(text: &str, marked: &str, fix: &Fix) -> Option<String> {
        let source = Source::new("stack.yaml", text);
        let root = yaml::parse(&source, &mut Diagnostics::default()).expect("YAML");
        let start = text.find(marked).expect("the place");
        let edits = fix.edits(Span { start, end: start + marked.len() }, &source, &root)?;
        apply(text, &edits)
    }

    fn item() -> Fix {
        Fix::Item { list: ["r", "p", "access"].map(str::to_owned).to_vec(), item: "{ a: b }".to_owned() }
    }

    #[test]
    fn a_word_is_replaced_where_it_is_the_only_one() {
        let fix = |wrong: &str, right: &str| Fix::Word { wrong: wrong.to_owned(), right: right.to_owned() };
        let text = "a: \"x-${lnding.arn}\"\n";
        assert_eq!(
            fixed(text, "${lnding.arn}", &fix("lnding", "landing")).as_deref(),
            Some("a: \"x-${landing.arn}\"\n")
        );
        assert_eq!(fixed(text, "${lnding.arn}", &fix("nding", "x")), None, "a part of a word");
        assert_eq!(fixed("a: b b\n", "b b", &fix("b", "c")), None, "two of them");
        assert_eq!(fixed("a: b\n", "b", &fix("b", "c: d: e")), None, "not YAML any more");
    }

    #[test]
    fn an_item_is_added_in_the_form_of_the_file() {
        for (text, expected) in [
            ("r: { p: { access: [x] } }\n", "r: { p: { access: [x, { a: b }] } }\n"),
            ("r: { p: { access: [] } }\n", "r: { p: { access: [{ a: b }] } }\n"),
            ("r: { p: { q: 1 } }\n", "r: { p: { q: 1, access: [{ a: b }] } }\n"),
            ("r: { p: {} }\n", "r: { p: { access: [{ a: b }] } }\n"),
            ("r: { t: x }\n", "r: { t: x, p: { access: [{ a: b }] } }\n"),
            (
                "r:\n  p:\n    access:\n    - x # why\n",
                "r:\n  p:\n    access:\n    - x # why\n    - { a: b }\n",
            ),
            (
                "r:\n  p:\n    access: [\n      x,\n    ]\n",
                "r:\n  p:\n    access: [\n      x, { a: b },\n    ]\n",
            ),
            (
                "r:\n  p:\n    q: 1 # why\n\nz: 1\n",
                "r:\n  p:\n    q: 1 # why\n    access: [{ a: b }]\n\nz: 1\n",
            ),
            (
                "r:\r\n  p:\r\n    q: 1\r\nz: 1\r\n",
                "r:\r\n  p:\r\n    q: 1\r\n    access: [{ a: b }]\r\nz: 1\r\n",
            ),
            ("r:\n  p:\n    access:\n    - [x]\n", "r:\n  p:\n    access:\n    - [x]\n    - { a: b }\n"),
            ("r:\n  p:\n", "r:\n  p: { access: [{ a: b }] }\n"),
            ("r:\n  t: x", "r:\n  t: x\n  p: { access: [{ a: b }] }"),
        ] {
            assert_eq!(fixed(text, "r", &item()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(fixed("r: { p: { access: x } }\n", "r", &item()), None, "not a list");
        assert_eq!(fixed("r: { p: [a] }\n", "r", &item()), None, "not a mapping");
    }

    #[test]
    fn a_key_is_moved_with_its_value() {
        let fix = Fix::Move { key: "dependsOn".to_owned(), below: "options".to_owned() };
        for (text, expected) in [
            ("r:\n  t: x\n  DependsOn: [y]\n", Some("r:\n  t: x\n  options: { dependsOn: [y] }\n")),
            (
                "r:\n  DependsOn: [y]\n  options:\n    a: 1\n",
                Some("r:\n  options:\n    a: 1\n    dependsOn: [y]\n"),
            ),
            ("r: { DependsOn: y, options: { a: 1 } }\n", Some("r: { options: { a: 1, dependsOn: y } }\n")),
            ("r: { options: { a: 1 }, DependsOn: y }\n", Some("r: { options: { a: 1, dependsOn: y } }\n")),
            // A block list on one line can't be moved into braces: the result would not be YAML.
            ("r:\n  DependsOn:\n  - y\n  options: {}\n", None),
            ("r:\n  DependsOn:\n", None),
        ] {
            assert_eq!(fixed(text, "DependsOn", &fix).as_deref(), expected, "{text}");
        }
    }

    /// Sets a value below keys that are separated by dots, or removes it.
    fn edited(text: &str, keys: &str, value: Option<&str>) -> Option<String> {
        let source = Source::new("stack.yaml", text);
        let root = yaml::parse(&source, &mut Diagnostics::default()).expect("YAML");
        let keys: Vec<String> = keys.split('.').map(str::to_owned).collect();
        let edit = match value {
            Some(value) => set(&source, &root, &keys, value)?,
            None => remove(&source, &root, &keys)?,
        };
        let changed = apply(text, &[edit])?;
        let mut problems = Diagnostics::default();
        yaml::parse(&Source::new("stack.yaml", changed.clone()), &mut problems).expect("YAML");
        assert!(problems.is_empty(), "{changed}");
        Some(changed)
    }

    #[test]
    fn a_value_is_set_where_it_belongs() {
        for (text, keys, expected) in [
            ("a:\n  b: 1 # why\n", "a.b", Some("a:\n  b: 2 # why\n")),
            ("a: { b: 1 }\n", "a.b", Some("a: { b: 2 }\n")),
            ("a:\n  c: 1\nz: 1\n", "a.b", Some("a:\n  c: 1\n  b: 2\nz: 1\n")),
            ("a: { c: 1 }\n", "a.b.d", Some("a: { c: 1, b: { d: 2 } }\n")),
            ("a:\n", "a.b", Some("a: { b: 2 }\n")),
            ("a:\n  - x\n  - y\n", "a.1", Some("a:\n  - x\n  - 2\n")),
            ("a:\n  - x\n", "a.1", Some("a:\n  - x\n  - 2\n")),
            ("a: [x]\n", "a.1", Some("a: [x, 2]\n")),
            ("a: [x]\n", "a.3", None),
            ("a: 1\n", "a.b", None),
            ("a:\n  b:\n    c: 1\n    d: 1\n", "a.b", None),
        ] {
            assert_eq!(edited(text, keys, Some("2")).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_entry_is_removed_with_its_line() {
        for (text, keys, expected) in [
            ("a:\n  b: 1 # why\n  c: 1\n", "a.b", Some("a:\n  c: 1\n")),
            ("a: { b: 1, c: 1 }\n", "a.b", Some("a: { c: 1 }\n")),
            ("a: { b: 1, c: 1 }\n", "a.c", Some("a: { b: 1 }\n")),
            ("a: { b: 1 }\n", "a.b", Some("a: {  }\n")),
            ("a:\n  - x\n  - { y: 1 }\n", "a.1", Some("a:\n  - x\n")),
            ("a: [x, y]\n", "a.0", Some("a: [y]\n")),
            ("a:\n  b: 1\n", "a.b", None),
            ("a:\n  b: 1\n", "a.c", None),
        ] {
            assert_eq!(edited(text, keys, None).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_value_becomes_a_list() {
        assert_eq!(fixed("a: ${b}\n", "${b}", &Fix::List), None, "a brace in a flow list needs quotes");
        assert_eq!(fixed("a: b\n", "b", &Fix::List).as_deref(), Some("a: [b]\n"));
        assert_eq!(
            fixed("a: b\n", "b", &Fix::Value("\"${b}\"".to_owned())).as_deref(),
            Some("a: \"${b}\"\n")
        );
    }
}
