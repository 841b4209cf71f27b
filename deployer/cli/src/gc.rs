//! The decision about the published objects that may be deleted: made as data, before `gc` deletes any of them.
//!
//! Every published object is named by a SHA-256, and each of its users contains these 64 digits: in a parameter or the
//! template of a stack, in a change set that waits, in a record that is kept. An object that is not named is garbage,
//! unless it is young (a deployment that publishes first may be in progress), or some stacks could not be read.

use std::collections::{BTreeMap, BTreeSet};

use crate::hotswap::NOTES;
use crate::records::{Kind, Record, RecordedResult, TEMPLATES, is_digest, of_key};

/// Prefix of the notes of verifications in the bucket.
pub const VERIFICATIONS: &str = "verifications/";

/// A published object or image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The kind.
    pub what: What,
    /// The key of the object, or the digest of the image.
    pub name: String,
    /// The size.
    pub bytes: u64,
    /// The time at which the item was written, in seconds since 1970.
    pub written: u64,
}

/// The kind of a published item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Code of a function.
    Zip(Digest),
    /// Image of a task.
    Image(Digest),
    /// A template.
    Template(Digest),
    /// A record of a deployment.
    Record {
        /// Name of the stack.
        stack: String,
        /// The number of the record.
        number: u64,
    },
    /// The note of code that was swapped in this stack.
    Note(String),
    /// The note of a verification of this stack.
    Verification(String),
    /// An object that the deployer did not write.
    Foreign,
}

/// SHA-256: 64 hexadecimal digits.
pub type Digest = String;

impl What {
    /// Returns the kind of an object, by its key.
    #[must_use]
    pub fn of_key(key: &str) -> Self {
        if let Some((stack, number)) = of_key(key) {
            return Self::Record { stack: stack.to_owned(), number };
        }
        if let Some(stack) = key.strip_prefix(NOTES).and_then(|name| name.strip_suffix(".json")) {
            return Self::Note(stack.to_owned());
        }
        let verification = key.strip_prefix(VERIFICATIONS).and_then(|name| name.strip_suffix(".json"));
        if let Some((stack, _)) = verification.and_then(|name| name.split_once('/')) {
            return Self::Verification(stack.to_owned());
        }
        let digest = |text: &str| is_digest(text).then(|| text.to_owned());
        if let Some(name) = key.strip_prefix(TEMPLATES).and_then(|name| name.strip_suffix(".json")) {
            return digest(name).map_or(Self::Foreign, Self::Template);
        }
        let zip = key.split_once('/').and_then(|(_, file)| digest(file.strip_suffix(".zip")?));
        zip.map_or(Self::Foreign, Self::Zip)
    }

    /// Returns the kind of an image, by its digest. The deployer sets no tags: an image with a tag was pushed by
    /// somebody else.
    #[must_use]
    pub fn of_image(digest: &str, tagged: bool) -> Self {
        match digest.strip_prefix("sha256:").filter(|digest| is_digest(digest) && !tagged) {
            Some(digest) => Self::Image(digest.to_owned()),
            None => Self::Foreign,
        }
    }

    /// Returns the word for the kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Zip(_) => "zip",
            Self::Image(_) => "image",
            Self::Template(_) => "template",
            Self::Record { .. } => "record",
            Self::Note(_) => "note",
            Self::Verification(_) => "verification",
            Self::Foreign => "other",
        }
    }
}

/// The users of published items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Digest → a stack that names it.
    pub stacks: BTreeMap<Digest, String>,
    /// Names of all stacks.
    pub named: BTreeSet<String>,
    /// Stacks that could not be read.
    pub unread: Vec<String>,
    /// Text of each record, by stack and number; `None` when it could not be read.
    pub records: BTreeMap<(String, u64), Option<String>>,
}

/// The rules for the deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Number of successful records of each stack that are kept.
    pub keep: usize,
    /// The time from which on items are kept, in seconds since 1970.
    pub younger_than: u64,
}

/// The verdict on an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// In use: this stack names the item.
    Used(String),
    /// In use: a verification of this stack is under way, or was interrupted.
    Verified(String),
    /// In use: a kept record of this stack names the item, or is the item.
    Recorded(String),
    /// Written a moment ago.
    Young,
    /// Uncertain, since this stack or record could not be read.
    Uncertain(String),
    /// Not written by the deployer.
    Foreign,
    /// Not in use.
    Garbage,
}

impl Verdict {
    /// Returns the reason of the verdict.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Used(stack) => format!("used by the stack {stack}"),
            Self::Verified(stack) => {
                format!("names what `deployer verify` of {stack} has left, which the next one deletes")
            }
            Self::Recorded(stack) => format!("used by a kept record of {stack}"),
            Self::Young => "newer than --older-than".to_owned(),
            Self::Uncertain(what) => format!("may be in use: {what} could not be read"),
            Self::Foreign => "not created by the deployer".to_owned(),
            Self::Garbage => "not used by any stack or kept record".to_owned(),
        }
    }
}

