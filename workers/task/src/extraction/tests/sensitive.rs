//! Sensitive columns: none of their values leaves the task in clear.

use std::sync::atomic::{AtomicU32, Ordering};

use contract::settings::SensitiveField;
use sealing::{DataKey, KmsError, Opener, Place, is_sealed};
use zeroize::Zeroizing;

use super::*;

/// A KMS whose keys name the object that they are for. The first calls fail.
#[derive(Default)]
pub(super) struct Vault {
    made: AtomicU32,
    failing: AtomicU32,
    for_good: bool,
}

impl Vault {
    fn failing(times: u32, for_good: bool) -> Self {
        Self { failing: AtomicU32::new(times), for_good, ..Self::default() }
    }
}

impl Kms for &Vault {
    async fn generate(&self, object: &str) -> Result<DataKey, KmsError> {
        let fails =
            self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails {
            let code = if self.for_good { "AccessDeniedException" } else { "ThrottlingException" };
            return Err(KmsError::Unavailable { code: code.into(), retryable: !self.for_good });
        }
        let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        let encrypted = format!("{number}:{object}").into_bytes();
        Ok(DataKey { plain: Zeroizing::new(vec![u8::try_from(number).expect("few"); 32]), encrypted })
    }

    async fn decrypt(&self, encrypted: &[u8], object: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let text = std::str::from_utf8(encrypted).expect("own key");
        let (number, made_for) = text.split_once(':').expect("own key");
        assert_eq!(made_for, object);
        Ok(Zeroizing::new(vec![number.parse().expect("own key"); 32]))
    }
}

fn sensitive(columns: &[&str]) -> Vec<SensitiveField> {
    columns
        .iter()
        .map(|from| SensitiveField { name: from.to_lowercase(), from: (*from).into(), settings: None })
        .collect()
}

pub(super) async fn run_sealed(
    settings: &ExtractionSettings,
    text: &str,
    sealing: Sealing<&Vault>,
) -> (Outcome, Shared) {
    let bus = Shared::default();
    let (_sender, stop) = watch::channel(false);
    let publisher =
        Arc::new(Publisher::new(bus.clone(), Destination::new("bus", "source"), Backoff::immediate(2)));
    let (object, assignment) = (object(), Assignment::default());
    let job = Job {
        object: &object,
        settings,
        columns: &[],
        optional: &[],
        assignment: &assignment,
        selection: None,
    };
    let source = Object::new(text, []);
    let backoff = Backoff::immediate(3);
    let outcome = extract(&job, source, &publisher, None::<&Store>, Some(sealing), backoff, stop).await;
    (outcome, bus)
}

pub(super) fn seal<'v>(vault: &'v Vault, columns: &[&str]) -> Sealing<&'v Vault> {
    Sealing::new(vault, &object(), sensitive(columns)).expect("no rules")
}

/// Returns all rows on the bus: number, fields and data key.
fn rows(bus: &Shared) -> Vec<(u64, Vec<String>, String)> {
    let mut out = Vec::new();
    for detail in bus.published() {
        if let Detail::RecordExtracted { record, data, data_key, .. } = detail {
            let rows = row::Rows::read(&data).expect("rows");
            for (index, fields) in record.rows().zip(rows.iter()) {
                let fields = fields.iter().map(|cell| cell.text.to_owned()).collect();
                out.push((index, fields, data_key.clone().expect("a key")));
            }
        }
    }
    out
}

async fn open(vault: &Vault, index: u64, column: &str, data_key: &str, value: &str) -> String {
    let (object, record) = (object().digest(), object().record(index).id);
    let place = Place { object: &object, record: &record, column };
    Opener::new(vault).open(data_key, place, value).await.expect("opened").to_string()
}

#[tokio::test]
async fn a_sensitive_column_leaves_sealed_and_bound_to_its_row() {
    let vault = Vault::default();
    let text = "id, SSN ,note,Mail\n1,sEcReT,a,\"sEcReT,2\"\n2,,b,\n3,x,enc:v1:a,sEcReT\n";
    let (outcome, bus) = run_sealed(&grouped(10), text, seal(&vault, &["ssn", "Mail"])).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 3, rejected: 0, .. })), "{outcome:?}");
    assert!(!format!("{:?}", bus.published()).contains("sEcReT"));
    let rows = rows(&bus);
    for ((index, fields, data_key), (id, ssn, note, mail)) in rows.iter().zip([
        ("1", "sEcReT", "a", "sEcReT,2"),
        ("2", "", "b", ""),
        ("3", "x", "enc:v1:a", "sEcReT"),
    ]) {
        assert_eq!((fields[0].as_str(), fields[2].as_str()), (id, note));
        for (value, column, plain) in [(&fields[1], "ssn", ssn), (&fields[3], "Mail", mail)] {
            match plain {
                // It is not hidden whether there is a value: `required` depends on it.
                "" => assert_eq!(value, ""),
                _ => {
                    assert!(is_sealed(value));
                    assert_eq!(open(&vault, *index, column, data_key, value).await, plain);
                }
            }
        }
    }
    assert_eq!(rows.len(), 3);
    assert_eq!(vault.made.load(Ordering::SeqCst), 1, "one key for the object");
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_of_its_field_is_never_sealed() {
    let vault = Vault::default();
    let rules = serde_json::json!({ "name": "n", "from": "N", "type": "integer", "sensitive": true });
    let rules = serde_json::from_value(rules).expect("settings");
    let field = SensitiveField::new(&rules).expect("a column");
    let sealing = Sealing::new(&vault, &object(), vec![field]).expect("right");
    let (outcome, bus) = run_sealed(&grouped(2), "id,N\n1,42\n2,sEcReT\n3,\n4,7\n", sealing).await;
    assert_eq!(outcome, Outcome::Completed(Totals { rows: 4, rejected: 1, bytes: 26 }));
    let failed: Vec<(Reason, String)> = bus
        .published()
        .into_iter()
        .filter_map(|detail| match detail {
            Detail::Failed { reason, message, .. } => Some((reason, message)),
            _ => None,
        })
        .collect();
    assert!(
        matches!(&failed[..], [(Reason::InvalidNumber, message)] if message.starts_with("the column `N` is not"))
    );
    assert_eq!(rows(&bus).iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [1, 3, 4]);
}

