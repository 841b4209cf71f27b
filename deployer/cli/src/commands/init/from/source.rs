//! The file of `init --from`, read by the code of the task.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use contract::encoding::Form;
use contract::location::BYTE_ORDER_MARK;
use contract::settings::{EncodingSetting, ExtractionSettings, Format};
use contract::{Encoding, Reason};
use deployer_base::error::{Error, Message, Result};
use deployer_base::ui::Ui;
use task::encoding::{Look, Suggestion, Text};
use task::reader::{Fault, Row};
use task::scan::{Scan, Step};
use task::workbook;

/// Bytes of the file that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Bytes of text of the start, from which the dialect is guessed.
const HEAD: usize = 256 * 1024;

/// The file that is read.
pub(super) struct Source<'s> {
    ui: &'s Ui,
    pub(super) path: &'s Path,
}

/// The start of the text.
pub(super) struct Head {
    /// The text, as far as it is known how to read it.
    pub(super) text: Vec<u8>,
    /// `true` if that is all of it.
    pub(super) complete: bool,
    /// The encoding by a mark or by the bytes, unless it is UTF-8.
    pub(super) encoding: Option<Encoding>,
}

impl Head {
    /// Returns whether the text is UTF-8.
    pub(super) fn is_utf_8(&self) -> bool {
        match std::str::from_utf8(&self.text) {
            Ok(_) => true,
            // A character may be cut off.
            Err(error) => error.error_len().is_none() && !self.complete,
        }
    }

    /// Returns whether it begins with a byte order mark.
    pub(super) fn is_marked(&self) -> bool {
        self.text.starts_with(BYTE_ORDER_MARK)
    }
}

impl<'s> Source<'s> {
    /// Finds a file.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such file.
    pub(super) fn new(ui: &'s Ui, path: &'s Path) -> Result<Self> {
        let file = Self { ui, path };
        if !file.open()?.metadata().map_err(|error| file.io(&error))?.is_file() {
            return Err(Error::Usage(
                Message::new(format!("{} is not a file", path.display())).hint("save it as a file first"),
            ));
        }
        Ok(file)
    }

    /// Returns the size of the file, as it is stored.
    pub(super) fn size(&self) -> Result<u64> {
        Ok(self.open()?.metadata().map_err(|error| self.io(&error))?.len())
    }

