//! Generated pages under `docs/` are up to date, and pages written by hand name existing files.

use contract::event::{ObjectFailure, ObjectOutcome, ResultFiles, SnapshotOutcome, SnapshotReason};
use contract::settings::Character;
use contract::{Detail, EventKind, FailedStage, Location, Notes, ObjectRef, Reason, SOURCE};
use deployer_lang::docs::reference;
use serde_json::{Value, json};

use crate::golden::{self, assert_golden};

#[test]
fn the_published_reference_is_that_of_the_code() {
    assert_golden(&golden::repository().join("docs/reference.md"), &reference());
}

/// Returns each kind of event with its meaning, its senders, and one such event.
fn events() -> Vec<(EventKind, &'static str, Vec<Detail>)> {
    let object = ObjectRef {
        bucket: "eventbridge-etl-dev-landing-111122223333-eu-west-1".into(),
        key: "test_data.csv".into(),
        version: Some("3sL4kqtJlcpXroDTDmJrmSpXd3dIbrHY".into()),
        etag: Some("d41d8cd98f00b204e9800998ecf8427e".into()),
        uploaded: Some("2026-11-24T12:00:00.000Z".into()),
        replay: None,
    };
    let record = object.record(1);
    let item = json!({ "id": "1", "house_number": { "N": "21" }, "town": "Bristol" });
    let item = item.as_object().expect("an object").clone();
    let key = serde_json::Map::from_iter([("id".to_owned(), json!("1"))]);
    let extracted = |record, data: &str, location| Detail::RecordExtracted {
        object: object.clone(),
        record,
        headers: "ID,HouseNum,Town".into(),
        data: data.into(),
        data_key: None,
        location,
    };
    let failed = |stage, record, reason, message: &str| Detail::Failed {
        stage,
        object: Some(object.clone()),
        record,
        reason,
        message: message.into(),
        field: None,
        column: None,
    };
    let completed = |outcome: ObjectOutcome| {
        let outcome = ObjectOutcome { id: ObjectOutcome::id_of(&object, 1), attempt: 1, ..outcome };
        Detail::ObjectCompleted { object: object.clone(), outcome: Box::new(outcome) }
    };
    let cleaned = |snapshot: SnapshotOutcome| {
        let outcome = ObjectOutcome {
            id: ObjectOutcome::id_of(&object, 1),
            attempt: 1,
            rows: 2_000,
            loaded: 2_000,
            bytes: Some(81_920),
            seconds: Some(74),
            snapshot: Some(snapshot),
            files: Some(ResultFiles::of(&object.key, None)),
            ..ObjectOutcome::default()
        };
        Detail::SnapshotCompleted { object: object.clone(), outcome: Box::new(outcome) }
    };
    vec![
        (
            EventKind::TaskStarted,
            "`extract` started a task for an object.",
            vec![Detail::TaskStarted {
                object: object.clone(),
                task: "arn:aws:ecs:eu-west-1:111122223333:task/cluster/0123456789abcdef0123456789abcdef"
                    .into(),
            }],
        ),
        (
            EventKind::RecordExtracted,
            "The task read a row. `headers` and `data` are RFC 4180 records without a line end; of several rows, `data` has a \
             line each. Sensitive values are `enc:v1:…`, and `dataKey` is the key that they are encrypted with, encrypted itself \
             ([encryption](encryption.md)). A row that is too large for an event is not in it: `location` says which bytes of the object hold it, \
             from the first to the one after the last, and how they are written. `trailing` is true if a row can end with empty \
             fields beyond the last column, `pad` if it can lack fields, and `escape` is set if there is an escape character.",
            vec![
                extracted(record.clone(), "1,21,\"Bristol, Avon\"", None),
                extracted(
                    object.record(2),
                    "",
                    Some(Location {
                        from: 38,
                        to: 1_500_061,
                        delimiter: Character::COMMA,
                        quote: Character::QUOTE,
                        escape: None,
                        trailing: false,
                        pad: false,
                        encoding: None,
                    }),
                ),
            ],
        ),
        (
            EventKind::ExtractionCompleted,
            "The task read the object completely. `rows` counts rejected rows too. If several tasks read one object, each sends \
             this event for its part, with `shard`: the number of the part and of all parts. `skipped` counts lines that are \
             not rows: `blank` lines (also those with delimiters only), repeated `headers`, and `comments`; it is left out if \
             there are none, and if the task continued after one that was interrupted. `encoding` is there if it is not UTF-8.",
            vec![Detail::ExtractionCompleted {
                object: object.clone(),
                rows: 5,
                bytes: 193,
                rejected: 0,
                skipped: None,
                encoding: None,
                shard: None,
            }],
        ),
        (
            EventKind::RecordTransformed,
            "`transform` created an item from a row. `data` holds the item's attributes; of several rows it is a list of items. A string \
             is a JSON string, and every other value DynamoDB's JSON, an object with one member that is named as the type: \
             `{\"N\":\"1.5\"}` (the number as a text, so that no digit is lost), `{\"BOOL\":true}`, `{\"NULL\":true}`, `{\"B\":\"…\"}` \
             (base64), `{\"SS\":[…]}`, `{\"NS\":[…]}`, `{\"L\":[…]}` and `{\"M\":{…}}`, within which strings are `{\"S\":\"…\"}`. A pattern \
             can match on both: `{\"detail\":{\"data\":{\"town\":[\"Bristol\"],\"paid\":{\"BOOL\":[true]}}}}`. `load` reads plain JSON too, as code of \
             your own may write it. `leapSeconds`, if present, lists rows with a timestamp whose second 60 was taken as 59.",
            vec![Detail::RecordTransformed {
                object: object.clone(),
                record: record.clone(),
                data: vec![item],
                data_key: None,
                notes: Notes::default(),
            }],
        ),
        (
            EventKind::DeletionRequested,
            "`transform` found that a row deletes an item: its setting `delete` is true for the row. `key` has the form of `data` above, \
             and the attributes of the key of the table alone; of several rows it is a list. A `load` with the trigger \
             `record-transformed` gets these events too, if rows of the stack may delete; all others get them by this name alone, so that \
             nothing takes a deletion for an item. A rule that passes `record-transformed` on to another bus passes on no deletions: \
             write another one for them.",
            vec![Detail::DeletionRequested {
                object: object.clone(),
                record: object.record(2),
                key: vec![key.clone()],
            }],
        ),
        (
            EventKind::RecordSkipped,
            "`transform` left out a row on purpose: its settings want other rows only (`where`). The row becomes no item, and it \
             has not failed. Lines that the task skips, such as comments, are not rows, and have no such event.",
            vec![Detail::RecordSkipped { object: object.clone(), record: object.record(3) }],
        ),
        (
            EventKind::RecordLoaded,
            "`load` wrote an item to the table. `key` has the form of `data` above; of several rows it is a list. The lists of rows below \
             are present if they have a row, and complete as far as `load` can tell. `overwritten` are rows of the object whose item a later row of it with the \
             same key replaces, or deletes: those of one invocation, and with `onConflict: newest` also those that it finds in the \
             table, unless an answer was lost or a newer item of another object was written in between. `replaced` (`newest` only) are \
             rows whose item has replaced one that another object or something else had written, unless an answer was lost. \
             `outdated` (`newest` only) are rows that have changed nothing, because the item of an object that was uploaded later is in \
             the table. `overlapping` (`snapshot: true` only) are rows whose key had the item of another file. `leapSeconds` are rows with a \
             sensitive timestamp whose second 60 was taken as 59.",
            vec![Detail::RecordLoaded {
                object: object.clone(),
                record: record.clone(),
                table: "eventbridge-etl-dev-Records-1ABCDEFGHIJKL".into(),
                key: vec![key.clone()],
                notes: Notes { replaced: vec![1], ..Notes::default() },
            }],
        ),
        (
            EventKind::RecordDeleted,
            "`load` deleted the item of a row from the table, or there was none. `key` is that of the item; of several rows it is a \
             list. `overwritten` and `outdated` are those of `record-loaded`: an outdated row has deleted nothing, because the item of \
             an object that was uploaded later is in the table.",
            vec![Detail::RecordDeleted {
                object: object.clone(),
                record: object.record(2),
                table: "eventbridge-etl-dev-Records-1ABCDEFGHIJKL".into(),
                key: vec![key.clone()],
                notes: Notes::default(),
            }],
        ),
        (
            EventKind::RecordExisting,
            "`load` did not write the item of a row, because the table has one of the same key, and `onConflict: keep` says that it stays. \
             The row has not failed. It is the item of another row, or of something else: a row that is delivered again, and finds \
             its own item, is `record-loaded` again.",
            vec![Detail::RecordExisting {
                object: object.clone(),
                record: object.record(4),
                table: "eventbridge-etl-dev-Records-1ABCDEFGHIJKL".into(),
                key: vec![key],
            }],
        ),
        (
            EventKind::ObjectCompleted,
            "Every row of an object is loaded or skipped, or has failed; or the object has failed as a whole, and each row \
             that is known of it is settled. `observe` publishes it, if it keeps the tally and may publish on the bus: once \
             for each version of an object, with `attempt` 1, and again after each [replay](tally.md#sending-again), with the next number. \
             It is published twice only if `observe` stopped between the event and the note that it is on the bus; `id` is \
             the same then, and EventBridge too may deliver an event twice. `rows` is the number of rows, and the sum of `loaded`, `skipped` and \
             `failed`. `reasons` has the number of failed rows by reason, each row once. `overwritten` counts rows that a \
             later row of the file with the same key has replaced, as far as that is known. `outdated` and `overlapping`, if present, count the rows \
             that `record-loaded` names so. `bytes` are those of the object, and \
             `seconds` those from the upload to the last event. `failure` is there if the object failed as a whole: without `bytes`, and `rows` \
             are those that are known. `files` is there if the stack has a worker `report`: the keys of the files that it \
             writes after this event, `rejects` only if rows have failed ([results](results.md)). A rule for files with failed rows has the pattern \
             `{\"detail-type\":[\"s3ObjectCompleted\"],\"detail\":{\"failed\":[{\"numeric\":[\">\",0]}]}}`.",
            vec![
                completed(ObjectOutcome {
                    rows: 2_000,
                    loaded: 1_951,
                    skipped: 12,
                    failed: 37,
                    reasons: [("invalid-number".to_owned(), 30), ("row-length".to_owned(), 7)].into(),
                    overwritten: 2,
                    bytes: Some(81_920),
                    seconds: Some(74),
                    files: Some(ResultFiles::of(&object.key, Some("csv"))),
                    ..ObjectOutcome::default()
                }),
                completed(ObjectOutcome {
                    failure: Some(ObjectFailure {
                        stage: "extraction".into(),
                        reason: "duplicate-header".into(),
                        message: Some("the file has several columns `ID`".into()),
                    }),
                    seconds: Some(61),
                    files: Some(ResultFiles::of(&object.key, None)),
                    ..ObjectOutcome::default()
                }),
            ],
        ),
        (
            EventKind::SnapshotCompleted,
            "The items that the latest version of a file lacks were deleted, or left ([snapshots](language.md#snapshots)). `snapshot` publishes it \
             after every `object-completed`, so in a stack with this worker, it is the end of a file. It has all of \
             `object-completed`, and `snapshot`: the number of items that were `deleted`; of `candidates`, which the latest version lacks; of \
             `items` of the file that are not newer than that version, candidates included; and the `maximum` that might have been deleted. \
             Numbers that are not known are left out. `reason` is there if candidates are left, or were not looked for \
             ([reasons](results.md#deleted-items)), and `latest` if another version counts than that of the event. An item that was written \
             again in the meantime stays, so `deleted` may be less than `candidates` without a reason. An event that is published twice has the \
             same `id` and says the same.",
            vec![
                cleaned(SnapshotOutcome {
                    deleted: 12,
                    candidates: Some(12),
                    items: Some(2_012),
                    maximum: Some(201),
                    ..SnapshotOutcome::default()
                }),
                cleaned(SnapshotOutcome {
                    candidates: Some(1_000),
                    items: Some(3_000),
                    maximum: Some(201),
                    reason: Some(SnapshotReason::TooMany),
                    ..SnapshotOutcome::default()
                }),
            ],
        ),
        (
            EventKind::Failed,
            "An object or a row could not be processed. `record` is missing when it is about the whole object. \
             `reason` is one of the codes below; `message` is for people and contains no value of the row. If the row failed by one \
             field of its item, `field` is the name of the field (of a field within a map `address.street`, for example), and \
             `column` the name of the column that its value comes from.",
            vec![
                failed(
                    FailedStage::Extraction,
                    None,
                    Reason::DuplicateHeader,
                    "the file has several columns `ID`",
                ),
                failed(
                    FailedStage::Transform,
                    Some(record.clone()),
                    Reason::MissingValue,
                    "the column `ID` is empty",
                )
                .failed_by(Some("id".into()), Some("ID".into())),
                failed(FailedStage::Load, Some(record), Reason::InvalidItem, "the key `id` is too long"),
            ],
        ),
    ]
}

