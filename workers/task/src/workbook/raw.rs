//! A second look at the XML of a sheet, for what its values no longer show: the formats of cells, and escapes in texts.
//!
//! XML has no control characters, so `_x000D_` stands for one, and a text that looks like that begins with `_x005F_`:
//! ECMA-376 part 1, section 22.9.2.19. Spreadsheet programs escape nothing else. Some libraries escape nothing at all,
//! so that `img_x1920_1` in their workbooks is that text, and not one with the letter U+1920.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Read};

use calamine::Style;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;

use super::cell::Shown;
use super::damaged;
use crate::reader::Fault;

type Archive<'b> = ZipArchive<Cursor<&'b [u8]>>;

/// Bytes of an escape: `_x`, four hexadecimal digits, `_`.
const ESCAPE: usize = 7;
const WORKBOOK: &str = "xl/workbook.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";
/// The shared texts, where calamine reads them.
const STRINGS: &str = "xl/sharedStrings.xml";

/// A text whose XML has something that looks like an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Escaped {
    pub(super) text: String,
    /// `true` if a control character was read from an escape. A library that escapes nothing has meant the escape.
    pub(super) has_control: bool,
}

/// A sheet, whose cells are read when one of them needs a second look, and never twice.
pub(super) struct RawSheet<'a, 'b> {
    /// The archive, until the cells are read.
    archive: Option<&'a mut Archive<'b>>,
    part: String,
    cells: Option<Cells<'a>>,
    /// The shared texts in which something looks like an escape, by their numbers. `None` if no text of the sheet has
    /// one.
    escapes: Option<HashMap<usize, Escaped>>,
    /// For each style, whether it shows a day, month or year.
    dates: Vec<bool>,
}

impl<'a, 'b> RawSheet<'a, 'b> {
    /// Finds the sheet with this name in a workbook with these styles.
    pub(super) fn new(archive: &'a mut Archive<'b>, name: &str, styles: &[Style]) -> Result<Self, Fault> {
        let id = relation(archive, name)?;
        let part = target(archive, id.as_deref())?;
        let shared = shared_escapes(archive)?;
        let any = !shared.is_empty() || has_escape(archive, &part)?;
        let is_date = |style: &Style| {
            let format = style.number_format.as_ref();
            format.is_some_and(|format| has_date(&format.format_code, format.format_id))
        };
        Ok(Self {
            archive: Some(archive),
            part,
            cells: None,
            escapes: any.then_some(shared),
            dates: styles.iter().map(is_date).collect(),
        })
    }

    /// Returns the text of a cell, by its number in the order of the sheet, if something in it looks like an escape.
    pub(super) fn escaped(&mut self, number: u64) -> Result<Option<Escaped>, Fault> {
        if self.escapes.is_none() {
            return Ok(None);
        }
        Ok(match self.cells()?.find(number)?.map(|cell| std::mem::take(&mut cell.text)) {
            Some(Text::Shared(text)) => self.escapes.as_ref().and_then(|all| all.get(&text)).cloned(),
            Some(Text::Own(text)) => unescape(&text),
            Some(Text::None) | None => None,
        })
    }

    /// Returns what the format of a cell, by its number in the order of the sheet, shows of a number below 1.
    pub(super) fn shown(&mut self, number: u64) -> Result<Shown, Fault> {
        let style = self.cells()?.find(number)?.map_or(0, |cell| cell.style);
        let is_date = self.dates.get(style).copied().unwrap_or_default();
        Ok(if is_date { Shown::Date } else { Shown::Time })
    }

    fn cells(&mut self) -> Result<&mut Cells<'a>, Fault> {
        match self.archive.take() {
            Some(archive) => {
                let mut xml = open(archive, &self.part)?;
                while let Some(event) = xml.next()? {
                    if matches!(event, Event::Start(element) if element.local_name().as_ref() == "sheetData")
                    {
                        break;
                    }
                }
                Ok(self.cells.insert(Cells { xml, read: 0, current: None }))
            }
            None => self.cells.as_mut().ok_or_else(damaged),
        }
    }
}