    fn open(&self) -> Result<File> {
        File::open(self.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::Usage(Message::new(format!("there is no file {}", self.path.display())))
            }
            _ => self.io(&error),
        })
    }

    fn io(&self, error: &std::io::Error) -> Error {
        Error::io("read", self.path, error)
    }

    /// Returns the error of a file that the task would fail.
    pub(super) fn fault(&self, fault: &Fault) -> Error {
        let code = fault.reason.code();
        let hint = match fault.reason {
            Reason::InvalidQuoting | Reason::UnclosedQuote | Reason::RowLength | Reason::EmptyHeader => {
                "if other lines precede the header, delete them, or write a stack.yaml by `deployer init` with `csv: { skip: N }`"
                    .to_owned()
            }
            _ => format!("`deployer docs {code}` explains it"),
        };
        self.refusal(&format!("{} ({code})", fault.message), hint)
    }

    /// Returns the error of a file that can't be loaded.
    pub(super) fn refusal(&self, why: &str, hint: impl Into<String>) -> Error {
        let text = format!("{} can't be loaded: {why}; nothing was written", self.path.display());
        Error::Usage(Message::new(text).hint(hint))
    }

    /// Gives the pieces of the text to `each`, until it returns `false`; returns the encoding that was found, and
    /// whether the text was read to its end.
    fn pieces(
        &self,
        encoding: Option<EncodingSetting>,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<(Option<Encoding>, bool)> {
        let mut file = self.open()?;
        let mut text = Text::new(encoding);
        let mut chunk = vec![0; CHUNK];
        loop {
            if text.fill().map_err(|fault| self.fault(&fault))? {
                let wanted = each(text.piece());
                text.consume(text.piece().len());
                if !wanted {
                    return Ok((text.encoding(), false));
                }
            } else if text.is_ended() {
                return Ok((text.encoding(), true));
            } else {
                match file.read(&mut chunk).map_err(|error| self.io(&error))? {
                    0 => text.end(),
                    count => text.feed(chunk.get(..count).unwrap_or_default()),
                }
            }
        }
    }

    /// Returns the start of the text. That of a single-byte encoding is decoded only if it is known.
    pub(super) fn head(&self, encoding: Option<Encoding>) -> Result<Head> {
        let mut text = Vec::new();
        let (found, complete) = self.pieces(encoding.map(EncodingSetting::Declared), |piece| {
            text.extend_from_slice(piece);
            text.len() < HEAD
        })?;
        let complete = complete && text.len() <= HEAD;
        text.truncate(HEAD);
        if let Some(table) = found.filter(|found| found.form() == Form::SingleByte).and_then(Encoding::table)
        {
            let mut decoded = String::new();
            // Up to the first byte that is not a character.
            let _ = table.decode(&text, &mut decoded);
            text = decoded.into_bytes();
        }
        Ok(Head { text, complete, encoding: found })
    }

    /// Returns the encoding of a text that is not UTF-8.
    pub(super) fn look(&self) -> Result<Suggestion> {
        let mut look = Look::default();
        self.pieces(None, |piece| {
            look.take(piece);
            true
        })?;
        Ok(look.end())
    }

    /// Returns the first rows of the visible sheets, if the file is a workbook.
    pub(super) fn sheets(&self, head: &Head, most: usize) -> Result<Option<Vec<workbook::Start>>> {
        if !workbook::may_be_workbook(&head.text) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        // A larger one is refused by its reader.
        self.pieces(None, |piece| {
            bytes.extend_from_slice(piece);
            bytes.len() <= workbook::MAX_BYTES
        })?;
        if bytes.len() > workbook::MAX_BYTES {
            return Ok(None);
        }
        workbook::starts(&bytes, most).map(Some).map_err(|fault| self.fault(&fault))
    }

    /// Reads the rows, until `each` returns `false`, and returns the names of the columns.
    pub(super) fn rows(
        &self,
        settings: &ExtractionSettings,
        mut each: impl FnMut(&Row<'_>) -> bool,
    ) -> Result<Vec<String>> {
        let mut file = self.open()?;
        let of = file.metadata().map_err(|error| self.io(&error))?.len();
        let bar = self.ui.bar();
        let mut scan = Scan::new(publisher::MAX_BYTES, settings, &[], &[]).lenient();
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        loop {
            match scan.step().map_err(|fault| self.fault(&fault))? {
                Step::Row => {
                    if !each(&scan.row()) {
                        break;
                    }
                }
                Step::Piece => {}
                Step::Starved => match file.read(&mut chunk).map_err(|error| self.io(&error))? {
                    0 => scan.end(),
                    count => {
                        scan.feed(chunk.get(..count).unwrap_or_default());
                        done += count as u64;
                        bar.set(done, of, format!("reading {}", self.path.display()));
                    }
                },
                Step::End => break,
            }
        }
        Ok(scan.columns().unwrap_or_default().to_vec())
    }
}

/// Returns whether a text is JSON rather than CSV: an object on its first line, or an array.
pub(super) fn is_json(text: &[u8]) -> bool {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_ascii_start();
    let after = |start: u8| text.strip_prefix(&[start]).map(<[u8]>::trim_ascii_start).and_then(<[u8]>::first);
    match (after(b'{'), after(b'[')) {
        (Some(next), _) => matches!(next, b'"' | b'}'),
        (_, Some(next)) => matches!(next, b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9'),
        _ => false,
    }
}

/// Returns the settings of files of JSON Lines.
pub(super) fn json_lines() -> ExtractionSettings {
    ExtractionSettings { format: Format::JsonLines, ..ExtractionSettings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_csv() {
        for text in
            ["{\"a\": 1}\n", " {}\n", "{\n  \"a\": 1\n}", "[{\"a\": 1}]", "[\n  {", "[]", "\u{feff}{\"a\":1}"]
        {
            assert!(is_json(text.as_bytes()), "{text}");
        }
        for text in ["", "{", "[", "id,name\n", "{id},{name}\n", "[id],[name]\n", "\"{\",b\n"] {
            assert!(!is_json(text.as_bytes()), "{text}");
        }
    }
}
