//! The outline of a file for an editor: its sections, and the names in them.

use deployer_syntax::Span;
use deployer_syntax::yaml::{Entry, Node};

use crate::outline::{entries, member, name_span, text};

/// The kind of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// A section of the file.
    Section,
    /// A resource.
    Resource,
    /// A stack.
    Stack,
    /// A config value, an output, or another name.
    Value,
}

/// A name of a file, with the names in it.
#[derive(Debug, Clone)]
pub struct Symbol {
    /// The name.
    pub name: String,
    /// The type of a resource, or a short value.
    pub detail: String,
    /// Its kind.
    pub kind: SymbolKind,
    /// Place of the name.
    pub span: Span,
    /// Place of the name with its value.
    pub whole: Span,
    /// The names in it.
    pub children: Vec<Symbol>,
}

/// Sections whose keys are names.
const WITH_NAMES: [&str; 7] = ["config", "stacks", "mappings", "rules", "conditions", "resources", "outputs"];

/// Returns the symbols of a file.
#[must_use]
pub fn symbols(root: &Node) -> Vec<Symbol> {
    entries(Some(root))
        .iter()
        .map(|section| {
            let names = WITH_NAMES.contains(&section.key.as_str());
            let inner = if names { entries(Some(&section.value)) } else { &[] };
            let kind = match section.key.as_str() {
                "resources" => SymbolKind::Resource,
                "stacks" => SymbolKind::Stack,
                _ => SymbolKind::Value,
            };
            let children = inner.iter().map(|entry| symbol(entry, kind, Vec::new())).collect();
            symbol(section, SymbolKind::Section, children)
        })
        .collect()
}

fn symbol(entry: &Entry, kind: SymbolKind, children: Vec<Symbol>) -> Symbol {
    let detail = match kind {
        SymbolKind::Resource | SymbolKind::Value => {
            member(&entry.value, "type").and_then(text).or_else(|| text(&entry.value))
        }
        SymbolKind::Stack => member(&entry.value, "region").or(member(&entry.value, "target")).and_then(text),
        SymbolKind::Section => text(&entry.value),
    };
    let span = name_span(entry);
    let start = entry.key_span.start;
    Symbol {
        name: if entry.key.trim().is_empty() { "(empty)".to_owned() } else { entry.key.clone() },
        detail: detail.map(deployer_syntax::yaml::shorten).unwrap_or_default(),
        kind,
        span,
        whole: Span { start, end: entry.value.span.end.max(entry.key_span.end) },
        children,
    }
}
