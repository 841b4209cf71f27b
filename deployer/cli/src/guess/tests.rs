use contract::settings::TransformSettings;
use proptest::prelude::*;
use transform::{Cell, Context, Outcome, Sensitive, TableKeys, Transform};

use super::*;

/// Surveys a table.
fn survey(names: &[&str], rows: &[Vec<String>]) -> Survey {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut survey = Survey::new(&names);
    for (index, row) in (1..).zip(rows) {
        survey.take(index, &row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    survey
}

/// Guesses the key of a table as the command does.
fn key(survey: &Survey, rows: &[Vec<String>]) -> Key {
    single_key(survey)
        .or_else(|| {
            let mut pairs = Pairs::new(survey)?;
            for (index, row) in (1..).zip(rows) {
                pairs.take(index, &row.iter().map(String::as_str).collect::<Vec<_>>());
            }
            pairs.key()
        })
        .unwrap_or(Key::Row)
}

fn guessed(names: &[&str], rows: &[Vec<String>]) -> Guess {
    let survey = survey(names, rows);
    guess(&survey, &key(&survey, rows), &dialect::Guess::default())
}

fn table(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|value| (*value).to_owned()).collect()).collect()
}

/// Transforms all rows by the guess; returns the first failure.
fn transform_all(names: &[&str], rows: &[Vec<String>], guess: &Guess) -> Result<(), String> {
    let fields = guess.fields.iter().map(|field| field.settings.clone()).collect();
    let settings = TransformSettings { fields, ..TransformSettings::default() };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let ready = Transform::new(&settings, Some(&names)).map_err(|problems| format!("{problems:?}"))?;
    let mapping = ready.bind(&names, Sensitive::Clear).map_err(|failure| format!("{failure:?}"))?;
    let keys =
        TableKeys { key: guess.key.iter().map(|part| part.name.clone()).collect(), ..TableKeys::default() };
    for (index, row) in (1..).zip(rows) {
        let cells: Vec<Cell<'_>> = row.iter().map(|text| Cell::from(text.as_str())).collect();
        let context = Context { bucket: "b", key: "k.csv", version: None, index };
        let outcome = mapping.row(&cells, &context).map_err(|failure| format!("{index}: {failure:?}"))?;
        let Outcome::Item(mut item) = outcome else { return Err("skipped".into()) };
        keys.apply(&mut item).map_err(|failure| format!("{index}: {failure:?}"))?;
    }
    Ok(())
}

#[test]
fn the_key_is_the_best_column_whose_values_are_different() {
    let rows = |values: &[&[&str]]| table(values);
    for (names, values, expected) in [
        (&["town", "order_id"][..], &[&["a", "1"][..], &["b", "2"]][..], "order_id: number"),
        (&["id", "uuid"], &[&["7", "x"], &["8", "y"]], "id: number"),
        (&["id", "code"], &[&["7", "x"], &["7", "y"]], "code: string"),
        (&["code", "id"], &[&["007", "b"], &["008", "a"]], "id: string"),
        (&["name", "amount"], &[&["a", "1.5"], &["b", "2.5"]], "name: string"),
        (
            &["shop", "day", "sold"],
            &[&["a", "2026-01-01", "1"], &["a", "2026-01-02", "1"], &["b", "2026-01-01", "1"]],
            "shop: string, day: string",
        ),
        (&["a", "b"], &[&["1", "1"], &["1", "1"]], "id: string"),
        (&["email", "x"], &[&["a@b.de", "1"], &["c@d.de", "1"]], "id: string"),
        (&["id", "x"], &[&["1", "1"], &["", "2"]], "id: string"),
    ] {
        let rows = rows(values);
        let found = guessed(names, &rows);
        let kind = |part: &KeyAttribute| if part.is_number { "number" } else { "string" };
        let key: Vec<String> =
            found.key.iter().map(|part| format!("{}: {}", part.name, kind(part))).collect();
        assert_eq!(key.join(", "), expected, "{names:?}");
        assert_eq!(transform_all(names, &rows, &found), Ok(()), "{names:?}");
    }
}

#[test]
fn rows_without_a_key_get_the_name_of_the_file_and_their_position() {
    let names = ["id", "x"];
    let rows = table(&[&["", "1"], &["", "1"]]);
    let found = guessed(&names, &rows);
    let fields: Vec<(&str, Option<&str>, Option<&str>)> = found
        .fields
        .iter()
        .map(|field| &field.settings)
        .map(|field| (field.name.as_str(), field.from.as_deref(), field.template.as_deref()))
        .collect();
    assert_eq!(fields, [("id", None, Some(ROW_KEY)), ("id_2", Some("id"), None), ("x", Some("x"), None)]);
}

