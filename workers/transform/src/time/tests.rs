use proptest::prelude::*;

use super::*;

fn settings(change: impl FnOnce(&mut FieldSettings)) -> FieldSettings {
    let mut settings = FieldSettings { kind: Some(Type::Timestamp), ..FieldSettings::default() };
    change(&mut settings);
    settings
}

fn format(change: impl FnOnce(&mut FieldSettings)) -> TimeFormat {
    TimeFormat::new(&settings(change)).expect("settings without problems")
}

fn formatted(formats: &[&str]) -> TimeFormat {
    format(|settings| settings.format = Some(formats.iter().map(|format| (*format).to_owned()).collect()))
}

fn iso(format: &TimeFormat, text: &str) -> Result<String, String> {
    format.parse(text).map(Instant::to_iso).map_err(|flaw| {
        assert!(text.len() < 4 || !flaw.rule.contains(text), "{} contains {text}", flaw.rule);
        flaw.rule
    })
}

fn date_only(settings: &mut FieldSettings) {
    settings.kind = Some(Type::Date);
}

#[test]
fn timestamps_of_databases_and_libraries_are_read() {
    let format = TimeFormat::default();
    for (text, expected) in [
        ("2026-03-29 03:30:00+02", "2026-03-29T01:30:00Z"),
        ("2026-03-29 03:30:00+05:30", "2026-03-28T22:00:00Z"),
        ("1900-01-01 00:19:32+00:19:32", "1900-01-01T00:00:00Z"),
        ("2026-03-29 01:30:00+00:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:30:00.000000+0000", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:30:00.123456-0330", "2026-03-29T05:00:00.123456Z"),
        ("2026-03-29T01:30:00.5Z", "2026-03-29T01:30:00.5Z"),
        ("2026-03-29T01:30:00,123456789Z", "2026-03-29T01:30:00.123456789Z"),
        ("2026-03-29t01:30:00z", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:30", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:30Z", "2026-03-29T01:30:00Z"),
        ("2026-03-29 01:30:00 UTC", "2026-03-29T01:30:00Z"),
        ("2026-03-29 01:30:00 +0100", "2026-03-29T00:30:00Z"),
        ("2026-03-29", "2026-03-29T00:00:00Z"),
        (" 2026-03-29\u{a0}", "2026-03-29T00:00:00Z"),
        ("9999-12-31 23:59:59.999999999", "9999-12-31T23:59:59.999999999Z"),
        ("1000-01-01", "1000-01-01T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
    ] {
        assert_eq!(iso(&format, text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn other_texts_are_no_timestamps_for_a_reason_that_is_named() {
    let format = TimeFormat::default();
    for (text, rule) in [
        ("", "is not a timestamp such as"),
        ("hello", "is not a timestamp such as"),
        ("20260329T013000Z", "is not a timestamp such as"),
        ("2026-3-29", "is not a timestamp such as"),
        ("2026-03-29 1:30", "is not a timestamp such as"),
        ("2026-03-29T02Z", "is not a timestamp such as"),
        ("2026-03-2901:30:00", "is not a timestamp such as"),
        ("2026-03-29  01:30:00", "is not a timestamp such as"),
        ("2026-03-29T01:30:00.Z", "is not a timestamp such as"),
        ("2026-03-29T01:30:00+2", "is not a timestamp such as"),
        ("2026-03-29T01:30:00 CEST", "is not a timestamp such as"),
        ("1774747800", "is not a timestamp such as"),
        ("infinity", "is infinite"),
        ("-Infinity", "is infinite"),
        ("0044-03-15 BC", "is before the common era"),
        ("0044-03-15 12:00:00 BC", "is before the common era"),
        ("0026-03-29", "has a year"),
        ("0999-12-31", "has a year"),
        ("26-03-29", "has a year"),
        ("+2026-03-29", "has a year"),
        ("-026-03-29", "has a year"),
        ("9999-12-31T23:59:59-01:00", "has a year"),
        ("1000-01-01T00:00:00+01:00", "has a year"),
        ("2026-02-29", "is a day that the calendar does not have"),
        ("2026-13-01", "is a day that the calendar does not have"),
        ("2026-03-29T24:00:00", "has a time of day that does not exist"),
        ("2026-03-29T23:60:00", "has a time of day that does not exist"),
        ("2026-03-29T23:59:61", "has a time of day that does not exist"),
        ("2026-12-31T23:59:60Z", "has a second 60"),
        ("2026-03-29T01:30:00+24:00", "has an offset"),
        ("2026-03-29T01:30:00.1234567890", "has more than nine decimals"),
    ] {
        let found = iso(&format, text).expect_err(text);
        assert!(found.starts_with(rule), "{text}: {found}");
    }
    assert_eq!(format.parse("x").expect_err("a letter").reason, Reason::InvalidTimestamp);
}

#[test]
fn formats_are_read_strictly() {
    for (formats, text, expected) in [
        (&["%d/%m/%Y %H:%M"][..], "29/03/2026 01:30", Ok("2026-03-29T01:30:00Z")),
        (&["%d/%m/%Y %H:%M"], "1/2/2026  1:05", Ok("2026-02-01T01:05:00Z")),
        (&["%d/%m/%Y %H:%M"], "01/02/2026\u{a0}01:05", Ok("2026-02-01T01:05:00Z")),
        (&["%d/%m/%Y %H:%M"], "01/02/202612:30", Err("does not have the format `%d/%m/%Y %H:%M`")),
        (&["%d/%m/%Y"], "1/ 2/2026", Err("does not have the format")),
        (&["%d/%m/%Y"], "01/02/26", Err("has a year")),
        (&["%d/%m/%Y"], "01/02/026", Err("has a year")),
        (&["%d/%m/%Y"], "01/02/20261", Err("does not have the format")),
        (&["%d/%m/%Y"], "31/02/2026", Err("is a day that the calendar does not have")),
        (&["%d/%m/%Y"], "01/02/2026 BC", Err("is before the common era")),
        (&["%d/%m/%Y"], "infinity", Err("is infinite")),
        (&["%d.%m.%y"], "01.02.69", Ok("1969-02-01T00:00:00Z")),
        (&["%d.%m.%y"], "01.02.68", Ok("2068-02-01T00:00:00Z")),
        (&["%d.%m.%y"], "01.02.2026", Err("does not have the format")),
        (&["%Y%m%d"], "20260329", Ok("2026-03-29T00:00:00Z")),
        (&["%Y%m%d"], "2026329", Err("does not have the format")),
        (&["%Y%m%d"], "2026111", Err("does not have the format")),
        (&["%Y%m%d%H%M%S"], "20260329013059", Ok("2026-03-29T01:30:59Z")),
        (&["%Y%m%d%H%M%S%3f"], "20260329013059123", Ok("2026-03-29T01:30:59.123Z")),
        (&["%e.%m.%Y"], " 1.02.2026", Ok("2026-02-01T00:00:00Z")),
        (&["%Y-%m-%d %I:%M %p"], "2026-03-29 01:05 PM", Ok("2026-03-29T13:05:00Z")),
        (&["%Y-%m-%d %I:%M%p"], "2026-03-29 12:05a.m.", Ok("2026-03-29T00:05:00Z")),
        (&["%Y-%m-%d %I:%M %p"], "2026-03-29 13:05 PM", Err("has a time of day")),
        (&["%FT%T%z"], "2026-03-29T01:30:00+0530", Ok("2026-03-28T20:00:00Z")),
        (&["%FT%T%z"], "2026-03-29T01:30:00+05:30", Ok("2026-03-28T20:00:00Z")),
        (&["%FT%T%z"], "2026-03-29T01:30:00+05", Ok("2026-03-28T20:30:00Z")),
        (&["%FT%T%:z"], "2026-03-29T01:30:00Z", Ok("2026-03-29T01:30:00Z")),
        (&["%F %T.%f"], "2026-03-29 01:30:00.5", Ok("2026-03-29T01:30:00.5Z")),
        (&["%F %T%.f"], "2026-03-29 01:30:00", Ok("2026-03-29T01:30:00Z")),
        (&["%F %T%.f"], "2026-03-29 01:30:00.25", Ok("2026-03-29T01:30:00.25Z")),
        (&["%s"], "1774747800", Ok("2026-03-29T01:30:00Z")),
        (&["%s"], "-1.25", Ok("1969-12-31T23:59:58.75Z")),
        (&["%s"], "1774747800000", Err("has a year")),
        (&["%Q"], "1774747800001", Ok("2026-03-29T01:30:00.001Z")),
        (&["%j/%Y"], "60/2024", Ok("2024-02-29T00:00:00Z")),
        (&["%G-W%V-%u"], "2026-W01-1", Ok("2025-12-29T00:00:00Z")),
        (&["%a, %d %b %Y"], "Sun, 29 Mar 2026", Ok("2026-03-29T00:00:00Z")),
        (&["%a, %d %b %Y"], "Mon, 29 Mar 2026", Err("names a weekday")),
        (&["%d %b %Y"], "5 Sept. 2026", Ok("2026-09-05T00:00:00Z")),
        (&["%d %b %Y"], "5 SEPTEMBER 2026", Ok("2026-09-05T00:00:00Z")),
        (&["%d %b %Y"], "5 Mai 2026", Err("does not have the format")),
        (&["100%% %Y-%m-%d"], "100% 2026-03-29", Ok("2026-03-29T00:00:00Z")),
        // One column of pandas.
        (&["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"], "2026-01-01", Ok("2026-01-01T00:00:00Z")),
        (&["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"], "2026-01-01 10:00:00", Ok("2026-01-01T10:00:00Z")),
        (&["%Y-%m-%d", "%d/%m/%Y"], "31/02/2026", Err("is a day that the calendar does not have")),
        (&["%Y-%m-%d", "%d/%m/%Y"], "x", Err("has none of the formats `%Y-%m-%d`, `%d/%m/%Y`")),
    ] {
        match (iso(&formatted(formats), text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{formats:?} {text}"),
            (Err(found), Err(expected)) => {
                assert!(found.starts_with(expected), "{formats:?} {text}: {found}")
            }
            (found, expected) => panic!("{formats:?} {text}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn names_are_those_of_the_language() {
    for (language, format_of, text, expected) in [
        ("de", "%d. %B %Y", "29. März 2026", "2026-03-29"),
        ("de", "%a, %d. %b. %Y", "So., 29. MÄR. 2026", "2026-03-29"),
        ("fr", "%d %b %Y", "29 févr. 2024", "2024-02-29"),
        ("fr", "%d %b %Y", "29 juil. 2024", "2024-07-29"),
        ("pl", "%d %B %Y", "1 stycznia 2026", "2026-01-01"),
        ("fi", "%d. %B %Y", "1. tammikuuta 2026", "2026-01-01"),
        ("cs", "%d. %B %Y", "1. července 2026", "2026-07-01"),
        ("cs", "%d. %B %Y", "1. června 2026", "2026-06-01"),
    ] {
        let format = format(|settings| {
            settings.language = Some(language.to_owned());
            settings.format = Some(vec![format_of.to_owned()]);
        });
        assert_eq!(format.parse(text).map(Instant::to_iso_date).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_local_time_that_is_skipped_or_shown_twice_fails() {
    let berlin = |fold: Option<Fold>| {
        format(|settings| {
            settings.zone = Some("europe/berlin".to_owned());
            settings.fold = fold;
        })
    };
    let plain = berlin(None);
    assert_eq!(iso(&plain, "2026-01-01 12:00:00").as_deref(), Ok("2026-01-01T11:00:00Z"));
    assert_eq!(iso(&plain, "2026-07-01 12:00:00").as_deref(), Ok("2026-07-01T10:00:00Z"));
    assert_eq!(iso(&plain, "2026-07-01 12:00:00Z").as_deref(), Ok("2026-07-01T12:00:00Z"));
    assert_eq!(iso(&plain, "2090-07-01 12:00:00").as_deref(), Ok("2090-07-01T10:00:00Z"));
    assert_eq!(iso(&plain, "1890-01-01 00:53:28").as_deref(), Ok("1890-01-01T00:00:00Z"));
    assert_eq!(iso(&plain, "9999-12-31 23:59:59").as_deref(), Ok("9999-12-31T22:59:59Z"));
    let gap = "is a time that clocks in `Europe/Berlin` skipped";
    for fold in [None, Some(Fold::First), Some(Fold::Second)] {
        assert_eq!(iso(&berlin(fold), "2026-03-29 02:30:00"), Err(gap.to_owned()));
    }
    let twice = "2026-10-25 02:30:00";
    assert!(
        iso(&plain, twice)
            .expect_err("a fold")
            .starts_with("is a time that clocks in `Europe/Berlin` showed twice")
    );
    assert_eq!(iso(&berlin(Some(Fold::First)), twice).as_deref(), Ok("2026-10-25T00:30:00Z"));
    assert_eq!(iso(&berlin(Some(Fold::Second)), twice).as_deref(), Ok("2026-10-25T01:30:00Z"));
    let apia = format(|settings| settings.zone = Some("Pacific/Apia".to_owned()));
    assert!(iso(&apia, "2011-12-30 12:00:00").expect_err("a day that was skipped").contains("skipped"));
}

#[test]
fn a_second_60_is_taken_where_it_is_said() {
    let format = format(|settings| settings.leap_seconds = true);
    assert_eq!(iso(&format, "2016-12-31T23:59:60Z").as_deref(), Ok("2016-12-31T23:59:59Z"));
    assert!(iso(&format, "2016-12-31T23:59:61Z").is_err());
}

#[test]
fn spans_are_added_by_the_calendar_of_the_zone() {
    let plus = |plus: &str, zone: Option<&str>| {
        format(|settings| {
            settings.plus = Some(plus.to_owned());
            settings.zone = zone.map(str::to_owned);
        })
    };
    for (span, zone, text, expected) in [
        ("90d", Some("Europe/Berlin"), "2026-01-31 12:00:00", "2026-05-01T10:00:00Z"),
        ("2160h", Some("Europe/Berlin"), "2026-01-31 12:00:00", "2026-05-01T11:00:00Z"),
        ("90d", None, "2026-01-31 12:00:00", "2026-05-01T12:00:00Z"),
        ("1mo", None, "2026-01-31", "2026-02-28T00:00:00Z"),
        ("1y", None, "2024-02-29", "2025-02-28T00:00:00Z"),
        ("-1mo", None, "2026-01-15", "2025-12-15T00:00:00Z"),
        ("-1d", None, "2026-01-01", "2025-12-31T00:00:00Z"),
        ("1d", Some("Europe/Berlin"), "2026-03-28 02:30:00", "2026-03-29T01:30:00Z"),
        ("1d 30m", None, "2026-03-28T00:00:00.5Z", "2026-03-29T00:30:00.5Z"),
    ] {
        assert_eq!(iso(&plus(span, zone), text).as_deref(), Ok(expected), "{text} + {span}");
    }
    for span in ["9000y", "-9000y", "999999999999d", "-999999999999mo", "999999999999s"] {
        let flaw = plus(span, Some("Europe/Berlin")).parse("2026-01-01").expect_err(span);
        assert_eq!(flaw.reason, Reason::OutOfRange);
    }
}

#[test]
fn dates_are_days_as_they_are_written() {
    let date = format(date_only);
    for (text, expected) in [
        ("2026-03-29", Ok("2026-03-29")),
        ("2026-03-29 00:00:00", Ok("2026-03-29")),
        ("2026-03-29T00:00:00+02:00", Ok("2026-03-29")),
        ("2026-03-29 12:00:00", Err("has a time of day")),
        ("2026-03-32", Err("is a day")),
        ("infinity", Err("is infinite, which is not a date")),
        ("x", Err("is not a date such as `2026-03-29`")),
    ] {
        match (date.parse(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(date.value(found), Value::text(expected)),
            (Err(flaw), Err(rule)) => assert!(flaw.rule.starts_with(rule), "{text}: {}", flaw.rule),
            (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
        }
    }
    let tokyo = format(|settings| {
        date_only(settings);
        settings.zone = Some("Asia/Tokyo".to_owned());
        settings.format = Some(vec!["%s".to_owned()]);
        settings.plus = Some("1d".to_owned());
        settings.form = Some(Form::Epoch);
    });
    // 2026-03-28T20:00:00Z is the 29th in Tokyo, and one day is added.
    let found = tokyo.parse("1774728000").expect("a day");
    assert_eq!(found.to_iso_date(), "2026-03-30");
    assert_eq!(tokyo.value(found), Value::Number(Number::from_i64(found.seconds())));
}

#[test]
fn instants_are_stored_in_their_form() {
    let instant = Instant::new(-1, 999_900_000).expect("in range");
    for (form, expected) in [
        (Form::Iso, Value::text("1969-12-31T23:59:59.9999Z")),
        (Form::Epoch, Value::Number(Number::from_i64(-1))),
        (Form::EpochMilliseconds, Value::Number(Number::from_i64(-1))),
    ] {
        assert_eq!(format(|settings| settings.form = Some(form)).value(instant), expected);
    }
    assert_eq!(Instant::new(i64::MAX, 0), None);
    assert_eq!(Instant::new(0, 1_000_000_000), None);
}

#[test]
fn limits_are_instants() {
    let format = format(|settings| {
        settings.minimum = Some("2026-01-01".to_owned());
        settings.maximum = Some("2026-12-31T23:59:59Z".to_owned());
        settings.format = Some(vec!["%d/%m/%Y %H:%M:%S".to_owned()]);
        settings.zone = Some("Europe/Berlin".to_owned());
    });
    assert_eq!(iso(&format, "01/01/2026 00:00:00").as_deref(), Ok("2025-12-31T23:00:00Z"));
    assert_eq!(iso(&format, "31/12/2025 23:59:59"), Err("is before the minimum, 2026-01-01".to_owned()));
    assert_eq!(
        iso(&format, "01/01/2027 01:00:00"),
        Err("is after the maximum, 2026-12-31T23:59:59Z".to_owned())
    );
}

/// Returns the property, message and help of each problem.
fn problems(change: impl FnOnce(&mut FieldSettings)) -> Vec<(Option<&'static str>, String, String)> {
    let problems = TimeFormat::new(&settings(change)).expect_err("a problem");
    problems
        .into_iter()
        .map(|found| (found.place.property, found.message, found.help.unwrap_or_default()))
        .collect()
}

#[test]
fn formats_that_cannot_be_are_problems() {
    for (format, message, help) in [
        ("%d/%m/%Y %H:%M %p", "`%H` and `%p` contradict", "with AM or PM, the hour is `%I`"),
        ("%d/%m/%Y %I:%M", "`%I` needs `%p`", "an hour from 0 to 23 is `%H`"),
        ("%Y", "`%Y` gives a year, but not a day", "the month"),
        ("%Y-%m", "`%Y-%m` gives a month, but not a day", "the day is"),
        ("%d %Y", "`%d %Y` gives a day, but not its month", "the month is"),
        ("%d/%m", "`%d/%m` gives no year", "the year is"),
        ("%Y-%W", "a week without a weekday", "the weekday is"),
        ("%Y-%V-%u", "`%V` and `%G` belong together", "a week of the year"),
        ("%Y-%m-%d %Z", "`%Z` cannot be read", "abbreviations"),
        ("%Y-%m-%d %K", "`%K` is not a directive", "those of dates"),
        ("%c", "`%c` is not a directive", "its meaning depends"),
        ("%Y-%m-%", "`%` at the end", "for the character"),
        ("YYYY-MM-DD", "`YYYY-MM-DD` has no directive", "directives begin with `%`"),
        ("", "`` has no directive", "a day is"),
        ("%d/%M/%Y", "the minute is given, but not the hour", "`%M` is the minute, `%m` the month"),
        ("%H:%m %d/%m/%Y", "`%m` and `%m` both give the month", "`%M` is"),
        ("%Y-%m-%d %y", "`%Y` and `%y` both give the year", ""),
        ("%s %Y", "`%Y` cannot be beside", ""),
        ("%Y-%m-%d %S", "the second is given, but not the minute", "`%S` is"),
        ("%Y-%m-%d %z", "an offset is given, but not the hour", ""),
        ("%ü", "`%ü` is not a directive", "those of dates"),
    ] {
        let found = problems(|settings| settings.format = Some(vec!["%F".to_owned(), format.to_owned()]));
        let [(property, said, helped)] = found.as_slice() else { panic!("{format}: {found:?}") };
        assert_eq!(*property, Some("format"));
        assert!(said.starts_with(message), "{format}: {said}");
        assert!(helped.starts_with(help), "{format}: {helped}");
    }
    let found =
        TimeFormat::new(&settings(|settings| settings.format = Some(vec!["%F".into(), "%F %Z".into()])));
    let place = found.expect_err("a problem").remove(0).place;
    assert_eq!((place.element, place.range), (Some(1), Some((3, 5))));
}

#[test]
fn zones_languages_and_spans_that_cannot_be_are_problems() {
    for (zone, help) in [
        ("MEZ", "it is an abbreviation: write `Europe/Berlin`"),
        ("CST", "it is an abbreviation: write `America/Chicago`"),
        ("+01:00", "an offset changes with summer time"),
        ("UTC+1", "an offset changes with summer time"),
        ("Berlin", "did you mean `Europe/Berlin`?"),
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("New York", "did you mean `America/New_York`?"),
        ("qqqqqq", "zones have the names of the IANA"),
    ] {
        let found = problems(|settings| settings.zone = Some(zone.to_owned()));
        let [(property, message, helped)] = found.as_slice() else { panic!("{zone}: {found:?}") };
        assert_eq!(
            (*property, message.as_str()),
            (Some("zone"), format!("`{zone}` is not a time zone").as_str())
        );
        assert!(helped.starts_with(help), "{zone}: {helped}");
    }
    let found = problems(|settings| {
        settings.language = Some("xx".into());
        settings.plus = Some("90D".into());
        settings.minimum = Some("29/03/2026".into());
        settings.format = Some(Vec::new());
    });
    let properties: Vec<_> = found.iter().map(|(property, ..)| *property).collect();
    assert_eq!(properties, [Some("format"), Some("language"), Some("plus"), Some("minimum")]);
    let found = problems(|settings| {
        date_only(settings);
        settings.plus = Some("1h".into());
        settings.minimum = Some("2026-02-01".into());
        settings.maximum = Some("2026-01-01".into());
    });
    let properties: Vec<_> = found.iter().map(|(property, ..)| *property).collect();
    assert_eq!(properties, [Some("plus"), Some("maximum")]);
}

proptest! {
    #[test]
    fn an_instant_is_read_as_it_is_written(seconds in RANGE, nanosecond in prop_oneof![Just(0), 0_u32..1_000_000_000]) {
        let instant = Instant::new(seconds, nanosecond).expect("in range");
        let text = instant.to_iso();
        prop_assert_eq!(Instant::parse(&text), Ok(instant));
        prop_assert_eq!(formatted(&["%Y-%m-%dT%H:%M:%S%.f%z"]).parse(&text), Ok(instant));
        if let Ok(expected) = jiff::Timestamp::new(seconds, i32::try_from(nanosecond).expect("below")) {
            prop_assert_eq!(text, expected.to_string());
        }
    }

    #[test]
    fn local_times_are_those_of_jiff(seconds in RANGE.start + 2 * DAY..RANGE.end - 2 * DAY) {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get("America/New_York").expect("a zone");
        let local = zone.to_datetime(jiff::Timestamp::from_second(seconds).expect("in range"));
        let format = format(|settings| settings.zone = Some("America/New_York".to_owned()));
        let found = format.parse(&local.to_string());
        let expected = zone.to_ambiguous_timestamp(local).unambiguous().ok().map(|instant| instant.as_second());
        prop_assert_eq!(found.ok().map(Instant::seconds), expected);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9:TZ+\\-/. apmJan]{0,30}|\\PC*") {
        for format in [
            TimeFormat::default(),
            formatted(&["%d/%m/%Y %H:%M", "%s", "%Q", "%d %b %Y %I %p", "%G-%V-%u", "%a %j %y"]),
        ] {
            if let Err(flaw) = format.parse(&text) {
                prop_assert!(text.len() < 8 || !flaw.rule.contains(&text), "{}", flaw.rule);
            }
        }
    }

    #[test]
    fn any_format_is_compiled_or_refused(format in "[%YmdHMSpIzsjaGVuW:. \\-0-9]{0,12}|\\PC*", text in "[0-9:. \\-]{0,20}") {
        let found = TimeFormat::new(&settings(|settings| settings.format = Some(vec![format])));
        if let Ok(found) = found {
            let _ = found.parse(&text);
        }
    }

    #[test]
    fn any_zone_language_and_span_is_found_or_refused(text in "\\PC{0,12}|[0-9 a-zM]{0,12}") {
        let _ = TimeFormat::new(&settings(|settings| {
            settings.zone = Some(text.clone());
            settings.language = Some(text.clone());
            settings.plus = Some(text);
        }));
    }
}
