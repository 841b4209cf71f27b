//! Texts that are safe to show on a terminal, or to type in a shell.

/// Returns the text in one line with every control character escaped, so that no file can control the terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, "")
}

/// Escapes the control characters of a text that may have several lines, and tabs in them, as logs and the messages of
/// services do.
#[must_use]
pub fn harmless(text: &str) -> String {
    escaped(text, "\n\t")
}

fn escaped(text: &str, kept: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        if letter.is_control() && !kept.contains(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
        out
    })
}

/// Quotes a word for a shell: names may come from anybody.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@+=".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
