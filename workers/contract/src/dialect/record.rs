//! One record, as the parser fills it.

use super::Flaw;

/// The fields of one record, as far as there is room for them.
#[derive(Debug)]
pub struct Record {
    pub(super) text: Vec<u8>,
    ends: Vec<usize>,
    /// Positions of empty fields that were written as two quotes.
    quoted: Vec<usize>,
    /// `true` if the field that has begun has a quote.
    pub(super) in_quotes: bool,
    /// Bytes of text and field ends that are kept.
    limit: usize,
    /// Fields that are kept.
    most: usize,
    fields: usize,
    too_large: bool,
    /// The first field that isn't kept and contains text.
    beyond: Option<usize>,
    pub(super) bare: bool,
    pub(super) flaw: Option<Flaw>,
    line: u64,
}

impl Record {
    /// Creates a record with room for `limit` bytes of text and field ends. Nothing is kept of a larger record.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            text: Vec::new(),
            ends: Vec::new(),
            quoted: Vec::new(),
            in_quotes: false,
            limit,
            most: usize::MAX,
            fields: 0,
            too_large: false,
            beyond: None,
            bare: true,
            flaw: None,
            line: 1,
        }
    }

    /// Creates a record with room for `most` fields, each of any size. Of further fields, only their number is known,
    /// and whether all of them are empty.
    #[must_use]
    pub const fn of_fields(most: usize) -> Self {
        let mut record = Self::new(usize::MAX);
        record.most = most;
        record
    }

    /// Returns the text of all fields, one after the other.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the end of each field in the text.
    #[must_use]
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Returns the positions of the empty fields that were written as two quotes, from 0.
    #[must_use]
    pub fn quoted(&self) -> &[usize] {
        &self.quoted
    }

    /// Returns the number of fields, including those that are not kept.
    #[must_use]
    pub const fn fields(&self) -> usize {
        self.fields
    }

    /// Returns whether there was no room for the record.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// Returns whether a field that isn't kept contains text.
    #[must_use]
    pub const fn has_text_beyond(&self) -> bool {
        self.beyond.is_some()
    }

    /// Returns whether the line consists of nothing but delimiters.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.bare
    }

    /// Returns the flaw in its quotes.
    #[must_use]
    pub const fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// Returns the line in which it begins, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// Returns the number of bytes in its buffers.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.text.capacity().max(self.ends.capacity())
    }

    /// Adds empty fields until there are `columns`.
    pub fn pad(&mut self, columns: usize) {
        if !self.too_large {
            self.ends.resize(self.ends.len().max(columns), self.text.len());
            self.fields = self.fields.max(columns);
        }
    }

    /// Makes it a record of one empty field: the meaning of a blank line where there is one column.
    pub fn set_empty(&mut self) {
        self.begin(self.line);
        self.end_field();
    }

    #[inline]
    pub(super) fn begin(&mut self, line: u64) {
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
        self.in_quotes = false;
        (self.fields, self.line, self.flaw) = (0, line, None);
        (self.too_large, self.beyond, self.bare) = (false, None, true);
    }

    #[inline]
    pub(super) fn field_start(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bare = false;
        if self.ends.len() >= self.most {
            self.beyond.get_or_insert(self.fields);
            return;
        }
        let length = self.text.len() + bytes.len();
        if self.too_large || length.saturating_add(self.ends.len()) > self.limit {
            self.discard();
            return;
        }
        if length > self.text.capacity() {
            let capacity = self.text.capacity().saturating_mul(2).max(length).min(self.limit.max(length));
            self.text.reserve_exact(capacity - self.text.len());
        }
        self.text.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn end_field(&mut self) {
        self.fields += 1;
        let in_quotes = std::mem::take(&mut self.in_quotes);
        if self.too_large || self.ends.len() >= self.most {
            return;
        }
        let length = self.ends.len() + 1;
        if length.saturating_add(self.text.len()) > self.limit {
            self.discard();
            return;
        }
        if length > self.ends.capacity() {
            let capacity = self.ends.capacity().saturating_mul(2).max(length).min(self.limit.max(length));
            self.ends.reserve_exact(capacity - self.ends.len());
        }
        if in_quotes && self.field_start() == self.text.len() {
            self.quoted.push(self.ends.len());
        }
        self.ends.push(self.text.len());
    }

    fn discard(&mut self) {
        self.too_large = true;
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
    }

    /// Removes the blanks at the beginning of a field.
    pub(super) fn clear_field(&mut self) {
        let start = self.field_start();
        self.text.truncate(start);
        self.beyond = self.beyond.filter(|field| *field != self.fields);
    }
}
