//! The mapping of `transform`: columns of the file become attributes of the item, by the settings.
//!
//! A transform of your own goes here: change [`Mapping::item`], and nothing else. It is a pure function, so a test
//! needs no AWS. Its `Err` becomes a `transformFailed` event, whose message must not contain a value of the row.

use contract::Reason;
use contract::columns;
use contract::settings::{FieldSettings, TransformSettings};
use serde_json::{Map, Value};

/// The fields of the settings, each with its column in a file.
#[derive(Debug)]
pub struct Mapping<'s> {
    /// Position of the column; `None` if an optional one isn't there.
    fields: Vec<(&'s FieldSettings, Option<usize>)>,
    /// Columns of the file.
    width: usize,
}

impl<'s> Mapping<'s> {
    /// Finds the columns of the fields in a header.
    ///
    /// # Errors
    /// The reason code, and one sentence for a person, when no row of a file with this header can become an item.
    pub fn new(settings: &'s TransformSettings, headers: &[String]) -> Result<Self, (Reason, String)> {
        let expected =
            settings.fields.iter().filter(|field| !field.optional).map(|field| field.from.as_str());
        if let Some(missing) = columns::missing(headers, expected) {
            return Err((Reason::MissingColumn, missing.to_string()));
        }
        let find = |field: &'s FieldSettings| Ok((field, columns::find(headers, &field.from)?));
        let fields: Result<_, columns::AmbiguousColumn> = settings.fields.iter().map(find).collect();
        let fields = fields.map_err(|ambiguous| (Reason::DuplicateHeader, ambiguous.to_string()))?;
        Ok(Self { fields, width: headers.len() })
    }

