//! The problems of a stack file: as data, in a line each, and drawn with the text that each is about.

use deployer_syntax::{Diagnostics, Severity, Source};

use super::table::terminal_width;
use crate::output::FileDiagnostic;
use crate::text::printable;

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

/// Draws problems with the text that each is about, as text without colours, for data.
#[must_use]
pub fn drawn(source: &Source, diagnostics: &Diagnostics) -> String {
    drawing(source, diagnostics, miette::GraphicalTheme::unicode_nocolor())
}

/// Draws problems with the text that each is about, in the colours of a theme.
pub(super) fn drawing(source: &Source, diagnostics: &Diagnostics, theme: miette::GraphicalTheme) -> String {
    let named = miette::NamedSource::new(&source.name, source.text.clone());
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(terminal_width());
    let mut all = String::new();
    for diagnostic in diagnostics.sorted() {
        let report = Report { source: &named, diagnostic };
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
    source: &'a miette::NamedSource<String>,
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
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = self.diagnostic.span;
        let label = (!self.diagnostic.label.is_empty()).then(|| self.diagnostic.label.clone());
        let span = miette::LabeledSpan::new(label, span.start, span.end - span.start);
        Some(Box::new(std::iter::once(span)))
    }
}
