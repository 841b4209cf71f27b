//! Text → tree of nodes with their places. First step of the flow.
//!
//! Built on the events of `saphyr-parser`, because no reader of YAML values keeps the place of each node, and because
//! most accept duplicate keys. Values stay text until `deployer_lang::model` asks for a type, so `no` and `012` are
//! never silently something else.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};

use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span, nearest};

mod escapes;
mod offsets;

use offsets::Offsets;

/// Deepest nesting: anything deeper is an attack or a mistake.
const MAX_DEPTH: usize = 64;
/// Most nodes in a file once aliases are expanded: stops "billion laughs" files.
const MAX_NODES: usize = 200_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its place in the file.
    pub span: Span,
}

/// The three shapes of YAML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A single value, not typed yet.
    Scalar {
        /// The text, unquoted and unescaped.
        text: String,
        /// `true` if it is written without quotes, so that it may be a number, a boolean or null.
        plain: bool,
        /// Bytes from the start of the node to the text, if the file contains it letter by letter: after a quote, or at
        /// once. `None` if it was unescaped, folded, or replaced by config values.
        verbatim: Option<usize>,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, without duplicate keys.
    Mapping(Vec<Entry>),
    /// A value after one of CloudFormation's short tags, which only some places of the language take.
    Tagged {
        /// The tag without its `!`.
        tag: String,
        /// Place of the tag.
        tag_span: Span,
        /// The value after it.
        node: Box<Node>,
    },
}

/// CloudFormation's functions that have a short form, without the `!`.
/// Source: AWS CloudFormation Template Reference, "Intrinsic function reference" and "Rule-specific intrinsic functions".
pub const SHORT_TAGS: [&str; 26] = [
    "And",
    "Base64",
    "Cidr",
    "Condition",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "GetAtt",
    "GetAZs",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Ref",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
    "ValueOfAll",
];

/// Returns whether a tag is the name of a function, perhaps misspelt.
fn is_function(name: &str) -> bool {
    SHORT_TAGS.contains(&name) || nearest(name, &SHORT_TAGS).is_some()
}

/// Returns the error about a tag where the language takes none.
#[must_use]
pub fn misplaced_tag(tag: &str, span: Span) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("E0005", span, format!("the tag `{}` has no meaning here", shorten(tag)));
    match tag.strip_prefix('!').is_some_and(is_function) {
        true => diagnostic.help(
            "CloudFormation's functions can be used in `conditions` and in the properties of `AWS::…` types; elsewhere \
             references are written `${name.attribute}`",
        ),
        false => diagnostic.help("write the value without a tag; references are written `${name.attribute}`"),
    }
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Place of the key.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// Returns whether the node is nothing: the key was given without a value, or as `null` or `~`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true, .. } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Describes the node for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, plain: true, .. } => format!("`{}`", shorten(text)),
            Value::Scalar { text, .. } => format!("the text {:?}", shorten(text)),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Tagged { tag, .. } => format!("the function `!{tag}`"),
        }
    }

    /// Returns the part `from..to` (bytes) of a single value's text in the file; all of it if the file contains the
    /// text in another form.
    #[must_use]
    pub fn part(&self, from: usize, to: usize) -> Span {
        match self.value {
            Value::Scalar { verbatim: Some(offset), .. } => self.span.slice(offset + from, offset + to),
            _ => self.span,
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::Sequence(items) => items.iter().map(Self::size).sum::<usize>(),
            Value::Mapping(entries) => entries.iter().map(|entry| 1 + entry.value.size()).sum(),
            Value::Tagged { node, .. } => node.size(),
        }
    }
}

