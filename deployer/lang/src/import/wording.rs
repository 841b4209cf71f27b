//! Words and places of problems for whoever edits a template, where the language speaks of a stack file.

use deployer_cfn::template::DanglingReference;
use deployer_syntax::diagnostic::{Diagnostic, Span};
use deployer_syntax::yaml::{Entry, Node, Value};

/// Words of helps → the words for the same in a template.
const WORDS: [(&str, &str); 7] = [
    ("`conditions`", "`Conditions`"),
    ("`mappings`", "`Mappings`"),
    ("`transform: AWS::LanguageExtensions`", "`Transform: AWS::LanguageExtensions`"),
    ("`options.condition`", "`Condition`"),
    ("; in `AWS::…` types, `!If` can test", "; `!If` can test"),
    ("with `logicalIds: exact`, letters", "letters"),
    (
        "`${config.…}` refers to the config values",
        "in a stack file, `${config.…}` is a value of `config`; rename it in the template",
    ),
];

/// Returns a problem in the words of templates.
pub(super) fn of_template(problem: &Diagnostic) -> Diagnostic {
    let mut problem = problem.clone();
    let Some(help) = &mut problem.help else { return problem };
    match problem.code {
        "E0005" => {
            "functions can be used in properties, conditions and outputs; write the value without a tag"
                .clone_into(help);
        }
        _ => {
            for (word, other) in WORDS {
                *help = help.replace(word, other);
            }
        }
    }
    problem
}

/// Returns the place of a reference to nothing in a template, by its sections; that of what refers if it is not found.
pub(super) fn place_of(found: &DanglingReference, sections: &[Entry]) -> Span {
    let entries = sections.iter().filter_map(|section| match &section.value.value {
        Value::Mapping(entries) if ["Resources", "Conditions", "Outputs"].contains(&section.key.as_str()) => {
            Some(entries)
        }
        _ => None,
    });
    let from: Vec<&Entry> = entries.flatten().filter(|entry| entry.key == found.from).collect();
    let text = from.iter().find_map(|entry| text_of(&found.to, &entry.value));
    text.or_else(|| Some(from.first()?.key_span)).unwrap_or_default()
}

/// Returns the place of the first text that names something.
fn text_of(name: &str, node: &Node) -> Option<Span> {
    match &node.value {
        Value::Scalar { text, .. } => {
            let names = |text: &str| {
                text == name || text.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
            };
            let inside = text.split("${").skip(1).filter_map(|piece| piece.split('}').next()).any(names);
            (names(text) || inside).then_some(node.span)
        }
        Value::Sequence(items) => items.iter().find_map(|item| text_of(name, item)),
        Value::Mapping(entries) => entries.iter().find_map(|entry| text_of(name, &entry.value)),
        Value::Tagged { node, .. } => text_of(name, node),
    }
}
