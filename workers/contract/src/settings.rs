//! The `settings` of each worker, as they are in `stack.yaml` and reach the worker in [`crate::environment::SETTINGS`].

use serde::{Deserialize, Serialize};

/// Settings of the worker `transform`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSettings {
    /// The item's attributes, in the order of the file: attribute name and source of its value.
    pub fields: Vec<FieldSettings>,
}

/// One attribute of the item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSettings {
    /// Name of the attribute.
    pub name: String,
    /// Name of the column in the CSV, found by [`crate::columns::find`].
    pub from: String,
    /// `true` if a row without a value fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// `true` if a file may lack the column; otherwise such a file fails as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The value to use when the value is empty, or when an optional column is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// `true` if the value must never be seen: the task encrypts it, and only `load` decrypts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// A sensitive field, as the task and `load` need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensitiveField {
    /// Name of the attribute.
    pub name: String,
    /// Name of the column in the CSV, as it is in the settings of `transform`.
    pub from: String,
}

/// Settings of the worker `extract`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtractSettings {
    /// Bytes of an object up to which one task reads it; a larger object is divided.
    pub shard_size: u64,
    /// The greatest number of tasks that read one object.
    pub max_tasks: u32,
}

impl Default for ExtractSettings {
    fn default() -> Self {
        Self { shard_size: 1 << 30, max_tasks: 4 }
    }
}

/// Settings of the worker `load`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadSettings {
    /// The treatment of an item whose key is already in the table.
    pub on_conflict: OnConflict,
    /// The form in which sensitive values are written.
    pub store: Store,
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
}

/// The attribute that orders the items of one key, with [`OnConflict::Newest`].
pub const VERSION_ATTRIBUTE: &str = "_version";

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
    /// The dialect of the files.
    pub csv: CsvSettings,
    /// The greatest number of rows in an event.
    pub rows_per_event: u32,
    /// The greatest number of events that a task publishes in a second. `None`: as many as the bus takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_second: Option<u32>,
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        Self { csv: CsvSettings::default(), rows_per_event: 1, events_per_second: None }
    }
}

/// The dialect of the CSV files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CsvSettings {
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
            r#"{"cvs":{}}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_survive_the_environment() {
        let csv = CsvSettings {
            delimiter: Character::try_from('\t').ok(),
            quote: Character::try_from('\'').expect("a quote"),
            escape: Character::try_from('\\').ok(),
            comment: Character::try_from('#').ok(),
            skip: 4,
            short: Short::Pad,
            header: true,
            columns: vec!["a".to_owned(), "ü".to_owned()],
        };
        let settings = ExtractionSettings { csv, rows_per_event: 25, events_per_second: Some(600) };
        let text = serde_json::to_string(&settings).expect("JSON");
        assert_eq!(serde_json::from_str::<ExtractionSettings>(&text).expect("own JSON"), settings);
    }
}
