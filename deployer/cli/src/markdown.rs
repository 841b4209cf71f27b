//! Markdown for people: laid out for a terminal, or as HTML. The pages of `docs` are written once, in Markdown.

use deployer_base::ui;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Columns of running text at most: longer lines are hard to read. A narrow terminal has fewer.
const WIDTH: usize = 100;

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// Returns the text as HTML. Raw HTML in the text is shown literally; headings get IDs that begin with `prefix`.
#[must_use]
pub fn to_html(text: &str, prefix: &str) -> String {
    let mut events: Vec<Event<'_>> = parser(text)
        .map(|event| match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            other => other,
        })
        .collect();
    for at in 0..events.len() {
        if !matches!(events[at], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let inside = events[at..].iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let title: String = inside
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(at) {
            *id = Some(heading_id(prefix, &title).into());
        }
    }
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events.into_iter());
    out
}

/// Returns the ID of a heading within its page: its words in lower case with hyphens, as GitHub makes the target of a
/// link.
fn slug(title: &str) -> String {
    let words = title.to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// Returns the ID of a heading in a page that contains several documents.
#[must_use]
pub fn heading_id(prefix: &str, title: &str) -> String {
    format!("{prefix}--{}", slug(title))
}

/// Returns the title of a page: its first heading, without markup.
#[must_use]
pub fn title(text: &str) -> String {
    headings(text).next().map(|(_, _, title)| title.replace('`', "")).unwrap_or_default()
}

/// Returns the first sentence of a page, without markup.
#[must_use]
pub fn summary(text: &str) -> String {
    let mut paragraph: Option<String> = None;
    for event in parser(text) {
        match (event, &mut paragraph) {
            (Event::Start(Tag::Paragraph), _) => paragraph = Some(String::new()),
            (Event::End(TagEnd::Paragraph), Some(_)) => break,
            (Event::Text(part), Some(out)) => out.push_str(&part),
            (Event::Code(code), Some(out)) => out.push_str(&format!("`{code}`")),
            (Event::SoftBreak | Event::HardBreak, Some(out)) => out.push(' '),
            _ => {}
        }
    }
    let paragraph = paragraph.unwrap_or_default();
    let end = [". ", ": "].iter().filter_map(|end| paragraph.find(end)).min();
    end.and_then(|end| paragraph.get(..end)).unwrap_or(paragraph.trim_end_matches(['.', ':'])).to_owned()
}

/// Returns the part of a page below the heading that `name` means, up to the next heading of its level; with the
/// heading's own ID.
#[must_use]
pub fn section<'t>(text: &'t str, name: &str) -> Option<(&'t str, String)> {
    let wanted = slug(name);
    let mut found: Option<(usize, usize, String)> = None;
    for (at, level, title) in headings(text) {
        match &found {
            Some((from, above, slug)) if level <= *above => {
                return text.get(*from..at).map(|part| (part, slug.clone()));
            }
            // The first heading is that of the page itself.
            None if level > 1 && slug(title) == wanted => found = Some((at, level, wanted.clone())),
            _ => {}
        }
    }
    found.and_then(|(from, _, slug)| text.get(from..).map(|part| (part, slug)))
}

/// Returns the headings of a page: the byte at which each begins, its level and its text.
fn headings(text: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    parser(text).into_offset_iter().filter_map(|(event, range)| match event {
        Event::Start(Tag::Heading { level, .. }) => {
            let line = text.get(range.clone())?;
            Some((range.start, level as usize, line.trim_start_matches('#').trim()))
        }
        _ => None,
    })
}

/// Returns the topic that a link to another page points at: its file without folder and ending.
#[must_use]
pub fn topic(target: &str) -> Option<&str> {
    let file = target.split('#').next()?;
    let name = file.rsplit('/').next()?.strip_suffix(".md")?;
    (!file.contains("://")).then_some(name)
}

/// Returns the text without markup, wrapped, with tables in columns.
#[must_use]
pub fn to_terminal(text: &str) -> String {
    let mut page = Page::default();
    for event in parser(text) {
        page.take(event);
    }
    let mut out = page.out.trim_end().to_owned();
    out.push('\n');
    out
}