/// Returns the first line of a text, cut if it is too long.
pub fn shorten(text: &str) -> String {
    const MAX: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

enum Frame {
    Sequence {
        items: Vec<Node>,
        start: Span,
        anchor: usize,
        tag: Option<ShortTag>,
    },
    Mapping {
        entries: Vec<Entry>,
        seen: HashMap<String, Span>,
        key: Option<Key>,
        start: Span,
        anchor: usize,
        tag: Option<ShortTag>,
    },
}

/// One of [`SHORT_TAGS`] and its place.
type ShortTag = (String, Span);

/// A key whose value comes next.
struct Key {
    text: String,
    span: Span,
    /// `true` if the mapping has this key already, so that the value does not count.
    again: bool,
}

struct Builder<'a> {
    offsets: Offsets<'a>,
    diagnostics: &'a mut Diagnostics,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// Reads one YAML document. `None` when nothing usable is left; the reason is among the diagnostics.
pub fn parse(source: &Source, diagnostics: &mut Diagnostics) -> Option<Node> {
    // YAML 1.2.2, "Character set". The parser takes them for letters, and U+0000 for the end of the text in some places.
    let forbidden = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    if let Some((at, number)) = source.text.bytes().enumerate().find(|(_, byte)| forbidden(*byte)) {
        let message = format!(
            "the file contains the character U+{number:04X}, a control character that YAML does not allow"
        );
        let help = match number {
            0 => "remove it; if the file is in UTF-16, save it as UTF-8".to_owned(),
            _ => format!("remove it, or write `\\x{number:02x}` in double quotes"),
        };
        diagnostics.push(Diagnostic::error("E0001", Span { start: at, end: at + 1 }, message).help(help));
        return None;
    }
    let (joined, offsets) = match escapes::joined(source) {
        Some((text, offsets)) => (Some(text), offsets),
        None => (None, Offsets::new(source)),
    };
    let mut builder =
        Builder { offsets, diagnostics, frames: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(joined.as_deref().unwrap_or(&source.text)) {
        let (event, marks) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = builder.offsets.byte(error.marker().index());
                let next = Span { start: at, end: builder.offsets.next(at) };
                let found = match error.info().contains("recursion limit") {
                    true => too_deep(builder.first_too_deep(at).unwrap_or(next)),
                    false => explain(source, next, error.info()),
                };
                builder.diagnostics.push(found);
                return None;
            }
        };
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                let span = builder.offsets.span(marks);
                builder.diagnostics.push(
                    Diagnostic::error("E0002", span, "more than one YAML document in the file")
                        .help("write each stack file as a file of its own"),
                );
                return None;
            }
        }
        builder.event(event, marks)?;
    }
    builder.root
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("E0003", span, format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Explains why a text is not YAML, at the mistake rather than where the parser noticed it.
fn explain(source: &Source, at: Span, info: &str) -> Diagnostic {
    let text = source.text.as_str();
    let plain = || Diagnostic::error("E0001", at, format!("not valid YAML: {info}"));
    if info.contains("Unicode character escape code")
        && let Some(half) = escapes::lone(text, at.start)
    {
        let escape = text.get(half.start..half.end).unwrap_or_default();
        return Diagnostic::error("E0001", half, format!("not valid YAML: `{escape}` is half of a character"))
            .help("two such escapes are one character, such as `\\ud83d\\ude00`; add the other half, or write the character itself");
    }
    let before = text.get(..at.end).unwrap_or_default();
    let line = before.lines().last().unwrap_or_default();
    if line.contains("${") {
        return plain().help("inside `{ … }` and `[ … ]` a reference needs quotes: `\"${name}\"`");
    }
    if info.contains("tab") {
        return plain().help("indent with spaces; YAML does not allow tabs there");
    }
    let number = source.position(at.start).line;
    if let Some((open, bracket)) = open_at_end(text.get(..at.start).unwrap_or_default()).brackets.pop() {
        let opened = source.position(open).line;
        if opened < number {
            let closing = if bracket == '{' { '}' } else { ']' };
            let span = Span { start: open, end: open + 1 };
            return Diagnostic::error("E0001", span, format!("not valid YAML: `{bracket}` is not closed"))
                .help(format!("add `{closing}`; line {number} can't be read as a part of it"));
        }
        return plain();
    }
    // The line before, and the beginning of its text.
    let start = text.get(..at.start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let above = text.get(..start).unwrap_or_default().trim_end_matches(['\n', '\r', ' ']);
    let above_start = above.rfind('\n').map_or(0, |end| end + 1);
    let above = above.get(above_start..).unwrap_or_default();
    let word = above.trim();
    let own = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    if info.contains("mapping values are not allowed") {
        let indent = above.len() - above.trim_start().len();
        let span = Span { start: above_start + indent, end: above_start + indent + word.len() };
        if !word.is_empty() && !word.contains(':') && !word.starts_with(['#', '-']) {
            let (key, value) = word.split_once(' ').unwrap_or((word, ""));
            let meant = format!("{key}: {}", value.trim()).trim_end().to_owned();
            return Diagnostic::error("E0001", span, "not valid YAML: expected a `:` after the key")
                .help(format!("write `{}`", shorten(&meant)));
        }
        if own.len() - own.trim_start().len() > indent && !word.ends_with(':') {
            return plain().help(
                "this line is indented deeper than the one above, which has a value already; align them",
            );
        }
    }
    if info.contains("did not find expected key") && own.trim_start().starts_with('-') {
        return plain()
            .help("an item of a list is among the keys of a mapping; write `name: value`, without `-`");
    }
    if info.contains("did not find expected '-'") {
        return plain()
            .help("a key is among the items of a list; write all of them as `name: value`, or all with `-`");
    }
    plain()
}

/// What is open at the end of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// The brackets of flow collections, each with its place, the innermost last.
    pub brackets: Vec<(usize, char)>,
    /// The quote of a text.
    pub quote: Option<char>,
    /// `true` in a comment.
    pub comment: bool,
}

/// Returns what is open at the end of a text, whether or not the text is YAML.
#[must_use]
pub fn open_at_end(text: &str) -> Open {
    let mut open = Open::default();
    // The last character that was not a space: a bracket begins a collection where a value may begin.
    let mut before = '\n';
    let mut previous = '\n';
    for (at, letter) in text.char_indices() {
        let just_before = std::mem::replace(&mut previous, letter);
        match letter {
            '\n' => {
                open.comment = false;
                if open.brackets.is_empty() && open.quote.is_none() {
                    before = '\n';
                }
                continue;
            }
            _ if open.comment => continue,
            '#' if open.quote.is_none() && just_before.is_whitespace() => {
                open.comment = true;
                continue;
            }
            _ if open.quote == Some(letter) => open.quote = None,
            _ if open.quote.is_some() => {}
            '"' | '\'' if matches!(before, '\n' | ':' | '-' | ',' | '[' | '{') => open.quote = Some(letter),
            '{' | '[' if !open.brackets.is_empty() || matches!(before, '\n' | ':' | '-') => {
                open.brackets.push((at, letter));
            }
            '}' | ']' => {
                open.brackets.pop();
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    open
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, marks: Marks) -> Option<()> {
        let span = self.offsets.span(marks);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (tag, span) = self.tag(tag.as_deref(), span);
                let text = text.into_owned();
                if text.contains('\0') {
                    self.diagnostics.push(
                        Diagnostic::error("E0001", span, "a text contains the character U+0000")
                            .help("AWS does not accept it; remove `\\0`"),
                    );
                    return None;
                }
                let verbatim = self.offsets.verbatim(span, &text);
                let value = Value::Scalar { text, plain: matches!(style, ScalarStyle::Plain), verbatim };
                self.node(tagged(Node { value, span }, tag), anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes += node.size();
                    if self.nodes > MAX_NODES {
                        return self.too_many(span);
                    }
                    self.node(node, 0)
                }
                None => {
                    self.diagnostics.push(Diagnostic::error("E0001", span, "an alias that contains itself"));
                    None
                }
            },
            Event::SequenceStart(anchor, tag) => {
                let (tag, span) = self.tag(tag.as_deref(), span);
                self.open(Frame::Sequence { items: Vec::new(), start: span, anchor, tag })
            }
            Event::MappingStart(anchor, tag) => {
                let (tag, span) = self.tag(tag.as_deref(), span);
                let seen = HashMap::new();
                self.open(Frame::Mapping { entries: Vec::new(), seen, key: None, start: span, anchor, tag })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, start, anchor, tag) = match self.frames.pop()? {
                    Frame::Sequence { items, start, anchor, tag } => {
                        (Value::Sequence(items), start, anchor, tag)
                    }
                    Frame::Mapping { entries, start, anchor, tag, .. } => {
                        (Value::Mapping(entries), start, anchor, tag)
                    }
                };
                let end = match &value {
                    Value::Sequence(items) => items.last().map(|item| item.span.end),
                    Value::Mapping(entries) => entries.last().map(|entry| entry.value.span.end),
                    Value::Scalar { .. } | Value::Tagged { .. } => None,
                };
                // A flow collection ends after its bracket, a block collection where its last value ends: the
                // parser's mark is that of whatever comes next, with comments between.
                let end = if span.end > span.start { span.end } else { end.unwrap_or(start.end) };
                let end = end.max(start.start);
                self.node(tagged(Node { value, span: Span { start: start.start, end } }, tag), anchor)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Some(()),
        }
    }

    /// Takes one of CloudFormation's short tags from the front of a value, and reports every other tag.
    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> (Option<ShortTag>, Span) {
        let Some(tag) = tag else { return (None, span) };
        let shown = match tag.is_yaml_core_schema() {
            true => format!("!!{}", tag.suffix),
            false => tag.to_string(),
        };
        let name = shown.strip_prefix('!').filter(|name| is_function(name));
        let Some(name) = name else {
            self.diagnostics.push(misplaced_tag(&shown, span));
            return (None, span);
        };
        // With an anchor in front, the tag has no place of its own.
        let raw = self.offsets.text(span);
        let Some(rest) = raw.strip_prefix(shown.as_str()) else {
            return (Some((name.to_owned(), span)), span);
        };
        let tag_span = Span { start: span.start, end: span.start + shown.len() };
        let start = tag_span.end + (rest.len() - rest.trim_start().len());
        (Some((name.to_owned(), tag_span)), Span { start, end: span.end })
    }

    fn open(&mut self, frame: Frame) -> Option<()> {
        if self.frames.len() >= MAX_DEPTH {
            let (Frame::Sequence { start, .. } | Frame::Mapping { start, .. }) = frame;
            self.diagnostics.push(too_deep(start));
            return None;
        }
        self.frames.push(frame);
        Some(())
    }

    /// Returns the place of the first bracket before a byte that is nested too deeply: the parser reads brackets ahead.
    fn first_too_deep(&self, at: usize) -> Option<Span> {
        let text = &self.offsets.source.text;
        let blocks = self.frames.iter().filter(|frame| {
            let (Frame::Sequence { start, .. } | Frame::Mapping { start, .. }) = frame;
            !text.get(start.start..).unwrap_or_default().starts_with(['[', '{'])
        });
        let open = open_at_end(text.get(..at)?).brackets;
        let (at, _) = open.get(MAX_DEPTH.saturating_sub(blocks.count()))?;
        Some(Span { start: *at, end: at + 1 })
    }

    fn too_many(&mut self, span: Span) -> Option<()> {
        self.diagnostics.push(Diagnostic::error(
            "E0003",
            span,
            format!("more than {MAX_NODES} values in one file"),
        ));
        None
    }

    fn node(&mut self, mut node: Node, anchor: usize) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.too_many(node.span);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        // A key has no function that could give it.
        if let Some(Frame::Mapping { key: None, .. }) = self.frames.last()
            && let Value::Tagged { tag, tag_span, node: inner } = node.value
        {
            self.diagnostics.push(misplaced_tag(&format!("!{tag}"), tag_span));
            node = *inner;
        }
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::Sequence { items, .. }) => items.push(node),
            Some(Frame::Mapping { entries, seen, key, .. }) => match key.take() {
                Some(Key { again: true, .. }) => {}
                Some(Key { text, span, .. }) => {
                    // A key without a value has none to point at: the parser marks whatever comes next.
                    let value = if node.span.end == node.span.start { Node { span, ..node } } else { node };
                    entries.push(Entry { key: text, key_span: span, value });
                }
                None => match node.value {
                    Value::Scalar { text, .. } => {
                        let first = seen.get(&text).copied();
                        if let Some(first) = first {
                            let line = self.offsets.source.position(first.start).line;
                            self.diagnostics.push(
                                Diagnostic::error(
                                    "E0004",
                                    node.span,
                                    format!("the key `{}` is in this mapping twice", shorten(&text)),
                                )
                                .label(format!("first on line {line}"))
                                .help(format!("remove one of them; the first is on line {line}")),
                            );
                        } else {
                            seen.insert(text.clone(), node.span);
                        }
                        *key = Some(Key { text, span: node.span, again: first.is_some() });
                    }
                    Value::Sequence(_) | Value::Mapping(_) | Value::Tagged { .. } => {
                        self.diagnostics.push(Diagnostic::error(
                            "E0006",
                            node.span,
                            "a key must be a plain word, not a list or mapping",
                        ));
                        return None;
                    }
                },
            },
        }
        Some(())
    }
}

/// Adds the tag of a value, if it has one; the whole begins where the tag does.
fn tagged(node: Node, tag: Option<ShortTag>) -> Node {
    let Some((tag, tag_span)) = tag else { return node };
    let span = Span { start: tag_span.start, end: node.span.end.max(tag_span.end) };
    Node { value: Value::Tagged { tag, tag_span, node: Box::new(node) }, span }
}

#[cfg(test)]
mod tests;
