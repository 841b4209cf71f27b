//! Expressions that compile, with their values.

use proptest::prelude::*;

use super::super::{Timestamp, time};
use super::*;

/// Expressions with the type and the value that they have for the row of the tests.
const RIGHT: &[(&str, &str, &str)] = &[
    // Literals.
    ("1", "int", "1"),
    ("012", "int", "12"),
    ("0x1F", "int", "31"),
    ("-9223372036854775808", "int", "-9223372036854775808"),
    ("1.5e3", "double", "1500.0"),
    (".5", "double", "0.5"),
    ("-2.0", "double", "-2.0"),
    ("true", "bool", "true"),
    ("'a\"b'", "string", r#""a\"b""#),
    (r#""\x41\u00e9\U0001F600\101\n\\""#, "string", r#""Aé😀A\n\\""#),
    (r"r'\d'", "string", r#""\\d""#),
    ("'''a\n'b'''", "string", r#""a\n'b""#),
    ("\"\"\"x\"\"\"", "string", r#""x""#),
    ("[1, 2,]", "list(int)", "[1, 2]"),
    ("[]", "list(value)", "[]"),
    ("1 // the first", "int", "1"),
    // Names.
    ("Amount", "string", r#""12.50""#),
    ("amount", "string", r#""12.50""#),
    ("Count", "string", r#""3""#),
    ("count", "int", "4"),
    ("row.count", "string", r#""3""#),
    ("row[\"Order ID\"]", "string", r#""A-7""#),
    ("row['Order ID'].split('-')[0].lowerAscii()", "string", r#""a""#),
    ("row['Größe']", "string", r#""XL""#),
    ("row[\"in\"]", "string", r#""yes""#),
    ("row.row", "string", r#""R""#),
    ("item.total", "double", "2.5"),
    ("item[\"day\"]", "string", r#""2026-03-29""#),
    ("object.key + '@' + object.version", "string", r#""in/orders.csv@v1""#),
    ("record.index", "int", "7"),
    ("has(row.Amount)", "bool", "true"),
    ("has(row.Empty)", "bool", "true"),
    ("\"Order ID\" in row", "bool", "true"),
    ("has(item.total)", "bool", "true"),
    ("has(item.missing) ? item.missing : \"none\"", "string", r#""none""#),
    ("\"extra\" in item", "bool", "true"),
    // Operators.
    ("1 + 2 * 3 - 4", "int", "3"),
    ("(1 + 2) * 3", "int", "9"),
    ("7 / 2", "int", "3"),
    ("-7 / 2", "int", "-3"),
    ("-7 % 3", "int", "-1"),
    ("7.0 / 2.0", "double", "3.5"),
    ("- -3", "int", "3"),
    ("-(2 - 5)", "int", "3"),
    ("!!paid", "bool", "true"),
    ("double(Amount) * 2.0", "double", "25.0"),
    ("total * 2.0", "double", "5.0"),
    ("1 == 1.0", "bool", "true"),
    ("1 < 1.5", "bool", "true"),
    ("9007199254740993 == 9007199254740992.0", "bool", "false"),
    ("9223372036854775807 < 9223372036854775808.0", "bool", "true"),
    ("1 in [1.0, 2.0]", "bool", "true"),
    ("\"a\" < \"b\" && false < true", "bool", "true"),
    ("\"é\" > \"z\"", "bool", "true"),
    ("[1, 2] == [1.0, 2.0]", "bool", "true"),
    ("[1] + [] + [2]", "list(int)", "[1, 2]"),
    ("[[1], [2]][1][0]", "int", "2"),
    ("true ? 1 : 2", "int", "1"),
    ("false ? 1 : true ? 2 : 3", "int", "2"),
    ("1 < 2 || false && false", "bool", "true"),
    ("Name in [\"Ada\", \"Bob\"]", "bool", "true"),
    ("\"b\" in tags", "bool", "true"),
    ("tags[1]", "string", r#""b""#),
    // A part that fails is of no account if another decides.
    ("double(Empty) > 1.0 || Name == \"Ada\"", "bool", "true"),
    ("Name != \"Ada\" && double(Empty) > 1.0", "bool", "false"),
    ("double(Empty) > 1.0 && Name != \"Ada\"", "bool", "false"),
    ("[\"\", \"3\"].exists(x, double(x) > 1.0)", "bool", "true"),
    // Conversions.
    ("int(\"012\") + int(\"+5\")", "int", "17"),
    ("int(double(\"19.99\") * 100.0)", "int", "1998"),
    ("int(-1.9)", "int", "-1"),
    ("double(\"1e3\") + double(\".5\") + double(\"1.\")", "double", "1001.5"),
    ("double(3)", "double", "3.0"),
    ("string(1.0)", "string", r#""1""#),
    ("string(1e-7)", "string", r#""0.0000001""#),
    ("string(true) + string(7) + string(\"x\")", "string", r#""true7x""#),
    ("bool(\"T\" + \"RUE\")", "bool", "true"),
    ("bool(Flag) && bool(\"1\") && !bool(\"f\")", "bool", "true"),
    // Texts.
    ("size(\"größe\")", "int", "5"),
    ("Name.size() + size(tags)", "int", "5"),
    ("Name.contains(\"d\") && Name.startsWith(\"A\") && Name.endsWith(\"a\")", "bool", "true"),
    ("Name.matches(\"d\")", "bool", "true"),
    ("Name.matches(\"^d\")", "bool", "false"),
    (r#"row["Order ID"].matches(r"^[A-Z]-\d$")"#, "bool", "true"),
    ("\"a,b,,c\".split(\",\")", "list(string)", r#"["a", "b", "", "c"]"#),
    ("\"aé\".split(\"\")", "list(string)", r#"["a", "é"]"#),
    ("\"\".split(\",\")", "list(string)", r#"[""]"#),
    ("tags.join(\"-\") + tags.join()", "string", r#""a-bab""#),
    ("\"größe\".substring(2)", "string", r#""öße""#),
    ("\"größe\".substring(2, 4)", "string", r#""öß""#),
    ("\"größe\".substring(5)", "string", r#""""#),
    ("\" \\t a b\\u00a0\".trim()", "string", r#""a b""#),
    ("\"a.b.c\".replace(\".\", \"::\")", "string", r#""a::b::c""#),
    ("\"ÄbC\".lowerAscii() + \"äbC\".upperAscii()", "string", r#""ÄbcäBC""#),
    ("\"größe\".indexOf(\"ß\") + \"abab\".indexOf(\"b\", 2) + \"a\".indexOf(\"x\")", "int", "5"),
    // Numbers.
    ("math.least(3, 1, 2)", "int", "1"),
    ("math.greatest(1.5, 2.5)", "double", "2.5"),
    ("math.greatest(scores)", "int", "3"),
    ("math.least([2.0, 1.0])", "double", "1.0"),
    ("math.abs(-3) + int(math.abs(-2.5))", "int", "5"),
    (
        "[math.round(2.5), math.round(-2.5), math.ceil(1.2), math.floor(-1.2)]",
        "list(double)",
        "[3.0, -3.0, 2.0, -2.0]",
    ),
    // Macros.
    ("tags.all(t, t != \"\")", "bool", "true"),
    ("[].all(x, x == 1)", "bool", "true"),
    ("tags.exists(t, t == \"b\")", "bool", "true"),
    ("scores.exists_one(x, x > 0)", "bool", "true"),
    ("[1, 2].existsOne(x, x > 0)", "bool", "false"),
    ("scores.map(x, x * count)", "list(int)", "[12, -4]"),
    ("scores.map(x, x > 0, string(x))", "list(string)", r#"["3"]"#),
    ("scores.filter(x, x < 0)", "list(int)", "[-1]"),
    ("[1, 2].map(x, [10, 20].map(y, x * y))", "list(list(int))", "[[10, 20], [20, 40]]"),
    ("[1, 2].map(x, [3].map(x, x))", "list(list(int))", "[[3], [3]]"),
    ("\"1;2\".split(\";\").map(x, int(x)).filter(x, x > 1)", "list(int)", "[2]"),
    ("tags.map(Name, Name + \"!\")", "list(string)", r#"["a!", "b!"]"#),
    // Times.
    ("timestamp(Date)", "timestamp", "timestamp 2026-03-29T01:30:00Z"),
    ("timestamp(Date) == timestamp(\"2026-03-29T01:30:00Z\")", "bool", "true"),
    ("timestamp(Date).getHours()", "int", "1"),
    ("placed", "timestamp", "timestamp 2026-03-29T01:30:00.5Z"),
    ("string(placed + duration(\"1d\"))", "string", r#""2026-03-30T01:30:00.5Z""#),
    ("duration(\"90d\")", "duration", "duration 7776000s"),
    ("duration(\"1h30m\") == span && duration(\"-1.5s\") < duration(\"1ms\")", "bool", "true"),
    ("string(duration(\"-1s500ms\"))", "string", r#""-1.5s""#),
    ("placed - timestamp(\"2026-03-29T00:00:00Z\")", "duration", "duration 5400.5s"),
    ("placed - duration(\"1h\") < placed", "bool", "true"),
    ("span + span - duration(\"1m\")", "duration", "duration 10740s"),
    (
        "[placed.getFullYear(), placed.getMonth(), placed.getDate(), placed.getDayOfMonth()]",
        "list(int)",
        "[2026, 2, 29, 28]",
    ),
    (
        "[placed.getDayOfWeek(), placed.getDayOfYear(), placed.getMinutes(), placed.getMilliseconds()]",
        "list(int)",
        "[0, 87, 30, 500]",
    ),
    ("[span.getHours(), span.getMinutes(), span.getSeconds()]", "list(int)", "[1, 90, 5400]"),
    ("int(placed)", "int", "1774747800"),
    ("int(timestamp(\"1969-12-31T23:59:59.5Z\"))", "int", "-1"),
    ("timestamp(0)", "timestamp", "timestamp 1970-01-01T00:00:00Z"),
    // The first and the last instant.
    ("int(timestamp('0001-01-01T00:00:00Z'))", "int", "-62135596800"),
    ("timestamp('9999-12-31T23:59:59.999999999Z')", "timestamp", "timestamp 9999-12-31T23:59:59.999999999Z"),
    ("timestamp(253402300799) - duration('1d')", "timestamp", "timestamp 9999-12-30T23:59:59Z"),
    ("timestamp('9999-12-31T23:00:00Z').getDayOfYear()", "int", "364"),
];

#[test]
fn right_expressions_have_their_value() {
    for (text, kind, value) in RIGHT {
        let expression = compile(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(expression.kind().to_string(), *kind, "{text}");
        let found = evaluate(text).map(|value| shown(&value));
        assert_eq!(found.as_deref(), Ok(*value), "{text}");
    }
}

#[test]
fn an_expression_lists_what_it_reads() {
    let expression = compile("has(row.Amount) ? Amount + row['Name'] + row.Amount : string(total) + day")
        .expect("compiles");
    let columns: Vec<_> =
        expression.columns().iter().map(|column| (column.name.as_str(), column.optional)).collect();
    assert_eq!(columns, [("Amount", true), ("Name", false)]);
    assert_eq!(expression.fields(), [0, 7]);
}

#[test]
fn any_name_is_a_column_while_the_columns_are_unknown() {
    let scope = Scope { columns: None, fields: &fields() };
    let expression = Expression::compile("double(Price) * 2.0 + total", &scope).expect("compiles");
    assert_eq!(expression.columns().len(), 1);
}

#[test]
fn a_text_that_is_unchanged_is_borrowed() {
    for text in
        ["Name", "Name.trim()", "Name.substring(1)", "true ? Name : Amount", "string(Name)", "Name + Empty"]
    {
        let expression = compile(text).expect("compiles");
        let (row, scope) = (row(), fields());
        let seen = Seen { row: &row, scope: &scope, expression: &expression };
        let value = expression.evaluate(&seen).expect("a value");
        assert!(matches!(value, Datum::Text(std::borrow::Cow::Borrowed(_))), "{text}");
    }
}

#[test]
fn a_long_chain_of_alternatives_is_not_deep() {
    let text = (0..200).map(|number| format!("Name=='{number}'")).collect::<Vec<_>>().join("||");
    assert_eq!(evaluate(&text), Ok(Datum::Boolean(false)));
}

proptest! {
    /// The calendar is that of `jiff`, where it has one: its last instant is on 9999-12-30.
    #[test]
    fn timestamps_are_written_and_taken_apart_as_by_jiff(seconds in -62_135_596_800..253_402_207_200_i64, nanosecond in 0..1_000_000_000_u32) {
        use crate::expression::functions::Part;
        let timestamp = Timestamp::new(seconds, nanosecond).expect("in range");
        let text = time::timestamp_text(timestamp);
        let expected = jiff::Timestamp::from_second(seconds).expect("in range");
        let expected = expected + jiff::SignedDuration::new(0, i32::try_from(nanosecond).expect("below"));
        prop_assert_eq!(&text, &expected.to_string());
        prop_assert_eq!(time::timestamp(&text), Ok(timestamp));
        let at = jiff::tz::Offset::UTC.to_datetime(expected);
        for (part, value) in [
            (Part::FullYear, i64::from(at.year())),
            (Part::Month, i64::from(at.month()) - 1),
            (Part::Date, at.day().into()),
            (Part::DayOfMonth, i64::from(at.day()) - 1),
            (Part::DayOfWeek, at.weekday().to_sunday_zero_offset().into()),
            (Part::DayOfYear, i64::from(at.day_of_year()) - 1),
            (Part::Hours, at.hour().into()),
            (Part::Minutes, at.minute().into()),
            (Part::Seconds, at.second().into()),
            (Part::Milliseconds, at.millisecond().into()),
        ] {
            prop_assert_eq!(time::part(timestamp, part), value, "{:?} of {}", part, text);
        }
    }
}