/// Returns the digests in a text: runs of exactly 64 hexadecimal digits, in lower case as the deployer writes them.
#[must_use]
pub fn digests(text: &str) -> BTreeSet<Digest> {
    let runs = text.split(|letter: char| !letter.is_ascii_hexdigit());
    runs.filter(|run| run.len() == 64).map(str::to_ascii_lowercase).collect()
}

/// Judges each item.
#[must_use]
pub fn judge(items: &[Item], needs: &Needs, rules: Rules) -> Vec<Verdict> {
    let oldest = oldest_kept(needs, rules.keep);
    let is_young = |item: &Item| item.written >= rules.younger_than;
    let keeps_record = |stack: &str, number: u64, item: &Item| {
        oldest.get(stack).is_none_or(|oldest| number >= *oldest) || is_young(item)
    };
    // Digests that a kept record names are kept too.
    let mut recorded: BTreeMap<Digest, String> = BTreeMap::new();
    let mut unread = needs.unread.first().map(|stack| format!("the stack {stack}"));
    for item in items {
        let What::Record { stack, number } = &item.what else { continue };
        if !keeps_record(stack, *number, item) {
            continue;
        }
        match needs.records.get(&(stack.clone(), *number)) {
            Some(Some(text)) => {
                recorded.extend(digests(text).into_iter().map(|digest| (digest, stack.clone())));
            }
            Some(None) | None => {
                unread.get_or_insert_with(|| format!("record {number} of {stack}"));
            }
        }
    }
    let verdict = |item: &Item| match &item.what {
        What::Foreign => Verdict::Foreign,
        // Deleted with its stack.
        What::Note(stack) => Verdict::Used(stack.clone()),
        What::Verification(stack) if needs.named.contains(stack) => Verdict::Verified(stack.clone()),
        What::Verification(_) if is_young(item) => Verdict::Young,
        // What it names has gone with the stack.
        What::Verification(_) => Verdict::Garbage,
        What::Record { stack, number } if keeps_record(stack, *number, item) => {
            Verdict::Recorded(stack.clone())
        }
        What::Record { .. } => Verdict::Garbage,
        What::Zip(digest) | What::Image(digest) | What::Template(digest) => {
            if let Some(stack) = needs.stacks.get(digest) {
                Verdict::Used(stack.clone())
            } else if let Some(stack) = recorded.get(digest) {
                Verdict::Recorded(stack.clone())
            } else if is_young(item) {
                Verdict::Young
            } else if let Some(unread) = &unread {
                Verdict::Uncertain(unread.clone())
            } else {
                Verdict::Garbage
            }
        }
    };
    items.iter().map(verdict).collect()
}

