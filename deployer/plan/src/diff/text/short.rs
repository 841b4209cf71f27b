//! Texts that are cut to the width of a line, and made safe to show.

/// Returns the beginning and the end of a text that is too long.
pub(super) fn cut(text: &str, room: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= room {
        return text.to_owned();
    }
    let (head, tail) = (room / 2, room - room / 2 - 1);
    let (head, tail) = (&letters[..head], &letters[letters.len() - tail..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// Cuts two texts so that their difference is seen.
pub(super) fn cut_pair(before: &str, after: &str, room: usize) -> (String, String) {
    /// Letters of the common parts that stay.
    const AROUND: usize = 8;
    let (a, b): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    if a.len().max(b.len()) <= room {
        return (before.to_owned(), after.to_owned());
    }
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let from = if same > AROUND + 1 { same - AROUND } else { 0 };
    let (a, b) = (&a[from..], &b[from..]);
    let left = a.len().min(b.len()) - (same - from);
    let ending = a.iter().rev().zip(b.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    let drop = if ending > AROUND + 1 { ending - AROUND } else { 0 };
    let one = |letters: &[char]| {
        let middle: String = letters[..letters.len() - drop].iter().collect();
        let middle = cut(&middle, room.saturating_sub(2));
        let (start, end) = (if from > 0 { "…" } else { "" }, if drop > 0 { "…" } else { "" });
        format!("{start}{middle}{end}")
    };
    (one(a), one(b))
}

/// Returns a text from outside as one line that can't move the cursor or turn the reading direction.
pub(super) fn printable(text: &str) -> String {
    let unsafe_to_show = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            letter if unsafe_to_show(letter) => out.extend(letter.escape_default()),
            letter => out.push(letter),
        }
        out
    })
}
