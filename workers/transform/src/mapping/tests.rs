use contract::settings::TransformSettings;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::Transform;

fn settings(settings: Json) -> TransformSettings {
    let settings = match settings {
        Json::Array(fields) => json!({ "fields": fields }),
        all => all,
    };
    serde_json::from_value(settings).expect("settings")
}

fn cells<'r>(texts: &[&'r str]) -> Vec<Cell<'r>> {
    texts.iter().map(|text| Cell::from(*text)).collect()
}

const CONTEXT: Context<'_> = Context { bucket: "b", key: "k.csv", version: Some("v"), index: 7 };

/// Returns the item of a row as an event carries it; null if the row is left out.
fn run(given: Json, headers: &[&str], row: &[&str]) -> Result<Json, Failure> {
    run_cells(given, headers, &cells(row))
}

fn run_cells(given: Json, headers: &[&str], row: &[Cell<'_>]) -> Result<Json, Failure> {
    let transform = Transform::new(&settings(given), None).unwrap_or_else(|problems| panic!("{problems:?}"));
    let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
    let mapping = transform.bind(&headers, Sensitive::Sealed(|text| text.starts_with("enc:v1:")))?;
    match mapping.row(row, &CONTEXT)? {
        Outcome::Item(item) => Ok(Json::Object(item.to_event_json())),
        Outcome::Deletion(key) => Ok(json!({ "deletes": key.to_event_json() })),
        Outcome::Skipped => Ok(Json::Null),
    }
}

fn failed(given: Json, headers: &[&str], row: &[&str]) -> (Reason, Option<String>, Option<String>, String) {
    let Failure { reason, field, column, message } = run(given, headers, row).expect_err("a failure");
    (reason, field, column, message)
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
    let item = run(fields, &["ID", "HouseNum", "Street", "Town", "Zip"], &["1", "12", "A St", "B", "07030"]);
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
    let fields =
        json!([{ "name": "a", "from": "Id" }, { "name": "b", "from": " ID " }, { "name": "c", "from": "x" }]);
    let item = run(fields, &["ID", " Id ", "X"], &["upper", "mixed", "x"]);
    assert_eq!(item, Ok(json!({ "a": "mixed", "b": "upper", "c": "x" })));
}

#[test]
fn an_ambiguous_column_fails_even_if_optional() {
    let fields = json!([{ "name": "a", "from": "id", "optional": true }]);
    let failure = run(fields.clone(), &["ID", "Id"], &["1", "2"]).expect_err("ambiguous");
    assert_eq!(failure.reason, Reason::DuplicateHeader);
    assert_eq!(failure.message, "the file has several columns `id`");
    assert!(run(fields, &["id", "id"], &["1", "2"]).is_err());
}

#[test]
fn a_column_must_be_there_unless_every_field_that_uses_it_is_optional() {
    let fields = json!([
        { "name": "a", "from": "A" },
        { "name": "b", "from": "B" },
        { "name": "c", "from": "C", "default": "d" },
        { "name": "o", "from": "O", "optional": true },
        { "name": "t", "template": "${T}", "optional": true },
        { "name": "e", "expression": "row.E + '!'", "optional": true },
    ]);
    let failure = run(fields.clone(), &["a"], &["1"]).expect_err("a default is for empty values");
    assert_eq!(
        (failure.reason, failure.message.as_str()),
        (Reason::MissingColumn, "the file has no columns `B` and `C`")
    );
    assert_eq!(
        run(fields, &["a", "B\u{a0}", "c"], &["1", "2", ""]),
        Ok(json!({ "a": "1", "b": "2", "c": "d" }))
    );
    let both = json!([
        { "name": "a", "from": "A", "optional": true },
        { "name": "b", "template": "x${A}" },
    ]);
    assert_eq!(run(both, &["B"], &["1"]).expect_err("needed by `b`").reason, Reason::MissingColumn);
}

#[test]
fn an_empty_value_is_treated_as_the_field_says() {
    let field = |more: Json| {
        let mut field = json!({ "name": "a", "from": "A" });
        field.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!([field])
    };
    for (more, expected) in [
        (json!({}), json!({ "a": "" })),
        (json!({ "empty": "omit" }), json!({})),
        (json!({ "empty": "null" }), json!({ "a": { "NULL": true } })),
        (json!({ "type": "number" }), json!({})),
        (json!({ "type": "number", "empty": "null" }), json!({ "a": { "NULL": true } })),
        (json!({ "type": "list" }), json!({})),
        (json!({ "default": "d" }), json!({ "a": "d" })),
        (json!({ "default": "7", "type": "number" }), json!({ "a": { "N": "7" } })),
        (json!({ "default": "d", "required": true }), json!({ "a": "d" })),
    ] {
        assert_eq!(run(field(more.clone()), &["A"], &[""]), Ok(expected), "{more}");
    }
    for more in
        [json!({ "required": true }), json!({ "empty": "fail" }), json!({ "type": "date", "required": true })]
    {
        let failure = failed(field(more), &["A"], &[""]);
        let names = (Some("a".into()), Some("A".into()));
        assert_eq!(failure, (Reason::MissingValue, names.0, names.1, "the column `A` is empty".into()));
    }
    // `""` in the file.
    let quoted = [Cell { text: "", quoted: true }];
    let both = json!({ "empty": "null", "emptyQuoted": "keep" });
    assert_eq!(run_cells(field(both.clone()), &["A"], &quoted), Ok(json!({ "a": "" })));
    assert_eq!(run(field(both), &["A"], &[""]), Ok(json!({ "a": { "NULL": true } })));
}

#[test]
fn blanks_alone_are_empty_where_they_do_not_count() {
    let fields = json!([
        { "name": "text", "from": "A" },
        { "name": "trimmed", "from": "A", "trim": true, "empty": "omit" },
        { "name": "number", "from": "A", "type": "number" },
    ]);
    assert_eq!(run(fields, &["A"], &["  "]), Ok(json!({ "text": "  " })));
}

#[test]
fn values_have_types() {
    let fields = json!([
        { "name": "n", "from": "N", "type": "number", "decimal": ",", "group": "." },
        { "name": "i", "from": "I", "type": "integer" },
        { "name": "b", "from": "B", "type": "boolean" },
        { "name": "w", "from": "W", "type": "boolean", "true": ["ja"], "false": ["nein"] },
        { "name": "t", "from": "T", "type": "timestamp", "format": ["%d/%m/%Y %H:%M"], "zone": "Europe/Berlin" },
        { "name": "ttl", "from": "T", "type": "timestamp", "format": ["%d/%m/%Y %H:%M"], "plus": "90d", "as": "epoch" },
        { "name": "d", "from": "D", "type": "date" },
        { "name": "set", "from": "S", "type": "set", "separator": "|" },
        { "name": "numbers", "from": "L", "type": "list", "of": "number" },
        { "name": "json", "from": "J", "type": "json" },
        { "name": "bytes", "from": "X", "type": "binary" },
    ]);
    let headers = ["N", "I", "B", "W", "T", "D", "S", "L", "J", "X"];
    let row = [
        "1.234.567,50",
        "42",
        "t",
        "nein",
        "31/01/2026 12:30",
        "2026-02-03",
        "a|b|a",
        "[1, 2.50]",
        r#"{"a":[1.10,null]}"#,
        "3q2+7w==",
    ];
    assert_eq!(
        run(fields, &headers, &row),
        Ok(json!({
            "n": { "N": "1234567.5" },
            "i": { "N": "42" },
            "b": { "BOOL": true },
            "w": { "BOOL": false },
            "t": "2026-01-31T11:30:00Z",
            "ttl": { "N": "1777638600" },
            "d": "2026-02-03",
            "set": { "SS": ["a", "b"] },
            "numbers": { "L": [{ "N": "1" }, { "N": "2.5" }] },
            "json": { "M": { "a": { "L": [{ "N": "1.1" }, { "NULL": true }] } } },
            "bytes": { "B": "3q2+7w==" },
        }))
    );
}

#[test]
fn a_value_that_does_not_fit_fails_its_row_with_the_rule() {
    for (more, value, reason) in [
        (json!({ "type": "number" }), "sEcReT", Reason::InvalidNumber),
        (json!({ "type": "number" }), "1,5", Reason::InvalidNumber),
        (json!({ "type": "number" }), "1e126", Reason::OutOfRange),
        (json!({ "type": "integer" }), "1.5", Reason::InvalidNumber),
        (json!({ "type": "number", "minimum": "0" }), "-1", Reason::OutOfRange),
        (json!({ "type": "number", "maximum": "9.5" }), "9.51", Reason::OutOfRange),
        (json!({ "type": "boolean" }), "sEcReT", Reason::InvalidBoolean),
        (json!({ "type": "timestamp" }), "sEcReT", Reason::InvalidTimestamp),
        (
            json!({ "type": "timestamp", "zone": "Europe/Berlin" }),
            "2026-03-29 02:30:00",
            Reason::InvalidTimestamp,
        ),
        (json!({ "type": "date" }), "2026-02-30", Reason::InvalidTimestamp),
        (json!({ "type": "date", "minimum": "2026-01-01" }), "2025-12-31", Reason::OutOfRange),
        (json!({ "type": "list" }), "[sEcReT", Reason::InvalidList),
        (json!({ "type": "json" }), "{sEcReT", Reason::InvalidJson),
        (json!({ "type": "binary" }), "sEcReT!", Reason::InvalidBinary),
        (json!({ "values": [["a", "b"]] }), "sEcReT", Reason::NotAllowed),
        (json!({ "pattern": "^[a-z]+$" }), "sEcReT", Reason::NotAllowed),
        (json!({ "maxLength": 3 }), "sEcReT", Reason::OutOfRange),
    ] {
        let mut field = json!({ "name": "a", "from": " A " });
        field.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let (found, name, column, message) = failed(json!([field]), &["A"], &[value]);
        assert_eq!(
            (found, name.as_deref(), column.as_deref()),
            (reason, Some("a"), Some("A")),
            "{more}: {message}"
        );
        assert!(message.starts_with("the column `A` ") && !message.contains("sEcReT"), "{message}");
    }
}

#[test]
fn values_are_cleaned_mapped_and_checked_in_this_order() {
    let fields = json!([
        { "name": "status", "from": "S", "trim": true, "case": "upper", "values": [["N", "new"], ["P", "paid"]] },
        { "name": "count", "from": "C", "type": "integer", "values": [["none", "0"]], "otherwise": "keep" },
        { "name": "maybe", "from": "M", "values": [["x", "y"]], "otherwise": "empty", "empty": "omit" },
        { "name": "unknown", "from": "M", "values": [["", "unknown"]], "otherwise": "keep" },
    ]);
    let headers = ["S", "C", "M"];
    assert_eq!(
        run(fields.clone(), &headers, &[" n\u{a0}", "none", ""]),
        Ok(json!({ "status": "new", "count": { "N": "0" }, "unknown": "unknown" }))
    );
    assert_eq!(
        run(fields, &headers, &["P", "12", "z"]),
        Ok(json!({ "status": "paid", "count": { "N": "12" }, "unknown": "z" }))
    );
}

#[test]
fn templates_are_made_of_columns_and_facts() {
    let fields = json!([
        { "name": "pk", "template": "ORDER#${ID}" },
        { "name": "source", "template": "web" },
        { "name": "row", "template": "${object.bucket}/${object.key}@${object.version}#${record.index}" },
        { "name": "number", "template": "1${ID}", "type": "number" },
    ]);
    assert_eq!(
        run(fields, &["ID"], &["7"]),
        Ok(json!({ "pk": "ORDER#7", "source": "web", "row": "b/k.csv@v#7", "number": { "N": "17" } }))
    );
}

#[test]
fn a_template_with_an_empty_part_fails_unless_it_says_otherwise() {
    let field = |more: Json| {
        let mut field = json!({ "name": "pk", "template": "ORDER#${ID}" });
        field.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!([field])
    };
    let (reason, name, column, message) = failed(field(json!({})), &["ID"], &[""]);
    assert_eq!((reason, name.as_deref(), column), (Reason::MissingValue, Some("pk"), None));
    assert_eq!(message, "the field `pk` lacks a part of its template");
    for (more, expected) in [
        (json!({ "empty": "keep" }), json!({ "pk": "ORDER#" })),
        (json!({ "empty": "omit" }), json!({})),
        (json!({ "default": "none" }), json!({ "pk": "none" })),
    ] {
        assert_eq!(run(field(more), &["ID"], &[""]), Ok(expected));
    }
}

#[test]
fn maps_nest_and_are_left_out_without_values() {
    let fields = json!([{ "name": "address", "map": [
        { "name": "street", "from": "S", "empty": "omit" },
        { "name": "geo", "map": [{ "name": "lat", "from": "Lat", "type": "number" }] },
    ] }]);
    assert_eq!(
        run(fields.clone(), &["S", "Lat"], &["x", "1.50"]),
        Ok(
            json!({ "address": { "M": { "street": { "S": "x" }, "geo": { "M": { "lat": { "N": "1.5" } } } } } })
        )
    );
    assert_eq!(run(fields.clone(), &["S", "Lat"], &["", ""]), Ok(json!({})));
    let (reason, name, column, _) = failed(fields, &["S", "Lat"], &["", "x"]);
    let expected = (Reason::InvalidNumber, Some("address.geo.lat"), Some("Lat"));
    assert_eq!((reason, name.as_deref(), column.as_deref()), expected);
}

#[test]
fn expressions_read_columns_as_texts_and_fields_by_their_type() {
    let fields = json!([
        // Before the fields that it reads.
        { "name": "total", "expression": "item.amount * double(quantity)", "type": "number" },
        { "name": "amount", "from": "Amount", "type": "number" },
        { "name": "quantity", "from": "Quantity", "type": "integer" },
        { "name": "big", "expression": "quantity > 2" },
        { "name": "label", "expression": "row.Amount + ' ' + object.key" },
        { "name": "next", "expression": "item.placed + duration('1d')" },
        { "name": "placed", "from": "Placed", "type": "timestamp", "as": "epoch" },
        { "name": "known", "expression": "has(item.placed) ? 'yes' : 'no'" },
    ]);
    assert_eq!(
        run(fields, &["Amount", "Quantity", "Placed"], &["1.50", "3", "2026-01-01T00:00:00Z"]),
        Ok(json!({
            "total": { "N": "4.5" },
            "amount": { "N": "1.5" },
            "quantity": { "N": "3" },
            "big": { "BOOL": true },
            "label": "1.50 k.csv",
            "next": "2026-01-02T00:00:00Z",
            "placed": { "N": "1767225600" },
            "known": "yes",
        }))
    );
}

#[test]
fn an_expression_without_a_value_fails_its_row() {
    let fields = json!([{ "name": "total", "expression": "double(Amount) * 2.0", "maximum": "10" }]);
    let (reason, name, column, message) = failed(fields.clone(), &["Amount"], &["sEcReT"]);
    assert_eq!((reason, name.as_deref(), column), (Reason::InvalidExpression, Some("total"), None));
    assert!(
        message.starts_with("the expression of the field `total` ") && !message.contains("sEcReT"),
        "{message}"
    );
    assert_eq!(failed(fields, &["Amount"], &["5.5"]).0, Reason::OutOfRange);
}

#[test]
fn the_last_hours_of_the_year_9999_are_read() {
    let fields = json!([
        { "name": "at", "from": "At", "type": "timestamp", "format": ["%s"], "zone": "America/New_York" },
        { "name": "later", "expression": "string(at + duration('1s'))" },
        { "name": "day", "from": "At", "type": "timestamp", "format": ["%s"], "zone": "America/New_York", "plus": "-1d" },
    ]);
    let last = 253_402_300_798_u64.to_string();
    assert_eq!(
        run(fields.clone(), &["At"], &[&last]),
        Ok(
            json!({ "at": "9999-12-31T23:59:58Z", "later": "9999-12-31T23:59:59Z", "day": "9999-12-30T23:59:58Z" })
        )
    );
    let (reason, field, _, message) = failed(fields, &["At"], &["253402300799"]);
    assert_eq!((reason, field.as_deref()), (Reason::InvalidExpression, Some("later")));
    assert!(message.contains("the timestamp is not in the years 1 to 9999 in `at + "), "{message}");
}

#[test]
fn a_second_60_is_counted_where_it_is_taken() {
    let time = |name: &str| json!({ "name": name, "from": name, "type": "timestamp", "leapSeconds": true });
    let item = |fields: Json, row: &[&str]| {
        let transform = Transform::new(&settings(fields), None).expect("right settings");
        let headers = ["a", "b", "c"].map(str::to_owned);
        let mapping = transform.bind(&headers, Sensitive::Clear).expect("bound");
        match mapping.row(&cells(row), &CONTEXT) {
            Ok(Outcome::Item(item)) => item.leap_seconds,
            other => panic!("{other:?}"),
        }
    };
    let nested = json!({ "name": "m", "map": [time("b"), time("c")] });
    let all = json!([time("a"), nested, { "name": "same", "expression": "a" }]);
    let (leap, plain) = ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z");
    assert_eq!(item(all.clone(), &[leap, leap, plain]), 2);
    assert_eq!(item(all, &[plain, plain, ""]), 0);
    // Without an expression, no value is kept.
    assert_eq!(item(json!([time("a"), time("b"), time("c")]), &[leap, plain, leap]), 2);
}

#[test]
fn where_leaves_rows_out_before_other_fields_can_fail() {
    let given = json!({
        "fields": [{ "name": "a", "from": "A", "type": "number" }, { "name": "s", "from": "S" }],
        "where": "S != 'X'",
    });
    assert_eq!(run(given.clone(), &["A", "S"], &["no number", "X"]), Ok(Json::Null));
    assert_eq!(run(given, &["A", "S"], &["1", "Y"]), Ok(json!({ "a": { "N": "1" }, "s": "Y" })));
}

#[test]
fn a_row_that_deletes_needs_nothing_but_its_key() {
    let given = json!({
        "fields": [
            { "name": "pk", "template": "ORDER#${ID}" },
            { "name": "n", "from": "N", "type": "integer", "required": true },
            { "name": "amount", "from": "Amount", "type": "number", "required": true },
            { "name": "twice", "expression": "amount * 2.0" },
        ],
        "where": "Op != 'X'",
        "delete": "Op == 'D'",
        "key": ["n", "pk", "of no field"],
    });
    let headers = ["ID", "N", "Amount", "Op"];
    let row = |row: [&str; 4]| run(given.clone(), &headers, &row);
    // In the order of the fields.
    let key = json!({ "deletes": { "pk": "ORDER#7", "n": { "N": "3" } } });
    assert_eq!(row(["7", "3", "", "D"]), Ok(key));
    assert_eq!(row(["7", "3", "x", "X"]), Ok(Json::Null), "`where` comes first");
    let item = json!({ "pk": "ORDER#7", "n": { "N": "3" }, "amount": { "N": "1.5" }, "twice": { "N": "3" } });
    assert_eq!(row(["7", "3", "1.5", "U"]), Ok(item));
    // The key of a row that deletes is held against its rules.
    let Err(failure) = row(["7", "three", "", "D"]) else { panic!("no number") };
    assert_eq!((failure.reason, failure.field.as_deref()), (Reason::InvalidNumber, Some("n")));
}

#[test]
fn a_deletion_that_cannot_be_decided_fails_the_row() {
    let fields = json!([{ "name": "id", "from": "ID" }]);
    let given = json!({ "fields": fields, "delete": "int(Op) > 1", "key": ["id"] });
    let (reason, field, _, message) = failed(given, &["ID", "Op"], &["1", "x"]);
    assert_eq!((reason, field), (Reason::InvalidExpression, None));
    assert_eq!(message, "`delete` has no value: the text is not a whole number in `int(Op)`");
    for (delete, message) in [
        ("Op", "`delete` is true or false, and this is of type string"),
        ("SSN == 'x'", "the column `SSN` is sensitive"),
    ] {
        let fields =
            json!([{ "name": "id", "from": "ID" }, { "name": "ssn", "from": "SSN", "sensitive": true }]);
        let given = settings(json!({ "fields": fields, "delete": delete, "key": ["id"] }));
        let problems = Transform::new(&given, None).expect_err("wrong");
        assert_eq!(problems[0].message, message);
        assert_eq!(problems[0].place.property, Some("delete"));
    }
}

#[test]
fn a_sensitive_value_in_clear_goes_no_further() {
    let fields = json!([{ "name": "s", "from": "S", "sensitive": true, "type": "number" }]);
    assert_eq!(run(fields.clone(), &["S"], &["enc:v1:AAAA"]), Ok(json!({ "s": "enc:v1:AAAA" })));
    assert_eq!(run(fields.clone(), &["S"], &[""]), Ok(json!({})));
    let (reason, _, _, message) = failed(fields.clone(), &["S"], &["sEcReT"]);
    assert_eq!(
        (reason, message.as_str()),
        (Reason::NotEncrypted, "the sensitive column `S` is not encrypted")
    );
    // Where the file is at hand, it becomes what `load` would write.
    let transform = Transform::new(&settings(fields), None).expect("right");
    let headers = ["S".to_owned()];
    let mapping = transform.bind(&headers, Sensitive::Clear).expect("a column");
    let row = cells(&["1.50"]);
    let Ok(Outcome::Item(item)) = mapping.row(&row, &CONTEXT) else { panic!("an item") };
    assert_eq!(Json::Object(item.to_event_json()), json!({ "s": { "N": "1.5" } }));
}

#[test]
fn a_row_that_does_not_fit_its_header_is_rejected() {
    let failure = run(json!([{ "name": "a", "from": "A" }]), &["A"], &["1", "2"]).expect_err("too long");
    assert_eq!(failure.reason, Reason::RowLength);
}

/// Settings that use everything, over the columns `a` to `d`.
fn everything() -> TransformSettings {
    settings(json!({
        "fields": [
            { "name": "pk", "template": "P#${a}", "empty": "omit" },
            { "name": "n", "from": "b", "type": "number", "decimal": ",", "group": "." },
            { "name": "t", "from": "c", "type": "timestamp", "format": ["%d.%m.%Y", "%s"], "zone": "Europe/Berlin", "fold": "first" },
            { "name": "l", "from": "d", "type": "list", "empty": "null" },
            { "name": "j", "from": "d", "type": "json", "optional": true },
            { "name": "s", "from": "a", "trim": true, "case": "lower", "values": [["x", "y"]], "otherwise": "keep", "maxLength": 9 },
            { "name": "e", "expression": "has(item.n) ? string(item.n) : s" },
            { "name": "m", "map": [{ "name": "z", "from": "d", "type": "set", "separator": ";" }] },
        ],
        "where": "a != 'skip'",
    }))
}

proptest! {
    #[test]
    fn any_row_becomes_an_item_or_fails_without_its_values(
        row in proptest::collection::vec(
            ("[-0-9.,eE+ :/TZ\\[\\]{}\"a;x]{0,12}|.{0,6}|skip|1\\.234,5|29\\.03\\.2026|\\[1,2\\]", any::<bool>()),
            3..6,
        ),
    ) {
        let transform = Transform::new(&everything(), None).expect("right");
        let headers: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let mapping = transform.bind(&headers, Sensitive::Clear).expect("all columns");
        let cells: Vec<Cell<'_>> = row.iter().map(|(text, quoted)| Cell { text, quoted: *quoted }).collect();
        let first = mapping.row(&cells, &CONTEXT);
        prop_assert_eq!(&first, &mapping.row(&cells, &CONTEXT), "twice gives the same");
        if let Ok(Outcome::Item(item)) = first {
            let mut text = Vec::new();
            item.write_dynamodb_json(&mut text);
            let json: Json = serde_json::from_slice(&text).expect("JSON");
            for (name, value) in &item.attributes {
                let read = crate::event::read_dynamodb_json(&json[*name]).expect("DynamoDB's JSON");
                prop_assert_eq!(&read, value, "read again, it is the same");
            }
            let mut text = Vec::new();
            item.write_event_json(&mut text);
            let json: Json = serde_json::from_slice(&text).expect("JSON");
            prop_assert_eq!(&json, &Json::Object(item.to_event_json()));
            for (name, value) in &item.attributes {
                prop_assert_eq!(&crate::event::read_event_json(&json[*name]).expect("a value"), value);
            }
        }
    }

    #[test]
    fn messages_never_hold_values(value in "sEcReT[0-9,.:]{0,6}", kind in 0..9usize) {
        let kinds = ["number", "integer", "boolean", "timestamp", "date", "list", "json", "binary", "set"];
        let mut field = json!({ "name": "x", "from": "a", "type": kinds[kind], "pattern": null });
        field.as_object_mut().expect("an object").remove("pattern");
        if kinds[kind] == "set" {
            field["of"] = json!("number");
        }
        if let Err(Failure { message, .. }) = run(json!([field]), &["a"], &[&value]) {
            prop_assert!(!message.contains("sEcReT"), "{}", message);
        }
    }
}
