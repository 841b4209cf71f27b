//! The settings of a stack that belong to its file: the keys of its tags and its notification topics.
//!
//! Others tag stacks too, and subscribe to their events. So the template names, in its `Metadata`, what came from the
//! file: a later deployment removes what the file no longer has, and nothing else. The template is deployed, and rolled
//! back, together with the tags.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Key in the `Metadata` of the template.
pub const SECTION: &str = "deployer";
/// Beginning of the keys of tags that the deployer sets for itself.
pub const OWN_TAGS: &str = "deployer:";
/// Tags of a stack: AWS CloudFormation API Reference, `CreateChangeSet`: `Tags`.
pub const MOST_TAGS: usize = 50;

/// The settings that a template names as those of its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackSettings {
    /// Keys of tags.
    pub tags: BTreeSet<String>,
    /// ARNs of the topics that get the events of the stack.
    pub notifications: Vec<String>,
}

impl StackSettings {
    /// Reads the settings from a template, whoever wrote it.
    #[must_use]
    pub fn of(template: &Value) -> Self {
        let section = &template["Metadata"][SECTION];
        let texts = |name: &str| {
            let items = section[name].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        Self { tags: texts("tags").into_iter().collect(), notifications: texts("notificationArns") }
    }

    /// Adds the settings to the `Metadata` of a template, beside those that it has already: a template that was imported
    /// names its own. Metadata that is not a mapping stays as it is.
    pub fn add_to(&self, metadata: &mut Option<Value>) {
        if *self == Self::default() {
            return;
        }
        let Value::Object(members) = metadata.get_or_insert_with(|| json!({})) else { return };
        let section = members.entry(SECTION).or_insert_with(|| json!({}));
        if !section.is_object() {
            *section = json!({});
        }
        let mut add = |name: &str, texts: &mut dyn Iterator<Item = &String>| {
            let mut all = section[name].as_array().cloned().unwrap_or_default();
            for text in texts.map(|text| json!(text)) {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            if !all.is_empty() {
                section[name] = Value::Array(all);
            }
        };
        add("tags", &mut self.tags.iter());
        add("notificationArns", &mut self.notifications.iter());
    }

    /// Returns the tags that a stack is to have: `own`, and all that others have set. `deployed` are the tags and the
    /// settings of the deployed stack; those among its tags that came from the file and that it no longer has are left
    /// out.
    #[must_use]
    pub fn tags_beside(
        &self,
        own: &BTreeMap<String, String>,
        deployed: &BTreeMap<String, String>,
        before: &Self,
    ) -> BTreeMap<String, String> {
        let stays =
            |key: &str| !key.starts_with(OWN_TAGS) && (self.tags.contains(key) || !before.tags.contains(key));
        let others = deployed.iter().filter(|(key, _)| stays(key));
        let mut out: BTreeMap<String, String> =
            others.map(|(key, value)| (key.clone(), value.clone())).collect();
        out.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        out
    }

    /// Returns the notification topics that a stack is to get; `None` if those that it has stay, since neither this
    /// template nor the deployed one names any. `deployed` are the topics of the deployed stack.
    #[must_use]
    pub fn notifications_to_send(&self, deployed: &[String], before: &Self) -> Option<&[String]> {
        let named = !self.notifications.is_empty();
        let retired = !before.notifications.is_empty() && !deployed.is_empty();
        let mut both = [&self.notifications[..], deployed].map(<[String]>::to_vec);
        both.iter_mut().for_each(|arns| arns.sort());
        (both[0] != both[1] && (named || retired)).then_some(&self.notifications)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn settings(keys: &[&str], arns: &[&str]) -> StackSettings {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        StackSettings { tags: texts(keys).into_iter().collect(), notifications: texts(arns) }
    }

    #[test]
    fn a_template_names_what_its_file_has_set() {
        let mut metadata = None;
        StackSettings::default().add_to(&mut metadata);
        assert_eq!(metadata, None, "a file without settings changes no template");
        let own = settings(&["team", "cost"], &["arn:b", "arn:a"]);
        own.add_to(&mut metadata);
        let template = json!({ "Metadata": metadata });
        assert_eq!(template["Metadata"]["deployer"]["tags"], json!(["cost", "team"]));
        assert_eq!(StackSettings::of(&template), own);
        let mut other = Some(json!({ "Author": "anna" }));
        settings(&["team"], &[]).add_to(&mut other);
        assert_eq!(other, Some(json!({ "Author": "anna", "deployer": { "tags": ["team"] } })));
        // The settings of an imported template stay, and so does what is not known of them.
        let imported = json!({ "tags": ["team", { "Ref": "A" }], "notificationArns": ["arn:b"], "more": 1 });
        let mut imported = Some(json!({ "deployer": imported }));
        settings(&["cost", "team"], &["arn:a"]).add_to(&mut imported);
        let both = json!({
            "tags": ["team", { "Ref": "A" }, "cost"], "notificationArns": ["arn:b", "arn:a"], "more": 1,
        });
        assert_eq!(imported, Some(json!({ "deployer": both })));
        for hostile in [
            json!(null),
            json!({ "Metadata": [1] }),
            json!({ "Metadata": { "deployer": { "tags": { "a": 1 } } } }),
        ] {
            assert_eq!(StackSettings::of(&hostile), StackSettings::default());
        }
    }

    #[test]
    fn tags_of_others_stay_and_those_of_the_file_leave_with_it() {
        let deployed =
            tags(&[("owner", "others"), ("team", "old"), ("cost", "1"), ("deployer:generation", "2")]);
        let before = settings(&["team", "cost"], &[]);
        let own = tags(&[("deployer:stack", "dev"), ("team", "new")]);
        let wanted = settings(&["team"], &[]).tags_beside(&own, &deployed, &before);
        assert_eq!(wanted, tags(&[("deployer:stack", "dev"), ("owner", "others"), ("team", "new")]));
        // A template that was imported as it is claims its tags without a value.
        let kept = before.tags_beside(&tags(&[]), &deployed, &before);
        assert_eq!(kept, tags(&[("owner", "others"), ("team", "old"), ("cost", "1")]));
        // A key that others have set first is taken over, and was not the file's before.
        let first = settings(&["owner"], &[]).tags_beside(
            &tags(&[("owner", "us")]),
            &deployed,
            &StackSettings::default(),
        );
        assert_eq!(first["owner"], "us");
        assert_eq!(first["team"], "old");
    }

    #[test]
    fn topics_are_sent_if_the_file_names_or_named_them() {
        let (none, ours) = (settings(&[], &[]), settings(&[], &["arn:a", "arn:b"]));
        let there = |arns: &[&str]| settings(&[], arns).notifications;
        assert_eq!(none.notifications_to_send(&there(&["arn:x"]), &none), None, "those of others stay");
        assert_eq!(ours.notifications_to_send(&there(&["arn:x"]), &none), Some(&ours.notifications[..]));
        assert_eq!(ours.notifications_to_send(&there(&["arn:b", "arn:a"]), &ours), None, "nothing to change");
        assert_eq!(none.notifications_to_send(&there(&["arn:a"]), &ours), Some(&[][..]));
        assert_eq!(none.notifications_to_send(&there(&[]), &ours), None, "they are gone already");
    }
}
