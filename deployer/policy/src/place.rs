//! From a path in the template to the text in the stack file that it comes from.

use deployer_cfn::template::Template;
use deployer_lang::Document;
use deployer_syntax::Span;
use deployer_syntax::yaml::{Entry, Node, Value};
use serde_json::Value as Json;

/// A part of the template.
pub(crate) struct Found {
    /// Its name in messages.
    pub(crate) subject: String,
    /// Its place in the stack file; `None` if it comes from no single place.
    pub(crate) span: Option<Span>,
    /// The text under the marked part.
    pub(crate) label: String,
}

/// Finds the part of the template with this path, whose names are joined with `/`.
pub(crate) fn find(document: &Document, template: &Template, path: &str) -> Found {
    let nowhere = |subject: String| Found { subject, span: None, label: String::new() };
    let Some((section, rest)) = path.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))
    else {
        return nowhere("the template".to_owned());
    };
    let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match section {
        "Resources" if !id.is_empty() => {
            let resource = template.resources.iter().find(|(candidate, _)| candidate == id);
            let Some((_, resource)) = resource else { return nowhere(format!("`{id}`")) };
            let names = names(rest, &resource.properties);
            let subject = match names.as_slice() {
                [] => format!("`{id}`"),
                [only] if *only == "Properties" => format!("`{id}`"),
                [first, rest @ ..] if *first == "Properties" => format!("`{}` of `{id}`", rest.join(".")),
                names => format!("`{}` of `{id}`", names.join(".")),
            };
            let Some(entry) = document.resource(&resource.origin) else { return nowhere(subject) };
            let span = within(entry, &names).unwrap_or(entry.key_span);
            Found { subject, span: Some(span), label: format!("{} in the template", resource.kind) }
        }
        "Outputs" if !id.is_empty() => Found {
            subject: format!("the output `{id}`"),
            span: document.output_span(id),
            label: String::new(),
        },
        section if id.is_empty() => nowhere(format!("`{section}` of the template")),
        section => nowhere(format!("`{id}` of `{section}`")),
    }
}

/// Splits a path into names. A name that contains `/` itself is found by walking along the template.
fn names<'p>(path: &'p str, properties: &Json) -> Vec<&'p str> {
    let mut names = Vec::new();
    let (first, mut rest) = path.split_once('/').unwrap_or((path, ""));
    if !first.is_empty() {
        names.push(first);
    }
    let mut at = properties;
    while !rest.is_empty() {
        let longest = match at {
            Json::Object(map) => map
                .keys()
                .filter(|key| {
                    rest.strip_prefix(key.as_str())
                        .is_some_and(|after| after.is_empty() || after.starts_with('/'))
                })
                .map(String::len)
                .max(),
            _ => None,
        };
        let end = longest.or_else(|| rest.find('/')).unwrap_or(rest.len());
        let name = &rest[..end];
        at = match at {
            Json::Array(items) => {
                name.parse::<usize>().ok().and_then(|index| items.get(index)).unwrap_or(&Json::Null)
            }
            other => &other[name],
        };
        names.push(name);
        rest = rest[end..].trim_start_matches('/');
    }
    names
}

/// Returns the place of the names below an entry of `resources`, as far as the file has them.
///
/// An `AWS::…` type has the names of the template. Those of our types begin with a small letter, and many have no equal in the
/// template: the resource is marked then.
fn within(entry: &Entry, names: &[&str]) -> Option<Span> {
    let raw = matches!(&child(&entry.value, "type")?.value.value, Value::Scalar { text, .. } if text.contains("::"));
    let (first, names) = names.split_first()?;
    if *first != "Properties" {
        let options = child(&entry.value, "options")?;
        return Some(child(&child(&options.value, "attributes")?.value, first)?.key_span);
    }
    let properties = child(&entry.value, "properties")?;
    let mut found = None;
    let mut at = &properties.value;
    for (depth, name) in names.iter().enumerate() {
        let next = match &at.value {
            Value::Sequence(items) => {
                name.parse::<usize>().ok().and_then(|index| items.get(index)).map(|node| (node, node.span))
            }
            _ => {
                let own = child(at, name).or_else(|| if raw { None } else { child(at, &small(name)) });
                own.map(|entry| (&entry.value, entry.key_span))
            }
        };
        match next {
            Some((node, span)) => (at, found) = (node, Some(span)),
            // Below a property of ours that was found, the template may have levels that the file has not.
            None if !raw && depth > 0 && found.is_some() => {}
            None => break,
        }
    }
    found.or_else(|| raw.then_some(properties.key_span))
}

fn child<'n>(node: &'n Node, name: &str) -> Option<&'n Entry> {
    let Value::Mapping(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == name)
}

/// Returns a name as our types write it: with a small first letter.
fn small(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_may_contain_the_separator() {
        let properties = json!({ "Tags": [{ "a/b": { "c": 1 } }], "a": 1 });
        assert_eq!(names("Properties/Tags/0/a/b/c", &properties), ["Properties", "Tags", "0", "a/b", "c"]);
        assert_eq!(names("Properties/x/y", &properties), ["Properties", "x", "y"]);
        assert_eq!(names("", &properties), Vec::<&str>::new());
        assert_eq!(names("DeletionPolicy", &properties), ["DeletionPolicy"]);
    }
}
