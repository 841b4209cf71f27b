use super::*;
use serde_json::{Value, json};

fn object(version: &str) -> ObjectRef {
    ObjectRef {
        bucket: "b".into(),
        key: "k.csv".into(),
        version: Some(version.into()),
        etag: None,
        uploaded: None,
        replay: None,
    }
}

fn entry(event: &str, version: &str, extra: &Value) -> Entry {
    let mut line = json!({ "message": event, "bucket": "b", "key": "k.csv", "version": version });
    for (name, value) in extra.as_object().expect("object") {
        line[name] = value.clone();
    }
    Entry::parse(&line.to_string()).expect("a line of the observer")
}

#[test]
fn a_file_is_complete_when_each_row_is_loaded_or_failed() {
    let mut progress = Progress::new(object("1"));
    assert!(progress.add(&entry("record-loaded", "1", &json!({ "record": 1 }))));
    assert!(!progress.add(&entry("record-loaded", "1", &json!({ "record": 1 }))), "delivered twice");
    assert!(!progress.add(&entry("record-loaded", "2", &json!({ "record": 2 }))), "of another version");
    assert!(!progress.is_complete());
    progress.add(&entry("extraction-completed", "1", &json!({ "rows": 2, "rejected": 1 })));
    assert!(!progress.is_complete());
    progress.add(&entry(
        "failed",
        "1",
        &json!({ "record": 2, "reason": "row-length", "cause": "too short" }),
    ));
    assert!(progress.is_complete());
    let failure = Failure { reason: "row-length".into(), message: Some("too short".into()) };
    assert_eq!(progress.failures().collect::<Vec<_>>(), [(Some(2), &failure)]);
    assert_eq!(progress.groups()[0].describe(), "row 2: row-length: too short");
    assert_eq!(progress.verdict().expect_err("a row failed").exit_code(), 7);
    // A replay fixes the failure.
    progress.add(&entry("record-loaded", "1", &json!({ "record": 2 })));
    assert_eq!((progress.loaded(), progress.failed()), (2, 0));
    assert!(progress.verdict().is_ok());
}

#[test]
fn a_skipped_row_is_neither_failed_nor_missing() {
    let mut progress = Progress::new(object("1"));
    progress.add(&entry("extraction-completed", "1", &json!({ "rows": 4, "rejected": 0 })));
    progress.add(&entry("record-loaded", "1", &json!({ "record": 1 })));
    assert!(!progress.describe().contains("skipped"), "{}", progress.describe());
    for record in 2..=3 {
        assert!(progress.add(&entry("record-skipped", "1", &json!({ "record": record }))));
    }
    assert!(!progress.add(&entry("record-skipped", "1", &json!({ "record": 3 }))), "delivered twice");
    assert!(!progress.is_complete());
    // It fails first, and a replay with other settings skips it.
    let failed = json!({ "record": 4, "reason": "missing-value", "cause": "the column `ID` is empty" });
    progress.add(&entry("failed", "1", &failed));
    assert!(progress.is_complete() && progress.verdict().is_err());
    progress.add(&entry("record-skipped", "1", &json!({ "record": 4 })));
    assert!(progress.is_complete() && progress.verdict().is_ok() && progress.groups().is_empty());
    assert_eq!((progress.loaded(), progress.skipped(), progress.failed()), (1, 3, 0));
    assert_eq!(progress.describe(), "4 rows: 0 extracted, 0 transformed, 1 loaded, 0 failed, 3 skipped");
    // Loaded after all.
    progress.add(&entry("record-loaded", "1", &json!({ "record": 2 })));
    assert_eq!((progress.loaded(), progress.skipped()), (2, 2));
    assert!(!progress.is_skipped(2) && progress.is_skipped(3) && progress.is_complete());
    let mut tally = Tally::default();
    tally.skipped = RowSet::range(1..3);
    let progress = Progress::of(object("1"), &tally, 10);
    assert!(progress.is_skipped(2) && progress.skipped() == 2);
}

#[test]
fn deletions_are_loaded_and_existing_rows_are_skipped() {
    let mut progress = Progress::new(object("1"));
    progress.add(&entry("extraction-completed", "1", &json!({ "rows": 4, "rejected": 0 })));
    assert!(progress.add(&entry("deletion-requested", "1", &json!({ "record": 1 }))));
    for (event, record) in [("record-deleted", 1), ("record-loaded", 2), ("record-existing", 3)] {
        let entry = entry(event, "1", &json!({ "record": record }));
        assert!(progress.add(&entry) && !progress.add(&entry), "{event} delivered twice");
    }
    assert!(!progress.is_complete());
    progress.add(&entry("record-skipped", "1", &json!({ "record": 4 })));
    assert!(progress.is_complete() && progress.verdict().is_ok());
    assert_eq!((progress.deleted(), progress.existing()), (1, 1));
    let told = "4 rows: 0 extracted, 1 transformed, 2 loaded (1 deleted), 0 failed, 2 skipped (1 existing)";
    assert_eq!(progress.describe(), told);
    assert!(progress.is_skipped(3), "its item is that of another row");
    let mut tally = Tally::default();
    (tally.loaded, tally.deleted) = (RowSet::range(1..4), RowSet::range(2..3));
    (tally.skipped, tally.existing) = (RowSet::range(4..6), RowSet::range(5..6));
    let progress = Progress::of(object("1"), &tally, 10);
    assert!(progress.describe().contains("3 loaded (1 deleted), 0 failed, 2 skipped (1 existing)"));
}

