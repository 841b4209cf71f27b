//! What CloudFormation refuses when a change set of the type IMPORT is created, in its own words: AWS CloudFormation User
//! Guide, "Import AWS resources into a CloudFormation stack"; API Reference, ResourceToImport.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, text};

/// The only key of the identifier of each type that the conversations import.
const IDENTIFIERS: [(&str, &str); 6] = [
    ("AWS::DynamoDB::Table", "TableName"),
    ("AWS::KMS::Key", "KeyId"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::S3::Bucket", "BucketName"),
    ("AWS::SNS::Topic", "TopicArn"),
    ("AWS::SQS::Queue", "QueueUrl"),
];

/// Returns the rules that an accepted change set of this type breaks. `there` are the resources of the stack as far as
/// they are known; `new` is `true` for a stack that has none.
pub(super) fn broken(input: &Value, there: &BTreeSet<&str>, new: bool) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for name in ["Tags", "OnStackFailure", "DeploymentConfig"] {
        if !input[name].is_null() {
            out.push(("import-untouched", format!("{name} is given")));
        }
    }
    let imports: Vec<&Value> = list(input, "ResourcesToImport").collect();
    let ids: BTreeSet<&str> = imports.iter().filter_map(|one| text(one, "LogicalResourceId")).collect();
    if imports.is_empty() {
        out.push(("import-alone", "Must Provide at least one resource to import".to_owned()));
    }
    if ids.len() < imports.len() {
        out.push(("import-alone", "Every resource to import must have unique LogicalResourceId".to_owned()));
    }
    for import in &imports {
        let kind = text(import, "ResourceType").unwrap_or_default();
        let entries: Vec<&str> =
            list(&import["ResourceIdentifier"], "entry").filter_map(|entry| text(entry, "key")).collect();
        match IDENTIFIERS.iter().find(|(known, _)| *known == kind) {
            Some((_, key)) if entries == [*key] => {}
            Some((_, key)) => out.push((
                "import-identifier",
                format!("Invalid resource identifier for resource type {kind}. Expected [{key}]"),
            )),
            None => {
                out.push(("import-identifier", format!("the identifier of {kind} is not known to the judge")))
            }
        }
    }
    // A template in S3 is not part of the call.
    let Some(template) =
        text(input, "TemplateBody").and_then(|body| serde_json::from_str::<Value>(body).ok())
    else {
        return out;
    };
    for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
        if !ids.contains(id.as_str()) {
            if new || (!there.is_empty() && !there.contains(id.as_str())) {
                out.push(("import-alone", format!("Resources [{id}] is missing from ResourceToImport list")));
            }
        } else if there.contains(id.as_str()) {
            out.push(("import-alone", format!("{id} is already in the stack")));
        } else if resource["DeletionPolicy"].is_null() {
            out.push(("import-policy", format!("{id} must have DeletionPolicy attribute specified")));
        }
    }
    if new && template.get("Outputs").is_some() {
        out.push((
            "import-untouched",
            "As part of the import operation, you cannot modify or add [Outputs]".to_owned(),
        ));
    }
    out
}
