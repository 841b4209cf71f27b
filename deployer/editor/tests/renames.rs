//! A rename of a resource in a file, and the rename of what is deployed, which `was` asks for: the one does what the other says.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::refactor;
use deployer_cfn::schemas::{self, Replacement};
use deployer_lang::model::FormerName;
use deployer_lang::{Compiled, Document, compile, renames};
use deployer_syntax::diagnostic::{Diagnostics, Source, Span};
use serde_json::Value;

/// Returns all stacks of a file without errors.
fn stacks(text: &str) -> Vec<Compiled> {
    let source = Source::new("stack.yaml", text.to_owned());
    let mut diagnostics = Diagnostics::default();
    let Some(document) = Document::parse(&source, &mut diagnostics) else { return Vec::new() };
    let all = document.stacks.iter().map(|target| compile(&document, target, &[], &mut diagnostics));
    all.collect::<Option<_>>().unwrap_or_default()
}

fn ids(template: &Value) -> BTreeSet<(String, String)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.map(|(id, one)| (id.clone(), one["Type"].as_str().unwrap_or_default().to_owned())).collect()
}

/// Checks that everything that a file makes of a resource has its former logical ID found again, so that a deployment of the
/// renamed file creates and deletes nothing, and keeps the properties that only a replacement changes. Returns the number of IDs
/// that change.
pub fn moves_along(before: &str, after: &str, old: &str, new: &str) -> usize {
    let mut moved = 0;
    for (deployed, mut wanted) in stacks(before).into_iter().zip(stacks(after)) {
        let resource = wanted.stack.resources.iter_mut().find(|one| one.name == new);
        let Some(resource) = resource.filter(|one| one.is.existing().is_none()) else { continue };
        resource.was = vec![FormerName { name: old.to_owned(), span: Span::default() }];
        let deployed = deployed.template.to_value();
        let former = renames::former_ids(&wanted.stack, &wanted.template);
        let pending = renames::pending(&former, &deployed).expect("the types are the same");
        let names: BTreeMap<String, String> = pending.into_iter().map(|one| (one.old, one.new)).collect();
        let renamed = refactor::renamed(&deployed, &names);
        let mut kept = wanted.template.clone();
        renames::keep(&mut kept, &former, &deployed).expect("no name is taken");
        let kept = kept.to_value();
        assert_eq!(ids(&renamed), ids(&kept), "{old}");
        for (id, one) in kept["Resources"].as_object().into_iter().flatten() {
            let Some(kind) = one["Type"].as_str().and_then(schemas::find) else { continue };
            for (property, value) in one["Properties"].as_object().into_iter().flatten() {
                // A revision of a task definition is replaced by each other one, and has no data.
                let is_name = value.is_string() || value.get("Fn::Sub").is_some();
                if is_name && kind.schema().replacement(&[property]) == Replacement::Always {
                    let there = &renamed["Resources"][id]["Properties"][property];
                    assert_eq!(there, value, "{old}: {property} of {id} would replace it");
                }
            }
        }
        // The rest of the way: after the rename, and after `was` has left the file, everything stays where it is.
        let pending = renames::pending(&former, &kept).expect("the types are the same");
        assert!(pending.is_empty(), "{old}: {pending:?}");
        let mut again = wanted.template.clone();
        renames::keep(&mut again, &[], &kept).expect("no name is taken");
        assert_eq!(again.to_value(), kept, "{old}: without `was`");
        // Also if the memory was never deployed: a policy stays where it is.
        let mut forgetful = kept.clone();
        forgetful["Metadata"] = Value::Null;
        let mut again = wanted.template.clone();
        renames::keep(&mut again, &[], &forgetful).expect("no name is taken");
        let policies = |template: &Value| -> Vec<(String, String)> {
            ids(template)
                .into_iter()
                .filter(|(_, kind)| kind.ends_with("Policy") && kind != "AWS::S3::BucketPolicy")
                .collect()
        };
        assert_eq!(policies(&again.to_value()), policies(&kept), "{old}: without memory");
        moved += names.len();
    }
    moved
}