#[test]
fn an_event_of_several_rows_counts_them_all() {
    let mut progress = Progress::new(object("1"));
    progress.add(&entry("extraction-completed", "1", &json!({ "rows": 250, "rejected": 0 })));
    let rows = |first: u64, count: u64| json!({ "record": first, "recordCount": count });
    for (event, first, count) in [
        ("record-extracted", 1, 100),
        ("record-extracted", 101, 150),
        ("record-transformed", 1, 100),
        ("record-loaded", 1, 100),
        ("record-skipped", 101, 40),
    ] {
        let entry = entry(event, "1", &rows(first, count));
        assert!(progress.add(&entry) && !progress.add(&entry), "{event}: counted once");
    }
    let failed = json!({ "record": 141, "recordCount": 110, "reason": "duplicate-header", "cause": "twice" });
    let failed = entry("failed", "1", &failed);
    assert_eq!(failed.describe(), "failed               k.csv rows 141–250: duplicate-header: twice");
    assert!(!progress.is_complete());
    assert!(progress.add(&failed) && !progress.add(&failed));
    assert!(progress.is_complete());
    assert_eq!(
        progress.describe(),
        "250 rows: 250 extracted, 100 transformed, 100 loaded, 110 failed, 40 skipped"
    );
    assert_eq!(progress.groups()[0].describe(), "rows 141–250: duplicate-header: twice");
    // Nobody's line takes all memory.
    progress.add(&entry("record-loaded", "1", &rows(1, u64::MAX)));
    assert_eq!(progress.loaded(), 1_000);
}

#[test]
fn an_object_that_several_tasks_read_has_the_rows_of_all_parts() {
    let mut progress = Progress::new(object("1"));
    let part = |shard: u64, rows: u64| {
        entry(
            "extraction-completed",
            "1",
            &json!({ "rows": rows, "rejected": 0, "shard": shard, "shards": 2 }),
        )
    };
    assert!(progress.add(&part(2, 3)) && !progress.add(&part(2, 3)));
    assert_eq!((progress.rows(), progress.is_complete()), (None, false));
    assert!(progress.add(&part(1, 4)));
    assert_eq!(progress.rows(), Some(7));
    assert_eq!(part(1, 4).describe(), "extraction-completed k.csv: 4 rows in part 1 of 2, 0 rejected");
}

#[test]
fn failures_are_told_once_a_reason_with_the_words_of_the_first_row() {
    let group = |stage: &str, reason: &str, rows| Group {
        stage: Some(stage.to_owned()),
        failure: Failure { reason: reason.to_owned(), message: None },
        rows: Some(rows),
    };
    let groups = vec![
        group("load", "invalid-item", [2, 3, 4, 9].into_iter().collect()),
        group("transform", "missing-value", RowSet::range(1..301)),
    ];
    let counts = Counts { extracted: 300, failed: 300, ..Counts::default() };
    let mut progress = Progress::counted(object("1"), Some(300), counts, groups, 10);
    assert_eq!(progress.failures().count(), 10);
    let told = |progress: &Progress| progress.groups().iter().map(Group::describe).collect::<Vec<_>>();
    // Without a message, the meaning of the code is shown.
    assert!(progress.is_unexplained());
    assert_eq!(told(&progress)[1], "rows 1–300: missing-value: A required value is empty");
    for (record, reason, cause) in [
        (7, "missing-value", "not the first"),
        (1, "missing-value", "the first"),
        (8, "missing-value", "late"),
    ] {
        progress.explain(&entry(
            "failed",
            "1",
            &json!({ "record": record, "reason": reason, "cause": cause }),
        ));
    }
    progress.explain(&entry(
        "failed",
        "2",
        &json!({ "record": 2, "reason": "invalid-item", "cause": "of another" }),
    ));
    assert!(progress.is_unexplained());
    progress.explain(&entry(
        "failed",
        "1",
        &json!({ "record": 3, "reason": "invalid-item", "cause": "too long" }),
    ));
    assert!(!progress.is_unexplained());
    assert_eq!(
        told(&progress),
        ["rows 2–4, 9: invalid-item: too long", "rows 1–300: missing-value: the first"]
    );
    let verdict = progress.verdict().expect_err("rows failed").message().expect("a message");
    assert!(verdict.text.starts_with("300 of 300 rows failed"), "{}", verdict.text);
    assert!(verdict.hint.is_some_and(|hint| hint.contains("deployer docs invalid-item")));
}

#[test]
fn a_file_without_rows_is_no_success() {
    let mut tally = Tally::default();
    tally.summary.shards.insert((1, 1), tally::Counts { rows: 0, rejected: 0, bytes: 9 });
    let error = Progress::of(object("1"), &tally, 10).verdict().expect_err("no rows");
    assert_eq!(
        (error.exit_code(), error.message().expect("a message").text),
        (7, "s3://b/k.csv has no rows".into())
    );
}

#[test]
fn a_file_that_fails_as_a_whole_is_complete() {
    let mut progress = Progress::new(object("1"));
    progress.add(&entry("failed", "1", &json!({ "reason": "object-unreadable" })));
    assert!(progress.is_complete());
    assert_eq!(progress.describe(), "the file was rejected before any row was read");
    assert_eq!(progress.verdict().expect_err("the file failed").exit_code(), 7);
}

#[test]
fn other_lines_are_passed_over() {
    for line in ["START RequestId: x", "{}", "[1]", "{\"message\":\"foreign event\"}"] {
        assert_eq!(Entry::parse(line), None, "{line}");
    }
}
