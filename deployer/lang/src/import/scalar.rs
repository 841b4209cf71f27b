//! Single values of a template, and the forms in which the file has them.

use deployer_cfn::template::{yaml_quoted, yaml_scalar};
use deployer_syntax::number;

/// A single value as it has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar<'t> {
    /// A number or a boolean, without quotes.
    Bare(String),
    /// A text.
    Text(&'t str),
    /// A text that some versions of YAML take for something else, since it has no quotes.
    Doubtful(&'t str),
}

/// Returns the value of a plain scalar. `typed`: `True` is a boolean there, as all versions of YAML agree; elsewhere
/// callers compare it with texts.
pub(super) fn plain(text: &str, typed: bool) -> Scalar<'_> {
    match text {
        "true" | "false" => Scalar::Bare(text.to_owned()),
        "True" | "TRUE" | "False" | "FALSE" if typed => Scalar::Bare(text.to_ascii_lowercase()),
        _ if number::value(text).is_some() => Scalar::Bare(text.to_owned()),
        _ if is_doubtful(text) => Scalar::Doubtful(text),
        _ => Scalar::Text(text),
    }
}

/// Returns whether readers of YAML 1.1 or 1.2 take a plain text for a boolean or a number, while JSON does not have it.
/// Source: YAML 1.1, "Language-Independent Types", `bool`, `int` and `float`; YAML 1.2.2, "Core Schema".
fn is_doubtful(text: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return true;
    }
    if matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return true;
    }
    let based = ["0x", "0b", "0o"].iter().find_map(|prefix| unsigned.strip_prefix(prefix));
    if let Some(digits) = based {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    // Leading zeros, signs, underscores, the base 60 of `1:30`, and points without digits on one side.
    let begins = unsigned.starts_with(|first: char| first.is_ascii_digit())
        || unsigned
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let sexagesimal = || {
        let mut parts = unsigned.split(':');
        let first = parts.next().is_some_and(digits);
        let mut rest = parts.peekable();
        first
            && rest.peek().is_some()
            && rest.all(|part| part.len() <= 2 && part.parse::<u8>().is_ok_and(|part| part < 60))
    };
    let decimal = || {
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let part = |part: &str| part.is_empty() || digits(part);
        part(whole) && part(fraction) && digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
    };
    begins && (decimal() || sexagesimal())
}

/// Returns a text in which `${` has no meaning to the language.
pub(super) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// Returns the lines of a text as a literal block, with its indicator, if it has several and a block can hold them.
pub(super) fn block(text: &str, indent: usize) -> Option<String> {
    let body = text.trim_end_matches('\n');
    let indicator = match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    let printable = |letter: char| {
        letter == '\n'
            || letter == '\t'
            || (!letter.is_control()
                && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
    };
    // A block finds its indentation by its first line, and a last line of blanks can't be told from the end.
    let fits = body.contains('\n')
        && text.chars().all(printable)
        && !text.starts_with([' ', '\t', '\n'])
        && body.lines().next_back().is_some_and(|last| !last.trim().is_empty());
    if !fits {
        return None;
    }
    let pad = "  ".repeat(indent);
    let mut out = format!("{indicator}\n");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
        out.push('\n');
    }
    Some(out)
}

/// Returns a text on one line: bare if no reader takes it for anything else, else in quotes.
pub(super) fn line(text: &str) -> String {
    yaml_scalar(text)
}

/// Returns a text in quotes.
pub(super) fn quoted(text: &str) -> String {
    yaml_quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_versions_of_yaml_read_differently_is_doubtful() {
        for text in [
            "Yes", "no", "ON", "y", "True", "012", "0x1F", "0b11", "1_000", "1:30", "+5", ".5", "5.", ".inf",
            "1e3_0",
        ] {
            assert_eq!(plain(text, false), Scalar::Doubtful(text), "{text}");
        }
        for text in [
            "2012-10-17",
            "10.0.0.0/16",
            "1.2.3",
            "yesterday",
            "arn:aws:s3:::b",
            "22:tcp",
            "a",
            "",
            "1:90",
            "-",
            "e5",
        ] {
            assert_eq!(plain(text, false), Scalar::Text(text), "{text}");
        }
        for text in ["5", "-1", "1.50", "1e3", "123456789012345678901234567890", "true"] {
            assert_eq!(plain(text, false), Scalar::Bare(text.to_owned()), "{text}");
        }
        assert_eq!(plain("TRUE", true), Scalar::Bare("true".to_owned()));
        assert_eq!(plain("Yes", true), Scalar::Doubtful("Yes"));
    }

    #[test]
    fn a_block_holds_lines_only_where_it_can() {
        assert_eq!(block("a\nb\n", 1).as_deref(), Some("|\n  a\n  b\n"));
        assert_eq!(block("a\n\n  b", 1).as_deref(), Some("|-\n  a\n\n    b\n"));
        assert_eq!(block("a\nb\n\n", 0).as_deref(), Some("|+\na\nb\n\n"));
        for text in ["a", "a\n", " a\nb", "\na\nb", "a\r\nb", "a\nb\n  \n", "a\u{2028}\nb"] {
            assert_eq!(block(text, 1), None, "{text:?}");
        }
    }
}
