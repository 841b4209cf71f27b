//! Texts that CloudFormation may not return as they were sent: `GetTemplate` and `DescribeStacks` answer `?` in the
//! place of characters beyond ASCII (issue 814 of aws-cloudformation/cloudformation-coverage-roadmap).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Depth to which nested values are followed.
const MAX_DEPTH: usize = 100;

/// Returns the deployed value, with the wanted text wherever only `?` in the place of characters beyond ASCII tells the
/// two apart.
#[must_use]
pub fn restored<'a>(deployed: &'a Value, wanted: &Value) -> Cow<'a, Value> {
    let mut out = Cow::Borrowed(deployed);
    if count(deployed, wanted) > 0 {
        restore(out.to_mut(), wanted, 0);
    }
    out
}

/// Counts the texts and keys that would be restored. Each of them may be a loss, or contain a `?` that somebody wrote.
#[must_use]
pub fn count(deployed: &Value, wanted: &Value) -> usize {
    counted(deployed, wanted, 0)
}

/// Applies [`restored`] to parameters or tags.
#[must_use]
pub fn restored_texts<'a>(
    deployed: &'a BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Cow<'a, BTreeMap<String, String>> {
    let mut out = Cow::Borrowed(deployed);
    for (name, text) in wanted {
        if deployed.get(name).is_some_and(|deployed| is_lossy(deployed, text)) {
            out.to_mut().insert(name.clone(), text.clone());
        }
    }
    out
}

/// Returns whether a text is the wanted one except for `?` in the place of characters beyond ASCII. One character may
/// have become as many as its UTF-8 form has bytes.
#[must_use]
pub fn is_lossy(deployed: &str, wanted: &str) -> bool {
    if wanted.is_ascii() || !deployed.contains('?') {
        return false;
    }
    let letters: Vec<char> = deployed.chars().collect();
    // The positions up to which the deployed text can be read so far; several only where `?` follow each other.
    let mut at = vec![0_usize];
    for letter in wanted.chars() {
        let most = if letter.is_ascii() { 0 } else { letter.len_utf8() };
        let mut next = Vec::with_capacity(at.len());
        for start in at {
            if letters.get(start) == Some(&letter) {
                next.push(start + 1);
            }
            let lost = letters.iter().skip(start).take(most).take_while(|letter| **letter == '?').count();
            next.extend((1..=lost).map(|length| start + length));
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return false;
        }
        at = next;
    }
    at.contains(&letters.len())
}

fn counted(deployed: &Value, wanted: &Value, depth: usize) -> usize {
    if depth > MAX_DEPTH {
        return 0;
    }
    match (deployed, wanted) {
        (Value::String(deployed), Value::String(wanted)) => usize::from(is_lossy(deployed, wanted)),
        (Value::Array(deployed), Value::Array(wanted)) => {
            deployed.iter().zip(wanted).map(|(a, b)| counted(a, b, depth + 1)).sum()
        }
        (Value::Object(deployed), Value::Object(wanted)) => {
            let of_member = |(key, inner): (&String, &Value)| match deployed.get(key) {
                Some(own) => counted(own, inner, depth + 1),
                None => lost_key(deployed, wanted, key)
                    .and_then(|lost| deployed.get(&lost))
                    .map_or(0, |own| 1 + counted(own, inner, depth + 1)),
            };
            wanted.iter().map(of_member).sum()
        }
        _ => 0,
    }
}

fn restore(deployed: &mut Value, wanted: &Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match (deployed, wanted) {
        (Value::String(deployed), Value::String(wanted)) if is_lossy(deployed, wanted) => {
            deployed.clone_from(wanted);
        }
        (Value::Array(deployed), Value::Array(wanted)) => {
            for (own, inner) in deployed.iter_mut().zip(wanted) {
                restore(own, inner, depth + 1);
            }
        }
        (Value::Object(deployed), Value::Object(wanted)) => {
            for (key, inner) in wanted {
                if !deployed.contains_key(key)
                    && let Some(lost) = lost_key(deployed, wanted, key)
                    && let Some(value) = deployed.shift_remove(&lost)
                {
                    deployed.insert(key.clone(), value);
                }
                if let Some(own) = deployed.get_mut(key) {
                    restore(own, inner, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Returns the deployed form of a wanted key, if only one key can be meant.
fn lost_key(deployed: &Map<String, Value>, wanted: &Map<String, Value>, key: &str) -> Option<String> {
    if key.is_ascii() {
        return None;
    }
    let mut found = deployed.keys().filter(|own| !wanted.contains_key(*own) && is_lossy(own, key));
    let one = found.next()?;
    found.next().is_none().then(|| one.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_mark_stands_for_any_character_beyond_ascii() {
        for (deployed, wanted, same) in [
            ("Stra?e", "Straße", true),
            ("Stra??e", "Straße", true),
            ("Stra???e", "Straße", false),
            ("Stra?e", "Strasse", false),
            ("Straxe", "Straße", false),
            ("Stra?e 5", "Straße", false),
            ("??rger? ", "Ärger? ", true),
            ("?rger?", "Ärger?", true),
            ("?rger", "Ärger?", false),
            ("?", "日", true),
            ("???", "日", true),
            ("????", "日", false),
            ("????", "日本", true),
            ("?ß", "äß", true),
            ("what?", "what?", false),
            ("", "ä", false),
        ] {
            assert_eq!(is_lossy(deployed, wanted), same, "{deployed} {wanted}");
        }
        // Many of them take no time.
        assert!(is_lossy(&"?".repeat(3_000), &"ß".repeat(2_000)));
        assert!(!is_lossy(&"?".repeat(5_000), &"ß".repeat(2_000)));
    }

    #[test]
    fn values_and_keys_are_restored_and_real_changes_stay() {
        let wanted = json!({ "a": ["Straße", { "Größe": "groß", "b": 1 }], "c": "neu" });
        let deployed = json!({ "a": ["Stra?e", { "Gr??e": "gro?", "b": 2 }], "c": "alt" });
        let expected = json!({ "a": ["Straße", { "Größe": "groß", "b": 2 }], "c": "alt" });
        assert_eq!(*restored(&deployed, &wanted), expected);
        assert!(matches!(restored(&wanted, &wanted), Cow::Borrowed(_)));
        assert_eq!((count(&deployed, &wanted), count(&wanted, &wanted)), (3, 0));
        // It can't be known which of the two is meant.
        let two = json!({ "?1": 1, "?2": 2, "?": 3 });
        assert_eq!(*restored(&two, &json!({ "ä": 3, "ö": 4 })), json!({ "?1": 1, "?2": 2, "ä": 3 }));
        let texts = |text: &str| BTreeMap::from([("Name".to_owned(), text.to_owned())]);
        assert_eq!(*restored_texts(&texts("M?ller"), &texts("Müller")), texts("Müller"));
        assert_eq!(*restored_texts(&texts("Maier"), &texts("Müller")), texts("Maier"));
    }
}