fn pretty(value: &Value) -> String {
    format!("```json\n{value:#}\n```\n")
}

#[test]
fn the_published_events_are_those_of_the_contract() {
    let mut out = format!(
        "# Events\n\n\
         The events that the workers put on the stack's bus, and that a trigger's `event:` matches. The `source` is\n\
         `{SOURCE}` unless the bus sets another. `ecs-started`, `s3RecordExtraction`, `transform` and\n\
         `data-loaded` and their statuses are those of the original pattern, so that rules written for it match.\n\n\
         `object` is one version of one S3 object. `record` is a row of it: `index` counts from 1 without the header and\n\
         lines that are skipped, and `id` is made from the object and the index, so that a row that is delivered twice has the same\n\
         id twice. With `settings.rowsPerEvent` of the extraction an event can be about several consecutive rows:\n\
         `record` is then the first, and `count` is their number.\n\n\
         With `\"escaped\": true`, which is rare, some text of the event has a character that SQS refuses: in all of its texts,\n\
         and names of fields, `\\\\` stands for a backslash, `\\ufffe` for U+FFFE and `\\uffff` for U+FFFF, after the JSON was read.\n"
    );
    let events = events();
    for kind in EventKind::ALL {
        out.push_str(&format!("\n## `{}`\n\n", kind.name()));
        let Some((_, meaning, details)) = events.iter().find(|(candidate, ..)| *candidate == kind) else {
            out.push_str("Every event of the pipeline.\n\n");
            out.push_str(&pretty(&kind.pattern(SOURCE)));
            continue;
        };
        out.push_str(&format!("{meaning}\n\nPattern:\n\n{}", pretty(&kind.pattern(SOURCE))));
        for detail in details {
            out.push_str(&format!("\n`{}`:\n\n{}", detail.detail_type(), pretty(&detail.to_value())));
        }
        if kind == EventKind::Failed {
            out.push_str("\n| reason | meaning |\n|---|---|\n");
            for reason in Reason::ALL {
                let code = reason.code();
                out.push_str(&format!("| [`{code}`](reasons/{code}.md) | {} |\n", reason.about()));
            }
        }
    }
    assert_golden(&golden::repository().join("docs/events.md"), &out);
}

