//! The lines that a problem is about, as they are drawn: of a long line only the part at the problem, and no character that
//! controls the terminal.

use deployer_syntax::{Source, Span};
use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Longest line in characters that is drawn as a whole: a template of JSON may have a single line, of megabytes.
const LONGEST: usize = 400;
/// Characters before the problem that are drawn of a longer one.
const BEFORE: usize = 100;
/// Lines on either side that miette may want.
const AROUND: usize = 2;

/// The lines of a problem, and some around them.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
    /// Number of the first line, from 0.
    first: usize,
    /// Column of the problem in its line of the file, from 0, in characters.
    column: usize,
    /// The problem in the text.
    pub(super) span: SourceSpan,
}

impl Excerpt {
    /// Cuts the lines of a problem out of a file.
    pub(super) fn new(source: &Source, span: Span) -> Self {
        let text = source.text.as_str();
        let start = span.start.min(text.len());
        let end = span.end.clamp(start, text.len());
        let (mut begin, mut finish) = (line_start(text, start), line_end(text, end.max(start + 1) - 1));
        for _ in 0..AROUND {
            begin = line_start(text, begin.saturating_sub(1));
            finish = line_end(text, finish);
        }
        let mut made = Made { text: String::new(), start, end, from: None, to: None };
        let mut at = begin;
        for line in text.get(begin..finish).unwrap_or_default().split_inclusive('\n') {
            made.add(line, at);
            at += line.len();
        }
        let whole = made.text.len();
        let (from, to) = (made.from.unwrap_or(whole), made.to.unwrap_or(whole));
        let place = source.position(start);
        Self {
            name: source.name.clone(),
            text: made.text,
            first: source.position(begin).line - 1,
            column: place.column - 1,
            span: (from, to - from).into(),
        }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.as_str().read_span(span, before, after)?;
        // Without lines before it, miette asks for the place of the problem, which it would count in bytes.
        let column = if before == 0 { self.column } else { found.column() };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            found.data(),
            *found.span(),
            self.first + found.line(),
            column,
            found.line_count(),
        )))
    }
}

/// An excerpt that is being made.
struct Made {
    text: String,
    /// The problem in the file.
    start: usize,
    end: usize,
    /// The problem in the text, as far as it was met.
    from: Option<usize>,
    to: Option<usize>,
}

impl Made {
    /// Adds a line of the file, which begins at this byte.
    fn add(&mut self, line: &str, at: usize) {
        let content = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let letters = content.chars().count();
        let mut window = 0..letters;
        if letters > LONGEST {
            let inside = |place: usize| place.checked_sub(at).and_then(|place| content.get(..place));
            // Where the problem begins, or ends if it has begun in a line before.
            let shown =
                inside(self.start).or_else(|| inside(self.end)).map_or(0, |text| text.chars().count());
            let from = shown.saturating_sub(BEFORE).min(letters - LONGEST);
            window = from..from + LONGEST;
        }
        for (number, (offset, letter)) in content.char_indices().enumerate() {
            let is_cut = number > 0 && number == window.start || number == window.end;
            if is_cut {
                self.text.push('…');
            }
            self.pass(at + offset);
            if window.contains(&number) {
                self.text.push(shown(letter));
            }
        }
        self.pass(at + content.len());
        self.text.push_str(line.get(content.len()..).unwrap_or_default());
    }

    /// Notes that a byte of the file is reached.
    fn pass(&mut self, at: usize) {
        if at >= self.start {
            self.from.get_or_insert(self.text.len());
        }
        if at >= self.end {
            self.to.get_or_insert(self.text.len());
        }
    }
}