/// Returns the ID of the relation from the workbook to a sheet.
fn relation(archive: &mut Archive<'_>, name: &str) -> Result<Option<String>, Fault> {
    let mut workbook = open(archive, WORKBOOK)?;
    while let Some(event) = workbook.next()? {
        if let Event::Start(element) = event
            && element.local_name().as_ref() == "sheet"
            && attribute(&element, "name")?.as_deref() == Some(name)
        {
            return attribute(&element, "id");
        }
    }
    Err(damaged())
}

/// Returns the name of the part that a relation leads to.
fn target(archive: &mut Archive<'_>, id: Option<&str>) -> Result<String, Fault> {
    let mut relations = open(archive, RELATIONS)?;
    while let Some(event) = relations.next()? {
        if let Event::Start(element) = event
            && element.local_name().as_ref() == "Relationship"
            && attribute(&element, "Id")?.as_deref() == id
        {
            let target = attribute(&element, "Target")?.ok_or_else(damaged)?;
            return Ok(match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => format!("xl/{target}"),
            });
        }
    }
    Err(damaged())
}

/// Reads the shared texts in which something looks like an escape, by their numbers.
fn shared_escapes(archive: &mut Archive<'_>) -> Result<HashMap<usize, Escaped>, Fault> {
    let mut found = HashMap::new();
    if position(archive, STRINGS).is_none() || !has_escape(archive, STRINGS)? {
        return Ok(found);
    }
    let mut strings = open(archive, STRINGS)?;
    let mut number = 0;
    while let Some(event) = strings.next()? {
        if let Event::Start(element) = event
            && element.local_name().as_ref() == "si"
        {
            if let Some(escaped) = unescape(&strings.texts("si", "t")?) {
                found.insert(number, escaped);
            }
            number += 1;
        }
    }
    Ok(found)
}

/// A cell, as it is written.
#[derive(Debug)]
struct Raw {
    style: usize,
    text: Text,
}

/// The text of a cell, as it is written.
#[derive(Debug, Default)]
enum Text {
    /// The number of a shared text.
    Shared(usize),
    Own(String),
    #[default]
    None,
}

/// A reader of the cells of a sheet, which never goes back.
struct Cells<'a> {
    xml: Xml<'a>,
    /// The number of cells that have been read, and the last of them.
    read: u64,
    current: Option<Raw>,
}

impl Cells<'_> {
    /// Reads up to a cell, by its number from 1; returns `None` if there are fewer.
    fn find(&mut self, number: u64) -> Result<Option<&mut Raw>, Fault> {
        while self.read < number {
            self.current = self.next()?;
            self.read += 1;
        }
        Ok(self.current.as_mut().filter(|_| self.read == number))
    }

    fn next(&mut self) -> Result<Option<Raw>, Fault> {
        while let Some(event) = self.xml.next()? {
            let Event::Start(element) = event else { continue };
            if element.local_name().as_ref() != "c" {
                continue;
            }
            let style = attribute(&element, "s")?.and_then(|style| style.parse().ok()).unwrap_or_default();
            let kind = attribute(&element, "t")?;
            let is_inline = matches!(kind.as_deref(), Some("inlineStr" | "is"));
            let content = self.xml.texts("c", if is_inline { "t" } else { "v" })?;
            let text = match kind.as_deref() {
                Some("s") => content.parse().map_or(Text::None, Text::Shared),
                Some("str" | "inlineStr" | "is") => Text::Own(content),
                _ => Text::None,
            };
            return Ok(Some(Raw { style, text }));
        }
        Ok(None)
    }
}

/// A reader of the XML of a part.
struct Xml<'a> {
    reader: Reader<Box<dyn BufRead + 'a>>,
    buffer: Vec<u8>,
}