#[derive(Default)]
struct Page {
    out: String,
    /// The running text of a block or a cell.
    text: String,
    /// Rows of the table; the first of them is the header.
    rows: Vec<Vec<String>>,
    in_table: bool,
    in_code: bool,
    /// Lists around the text, with the next number of each numbered list.
    lists: Vec<Option<u64>>,
    /// The link around the text: the topic that it points at, and the position at which its own text begins.
    link: Option<(String, usize)>,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented)) => {
                self.in_code = true;
            }
            Event::End(TagEnd::CodeBlock) => {
                self.in_code = false;
                let code = std::mem::take(&mut self.text);
                for line in code.lines() {
                    self.out.push_str(format!("    {line}").trim_end());
                    self.out.push('\n');
                }
                self.out.push('\n');
            }
            Event::Start(Tag::Table(_)) => self.in_table = true,
            Event::End(TagEnd::Table) => {
                self.in_table = false;
                let mut rows = std::mem::take(&mut self.rows).into_iter();
                let head = rows.next().unwrap_or_default();
                self.out.push_str(&ui::wrapped_table(&head, rows));
                self.out.push('\n');
            }
            Event::Start(Tag::TableHead | Tag::TableRow) => self.rows.push(Vec::new()),
            Event::End(TagEnd::TableCell) => {
                let cell = std::mem::take(&mut self.text);
                if let Some(row) = self.rows.last_mut() {
                    row.push(cell);
                }
            }
            Event::End(TagEnd::Heading(level)) => {
                let title = std::mem::take(&mut self.text);
                let line = match level as usize {
                    1 => "=",
                    2 => "-",
                    _ => "",
                };
                self.out.push_str(&format!("{title}\n{}\n", line.repeat(title.chars().count())));
                if !line.is_empty() {
                    self.out.push('\n');
                }
            }
            Event::Start(Tag::List(first)) => {
                self.flush();
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                self.out.push('\n');
            }
            Event::End(TagEnd::Item) => self.flush(),
            Event::End(TagEnd::Paragraph) => {
                self.flush();
                if self.lists.is_empty() {
                    self.out.push('\n');
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.link = topic(&dest_url).map(|topic| (topic.to_owned(), self.text.len()));
            }
            Event::End(TagEnd::Link) => {
                let Some((topic, from)) = self.link.take() else { return };
                let said = self.text.get(from..).unwrap_or_default().trim_matches('`');
                // A reader in a terminal doesn't have the file; a table has room only for the name.
                if said.trim_end_matches(".md") != topic && !self.in_table {
                    self.text.push_str(&format!(" (`deployer docs {topic}`)"));
                } else if said != topic {
                    self.text.truncate(from);
                    self.text.push_str(&format!("`deployer docs {topic}`"));
                }
            }
            Event::Code(code) if !self.in_table => self.text.push_str(&format!("`{code}`")),
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            _ => {}
        }
    }

    /// Writes the running text, wrapped, and after its bullet or number if it is an item of a list.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        let indent = "  ".repeat(self.lists.len());
        let sign = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            Some(None) => "- ".to_owned(),
            None => String::new(),
        };
        let rest = format!("{indent}{}", " ".repeat(sign.len()));
        let mut line = format!("{indent}{sign}");
        let mut empty = true;
        let width = WIDTH.min(ui::terminal_width());
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                self.out.push_str(&line);
                self.out.push('\n');
                line.clone_from(&rest);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.out.push_str(&line);
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_laid_out_without_its_marks() {
        let text = "# Title\n\nSome `code`, [a link](x.md), [x](y/x.md#z), [x.md](x.md) and [another](https://x.md).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| `c` | d |\n\n```yaml\nk: v\n```\n";
        let expected = "Title\n=====\n\nSome `code`, a link (`deployer docs x`), x, `deployer docs x` and another.\n\n  - one\n  - two\n\na  b\nc  d\n\n    k: v\n";
        assert_eq!(to_terminal(text), expected);
    }

    #[test]
    fn a_page_has_a_title_a_first_sentence_and_sections() {
        let page = "# The `x`\n\n```sh\n# no heading\n```\n\nIt [does](y.md) `a.b`. And more.\n\n## One two\n\n1\n\n### Deep\n\n2\n\n## `three-four`\n\n3\n";
        assert_eq!((title(page).as_str(), summary(page).as_str()), ("The x", "It does `a.b`"));
        let section = |name| section(page, name).map(|(text, id)| (text.trim(), id));
        assert_eq!(section("one-two"), Some(("## One two\n\n1\n\n### Deep\n\n2", "one-two".to_owned())));
        assert_eq!(section("Deep").map(|(text, _)| text), Some("### Deep\n\n2"));
        assert_eq!(section("three-four").map(|(text, _)| text), Some("## `three-four`\n\n3"));
        for other in ["the-x", "no-heading", ""] {
            assert_eq!(section(other), None, "{other}");
        }
    }

    #[test]
    fn long_text_is_wrapped_between_words() {
        let wrapped = to_terminal(&"word ".repeat(100));
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 100);
    }

    #[test]
    fn html_in_a_page_is_text() {
        assert_eq!(to_html("a <script>b</script>", "x"), "<p>a &lt;script&gt;b&lt;/script&gt;</p>\n");
        assert_eq!(
            to_html("## Any `A::B` type", "x"),
            "<h2 id=\"x--any-ab-type\">Any <code>A::B</code> type</h2>\n"
        );
    }
}
