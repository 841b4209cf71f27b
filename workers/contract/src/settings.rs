//! The `settings` of each worker, as they stand in `stack.yaml` and reach the worker in [`crate::environment::SETTINGS`].

use serde::{Deserialize, Serialize};

/// Settings of the worker `transform`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSettings {
    /// The item's attributes, in the order of the file: attribute name and where its value comes from.
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
    /// Whether a row without a value fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Whether a file may lack the column. Without it such a file fails as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Value when the value is empty, or an optional column missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether the value must never be seen: the task encrypts it, and `load` alone decrypts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// A sensitive field, as the task and `load` must know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensitiveField {
    /// Name of the attribute.
    pub name: String,
    /// Name of the column in the CSV, as it stands in the settings of `transform`.
    pub from: String,
}

/// Settings of the worker `extract`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtractSettings {
    /// Bytes of an object up to which one task reads it; a larger one is divided.
    pub shard_size: u64,
    /// How many tasks read one object at most.
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
    /// What becomes of an item whose key is in the table already.
    pub on_conflict: OnConflict,
    /// How sensitive values are written.
    pub store: Store,
}

/// What becomes of an item whose key is in the table already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnConflict {
    /// The item that is written last stays.
    #[default]
    Overwrite,
    /// That of the object that was uploaded last stays, and of one object the last row.
    Newest,
}

/// The attribute that orders the items of one key, with [`OnConflict::Newest`].
pub const VERSION_ATTRIBUTE: &str = "_version";

/// How sensitive values are written to the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// Decrypted.
    #[default]
    Decrypted,
    /// As they came, with all that their decryption needs but the KMS key.
    Encrypted,
}

/// Settings of the worker `extraction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtractionSettings {
    /// How the files are written.
    pub csv: CsvSettings,
    /// How many rows an event carries at most.
    pub rows_per_event: u32,
    /// How many events a task publishes a second at most. None: as many as the bus takes.
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
    /// What stands between two fields. Unless given, it is found in the header; without a header it is a comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Character>,
    /// What stands around a field that holds a delimiter, a line end or the quote itself, which is then doubled.
    pub quote: Character,
    /// What takes the meaning of the character after it. None: nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<Character>,
    /// What begins a line that is no row. None: every line is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Character>,
    /// Lines before the header, or before the first row, that are skipped.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip: u32,
    /// What becomes of a row with fewer fields than there are columns.
    #[serde(skip_serializing_if = "Short::is_default")]
    pub short: Short,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Names of the columns: those of a file without a header, or in the place of the header's. None: the header's.
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

/// What becomes of a row with fewer fields than there are columns.
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

/// A character that can be a delimiter or a quote: of ASCII, which is one byte of UTF-8 and no part of another
/// character, and no line end.
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

    /// The byte that it is in a file.
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
