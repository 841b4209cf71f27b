//! Wildcards that EventBridge refuses as too complex: Amazon EventBridge User Guide, "Wildcard matching", and the count
//! of its matcher: the beginnings of wildcards that one value can fit at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Compiled, Matcher, wildcard};

/// Limit of beginnings, which is not published. Patterns with 9 are known to be accepted, and those with 11 to be
/// refused.
const MOST_BEGINNINGS: usize = 10;
/// Steps after which a search is given up; the pattern is then taken to be right.
const MOST_STEPS: usize = 20_000;

/// The names of fields up to one, and the matchers of that one in each alternative.
type Group<'p> = (Vec<&'p str>, Vec<&'p Arc<[Matcher]>>);

/// Returns whether EventBridge refuses the wildcards of a pattern. Those of one field count together, over the
/// alternatives that can lead to it.
pub fn is_too_complex(pattern: &Compiled) -> bool {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for alternative in &pattern.alternatives {
        let mut before: Vec<&str> = Vec::new();
        for condition in &alternative.0 {
            before.push(&condition.name);
            match groups.iter_mut().find(|(names, _)| *names == before) {
                Some((_, found))
                    if found.iter().any(|known| known.as_ref() == condition.matchers.as_ref()) => {}
                Some((_, found)) => found.push(&condition.matchers),
                None => groups.push((before.clone(), vec![&condition.matchers])),
            }
        }
    }
    groups.iter().any(|(_, fields)| {
        let wildcards: Vec<Vec<Option<char>>> = fields
            .iter()
            .flat_map(|matchers| matchers.iter())
            .flat_map(Matcher::wildcards)
            .filter_map(|text| wildcard(text).ok())
            .collect();
        exceeds(&wildcards)
    })
}

/// A place in wildcards: the index of one, and the number of its pieces before the place.
type Place = (usize, usize);

fn exceeds(wildcards: &[Vec<Option<char>>]) -> bool {
    // The matcher sees values with their quotes.
    let quoted: Vec<Vec<Option<char>>> = wildcards
        .iter()
        .map(|pieces| [Some('"')].into_iter().chain(pieces.iter().copied()).chain([Some('"')]).collect())
        .collect();
    let piece = |(of, at): Place| quoted.get(of).and_then(|pieces| pieces.get(at)).copied();
    let mut letters: Vec<Option<char>> = quoted.iter().flatten().copied().collect();
    letters.sort_unstable();
    letters.dedup();
    // The places to which a letter leads; `None` is any letter that is in no wildcard.
    let step = |place: Place, letter: Option<char>, out: &mut BTreeSet<Place>| {
        let (of, at) = place;
        let is_star = at > 0 && piece((of, at - 1)) == Some(None);
        if is_star {
            out.insert(place);
        }
        match piece(place) {
            Some(None) => {
                out.insert((of, at + 1));
                // The star may also be empty.
                if letter.is_some() && piece((of, at + 1)) == Some(letter) {
                    out.insert((of, at + 2));
                }
            }
            Some(wanted) if letter.is_some() && wanted == letter => {
                out.insert((of, at + 1));
            }
            _ => {}
        }
    };
    let start: BTreeSet<Place> = (0..quoted.len()).map(|of| (of, 0)).collect();
    let mut seen: BTreeSet<BTreeSet<Place>> = BTreeSet::new();
    let mut open = vec![start];
    let mut steps = 0_usize;
    while let Some(places) = open.pop() {
        for letter in &letters {
            steps += 1;
            if steps > MOST_STEPS {
                return false;
            }
            let mut next = BTreeSet::new();
            places.iter().for_each(|place| step(*place, *letter, &mut next));
            // A beginning that ends before a star fits with it as well.
            let stars = next
                .iter()
                .filter(|(of, at)| piece((*of, *at)) == Some(None) && !next.contains(&(*of, at + 1)));
            if next.len() + stars.count() > MOST_BEGINNINGS {
                return true;
            }
            if !next.is_empty() && seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_to_be_refused_is_too_complex() {
        let exceeds = |texts: &[&str]| {
            exceeds(&texts.iter().map(|text| wildcard(text).expect(text)).collect::<Vec<_>>())
        };
        let stacks = ["*:stack/Shared/*", "*:stack/Backend/*", "*:stack/Web/*", "*:stack/Monitoring/*"];
        let pictures = ["*/datasync/*.bif", "*/datasync/*.tif", "*/datasync/*.tiff", "*/datasync/*.svs"];
        for (wildcards, refused) in [
            (&["*:*:*:*:*:event-bus/*"][..], true),
            (&["*:*:*:*:event-bus/*"], false),
            (&stacks, true),
            (&stacks[..3], false),
            (&pictures, true),
            (&pictures[..2], false),
            (&["*.bif", "*.tiff", "*.tif", "*.svs"], false),
            (&["dir/*.png"], false),
            (&[], false),
        ] {
            assert_eq!(exceeds(wildcards), refused, "{wildcards:?}");
        }
    }
}