/// Returns the number of the oldest record of each stack that is kept. A record that can't be parsed doesn't count as a
/// success, and so doesn't displace another one.
fn oldest_kept(needs: &Needs, keep: usize) -> BTreeMap<&str, u64> {
    let mut successes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for ((stack, number), text) in &needs.records {
        let record = text.as_deref().and_then(|text| serde_json::from_str::<Record>(text).ok());
        let success = record
            .is_some_and(|record| record.result == RecordedResult::Succeeded && record.kind != Kind::Destroy);
        if success {
            // In the order of the numbers, which is that of the map.
            successes.entry(stack).or_default().push(*number);
        }
    }
    let oldest = |numbers: &[u64]| numbers.len().checked_sub(keep).and_then(|at| numbers.get(at).copied());
    successes.into_iter().filter_map(|(stack, numbers)| Some((stack, oldest(&numbers)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(letter: char) -> Digest {
        letter.to_string().repeat(64)
    }

    fn item(key: &str, written: u64) -> Item {
        Item { what: What::of_key(key), name: key.to_owned(), bytes: 1, written }
    }

    fn zip(letter: char, written: u64) -> Item {
        item(&format!("load/{}.zip", digest(letter)), written)
    }

    /// Returns a record of a stack `s` that names a zip.
    fn record(number: u64, kind: &str, result: &str, letter: char) -> ((String, u64), Option<String>) {
        let text = json!({
            "schemaVersion": 1, "number": number, "stack": "s", "stackId": "arn", "time": "2026-11-24T22:04:25Z",
            "caller": "arn", "deployer": "0.1.0", "kind": kind, "result": result, "seconds": 3,
            "parameters": { "LoadCode": format!("load/{}.zip", digest(letter)) },
        });
        (("s".to_owned(), number), Some(text.to_string()))
    }

    const RULES: Rules = Rules { keep: 2, younger_than: 100 };

    #[test]
    fn things_are_known_by_their_names() {
        let a = digest('a');
        for (key, what) in [
            (format!("load/{a}.zip"), "zip"),
            (format!("my-app.zip/{a}.zip"), "zip"),
            (format!("templates/{a}.json"), "template"),
            ("deployments/s/00000001.json".to_owned(), "record"),
            // A piece of code may have the name of any folder.
            (format!("templates/{a}.zip"), "zip"),
            (format!("load/{}.zip", a.to_uppercase()), "other"),
            (format!("load/{a}0.zip"), "other"),
            (format!("a/b/{a}.zip"), "other"),
            (format!("{a}.zip"), "other"),
            ("deployments/s/1.json".to_owned(), "other"),
            ("verifications/s/0123.json".to_owned(), "verification"),
            ("verifications/s.json".to_owned(), "other"),
            ("ü/\u{1b}".to_owned(), "other"),
        ] {
            assert_eq!(What::of_key(&key).name(), what, "{key}");
        }
        assert_eq!(What::of_image(&format!("sha256:{a}"), false), What::Image(a.clone()));
        assert_eq!(What::of_image(&format!("sha256:{a}"), true), What::Foreign, "somebody's tag");
        assert_eq!(What::of_image(&a, false), What::Foreign);
    }

    #[test]
    fn digests_are_found_wherever_they_stand() {
        let (a, b) = (digest('a'), digest('b'));
        let text = format!(r#"{{ "x": "load/{a}.zip", "y": ["r@sha256:{b}"], "z": "{a}0" }}"#);
        assert_eq!(digests(&text), BTreeSet::from([a, b]));
        assert_eq!(digests(&"ü".repeat(64)), BTreeSet::new());
    }

    #[test]
    fn only_what_nobody_needs_is_garbage() {
        let items = [
            zip('a', 1),                            // in a stack
            zip('b', 1),                            // in a kept record
            zip('c', 1),                            // in a record that goes
            zip('d', 100),                          // young
            zip('e', 1),                            // nobody's
            item("notes.txt", 1),                   // not ours
            item("deployments/s/00000001.json", 1), // beyond those that are kept
            item("deployments/s/00000002.json", 1),
            item("deployments/s/00000003.json", 1),
            item("verifications/live/1.json", 1),   // what is left by it
            item("verifications/gone/1.json", 1),   // left nothing that is still there
            item("verifications/gone/2.json", 100), // young
        ];
        let needs = Needs {
            stacks: BTreeMap::from([(digest('a'), "live".to_owned())]),
            named: BTreeSet::from(["live".to_owned()]),
            unread: Vec::new(),
            records: BTreeMap::from([
                record(1, "deploy", "succeeded", 'c'),
                record(2, "deploy", "succeeded", 'b'),
                record(3, "rollback", "succeeded", 'a'),
            ]),
        };
        let recorded = || Verdict::Recorded("s".to_owned());
        let wanted = [
            Verdict::Used("live".to_owned()),
            recorded(),
            Verdict::Garbage,
            Verdict::Young,
            Verdict::Garbage,
            Verdict::Foreign,
            Verdict::Garbage,
            recorded(),
            recorded(),
            Verdict::Verified("live".to_owned()),
            Verdict::Garbage,
            Verdict::Young,
        ];
        assert_eq!(judge(&items, &needs, RULES), wanted);

        // A stack that can't be read may need all items; no stack needs records.
        let unread = Needs { unread: vec!["shy".to_owned()], ..needs.clone() };
        let verdicts = judge(&items, &unread, RULES);
        assert_eq!(verdicts[2], Verdict::Uncertain("the stack shy".to_owned()));
        assert_eq!(verdicts[6], Verdict::Garbage);
        assert_eq!(judge(&items, &needs, Rules { keep: 3, ..RULES })[2], recorded());
        assert_eq!(judge(&items, &needs, Rules { younger_than: 1, ..RULES })[4], Verdict::Young);
    }

    #[test]
    fn failures_and_deletions_are_kept_with_the_successes_that_they_follow() {
        let records = [
            record(1, "deploy", "succeeded", 'a'),
            record(2, "deploy", "failed", 'b'),
            record(3, "deploy", "succeeded", 'c'),
            record(4, "destroy", "succeeded", 'd'),
            record(5, "hotswap", "succeeded", 'e'),
            record(6, "deploy", "failed", 'f'),
        ];
        let needs = Needs { records: records.into(), ..Needs::default() };
        let items: Vec<Item> =
            (1..=6).map(|number| item(&crate::records::record_key("s", number), 1)).collect();
        let kept =
            judge(&items, &needs, RULES).iter().map(|one| *one != Verdict::Garbage).collect::<Vec<_>>();
        assert_eq!(kept, [false, false, true, true, true, true]);
    }

    #[test]
    fn a_record_that_cannot_be_read_makes_everything_uncertain() {
        let items = [zip('a', 1), item("deployments/s/00000001.json", 1)];
        for text in [None, Some("{}".to_owned())] {
            let certain = text.is_some();
            let needs = Needs { records: [(("s".to_owned(), 1), text)].into(), ..Needs::default() };
            let verdicts = judge(&items, &needs, RULES);
            assert_eq!(verdicts[0] == Verdict::Garbage, certain, "{verdicts:?}");
            assert_eq!(verdicts[1], Verdict::Recorded("s".to_owned()));
        }
        // Written after the records were listed.
        let verdicts = judge(&items, &Needs::default(), RULES);
        assert_eq!(verdicts[0], Verdict::Uncertain("record 1 of s".to_owned()));
    }
}
