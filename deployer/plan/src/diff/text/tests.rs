use super::*;
use proptest::prelude::*;

#[test]
fn the_part_that_differs_is_seen() {
    let (a, b) = (
        format!("{}X{}", "a".repeat(100), "b".repeat(100)),
        format!("{}Y{}", "a".repeat(100), "b".repeat(100)),
    );
    assert_eq!(cut_pair(&a, &b, 40), ("…aaaaaaaaXbbbbbbbb…".to_owned(), "…aaaaaaaaYbbbbbbbb…".to_owned()));
    assert_eq!(cut("abcdefghij", 5), "ab…ij");
    assert_eq!(human(1_500_000), "1.5 MB");
    assert_eq!(printable("a\u{1b}[31m\n\u{202e}"), "a\\u{1b}[31m\\n\\u{202e}");
}

proptest! {
    #[test]
    fn any_two_texts_are_cut_and_stay_different(start in "\\PC{0,60}", a in "\\PC{0,60}", b in "\\PC{0,60}", end in "\\PC{0,60}", room in 16_usize..60) {
        let (before, after) = (format!("{start}{a}{end}"), format!("{start}{b}{end}"));
        let (x, y) = cut_pair(&before, &after, room);
        prop_assert!(x.chars().count() <= room.max(before.chars().count()));
        // Texts that differ in the middle of a long part may look alike; short ones never do.
        if before != after && a.chars().count() + 20 <= room && b.chars().count() + 20 <= room {
            prop_assert_ne!(x, y);
        }
    }
}
