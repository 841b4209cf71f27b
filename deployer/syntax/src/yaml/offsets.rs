//! Places of what the parser reads.

use saphyr_parser::Span as Marks;

use crate::diagnostic::{Source, Span};

/// A converter of places: the parser counts characters, everything else here counts bytes.
pub(super) struct Offsets<'a> {
    /// Byte offset in the source of each character that the parser reads, and of the end; empty where the two are the same.
    bytes: Vec<usize>,
    pub(super) source: &'a Source,
}

impl<'a> Offsets<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        let text = &source.text;
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
        };
        Self { bytes, source }
    }

    /// Creates a converter for a text that differs from the source: `bytes` as in the type.
    pub(super) const fn of(bytes: Vec<usize>, source: &'a Source) -> Self {
        Self { bytes, source }
    }

    pub(super) fn byte(&self, index: usize) -> usize {
        let end = self.source.text.len();
        if self.bytes.is_empty() { index.min(end) } else { self.bytes.get(index).copied().unwrap_or(end) }
    }

    pub(super) fn text(&self, span: Span) -> &'a str {
        self.source.text.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn next(&self, at: usize) -> usize {
        self.source
            .text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(at, |next| at + next.len_utf8())
    }

    /// Returns the place in its span at which a text is found letter by letter, if there is one.
    pub(super) fn verbatim(&self, span: Span, text: &str) -> Option<usize> {
        let raw = self.text(span);
        let unquoted = || raw.get(1..raw.len().checked_sub(1)?);
        match raw == text {
            true => Some(0),
            false => (unquoted() == Some(text)).then_some(1),
        }
    }

    pub(super) fn span(&self, marks: Marks) -> Span {
        let start = self.byte(marks.start.index());
        let end = self.byte(marks.end.index()).max(start);
        Span { start, end: start + self.text(Span { start, end }).trim_end().len() }
    }
}
