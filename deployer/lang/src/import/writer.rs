//! The lines of the file, each with the place in the template that it is made from.

use deployer_syntax::diagnostic::{Diagnostic, Diagnostics, Span};
use deployer_syntax::yaml::{Entry, Node, Value, shorten};
use serde_json::Value as Json;

use super::call;
use super::scalar::{self, Scalar};

/// The treatment of texts by the language where they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// The language does not look into them.
    Literal,
    /// `${` would be a reference, and must be escaped.
    Escaped,
    /// The same, in properties, where `True` is a boolean.
    Properties,
    /// `${` is a reference outside of functions only, which the language takes as they are.
    EscapedOutsideFunctions,
    /// The same, in properties.
    PropertiesOutsideFunctions,
}

impl Texts {
    /// Returns the treatment of the same texts in properties.
    pub(super) const fn in_properties(self) -> Self {
        match self {
            Self::Escaped | Self::Properties => Self::Properties,
            Self::EscapedOutsideFunctions | Self::PropertiesOutsideFunctions => {
                Self::PropertiesOutsideFunctions
            }
            Self::Literal => Self::Literal,
        }
    }

    /// Returns the treatment in the argument of a function.
    fn in_function(self, name: &str) -> Self {
        match self {
            Self::EscapedOutsideFunctions | Self::PropertiesOutsideFunctions => Self::Literal,
            // The arguments of macros are theirs.
            _ if name == "Fn::Transform" || name.starts_with("Fn::ForEach") => Self::Literal,
            other => other,
        }
    }

    const fn escapes(self) -> bool {
        !matches!(self, Self::Literal)
    }

    const fn is_typed(self) -> bool {
        matches!(self, Self::Properties | Self::PropertiesOutsideFunctions)
    }
}

/// Returns a value as a node at one place.
fn node(value: &Json, span: Span) -> Node {
    let value = match value {
        Json::Object(map) => {
            let entry = |(key, inner): (&String, &Json)| Entry {
                key: key.clone(),
                key_span: span,
                value: node(inner, span),
            };
            Value::Mapping(map.iter().map(entry).collect())
        }
        Json::Array(items) => Value::Sequence(items.iter().map(|item| node(item, span)).collect()),
        Json::String(text) => Value::Scalar { text: text.clone(), plain: false, verbatim: None },
        other => Value::Scalar { text: other.to_string(), plain: true, verbatim: None },
    };
    Node { value, span }
}

/// The file as far as it is written.
pub(super) struct Writer<'d> {
    out: String,
    /// Bytes of the file → the place in the template from which the text there is made, in order.
    marks: Vec<(usize, Span)>,
    diagnostics: &'d mut Diagnostics,
    /// `true` if the template comes from CloudFormation, which returns `?` for characters beyond ASCII.
    lossy: bool,
}

impl<'d> Writer<'d> {
    pub(super) const fn new(diagnostics: &'d mut Diagnostics, lossy: bool) -> Self {
        Self { out: String::new(), marks: Vec::new(), diagnostics, lossy }
    }