#[test]
fn columns_without_a_name_are_left_out_and_said() {
    let found = guessed(&["", "a", ""], &table(&[&["0", "x", "1"], &["1", "x", "1"], &["2", "x", "2"]]));
    assert!(
        found.notes.iter().any(|note| note.starts_with("2 columns without a usable name, of 1 to 1024 bytes, are left out")),
        "{found:?}"
    );
    assert_eq!(found.writer.map(|writer| writer.name), Some("pandas"));
    let columns: Vec<Option<&str>> =
        found.fields.iter().map(|field| field.settings.from.as_deref()).collect();
    assert_eq!(columns, [None, Some("a")]);
}

#[test]
fn columns_that_cannot_be_named_are_left_out() {
    let found = guessed(&["a\0b", "c"], &table(&[&["1", "x"], &["2", "y"]]));
    let columns: Vec<Option<&str>> =
        found.fields.iter().map(|field| field.settings.from.as_deref()).collect();
    assert_eq!(columns, [Some("c")]);
}

#[test]
fn sensitive_columns_are_proposed_and_no_keys() {
    let found = guessed(&["contact", "ref", "ssn"], &table(&[&["a@b.de", "x", "1"], &["c@d.de", "y", "2"]]));
    let sensitive: Vec<Option<&str>> = found.fields.iter().map(|field| field.sensitive).collect();
    assert_eq!(sensitive, [Some("e-mail addresses"), None, Some("official numbers of persons")]);
    assert!(found.fields.iter().all(|field| !field.settings.sensitive));
    assert_eq!(found.key.first().map(|part| part.name.as_str()), Some("ref"));
}

#[test]
fn the_user_names_the_key() {
    let names = ["a", "b"];
    let rows = table(&[&["1", "2.5"], &["1", "3.5"]]);
    let survey = survey(&names, &rows);
    let found = guess(&survey, &Key::Given(vec![1, 0]), &dialect::Guess::default());
    let key: Vec<&str> = found.key.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(key, ["b", "a"]);
    assert_eq!(transform_all(&names, &rows, &found), Ok(()));
    let found = guess(&survey, &Key::Given(vec![0]), &dialect::Guess::default());
    assert!(found.key_notes.iter().any(|note| note.contains("overwrites")), "{:?}", found.key_notes);
}

/// Values of one kind, as files have them.
fn values() -> impl Strategy<Value = BoxedStrategy<String>> {
    let kinds: Vec<BoxedStrategy<String>> = vec![
        "-?[0-9]{1,4}".boxed(),
        "[0-9]{10,40}".boxed(),
        "[+-]?[0-9]{0,3}\\.[0-9]{0,3}([eE][+-]?[0-9]{1,3})?".boxed(),
        "-?[0-9]{1,3}([.,' \u{a0}][0-9]{3}){0,3}([.,][0-9]{1,3})?".boxed(),
        "(true|false|True|FALSE|t|f|yes|no|0|1|on|off|y|n)".boxed(),
        "(ja|nein|Ja| nein|JA)".boxed(),
        "[0-3]?[0-9][-/.][0-3]?[0-9][-/.](20)?[0-9]{2}( [0-2]?[0-9]:[0-6][0-9](:[0-6][0-9])?( [AP]M)?)?".boxed(),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]".boxed(),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
            .boxed(),
        "[0-3][0-9] (Jan|Feb|Mai|May|Dec) 20[0-9]{2}".boxed(),
        "\\{(\"a\": ?(1|1e999|\"x\"|null|[0-9]{1,50}))?\\}".boxed(),
        "\\[(1|true|\\{\\}|,| )?\\]".boxed(),
        "\\{[a-z,]{0,5}\\}".boxed(),
        "(NaN|NA|null|-|inf|Infinity|\\\\N|#N/A)".boxed(),
        "[a-c]{1,2}@[a-c]{1,2}\\.de".boxed(),
        "[ \t\u{a0}\u{200b}]{0,2}".boxed(),
        "[a-d]{1,2}".boxed(),
        ".{0,12}".boxed(),
    ];
    let count = kinds.len();
    (0..count, 0..count, 0..12_u32).prop_map(move |(one, other, mixed)| {
        let (one, other) = (kinds[one].clone(), kinds[other].clone());
        // Most columns have one kind of values, some of them gaps, and few are mixed.
        match mixed {
            0 => prop_oneof![8 => one, 1 => other].boxed(),
            1..=4 => prop_oneof![5 => one, 1 => Just(String::new())].boxed(),
            5 => one.prop_map(|value| format!(" {value} ")).boxed(),
            _ => one,
        }
    })
}

fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
    proptest::collection::vec(values(), 1..6).prop_flat_map(|columns| {
        (0_usize..12).prop_flat_map(move |rows| {
            let row: Vec<BoxedStrategy<String>> = columns.clone();
            proptest::collection::vec(row, rows)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_row_of_the_file_fails(rows in tables(), names in proptest::collection::vec("(id|Order ID|zip|date|x|E-Mail|ssn)", 5)) {
        let width = rows.first().map_or(1, Vec::len);
        let names: Vec<String> = (0..width).map(|column| format!("{} {column}", names[column])).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = guessed(&names, &rows);
        prop_assert_eq!(transform_all(&names, &rows, &found), Ok(()), "{:?}", found);
    }
}
