//! The settings of a stack that a change set replaces as a whole: tags. And the mode in which it reverts drift. AWS
//! CloudFormation API Reference, `CreateChangeSet`, `Tag`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{list, text};

/// The tags of a stack as far as they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// Keys of tags that the deployer has not set for itself.
    known: BTreeSet<String>,
    /// Those among them that the deployed template names as tags of its file.
    own: BTreeSet<String>,
}

impl Settings {
    /// Takes note of a stack.
    pub(super) fn described(&mut self, described: &Value) {
        let keys = list(described, "Tags").filter_map(|tag| text(tag, "Key"));
        self.known = keys.filter(|key| !key.starts_with("deployer:")).map(str::to_owned).collect();
    }

    /// Takes note of the template that is deployed: it names the tags of its file.
    pub(super) fn template(&mut self, output: &Value) {
        let body = text(output, "TemplateBody").and_then(|body| serde_json::from_str::<Value>(body).ok());
        let own = body.map(|body| body["Metadata"]["deployer"]["tags"].clone()).unwrap_or_default();
        let keys = own.as_array().into_iter().flatten().filter_map(Value::as_str);
        self.own.extend(keys.map(str::to_owned));
    }

    /// Returns the rules that an accepted change set breaks.
    pub(super) fn broken(&self, input: &Value) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        if !input["Tags"].is_null() {
            // An empty list is an empty text in the query protocol.
            let tags = input["Tags"].as_array().cloned().unwrap_or_default();
            let key = |tag: &Value| text(tag, "Key").unwrap_or_default().to_owned();
            let keys: BTreeSet<String> = tags.iter().map(key).collect();
            for lost in self.known.difference(&keys).filter(|key| !self.own.contains(*key)) {
                out.push(("tags-of-others", format!("the tag {lost} is removed")));
            }
            if tags.len() > 50 || keys.len() < tags.len() {
                out.push(("tags", format!("{} tags with {} keys", tags.len(), keys.len())));
            }
            let reserved = |tag: &&Value| {
                let key = key(tag).to_lowercase();
                key.is_empty() || key.starts_with("aws:") || text(tag, "Value").is_none_or(str::is_empty)
            };
            out.extend(tags.iter().filter(reserved).map(|tag| ("tags", format!("{tag} is not a tag"))));
        }
        let reverts = text(input, "DeploymentMode") == Some("REVERT_DRIFT");
        if reverts
            && (text(input, "ChangeSetType") != Some("UPDATE")
                || !input["OnStackFailure"].is_null()
                || !input["DeploymentConfig"].is_null())
        {
            out.push((
                "revert-drift",
                "another type, OnStackFailure or DeploymentConfig is given".to_owned(),
            ));
        }
        out
    }
}