#[tokio::test]
async fn rows_with_different_keys_share_no_event() {
    let vault = Vault::default();
    let mut sealing = seal(&vault, &["s"]);
    sealing.change_key_after(2);
    let (_, bus) = run_sealed(&grouped(100), "s\na\nb\nc\nd\ne\n", sealing).await;
    let counts: Vec<u64> = bus.published().iter().filter_map(Detail::record).map(|row| row.count).collect();
    assert_eq!(counts, [2, 2, 1]);
    for ((index, fields, data_key), plain) in rows(&bus).iter().zip(["a", "b", "c", "d", "e"]) {
        assert_eq!(open(&vault, *index, "s", data_key, &fields[0]).await, plain);
    }
}

#[tokio::test]
async fn a_file_in_which_the_column_is_not_found_goes_nowhere() {
    for (text, reason) in [
        // Under another name, it would leave in clear.
        ("id,S.S.N.\n1,sEcReT\n", Reason::MissingColumn),
        // The header is a row.
        ("sEcReT,sEcReT2\nx,y\n", Reason::MissingColumn),
        ("sEcReT,sEcReT\nx,y\n", Reason::DuplicateHeader),
        ("SSN,Ssn\nsEcReT,sEcReT\n", Reason::DuplicateHeader),
        // The exact name is there, and another that means the same to a person.
        ("ssn,SSN\nsEcReT,sEcReT\n", Reason::DuplicateHeader),
    ] {
        let vault = Vault::default();
        let (outcome, bus) = run_sealed(&ExtractionSettings::default(), text, seal(&vault, &["ssn"])).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{text}");
        assert_eq!(super::reason(outcome), reason, "{text}");
        let published = bus.published();
        assert_eq!(published.len(), 1, "{published:?}");
        assert!(!format!("{published:?}").contains("sEcReT"), "{published:?}");
    }
}

#[tokio::test]
async fn without_a_key_nothing_goes_out() {
    let run = async |vault: Vault| run_sealed(&grouped(1), "s\nsEcReT\n", seal(&vault, &["s"])).await;

    let (outcome, bus) = run(Vault::failing(2, false)).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 1, .. })), "the third attempt has a key");
    assert_eq!(rows(&bus).len(), 1);

    let (outcome, bus) = run(Vault::failing(3, false)).await;
    assert!(matches!(outcome, Outcome::Interrupted(_)), "another task may have more luck: {outcome:?}");
    assert_eq!(bus.published(), []);

    let (outcome, bus) = run(Vault::failing(1, true)).await;
    assert!(matches!(&outcome, Outcome::Failed(fault) if fault.message.contains("AccessDeniedException")));
    assert_eq!(super::reason(outcome), Reason::NotEncrypted);
    assert_eq!(rows(&bus).len(), 0);
}

#[tokio::test]
async fn a_row_that_is_too_large_is_rejected_and_nobody_is_sent_to_read_it() {
    let vault = Vault::default();
    let text = format!("id,s\n1,sEcReT\n2,{}\n", "sEcReT".repeat(MAX_BYTES / 6));
    let (outcome, bus) = run_sealed(&ExtractionSettings::default(), &text, seal(&vault, &["s"])).await;
    assert!(matches!(outcome, Outcome::Completed(Totals { rows: 2, rejected: 1, .. })), "{outcome:?}");
    let published = bus.published();
    let located = |detail: &Detail| matches!(detail, Detail::RecordExtracted { location: Some(_), .. });
    assert!(!published.iter().any(located) && !format!("{published:?}").contains("sEcReT"));
}

proptest! {
    #[test]
    fn no_value_of_a_sensitive_column_is_on_the_bus(
        values in proptest::collection::vec("[a-z\"\n,;é]{0,6}", 1..8),
        rows_per_event in 1..4u32,
        bad in any::<bool>(),
    ) {
        let vault = Vault::default();
        let mut text = "id,s\n".to_owned();
        for (id, value) in values.iter().enumerate() {
            text += &row::encode([&*id.to_string(), &format!("sEcReT{value}")]);
            text += if bad && id % 2 == 1 { ",sEcReT\n" } else { "\n" };
        }
        let settings = grouped(rows_per_event);
        let run = run_sealed(&settings, &text, seal(&vault, &["s"]));
        let (outcome, bus) = runtime().block_on(run);
        prop_assert!(matches!(outcome, Outcome::Completed(_)));
        let published = format!("{:?}", bus.published());
        prop_assert!(!published.contains("sEcReT"));
        for (index, fields, data_key) in rows(&bus) {
            let value = &values[usize::try_from(index).expect("small") - 1];
            let opened = runtime().block_on(open(&vault, index, "s", &data_key, &fields[1]));
            prop_assert_eq!(opened, format!("sEcReT{}", value));
        }
    }
}