/// Returns the title of a page, and the first sentence after it.
fn title_and_sentence(page: &str) -> (&str, String) {
    let title = page.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a title");
    // Every second part is in a fence.
    let unfenced: String = page.split("\n```").step_by(2).collect();
    let prose = |text: &&str| !text.trim().is_empty() && !text.starts_with(['#', '|', ' ', '-', '<']);
    let text = unfenced
        .split("\n\n")
        .skip(1)
        .map(|text| text.trim_start_matches('\n'))
        .find(prose)
        .expect("a paragraph")
        .to_owned();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = line.split_inclusive(". ").next().unwrap_or_default().trim_end().to_owned();
    // A link in it would be relative to its own page.
    let mut parts = sentence.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
    (title, rest.fold(first, |text, part| text + part).replace('[', ""))
}

/// The index for agents, in the form of <https://llmstxt.org>.
#[test]
fn the_published_index_is_that_of_the_pages() {
    let root = golden::repository();
    let mut out = "\
# deployer

> A command line that deploys an event-driven pipeline to AWS, or to the local machine, from one `stack.yaml`. `deployer check` finds all
> mistakes of a file without calling AWS, `deployer docs NAME` shows each of these pages, and `--output json` gives every command a document.

## Pages

"
    .to_owned();
    for path in golden::entries(&root.join("docs")) {
        if path.extension().is_some_and(|extension| extension == "md") {
            let page = golden::read(&path);
            let (title, sentence) = title_and_sentence(&page);
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            out.push_str(&format!("- [{title}](docs/{name}): {sentence}\n"));
        }
    }
    out.push_str(
        "
## Schemas

- [stack.yaml](docs/stack.schema.json): JSON Schema of the stack file.
- [Output](docs/output.schema.json): JSON Schema of what `--output json` writes.

## Optional

- [Examples](examples/README.md): Pipelines of other kinds, each with its code.
- [Changelog](CHANGELOG.md): What has changed.
",
    );
    assert!(links(&out).iter().all(|target| root.join(target).exists()), "{out}");
    assert_golden(&root.join("llms.txt"), &out);
}

/// Returns the targets of the links in a page of Markdown that lead to files.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = golden::repository();
    let folders = ["docs", "docs/design", "docs/diagnostics", "docs/reasons", ""];
    let pages: Vec<_> = folders.iter().flat_map(|folder| golden::entries(&root.join(folder))).collect();
    for page in pages.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        for target in links(&golden::read(page)) {
            assert!(page.parent().expect("a folder").join(target).exists(), "{}: {target}", page.display());
        }
    }
}
