//! The `settings` of each worker, as they are in `stack.yaml` and reach the worker in [`crate::environment::SETTINGS`].

mod encoding;
mod fields;

use serde::{Deserialize, Serialize};

use crate::columns;

pub use encoding::{EncodingSetting, Fallback};
pub use fields::{Case, Element, Empty, FieldSettings, Fold, Form, Otherwise, Type};

/// Settings of the worker `transform`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSettings {
    /// The item's attributes, in the order of the file: attribute name and source of its value.
    pub fields: Vec<FieldSettings>,
    /// An expression that is true for the rows that become items; the others are skipped. `None`: all rows.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// An expression that is true for the rows that delete the item of their key. `None`: no row does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// With `delete`, the attributes of the keys of the tables that `load` writes: all that a deletion needs of its row.
    /// They are not in `stack.yaml`, whose tables have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
}

/// A sensitive field, as the task and `load` need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensitiveField {
    /// Name of the attribute.
    pub name: String,
    /// Name of the column in the CSV, as it is in the settings of `transform`.
    pub from: String,
    /// The settings of the field, if its value has a type or rules: the task checks it before it is encrypted, and
    /// `load` converts it after it is decrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<FieldSettings>>,
}

impl SensitiveField {
    /// Returns what the task and `load` need of a field; `None` if it comes from no column.
    #[must_use]
    pub fn new(field: &FieldSettings) -> Option<Self> {
        let from = columns::trim(field.from.as_deref()?).to_owned();
        // `transform` does what these say, which does not depend on the value.
        let plain = FieldSettings {
            name: field.name.clone(),
            from: field.from.clone(),
            required: field.required,
            sensitive: true,
            ..FieldSettings::default()
        };
        let settings = (*field != plain).then(|| Box::new(field.clone()));
        Some(Self { name: field.name.clone(), from, settings })
    }
}

/// Settings of the worker `extract`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtractSettings {
    /// Bytes of an object up to which one task reads it; a larger object is divided.
    pub shard_size: u64,
    /// The greatest number of tasks that read one object.
    pub max_tasks: u32,
    /// Bytes of an object up to which `extract` reads it itself, without a task. `None`: a task reads every object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<u64>,
}

impl Default for ExtractSettings {
    fn default() -> Self {
        Self { shard_size: 1 << 30, max_tasks: 4, inline: None }
    }
}

/// Settings of the worker `observe`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObserveSettings {
    /// `true` if it writes metrics about each file at its end.
    pub metrics: bool,
}

/// Settings of the worker `load`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadSettings {
    /// The treatment of an item whose key is already in the table.
    pub on_conflict: OnConflict,
    /// The form in which sensitive values are written.
    pub store: Store,
    /// `true` if each item names its file in [`SOURCE_ATTRIBUTE`], so that `snapshot` finds those that a later version of
    /// the file lacks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub snapshot: bool,
}

/// Settings of the worker `snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SnapshotSettings {
    /// The greatest share of the items that a file had before that may be deleted when its next version is complete.
    pub maximum_deleted: Share,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { maximum_deleted: Share::percent(10) }
    }
}

/// A share of a number, in hundredths of a percent: 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub u16);

impl Share {
    /// All of it.
    pub const ALL: Self = Self::percent(100);

    /// Returns a share of whole percents.
    #[must_use]
    pub const fn percent(percent: u16) -> Self {
        Self(percent.saturating_mul(100))
    }

    /// Returns this share of a number, rounded down.
    #[must_use]
    pub fn of(self, number: u64) -> u64 {
        let share = u128::from(number) * u128::from(self.min(Self::ALL).0) / 10_000;
        u64::try_from(share).unwrap_or(number)
    }
}

/// The treatment of an item whose key is already in the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnConflict {
    /// The item that is written last is kept.
    #[default]
    Overwrite,
    /// The item of the object that was uploaded last is kept, and of one object that of the last row.
    Newest,
    /// The item that is in the table is kept.
    Keep,
    /// The item gets the attributes of the row, and keeps its others.
    Merge,
}

impl OnConflict {
    /// Returns whether items have the attribute [`VERSION_ATTRIBUTE`], which names their rows.
    #[must_use]
    pub const fn has_versions(self) -> bool {
        matches!(self, Self::Newest | Self::Keep)
    }

    /// Returns the word in `stack.yaml`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Overwrite => "overwrite",
            Self::Newest => "newest",
            Self::Keep => "keep",
            Self::Merge => "merge",
        }
    }
}

/// The attribute that names the row of an item: it orders the items of one key with [`OnConflict::Newest`], and tells with
/// [`OnConflict::Keep`] whether an item is that of a row which is delivered again.
pub const VERSION_ATTRIBUTE: &str = "_version";

/// The attribute that names the file of an item, by [`crate::ObjectRef::source`], with [`LoadSettings::snapshot`].
pub const SOURCE_ATTRIBUTE: &str = "_source";

