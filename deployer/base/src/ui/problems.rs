//! The problems of a stack file: as data, in a line each, as annotations, and drawn with the text that each is about.

use deployer_syntax::{Diagnostics, Severity, Source};

use super::table::terminal_width;
use crate::output::FileDiagnostic;
use crate::text::printable;

mod excerpt;

use excerpt::Excerpt;

/// Converts problems to data.
pub(super) fn listed(source: &Source, diagnostics: &Diagnostics) -> Vec<FileDiagnostic> {
    diagnostics.sorted().into_iter().map(|one| FileDiagnostic::new(source, one)).collect()
}

/// Formats problems in one line each, independent of the lines of their messages.
pub(super) fn short(source: &Source, diagnostics: &Diagnostics) -> String {
    diagnostics.sorted().into_iter().fold(String::new(), |mut out, diagnostic| {
        let place = source.position(diagnostic.span.start);
        let text = diagnostic.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        out.push_str(&format!("{}:{}:{}: {}\n", source.name, place.line, place.column, printable(&text)));
        out
    })
}

/// Formats problems as workflow commands, a line each, which GitHub Actions shows at the lines of the file.
///
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>. The end of a problem is
/// exclusive here as in the JSON form; GitHub shows whole lines.
pub(super) fn annotations(source: &Source, diagnostics: &Diagnostics) -> String {
    diagnostics.sorted().into_iter().fold(String::new(), |mut out, diagnostic| {
        let (start, end) = (source.position(diagnostic.span.start), source.position(diagnostic.span.end));
        let level = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut columns = format!(",line={},col={}", start.line, start.column);
        // GitHub takes the column of an end only on the line of the start.
        if end.line == start.line {
            columns.push_str(&format!(",endColumn={}", end.column.max(start.column)));
        } else {
            columns.push_str(&format!(",endLine={}", end.line));
        }
        let mut text = diagnostic.message.clone();
        if let Some(help) = &diagnostic.help {
            text.push_str(&format!("\nhelp: {help}"));
        }
        let (file, text) = (property(&source.name), message(&text));
        out.push_str(&format!("::{level} file={file}{columns},title={}::{text}\n", diagnostic.code));
        out
    })
}

/// Escapes the message of a workflow command.
fn message(text: &str) -> String {
    let lines = text.lines().map(|line| printable(line).replace('%', "%25"));
    lines.collect::<Vec<_>>().join("%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// Draws problems with the text that each is about, as text without colours, for data.
#[must_use]
pub fn drawn(source: &Source, diagnostics: &Diagnostics) -> String {
    drawing(source, diagnostics, miette::GraphicalTheme::unicode_nocolor())
}

/// Draws problems with the text that each is about, in the colours of a theme.
pub(super) fn drawing(source: &Source, diagnostics: &Diagnostics, theme: miette::GraphicalTheme) -> String {
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(terminal_width());
    let mut all = String::new();
    for diagnostic in diagnostics.sorted() {
        let report = Report { excerpt: Excerpt::new(source, diagnostic.span), diagnostic };
        let mut out = String::new();
        if handler.render_report(&mut out, &report).is_err() {
            out = diagnostics.to_lines(source);
        }
        all.push_str(out.trim_matches('\n'));
        all.push('\n');
    }
    all
}

/// A problem as miette draws it.
#[derive(Debug)]
struct Report<'a> {
    excerpt: Excerpt,
    diagnostic: &'a deployer_syntax::Diagnostic,
}

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let label = (!self.diagnostic.label.is_empty()).then(|| self.diagnostic.label.clone());
        let span = miette::LabeledSpan::new_with_span(label, self.excerpt.span);
        Some(Box::new(std::iter::once(span)))
    }
}

#[cfg(test)]
mod tests {
    use deployer_syntax::{Diagnostic, Span};

    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_is_in_it() {
        let source = Source::new("a,b:c.yaml", "one: 1\ntwo: [\n]\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(
            Diagnostic::error("E0104", Span { start: 5, end: 6 }, "100% wrong").help("one of:\n- 2\n- 3"),
        );
        diagnostics.push(Diagnostic::warning("W0401", Span { start: 12, end: 15 }, "x\u{1b}[31m::error::y"));
        assert_eq!(
            annotations(&source, &diagnostics),
            "::error file=a%2Cb%3Ac.yaml,line=1,col=6,endColumn=7,title=E0104::100%25 wrong%0Ahelp: one of:%0A- 2%0A- 3\n\
             ::warning file=a%2Cb%3Ac.yaml,line=2,col=6,endLine=3,title=W0401::x\\u{1b}[31m::error::y\n"
        );
    }
}