    /// Returns the item of one row.
    ///
    /// # Errors
    /// The reason code, and one sentence for a person, when the row cannot become an item.
    pub fn item(&self, data: &[String]) -> Result<Map<String, Value>, (Reason, String)> {
        if data.len() != self.width {
            let message = format!("the row has {} fields, but the header has {}", data.len(), self.width);
            return Err((Reason::RowLength, message));
        }
        let mut item = Map::new();
        for (FieldSettings { name, from, required, default, sensitive, .. }, column) in &self.fields {
            let value = column.and_then(|column| data.get(column)).map(String::as_str);
            let value = match (value, default) {
                (Some(value), _) if !value.is_empty() => value,
                (_, Some(default)) => default,
                (Some(_), None) if *required => {
                    return Err((Reason::MissingValue, format!("the column `{from}` is empty")));
                }
                // An empty value is a value; a column that isn't there has none.
                (Some(empty), None) => empty,
                (None, None) => continue,
            };
            // The task that read the row did not know yet, or is another stack's: a value in clear goes no further.
            if *sensitive && !value.is_empty() && !sealing::is_sealed(value) {
                let message = format!("the sensitive column `{from}` is not encrypted");
                return Err((Reason::NotEncrypted, message));
            }
            item.insert(name.clone(), value.into());
        }
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn settings(fields: Value) -> TransformSettings {
        serde_json::from_value(json!({ "fields": fields })).expect("settings")
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn run(fields: Value, headers: &[&str], data: &[&str]) -> Result<Value, (Reason, String)> {
        let settings = settings(fields);
        Mapping::new(&settings, &texts(headers))?.item(&texts(data)).map(Value::Object)
    }

    #[test]
    fn the_originals_example() {
        let fields = json!([
            { "name": "id", "from": "ID", "required": true },
            { "name": "house_number", "from": "HouseNum" },
            { "name": "street_address", "from": "Street" },
            { "name": "town", "from": "Town" },
            { "name": "zip", "from": "Zip" },
        ]);
        let item =
            run(fields, &["ID", "HouseNum", "Street", "Town", "Zip"], &["1", "12", "A St", "B", "07030"]);
        let item = item.expect("an item");
        assert_eq!(
            item,
            json!({ "id": "1", "house_number": "12", "street_address": "A St", "town": "B", "zip": "07030" })
        );
        let names: Vec<&String> = item.as_object().expect("object").keys().collect();
        assert_eq!(names, ["id", "house_number", "street_address", "town", "zip"]);
    }

    #[test]
    fn columns_are_found_by_exact_name_first() {
        let fields = json!([{ "name": "a", "from": "Id" }, { "name": "b", "from": " ID " }, { "name": "c", "from": "x" }]);
        let item = run(fields, &["ID", " Id ", "X"], &["upper", "mixed", "x"]);
        assert_eq!(item, Ok(json!({ "a": "mixed", "b": "upper", "c": "x" })));
    }

    #[test]
    fn an_ambiguous_column_fails_even_if_optional() {
        let fields = json!([{ "name": "a", "from": "id", "optional": true }]);
        assert_eq!(
            run(fields.clone(), &["ID", "Id"], &["1", "2"]),
            Err((Reason::DuplicateHeader, "the file has several columns `id`".into()))
        );
        assert!(run(fields, &["id", "id"], &["1", "2"]).is_err());
    }

    #[test]
    fn required_values_must_be_there() {
        let fields = json!([{ "name": "a", "from": "A", "required": true }]);
        assert_eq!(
            run(fields.clone(), &["A"], &[""]),
            Err((Reason::MissingValue, "the column `A` is empty".into()))
        );
    }

    #[test]
    fn a_column_must_be_there_unless_the_field_is_optional() {
        let fields = json!([
            { "name": "a", "from": "A" },
            { "name": "b", "from": "B" },
            { "name": "c", "from": "C", "default": "d" },
            { "name": "o", "from": "O", "optional": true },
        ]);
        assert_eq!(
            run(fields.clone(), &["a"], &["1"]),
            Err((Reason::MissingColumn, "the file has no columns `B` and `C`".into())),
            "a default is for empty values: a column that is misspelled would become it in every row"
        );
        assert_eq!(
            run(fields, &["a", "B\u{a0}", "c"], &["1", "2", ""]),
            Ok(json!({ "a": "1", "b": "2", "c": "d" }))
        );
    }

    #[test]
    fn what_is_not_required_may_be_empty_absent_or_the_default() {
        let fields = json!([
            { "name": "empty", "from": "A" },
            { "name": "absent", "from": "B", "optional": true },
            { "name": "default_for_empty", "from": "A", "required": true, "default": "d" },
            { "name": "default_for_absent", "from": "B", "optional": true, "default": "d" },
        ]);
        let item = run(fields, &["A"], &[""]);
        assert_eq!(item, Ok(json!({ "empty": "", "default_for_empty": "d", "default_for_absent": "d" })));
    }

    #[test]
    fn a_sensitive_value_in_clear_goes_no_further() {
        let fields = json!([{ "name": "s", "from": "S", "sensitive": true }]);
        for value in ["", "enc:v1:AAAA"] {
            assert_eq!(run(fields.clone(), &["S"], &[value]), Ok(json!({ "s": value })));
        }
        let (reason, message) = run(fields, &["S"], &["sEcReT"]).expect_err("in clear");
        assert_eq!(reason, Reason::NotEncrypted);
        assert!(!message.contains("sEcReT"));
    }

    #[test]
    fn a_row_that_does_not_fit_its_header_is_rejected() {
        let error = run(json!([{ "name": "a", "from": "A" }]), &["A"], &["1", "2"]).expect_err("too long");
        assert_eq!(error.0, Reason::RowLength);
    }

    proptest! {
        #[test]
        fn messages_never_hold_values(
            headers in proptest::collection::vec("[aAbB]", 0..4),
            secrets in 0..5usize,
            required in any::<bool>(),
        ) {
            let fields = json!([{ "name": "x", "from": "a", "required": required }]);
            let data = vec!["sEcReT".to_owned(); secrets];
            let settings = settings(fields);
            if let Err((_, message)) = Mapping::new(&settings, &headers).and_then(|mapping| mapping.item(&data)) {
                prop_assert!(!message.contains("sEcReT"));
            }
        }
    }
}