/// The greatest number of attributes that [`OnConflict::Merge`] takes of a row, besides the key: an expression of DynamoDB
/// has 4 KB at most, of which each takes up to ten bytes (Amazon DynamoDB Developer Guide, "Quotas").
pub const MAX_MERGED: usize = 400;

/// The form in which sensitive values are written to the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// Decrypted.
    #[default]
    Decrypted,
    /// As they arrived, with everything that their decryption needs except for the KMS key.
    Encrypted,
}

/// Settings of the worker `extraction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtractionSettings {
    /// The format of the files.
    #[serde(skip_serializing_if = "Format::is_default")]
    pub format: Format,
    /// The dialect of the files, if they are CSV.
    pub csv: CsvSettings,
    /// The columns of the files, if they are JSON Lines.
    #[serde(skip_serializing_if = "JsonSettings::is_default")]
    pub json: JsonSettings,
    /// The sheet of files that are workbooks.
    #[serde(skip_serializing_if = "XlsxSettings::is_default")]
    pub xlsx: XlsxSettings,
    /// The greatest number of rows in an event.
    pub rows_per_event: u32,
    /// The greatest number of events that a task publishes in a second. `None`: as many as the bus takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<u32>,
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            csv: CsvSettings::default(),
            json: JsonSettings::default(),
            xlsx: XlsxSettings::default(),
            rows_per_event: 1,
            events_per_second: None,
        }
    }
}

impl ExtractionSettings {
    /// Returns the names of the columns, if the settings give them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match self.format {
            Format::Csv => &self.csv.columns,
            Format::JsonLines => &self.json.columns,
        }
    }
}

/// The format of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// CSV, by RFC 4180 and the dialect of the settings.
    #[default]
    Csv,
    /// JSON Lines: an object of JSON on each line.
    JsonLines,
}

impl Format {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The columns of JSON Lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JsonSettings {
    /// The members that are columns: names, or paths such as `a.b`. Empty: every member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl JsonSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The sheet of workbooks (`.xlsx`), which are recognized among files of CSV. They have the header, the columns and the
/// skipped lines of [`CsvSettings`] as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct XlsxSettings {
    /// The name of the sheet. `None`: the first visible one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The treatment of merged cells.
    #[serde(skip_serializing_if = "Fill::is_default")]
    pub fill: Fill,
}

impl XlsxSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The treatment of merged cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// The first cell has the value, and the others are empty.
    #[default]
    None,
    /// The cells below the first one have its value, too.
    Down,
}

impl Fill {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The dialect of the CSV files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CsvSettings {
    /// The encoding of the files. `None`: UTF-8, or UTF-16 where the bytes are that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<EncodingSetting>,
    /// The character between two fields. Unless given, it is found in the header; without a header it is a comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Character>,
    /// The character around a field that contains a delimiter, a line end or the quote itself, which is then doubled.
    pub quote: Character,
    /// The character that takes the meaning of the next one. `None`: no character does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<Character>,
    /// The character that begins a line that is not a row. `None`: every line is a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Character>,
    /// The number of lines to skip before the header, or before the first row.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip: u32,
    /// The treatment of a row with fewer fields than there are columns.
    #[serde(skip_serializing_if = "Short::is_default")]
    pub short: Short,
    /// `true` if the first line names the columns.
    pub header: bool,
    /// Names of the columns: those of a file without a header, or in the place of the header's. Empty: the header's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl Default for CsvSettings {
    fn default() -> Self {
        Self {
            encoding: None,
            delimiter: None,
            quote: Character::QUOTE,
            escape: None,
            comment: None,
            skip: 0,
            short: Short::Reject,
            header: true,
            columns: Vec::new(),
        }
    }
}

/// The treatment of a row with fewer fields than there are columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Short {
    /// It fails.
    #[default]
    Reject,
    /// The fields that it lacks are empty.
    Pad,
}

impl Short {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A character that can be a delimiter or a quote: of ASCII, which is one byte of UTF-8 and not a part of another
/// character, and not a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Character(u8);

impl Character {
    /// `,`.
    pub const COMMA: Self = Self(b',');
    /// `;`.
    pub const SEMICOLON: Self = Self(b';');
    /// The tabulator.
    pub const TAB: Self = Self(b'\t');
    /// `|`.
    pub const BAR: Self = Self(b'|');
    /// `"`.
    pub const QUOTE: Self = Self(b'"');

    /// Returns the byte that it is in a file.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }
}

/// A character that can be neither delimiter nor quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an ASCII character that is not a line end, found {0:?}")]
pub struct CharacterError(char);

impl TryFrom<char> for Character {
    type Error = CharacterError;

    fn try_from(character: char) -> Result<Self, CharacterError> {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Self(byte)),
            _ => Err(CharacterError(character)),
        }
    }
}

