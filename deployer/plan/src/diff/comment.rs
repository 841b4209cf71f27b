//! A diff as a comment on a pull request: Markdown of a bounded size, in which what must be read comes first.

use super::Diff;
use super::text::{Detail, Line, Sign, render};

/// The greatest size of a comment on GitHub in characters, which are counted here as bytes, to be on the safe side.
///
/// The limit is in no documentation: the API answers "body is too long (maximum is 65536 characters)". GitLab takes
/// 1,000,000, and Bitbucket 32,768, which is a setting there.
pub const MAX_BYTES: usize = 65_536;
/// Letters of a line; longer ones scroll.
const WIDTH: usize = 110;

/// Returns the diff as Markdown of at most `max` bytes, where `max` is a few hundred at least.
///
/// It begins with a comment that names the stack, so that a script can find what it wrote before and replace it. The
/// short form of the diff follows, which has each loss, replacement, additional permission and way in, and then all
/// changes. What does not fit is left out at the end, and counted.
#[must_use]
pub fn comment(diff: &Diff, max: usize) -> String {
    let mut brief = render(diff, WIDTH, Detail::Brief);
    // The last line has the counts, which are the title here.
    let title = brief.pop().map(|line| line.text).unwrap_or_default();
    let title = title.trim_end_matches("  (`--verbose` shows all of it)");
    let (stack, counts) = title.split_once(": ").unwrap_or((&diff.stack, title));
    // The name of a stack has letters, digits and hyphens alone.
    let mut out = format!("<!-- deployer diff {stack} -->\n### `{stack}`: {counts}\n");
    if diff.is_empty() && diff.notes.is_empty() {
        return out;
    }
    block(&mut out, &brief, max);
    let mut all = render(diff, WIDTH, Detail::Full);
    all.pop();
    let (open, close) = ("\n<details><summary>All changes</summary>\n", "\n</details>\n");
    // Where there is no room for a few lines of it, it says nothing.
    if out.len() + open.len() + close.len() + 1_000 < max {
        out.push_str(open);
        block(&mut out, &all, max - close.len());
        out.push_str(close);
    }
    out
}

/// Appends lines as a block of code, as far as they fit into `max` bytes in all.
fn block(out: &mut String, lines: &[Line], max: usize) {
    let mut texts: Vec<String> = lines.iter().map(shown).collect();
    while texts.last().is_some_and(String::is_empty) {
        texts.pop();
    }
    // No line can end the block.
    let longest =
        texts.iter().flat_map(|text| text.split(|letter| letter != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let (open, close) = (format!("\n{fence}diff\n"), format!("{fence}\n"));
    let left_out =
        |count: usize| format!("! … and {count} more lines, which `deployer diff --verbose` shows\n");
    let room = max.saturating_sub(out.len() + open.len() + close.len() + left_out(texts.len()).len());
    let mut used = 0;
    let fitting = texts.iter().take_while(|text| {
        used += text.len() + 1;
        used <= room
    });
    let fitting = fitting.count();
    out.push_str(&open);
    for text in &texts[..fitting] {
        out.push_str(text);
        out.push('\n');
    }
    if fitting < texts.len() {
        out.push_str(&left_out(texts.len() - fitting));
    }
    out.push_str(&close);
}

/// Returns a line with its sign. A diff has no colour for `~` and `±`; `!` has one.
fn shown(line: &Line) -> String {
    match line.sign {
        Sign::Replace => format!("! ± {}", line.text),
        Sign::Heading if !line.text.is_empty() => format!("# {}", line.text),
        _ => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::diff::{PseudoParameters, Side, compare};

    /// Returns the diff of a stack whose tables get another key, and of which one says what it may do.
    fn of_tables(count: usize) -> Diff {
        let template = |key: &str| {
            let table = json!({ "Type": "AWS::DynamoDB::Table", "Properties": {
                "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": "S" }],
            } });
            let tables = (0..count).map(|number| (format!("Table{number}"), table.clone()));
            json!({ "Resources": tables.collect::<Map<String, Value>>() })
        };
        let (before, after, none) = (template("id"), template("pk"), BTreeMap::new());
        let side = |template| Side { template, parameters: &none, tags: &none };
        let pseudo = PseudoParameters { stack: "shop-prod".to_owned(), ..PseudoParameters::default() };
        compare(Some(&side(&before)), &side(&after), &pseudo, &BTreeMap::new())
    }

    #[test]
    fn a_comment_begins_with_what_is_lost() {
        let text = comment(&of_tables(1), MAX_BYTES);
        let begin = "<!-- deployer diff shop-prod -->\n### `shop-prod`: 1 to replace\n\n```diff\n# Resources\n! ± Table0  AWS::DynamoDB::Table  replaced";
        assert!(text.starts_with(begin), "{text}");
        assert!(text.ends_with("```\n\n</details>\n"), "{text}");
        assert_eq!(
            comment(&of_tables(0), MAX_BYTES),
            "<!-- deployer diff shop-prod -->\n### `shop-prod`: no difference\n"
        );
    }

    #[test]
    fn a_large_comment_is_cut_at_its_end() {
        let diff = of_tables(900);
        for max in [2_000, 20_000, MAX_BYTES, 1_000_000] {
            let text = comment(&diff, max);
            assert!(text.len() <= max, "{} of {max}", text.len());
            assert!(
                text.starts_with("<!-- deployer diff shop-prod -->\n### `shop-prod`: 900 to replace\n"),
                "{text}"
            );
            assert_eq!(text.contains(" more lines, which"), max < 1_000_000);
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
            assert_eq!(text.matches("```").count() % 2, 0);
        }
    }

    fn line(text: &str) -> Line {
        Line { sign: Sign::Create, text: text.to_owned() }
    }

    fn blocks(lines: &[Line], max: usize) -> String {
        let mut out = String::new();
        block(&mut out, lines, max);
        out
    }

    #[test]
    fn no_text_ends_its_block() {
        let out = blocks(&[line("```` # @everybody"), line("plain")], 1_000);
        assert_eq!(out, "\n`````diff\n+ ```` # @everybody\n+ plain\n`````\n");
        assert_eq!(blocks(&[line("a `b`")], 1_000), "\n```diff\n+ a `b`\n```\n");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines: Vec<Line> = (0..100).map(|number| line(&format!("line {number}"))).collect();
        let out = blocks(&lines, 300);
        assert!(out.len() <= 300, "{out}");
        let kept = out.matches("+ line").count();
        assert!(kept > 5, "{out}");
        assert!(out.contains(&format!("and {} more lines", 100 - kept)), "{out}");
    }

    proptest! {
        #[test]
        fn a_block_is_never_too_large(texts in prop::collection::vec("[`a±\u{1F600}]{0,40}", 0..60), max in 400_usize..2_000) {
            let lines: Vec<Line> = texts.iter().map(|text| line(text)).collect();
            let out = blocks(&lines, max);
            prop_assert!(out.len() <= max);
            let fence: String = out.trim_start().chars().take_while(|letter| *letter == '`').collect();
            prop_assert_eq!(out.matches(&fence).count(), 2);
            let kept = out.lines().filter(|text| text.starts_with('+')).count();
            let told = out.split_once("! … and ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
            // Empty lines at the end are dropped.
            let all = lines.iter().rposition(|line| !line.text.is_empty()).map_or(0, |last| last + 1);
            let empty = lines[..all].iter().filter(|line| line.text.is_empty()).count();
            prop_assert!(kept + told.unwrap_or(0) <= all && kept + told.unwrap_or(0) + empty >= all);
        }
    }
}