/// Returns the first byte of the line of a byte.
fn line_start(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

/// Returns the byte after the line of a byte.
fn line_end(text: &str, at: usize) -> usize {
    let after = text.as_bytes().get(at..).unwrap_or_default();
    after.iter().position(|byte| *byte == b'\n').map_or(text.len(), |newline| at + newline + 1)
}

/// Returns a character that shows this one, of the same width.
fn shown(letter: char) -> char {
    match letter {
        '\t' => letter,
        '\u{7f}' => '␡',
        // Their pictures are in the same order.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or('�'),
        _ if letter.is_control() => '�',
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use deployer_syntax::{Diagnostic, Diagnostics};

    use super::*;
    use crate::ui::problems::{drawn, short};

    fn problem(text: &str, span: Span) -> (String, String) {
        let source = Source::new("f", text);
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::error("E0001", span, "wrong"));
        (drawn(&source, &diagnostics), short(&source, &diagnostics))
    }

    #[test]
    fn of_a_long_line_the_part_at_the_problem_is_drawn() {
        // Beyond the columns that the formatting of the standard library takes.
        for far in [500, 70_000, 3_000_000] {
            let text = format!("a: 1\n{}BAD{}\nb: 2\n", "x".repeat(far), "y".repeat(far));
            let (drawn, _) = problem(&text, Span { start: 5 + far, end: 8 + far });
            assert!(drawn.contains(&format!("[f:2:{}]", far + 1)), "{far}");
            let line = drawn.lines().find(|line| line.contains("BAD")).expect("the line");
            let shown = format!(" 2 │ …{}BAD{}…", "x".repeat(BEFORE), "y".repeat(LONGEST - BEFORE - 3));
            assert_eq!(line, shown);
            let marked = drawn.lines().find(|line| line.contains("───")).expect("a mark");
            assert_eq!(marked, format!("   · {}───", " ".repeat(BEFORE + 1)));
            assert!(drawn.contains(" 1 │ a: 1") && drawn.contains(" 3 │ b: 2"), "{drawn}");
        }
        let (drawn, _) = problem(&"x".repeat(500), Span { start: 499, end: 500 });
        assert!(drawn.contains(&format!(" 1 │ …{}\n", "x".repeat(LONGEST))), "{drawn}");
        let (drawn, _) = problem(&"x".repeat(500), Span { start: 0, end: 500 });
        assert!(drawn.contains(&format!(" 1 │ {}…\n", "x".repeat(LONGEST))), "{drawn}");
    }

    #[test]
    fn columns_are_those_of_the_other_forms() {
        let (drawn, short) = problem("ä: 1\nöü: ß\n", Span { start: 12, end: 14 });
        assert!(drawn.contains("[f:2:5]") && short.starts_with("f:2:5:"), "{drawn}{short}");
        let (drawn, short) = problem("\u{feff}a: 1\r\nb: 2\r\n", Span { start: 3, end: 4 });
        assert!(drawn.contains("[f:1:1]") && short.starts_with("f:1:1:"), "{drawn}{short}");
    }

    #[test]
    fn no_line_controls_the_terminal() {
        let (drawn, _) = problem("a: \u{1b}]0;x\u{7}\u{9b}31m\u{7f}\r\t!\n", Span { start: 15, end: 16 });
        assert!(drawn.contains(" 1 │ a: ␛]0;x␇�31m␡␍"), "{drawn}");
        assert!(!drawn.chars().any(|letter| letter.is_control() && letter != '\n'), "{drawn:?}");
    }

    #[test]
    fn any_place_of_any_text_is_drawn() {
        let long = "é".repeat(900);
        for text in
            ["", "\n", "\r\n\n\r", "a: 1\n\nb: ß\n💥", "\u{feff}a\r\n\tb\u{1b}[0m\r\n", "a\rb\n\u{feff}\n"]
        {
            for text in [text.to_owned(), format!("{text}{long}\n{text}")] {
                // Problems begin and end at characters, and a line break is one.
                let is_place = |at: usize| text.is_char_boundary(at) && text.get(at..at + 1) != Some("\n");
                let is_near = |at: usize| at < 20 || at.is_multiple_of(397) || at + 20 > text.len();
                let places: Vec<usize> =
                    (0..=text.len()).filter(|at| is_place(*at) && is_near(*at)).collect();
                for (number, start) in places.iter().enumerate() {
                    for end in places.iter().skip(number) {
                        let (drawn, short) = problem(&text, Span { start: *start, end: *end });
                        let place = short.split(": ").next().expect("a place");
                        assert!(
                            drawn.contains(&format!("[{place}]")),
                            "{text:?} {start}..{end}\n{drawn}\n{short}"
                        );
                        assert!(drawn.lines().all(|line| line.chars().count() < LONGEST * 2), "{drawn}");
                        assert!(!drawn.contains('\u{1b}'), "{drawn}");
                    }
                }
            }
        }
    }
}