impl From<Character> for char {
    fn from(character: Character) -> Self {
        Self::from(character.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_the_default() {
        let read = |text: &str| serde_json::from_str::<ExtractionSettings>(text);
        assert_eq!(read("{}").expect("nothing"), ExtractionSettings::default());
        let found =
            read(r#"{"csv":{"delimiter":";","header":false,"columns":["a"]}}"#).expect("settings").csv;
        assert_eq!(found.delimiter.map(Character::byte), Some(b';'));
        assert_eq!(
            (found.quote, found.header, found.columns),
            (Character::QUOTE, false, vec!["a".to_owned()])
        );
        for wrong in [
            r#"{"csv":{"delimiter":"€"}}"#,
            r#"{"csv":{"quote":"\n"}}"#,
            r#"{"csv":{"quote":""}}"#,
            r#"{"csv":{"encoding":"cp850"}}"#,
            r#"{"csv":{"encoding":{"auto":"xx"}}}"#,
            r#"{"csv":{"encoding":{"auto":"de","x":1}}}"#,
            r#"{"cvs":{}}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_of_functions_that_are_not_given_are_not_written() {
        let text = serde_json::to_string(&TransformSettings::default()).expect("JSON");
        assert_eq!(text, r#"{"fields":[]}"#);
        let given = r#"{"fields":[],"where":"a","delete":"b","key":["id","sort"]}"#;
        let read: TransformSettings = serde_json::from_str(given).expect("settings");
        assert_eq!((read.delete.as_deref(), read.key.len()), (Some("b"), 2));
        assert_eq!(serde_json::to_string(&read).expect("JSON"), given);
        for (text, on_conflict) in [
            ("{}", OnConflict::Overwrite),
            (r#"{"onConflict":"newest"}"#, OnConflict::Newest),
            (r#"{"onConflict":"keep"}"#, OnConflict::Keep),
            (r#"{"onConflict":"merge"}"#, OnConflict::Merge),
        ] {
            let read: LoadSettings = serde_json::from_str(text).expect("settings");
            assert_eq!(read.on_conflict, on_conflict);
            assert!(serde_json::to_string(&read).expect("JSON").contains(on_conflict.word()));
        }
    }

    #[test]
    fn settings_survive_the_environment() {
        let csv = CsvSettings {
            encoding: None,
            delimiter: Character::try_from('\t').ok(),
            quote: Character::try_from('\'').expect("a quote"),
            escape: Character::try_from('\\').ok(),
            comment: Character::try_from('#').ok(),
            skip: 4,
            short: Short::Pad,
            header: true,
            columns: vec!["a".to_owned(), "ü".to_owned()],
        };
        let settings = ExtractionSettings {
            format: Format::JsonLines,
            csv,
            json: JsonSettings { columns: vec!["a.b".to_owned()] },
            xlsx: XlsxSettings { sheet: Some("Orders".to_owned()), fill: Fill::Down },
            rows_per_event: 25,
            events_per_second: Some(600),
        };
        let text = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(serde_json::from_str::<ExtractionSettings>(&text).expect("own JSON"), settings);
    }

    #[test]
    fn a_share_is_rounded_down_and_is_never_more_than_all() {
        for (share, of, expected) in [
            (Share::percent(10), 1_009, 100),
            (Share::percent(10), 9, 0),
            (Share(50), 1_000, 5),
            (Share(0), u64::MAX, 0),
            (Share::ALL, u64::MAX, u64::MAX),
            (Share(u16::MAX), 7, 7),
        ] {
            assert_eq!(share.of(of), expected, "{share:?} of {of}");
        }
        let text = serde_json::to_string(&SnapshotSettings::default()).expect("JSON");
        assert_eq!(text, r#"{"maximumDeleted":1000}"#);
        assert_eq!(serde_json::to_string(&LoadSettings::default()).expect("JSON").find("snapshot"), None);
    }

    #[test]
    fn encodings_survive_the_environment_under_their_own_names() {
        for (written, kept) in [
            (r#""latin9""#, r#""iso-8859-15""#),
            (r#""auto""#, r#""auto""#),
            (r#"{"auto":"de-AT"}"#, r#"{"auto":"de"}"#),
            (r#"{"auto":"cp1250"}"#, r#"{"auto":"windows-1250"}"#),
        ] {
            let read: EncodingSetting = serde_json::from_str(written).expect(written);
            let text = serde_json::to_string(&read).expect("JSON");
            assert_eq!(text, kept);
            assert_eq!(serde_json::from_str::<EncodingSetting>(&text).expect("own JSON"), read);
        }
    }

    #[test]
    fn a_file_is_divided_only_if_no_encoding_of_the_setting_forbids_it() {
        for (written, divisible) in [
            (r#""auto""#, true),
            (r#""utf-16""#, true),
            (r#""windows-1252""#, true),
            (r#""shift_jis""#, false),
            (r#"{"auto":"pl"}"#, true),
            (r#"{"auto":"ja"}"#, false),
            (r#"{"auto":"big5"}"#, false),
        ] {
            let read: EncodingSetting = serde_json::from_str(written).expect(written);
            assert_eq!(read.is_divisible(), divisible, "{written}");
        }
    }
}