    /// Returns the file, and the places that its parts are made from.
    pub(super) fn finish(self) -> (String, Vec<(usize, Span)>) {
        (self.out, self.marks)
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Notes the place from which the following is made.
    pub(super) fn mark(&mut self, span: Span) {
        self.marks.push((self.out.len(), span));
    }

    /// Writes a line.
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        self.pad(indent);
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn pad(&mut self, indent: usize) {
        self.out.push_str(&"  ".repeat(indent));
    }

    /// Writes a key whose value is on the following lines.
    pub(super) fn key(&mut self, indent: usize, key: &str, span: Span) {
        self.mark(span);
        self.line(indent, &format!("{}:", scalar::line(key)));
    }

    /// Writes a key with a text.
    pub(super) fn text_entry(&mut self, indent: usize, key: &str, text: &str) {
        let value = scalar::line(text);
        self.line(indent, &format!("{}: {value}", scalar::line(key)));
    }

    /// Writes a key with its value.
    pub(super) fn entry(&mut self, indent: usize, key: &str, span: Span, node: &Node, texts: Texts) {
        self.mark(span);
        self.pad(indent);
        self.out.push_str(&scalar::line(key));
        self.out.push(':');
        self.value(indent, node, texts);
    }

    /// Writes a key with a value that is not from the template, but from its place.
    pub(super) fn value_entry(&mut self, indent: usize, key: &str, span: Span, value: &Json) {
        self.entry(indent, key, span, &node(value, span), Texts::Literal);
    }

    /// Writes a value after its key or the sign of its item.
    fn value(&mut self, indent: usize, node: &Node, texts: Texts) {
        self.mark(node.span);
        if let Some((name, argument)) = call(node) {
            return self.call(indent, &name, argument, texts);
        }
        match &node.value {
            Value::Scalar { text, plain, .. } => {
                if node.is_null() {
                    return self.null(node.span);
                }
                self.out.push(' ');
                self.scalar(indent, text, *plain, node.span, texts);
            }
            Value::Sequence(items) if items.is_empty() => self.out.push_str(" []\n"),
            Value::Mapping(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            _ => {
                self.out.push('\n');
                self.collection(indent + 1, node, texts);
            }
        }
    }

    /// Writes an item of a list; a mapping or a list in it begins on the line of its sign.
    fn item(&mut self, indent: usize, value: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.pad(indent);
        self.out.push('-');
        value(self);
        let pad = "  ".repeat(indent);
        let apart = format!("{pad}-\n{pad}  ");
        if self.out[start..].starts_with(&apart) {
            self.out.replace_range(start..start + apart.len(), &format!("{pad}- "));
            let less = pad.len() + 2;
            for (at, _) in self.marks.iter_mut().rev().take_while(|(at, _)| *at >= start) {
                *at = at.saturating_sub(less).max(start);
            }
        }
    }

    /// Writes a list or a mapping that is not empty.
    fn collection(&mut self, indent: usize, node: &Node, texts: Texts) {
        match &node.value {
            Value::Sequence(items) => {
                for item in items {
                    self.item(indent, |writer| writer.value(indent, item, texts));
                }
            }
            Value::Mapping(entries) => {
                for Entry { key, key_span, value } in entries {
                    let texts = if key.starts_with("Fn::") { texts.in_function(key) } else { texts };
                    self.entry(indent, key, *key_span, value, texts);
                }
            }
            Value::Scalar { .. } | Value::Tagged { .. } => {}
        }
    }

    /// Writes a function: in its short form where its argument is a single value, or was written so.
    fn call(&mut self, indent: usize, name: &str, argument: &Node, texts: Texts) {
        let inner = texts.in_function(name);
        let tag = name.strip_prefix("Fn::").unwrap_or(name);
        let short = deployer_syntax::yaml::SHORT_TAGS.contains(&tag);
        self.mark(argument.span);
        match &argument.value {
            // CloudFormation takes nothing for the region of the stack, as it does an empty text.
            _ if name == "Fn::GetAZs" && argument.is_null() => self.out.push_str(" !GetAZs \"\"\n"),
            _ if argument.is_null() => self.null(argument.span),
            Value::Scalar { text, plain, .. } if short => {
                self.out.push_str(&format!(" !{tag} "));
                match name {
                    "Fn::Sub" => self.sub(indent, text, argument.span, inner, &[]),
                    _ => self.scalar(indent, text, *plain, argument.span, inner),
                }
            }
            Value::Sequence(items) if name == "Fn::Sub" && !items.is_empty() => {
                let variables: &[Entry] = match items.get(1).map(|item| &item.value) {
                    Some(Value::Mapping(entries)) => entries,
                    _ => &[],
                };
                self.out.push_str(" !Sub\n");
                for (index, item) in items.iter().enumerate() {
                    self.item(indent + 1, |writer| match &item.value {
                        Value::Scalar { text, .. } if index == 0 && !item.is_null() => {
                            writer.mark(item.span);
                            writer.out.push(' ');
                            writer.sub(indent + 1, text, item.span, inner, variables);
                        }
                        _ => writer.value(indent + 1, item, inner),
                    });
                }
            }
            // In its long form it is a mapping, which sections and properties are.
            Value::Sequence(items) if short && name != "Fn::Transform" && !items.is_empty() => {
                self.out.push_str(&format!(" !{tag}\n"));
                self.collection(indent + 1, argument, inner);
            }
            _ => {
                self.out.push('\n');
                self.entry(indent + 1, name, argument.span, argument, inner);
            }
        }
    }

    /// Writes the text of `Fn::Sub`, in which `${…}` is CloudFormation's.
    fn sub(&mut self, indent: usize, text: &str, span: Span, texts: Texts, variables: &[Entry]) {
        let mut names = text.split("${").skip(1).filter_map(|piece| piece.split('}').next());
        let is_variable = |name: &str| variables.iter().any(|entry| entry.key == name);
        if texts.escapes() && names.any(|name| name.starts_with("config.") && !is_variable(name)) {
            self.report(
                Diagnostic::error("E0378", span, "`${config.…}` in `Fn::Sub` would be a value of `config`")
                    .help("rename the resource `config` of the template"),
            );
        }
        self.doubt(text, span);
        self.text(indent, text);
    }

    /// Warns of a text in which CloudFormation may have lost characters.
    fn doubt(&mut self, text: &str, span: Span) {
        if self.lossy && text.contains('?') {
            self.report(
                Diagnostic::warning(
                    "W0372",
                    span,
                    format!("`?` in `{}` may have been another character", shorten(text)),
                )
                .help("CloudFormation returns `?` for every character beyond ASCII; compare it with the source of the template"),
            );
        }
    }

    fn null(&mut self, span: Span) {
        self.report(
            Diagnostic::error("E0103", span, "expected a value, found nothing").help(
                "CloudFormation does not accept null; remove the key, or write `\"\"` for an empty text",
            ),
        );
        self.out.push_str(" null\n");
    }

    fn scalar(&mut self, indent: usize, text: &str, plain: bool, span: Span, texts: Texts) {
        let written = match plain {
            true => scalar::plain(text, texts.is_typed()),
            false => Scalar::Text(text),
        };
        let text = match written {
            Scalar::Bare(bare) => {
                self.out.push_str(&bare);
                self.out.push('\n');
                return;
            }
            Scalar::Text(text) => text,
            Scalar::Doubtful(text) => {
                self.report(
                    Diagnostic::warning(
                        "W0371",
                        span,
                        format!("`{}` without quotes is taken for the text that is written", shorten(text)),
                    )
                    .help("versions of YAML differ on it: some read a boolean or another number; write what is meant, in quotes if it is a text"),
                );
                text
            }
        };
        self.doubt(text, span);
        match texts.escapes() {
            true => self.text(indent, &scalar::escaped(text)),
            false => self.text(indent, text),
        }
    }

    /// Writes a text, in several lines if it has several.
    fn text(&mut self, indent: usize, text: &str) {
        match scalar::block(text, indent + 1) {
            Some(block) => self.out.push_str(&block),
            None => {
                let line = match text.contains('\n') {
                    true => scalar::quoted(text),
                    false => scalar::line(text),
                };
                self.out.push_str(&line);
                self.out.push('\n');
            }
        }
    }
}
