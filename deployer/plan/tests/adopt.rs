//! What a deleted stack of any golden case has kept can be imported.

use std::collections::{BTreeMap, BTreeSet};

use deployer_cfn::template::references;
use deployer_plan::adopt::{FormerStack, PhysicalResource, import_template};
use deployer_plan::diff::PseudoParameters;
use serde_json::Value;

use crate::golden;

#[test]
fn what_the_deployer_keeps_can_be_imported_without_anything_else() {
    let cases = golden::repository().join("deployer/lang/tests/cases");
    let mut seen = 0;
    for case in golden::entries(&cases) {
        let path = case.join("template.json");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let template: Value = serde_json::from_str(&text).expect("JSON");
        let all = template["Resources"].as_object().expect("resources");
        let kept = |resource: &Value| {
            resource["DeletionPolicy"].as_str().is_some_and(|policy| policy.starts_with("Retain"))
                && deployer_cfn::importable::find(resource["Type"].as_str().unwrap_or_default()).is_some()
        };
        let adopted: BTreeSet<String> =
            all.iter().filter(|(_, one)| kept(one)).map(|(id, _)| id.clone()).collect();
        let resources = all
            .iter()
            .map(|(id, one)| {
                let kind = one["Type"].as_str().expect("a type").to_owned();
                (id.clone(), PhysicalResource { kind, id: format!("{id}-1") })
            })
            .collect();
        let parameters = template["Parameters"].as_object().into_iter().flatten();
        let parameters = parameters.map(|(name, _)| (name.clone(), "value".to_owned())).collect();
        let pseudo = PseudoParameters {
            account: Some("111122223333".into()),
            region: Some("eu-west-1".into()),
            partition: Some("aws".into()),
            stack: "orders-dev".into(),
        };
        let stack = FormerStack {
            template: &template,
            parameters: &parameters,
            pseudo: &pseudo,
            resources: &resources,
        };
        let made = import_template(&stack, &adopted);
        assert_eq!((&made.impossible, &made.left_out), (&BTreeMap::new(), &Vec::new()), "{}", path.display());
        references(&made.template, &mut |name| {
            assert!(name.starts_with("AWS::") || adopted.contains(name), "{}: {name}", path.display());
        });
        seen += adopted.len();
    }
    assert!(seen > 10, "{seen}");
}