impl Xml<'_> {
    /// Returns the next event; `None` at the end.
    fn next(&mut self) -> Result<Option<Event<'_>>, Fault> {
        self.buffer.clear();
        match self.reader.read_event_into(&mut self.buffer).map_err(|_| damaged())? {
            Event::Eof => Ok(None),
            event => Ok(Some(event)),
        }
    }

    /// Reads up to the end of an element, and returns the text in the elements of one name within it. Blanks around a
    /// `t` belong to it only if it says so, and a reading aid (`rPh`) is not a part of the text.
    fn texts(&mut self, end: &str, of: &str) -> Result<String, Fault> {
        let mut text = String::new();
        // The beginning of a text that has begun, and whether its blanks belong to it.
        let mut begun: Option<(usize, bool)> = None;
        let mut aid = false;
        loop {
            let Some(event) = self.next()? else { return Err(damaged()) };
            match event {
                Event::Start(element) => match element.local_name().as_ref() {
                    "rPh" => aid = true,
                    name if name == of => {
                        let preserved =
                            of != "t" || attribute(&element, "space")?.as_deref() == Some("preserve");
                        begun = (!aid).then_some((text.len(), preserved));
                    }
                    _ => {}
                },
                Event::End(element) => match element.local_name().as_ref() {
                    "rPh" => aid = false,
                    name if name == of => {
                        if let Some((start, false)) = begun.take() {
                            let own = text.split_off(start.min(text.len()));
                            text.push_str(own.trim_matches([' ', '\t', '\r', '\n']));
                        }
                    }
                    name if name == end => return Ok(text),
                    _ => {}
                },
                Event::Text(part) if begun.is_some() => text.push_str(&part.xml10_content()),
                Event::CData(part) if begun.is_some() => text.push_str(&part.xml10_content()),
                Event::GeneralRef(entity) if begun.is_some() => {
                    match entity.resolve_char_ref().map_err(|_| damaged())? {
                        Some(character) => text.push(character),
                        None => {
                            text.push_str(quick_xml::escape::resolve_xml_entity(&entity).ok_or_else(damaged)?)
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn open<'a>(archive: &'a mut Archive<'_>, part: &str) -> Result<Xml<'a>, Fault> {
    let file = part_of(archive, part)?;
    let file: Box<dyn BufRead + 'a> = Box::new(BufReader::new(file));
    let mut reader = Reader::from_reader(file);
    let config = reader.config_mut();
    // As for the values: `<c/>` begins and ends.
    config.check_end_names = false;
    config.expand_empty_elements = true;
    Ok(Xml { reader, buffer: Vec::new() })
}

fn part_of<'a>(archive: &'a mut Archive<'_>, part: &str) -> Result<impl Read + 'a, Fault> {
    let index = position(archive, part).ok_or_else(damaged)?;
    archive.by_index(index).map_err(|_| damaged())
}

/// Returns the position of a part, whose name some programs write in another case, or with backslashes.
fn position(archive: &Archive<'_>, part: &str) -> Option<usize> {
    archive.index_for_name(part).or_else(|| {
        (0..archive.len()).find(|index| {
            let name = archive.name_for_index(*index).and_then(Result::ok);
            name.is_some_and(|name| name.replace('\\', "/").eq_ignore_ascii_case(part))
        })
    })
}

/// Returns the value of an attribute, whatever its namespace.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Fault> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| damaged())?;
        if attribute.key.local_name().as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| damaged())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

/// Returns whether there is something in a part that looks like an escape.
fn has_escape(archive: &mut Archive<'_>, part: &str) -> Result<bool, Fault> {
    let mut file = BufReader::new(part_of(archive, part)?);
    // The end of the bytes before, which may be the beginning of an escape.
    let mut window = Vec::new();
    loop {
        let bytes = file.fill_buf().map_err(|_| damaged())?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let read = bytes.len();
        window.extend_from_slice(bytes);
        if window.windows(ESCAPE).any(|bytes| escape(bytes).is_some()) {
            return Ok(true);
        }
        window.drain(..window.len().saturating_sub(ESCAPE - 1));
        file.consume(read);
    }
}

/// Returns the number in an escape at the beginning of a text.
fn escape(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"_x")?.first_chunk::<4>()?;
    if bytes.get(ESCAPE - 1) != Some(&b'_') {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Reads the escapes in a text; `None` if nothing in it looks like one.
fn unescape(raw: &str) -> Option<Escaped> {
    let (mut text, mut rest) = (String::new(), raw);
    let (mut found, mut has_control) = (false, false);
    while let Some(at) = rest.find("_x") {
        let (before, behind) = rest.split_at_checked(at)?;
        text.push_str(before);
        let number = escape(behind.as_bytes());
        found |= number.is_some();
        let half = |behind: &str| escape(behind.get(ESCAPE..)?.as_bytes());
        let (character, length) = match number {
            Some(0x5f) => (Some('_'), ESCAPE),
            Some(high @ 0xd800..0xdc00) => {
                let pair = half(behind).and_then(|low| char::decode_utf16([high, low]).next()?.ok());
                (pair, 2 * ESCAPE)
            }
            Some(number @ (..0x20 | 0xfffe..)) => (char::from_u32(u32::from(number)), ESCAPE),
            _ => (None, 0),
        };
        match character {
            Some(character) => {
                has_control |= character != '_';
                text.push(character);
                rest = behind.get(length..)?;
            }
            // The characters after it may be an escape.
            None => {
                text.push('_');
                rest = behind.get(1..)?;
            }
        }
    }
    text.push_str(rest);
    found.then_some(Escaped { text, has_control })
}

/// Returns whether numbers in this format are shown with a day, month or year.
fn has_date(code: &str, id: Option<u32>) -> bool {
    // The formats of East Asian languages have no code: ECMA-376 part 1, section 18.8.30.
    if matches!(id, Some(27..=31 | 36 | 50..=54 | 57 | 58)) {
        return true;
    }
    let (mut letters, mut characters) = (String::new(), code.chars());
    while let Some(character) = characters.next() {
        match character {
            // Another section is for other numbers.
            ';' => break,
            '"' => _ = characters.by_ref().find(|character| *character == '"'),
            '[' => _ = characters.by_ref().find(|character| *character == ']'),
            '\\' | '_' | '*' => _ = characters.next(),
            letter => letters.push(letter.to_ascii_lowercase()),
        }
    }
    // Beside hours and seconds, `m` is minutes; `am/pm` is neither.
    let letters = letters.replace("am/pm", "").replace("a/p", "");
    letters.contains(['y', 'd']) || (letters.contains('m') && !letters.contains(['h', 's']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_those_that_spreadsheet_programs_write() {
        let found = |text: &str| unescape(text).map(|escaped| (escaped.text, escaped.has_control));
        let some = |text: &str, has_control| Some((text.to_owned(), has_control));
        for (raw, expected) in [
            ("plain_text _xyz_ _x12_ _x00zz_ _x+00D_", None),
            ("a_x000D_\nb", some("a\r\nb", true)),
            ("a_x000d_b", some("a\rb", true)),
            ("_x001b_[0m", some("\u{1b}[0m", true)),
            ("_x005F_x000D_", some("_x000D_", false)),
            ("img_x1920_1080", some("img_x1920_1080", false)),
            ("a_x0041_x000D_", some("a_x0041\r", true)),
            ("_xD83D__xDE00_", some("\u{1f600}", true)),
            ("_xD83D_", some("_xD83D_", false)),
            ("_xFFFE_", some("\u{fffe}", true)),
            ("ü_x000D_é", some("ü\ré", true)),
        ] {
            assert_eq!(found(raw), expected, "{raw}");
        }
    }

    #[test]
    fn formats_of_dates_are_told_from_those_of_times() {
        for code in
            ["yyyy-mm-dd", "d.m.yy hh:mm", "mmm", "mm-dd-yy", "[$-407]mmmm", "dddd", "hh:mm d", "\"h\"m"]
        {
            assert!(has_date(code, None), "{code}");
        }
        for code in [
            "hh:mm",
            "h:mm AM/PM",
            "mm:ss",
            "[h]:mm:ss",
            "mmss.0",
            "hh\" Tag\":mm",
            "hh:mm\\d",
            "General",
            "0.00;yyyy",
        ] {
            assert!(!has_date(code, None), "{code}");
        }
        assert!(has_date("General", Some(30)) && !has_date("General", Some(32)));
    }

    proptest! {
        #[test]
        fn a_text_that_a_spreadsheet_program_has_escaped_returns(text in "[a_x0-9A-F\r\u{1}\u{e9}]{0,24}") {
            let mut raw = String::new();
            for (at, character) in text.char_indices() {
                match character {
                    '\r' | '\u{1}' => raw.push_str(&format!("_x{:04X}_", u32::from(character))),
                    '_' if escape(&text.as_bytes()[at..]).is_some() => raw.push_str("_x005F_"),
                    other => raw.push(other),
                }
            }
            // What stands before a character may become an escape with it.
            prop_assume!(!raw.contains("_x005F_x005F_") || text.contains("_x005F_"));
            let read = unescape(&raw).map_or_else(|| raw.clone(), |escaped| escaped.text);
            prop_assert_eq!(read, text);
        }
    }
}
