//! Names of columns: the column of a file that a name in `stack.yaml` means. The extraction task, `transform` and
//! `upload` all find it here, so that they cannot disagree.
//!
//! Two names are the same if they differ only in what a person can't see or wouldn't call a difference: blanks and
//! invisible characters around them, upper and lower case, and the way in which Unicode composes a letter.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

/// A name that fits several columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file has several columns `{0}`")]
pub struct AmbiguousColumn(String);

/// Columns that a file must have and does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file has no column{} {}", if .0.len() == 1 { "" } else { "s" }, listed(.0))]
pub struct MissingColumns(pub Vec<String>);

/// Returns the name without blanks and invisible characters around it: white space of any kind, control characters,
/// zero-width characters, byte order marks, soft hyphens and marks of direction.
#[must_use]
pub fn trim(name: &str) -> &str {
    name.trim_matches(is_invisible)
}

fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

/// Returns a key that is equal for all names that are the same.
#[must_use]
pub fn key(name: &str) -> String {
    let name = trim(name);
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // Unicode Standard, D145, "canonical caseless match": a letter may be folded only when it is decomposed.
    let decomposed: String = name.nfd().collect();
    caseless::default_case_fold_str(&decomposed).nfc().collect()
}

/// Returns whether two names mean the same column.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let (one, other) = (trim(one), trim(other));
    match one.is_ascii() && other.is_ascii() {
        true => one.eq_ignore_ascii_case(other),
        false => one == other || key(one) == key(other),
    }
}

/// Returns whether a column of JSON Lines contains another one: `a` is an object of which `a.b` is a member.
#[must_use]
pub fn contains(one: &str, other: &str) -> bool {
    key(other).strip_prefix(&key(one)).is_some_and(|rest| rest.starts_with('.'))
}

/// Returns the position of the column named `name`: that of its exact name, else of one that is the [`same`]; `None` if
/// there is no such column. A column without a name is never found.
///
/// # Errors
/// A name that fits several columns is an error even where the column is optional: picking one of them, or none, would
/// lose values silently.
pub fn find<S: AsRef<str>>(headers: &[S], name: &str) -> Result<Option<usize>, AmbiguousColumn> {
    let name = trim(name);
    if name.is_empty() {
        return Ok(None);
    }
    let only = |matches: &dyn Fn(&str) -> bool| {
        let mut found = headers.iter().enumerate().filter(|(_, header)| matches(header.as_ref()));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(AmbiguousColumn(name.to_owned())),
            (first, _) => Ok(first.map(|(position, _)| position)),
        }
    };
    match only(&|header| trim(header) == name)? {
        Some(position) => Ok(Some(position)),
        None => only(&|header| same(header, name)),
    }
}

/// Returns the `names` for which there is no column, each once, in their order. A name that fits several columns is not
/// missing.
#[must_use]
pub fn missing<'n, S: AsRef<str>>(
    headers: &[S],
    names: impl IntoIterator<Item = &'n str>,
) -> Option<MissingColumns> {
    let found: HashSet<String> = headers.iter().map(|header| key(header.as_ref())).collect();
    let mut missing: Vec<String> = Vec::new();
    for name in names {
        let name = trim(name);
        if !found.contains(&key(name)) && !missing.iter().any(|other| same(other, name)) {
            missing.push(name.to_owned());
        }
    }
    (!missing.is_empty()).then_some(MissingColumns(missing))
}

/// Returns `A`, `A` and `B`, or `A`, `B` and `C`, each in backticks.
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_exact_name_comes_first_and_two_that_fit_are_an_error() {
        let headers = ["ID", " Id ", "x"];
        assert_eq!(find(&headers, "Id"), Ok(Some(1)));
        assert_eq!(find(&headers, " ID"), Ok(Some(0)));
        assert_eq!(find(&headers, "X"), Ok(Some(2)));
        assert_eq!(find(&headers, "y"), Ok(None));
        assert_eq!(find(&headers, "id"), Err(AmbiguousColumn("id".into())));
        assert_eq!(find(&["", " "], ""), Ok(None), "a column without a name");
    }

    #[test]
    fn what_nobody_sees_and_the_case_make_no_other_name() {
        for (one, other) in [
            ("HouseNum\u{a0}", "HouseNum"),
            ("\u{200b}Town", "TOWN"),
            ("\u{feff}ID", "id"),
            ("\u{ad}\u{2066}Zip\u{200f}\u{0}\t", "zip"),
            ("\u{3000}名前\u{2060}", "名前"),
            // Composed and decomposed, in either case.
            ("Stra\u{df}e", "STRASSE"),
            ("Caf\u{e9}", "CAFE\u{301}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Größe", "GRO\u{308}ẞe"),
            ("ǰ", "J\u{30c}"),
            ("\u{212a}elvin", "kelvin"),
        ] {
            assert!(same(one, other), "{one:?} {other:?}");
            assert_eq!(find(&["x", one], other), Ok(Some(1)), "{one:?} {other:?}");
        }
        for (one, other) in [("Town", "Towns"), ("a b", "ab"), ("é", "e"), ("a\u{200b}b", "ab"), ("ı", "i")]
        {
            assert!(!same(one, other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_column_contains_the_members_of_its_object() {
        for (one, other) in [("a", "a.b"), (" A", "a.b.c"), ("Größe", "GRÖSSE.x")] {
            assert!(contains(one, other), "{one} {other}");
            assert!(!contains(other, one), "{other} {one}");
        }
        for (one, other) in [("a", "a"), ("a", "ab"), ("a.b", "a.bc"), ("a", "b.a")] {
            assert!(!contains(one, other), "{one} {other}");
        }
    }

    #[test]
    fn all_that_is_missing_is_named_once() {
        let headers = ["\u{feff}id ", "Stra\u{df}e", "twice", "TWICE"];
        assert_eq!(missing(&headers, ["ID", "STRASSE", "Twice"]), None);
        let found = missing(&headers, ["ID", "Zip", " zip", "Town", "Land"]).expect("three");
        assert_eq!(found.to_string(), "the file has no columns `Zip`, `Town` and `Land`");
        assert_eq!(missing(&headers, ["Zip"]).expect("one").to_string(), "the file has no column `Zip`");
        assert_eq!(
            MissingColumns(vec!["a".into(), "b".into()]).to_string(),
            "the file has no columns `a` and `b`"
        );
    }

    proptest! {
        #[test]
        fn names_are_the_same_exactly_where_their_keys_are(one in "[aAéÉßs \u{301}\u{200b}e]{0,4}", other in "[aAéÉßs \u{301}\u{200b}e]{0,4}") {
            prop_assert_eq!(same(&one, &other), key(&one) == key(&other));
            prop_assert_eq!(key(&key(&one)), key(&one));
        }
    }
}
