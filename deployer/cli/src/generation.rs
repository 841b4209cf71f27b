//! The generation of a stack's names. A stack that is created anew beside the resources that a former one has kept gives
//! its buckets other names; the tag of the stack remembers the number, so that every later deployment writes the same.

use std::collections::BTreeMap;

use deployer_base::error::{Error, Message, Result};
use deployer_cfn::Template;
use deployer_lang::names;
use deployer_plan::adopt::{FormerStack, name_of};
use deployer_plan::diff::PseudoParameters;

use crate::records::{Record, RecordedResult};

/// Key of the tag of the stack.
pub const TAG: &str = "deployer:generation";
/// Characters of a bucket name: Amazon S3 User Guide, "Bucket naming rules".
const MOST_BUCKET_NAME: usize = 63;

/// Returns the generation that tags name; the first if they name none.
fn of_tags(tags: &BTreeMap<String, String>) -> u32 {
    tags.get(TAG).and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Returns the generation of a stack that its own tags tell, or else the records, newest first: that of the last
/// deletion that kept something, or of the last deployment that succeeded.
#[must_use]
pub fn current(tags: Option<&BTreeMap<String, String>>, records: &[Record]) -> u32 {
    if let Some(tags) = tags {
        return of_tags(tags);
    }
    let kept = records.iter().find(|record| !record.kept.is_empty());
    let done = records.iter().find(|record| record.result == RecordedResult::Succeeded);
    kept.or(done).map_or(1, |record| of_tags(&record.tags))
}

/// Returns the generation after all that are recorded, those of deployments that failed included.
#[must_use]
pub fn next(records: &[Record]) -> u32 {
    let used = records.iter().map(|record| of_tags(&record.tags)).max();
    used.unwrap_or(1).saturating_add(1)
}

/// Returns the template with the names of a generation.
///
/// # Errors
/// Returns [`Error::Refused`] if the name of a bucket becomes too long.
pub fn template(
    template: &Template,
    generation: u32,
    values: &BTreeMap<String, String>,
    pseudo: &PseudoParameters,
) -> Result<Option<Template>> {
    if generation <= 1 {
        return Ok(None);
    }
    let mut renamed = template.clone();
    names::renumber(&mut renamed, generation);
    let (value, none) = (renamed.to_value(), BTreeMap::new());
    let stack = FormerStack { template: &value, parameters: values, pseudo, resources: &none };
    for (id, _) in renamed.resources.iter().filter(|(_, resource)| resource.kind == "AWS::S3::Bucket") {
        if let Some(name) = name_of(&stack, id, "BucketName").filter(|name| name.len() > MOST_BUCKET_NAME) {
            return Err(Error::Refused(
                Message::new(format!(
                    "the bucket {name} would have a name of {} characters, and S3 allows {MOST_BUCKET_NAME}",
                    name.len()
                ))
                .hint("give the stack or the bucket a shorter name in the file; nothing was changed"),
            ));
        }
    }
    Ok(Some(renamed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployer_cfn::template::Sub;

    fn record(kind: &str, result: &str, generation: Option<&str>, kept: bool) -> Record {
        let tags = generation.map(|text| format!(r#""{TAG}": "{text}""#)).unwrap_or_default();
        let kept = if kept { r#"{ "logicalId": "A", "physicalId": "a", "type": "T" }"# } else { "" };
        let text = format!(
            r#"{{ "schemaVersion": 1, "number": 1, "stack": "s", "stackId": "i", "time": "", "caller": "", "deployer": "",
                "kind": "{kind}", "result": "{result}", "seconds": 1, "tags": {{ {tags} }}, "kept": [{kept}] }}"#
        );
        serde_json::from_str(&text).expect("a record")
    }

    #[test]
    fn the_generation_is_that_of_the_stack_or_of_what_it_kept() {
        let tags = BTreeMap::from([(TAG.to_owned(), "3".to_owned())]);
        assert_eq!((current(Some(&tags), &[]), current(None, &[]), next(&[])), (3, 1, 2));
        let records = [
            record("deploy", "failed", Some("4"), false),
            record("destroy", "succeeded", Some("3"), false),
            record("destroy", "succeeded", Some("2"), true),
            record("deploy", "succeeded", None, false),
        ];
        assert_eq!((current(None, &records), current(None, &records[..2]), next(&records)), (2, 3, 5));
        assert_eq!(current(Some(&BTreeMap::new()), &records), 1, "what is deployed counts");
    }

    #[test]
    fn a_name_that_becomes_too_long_is_refused() {
        let resource = |name: &str| {
            let mut made = Template::default();
            let properties = serde_json::json!({ "BucketName": Sub(names::bucket(name)) });
            let bucket = deployer_cfn::template::Resource {
                kind: "AWS::S3::Bucket",
                properties,
                ..Default::default()
            };
            made.resources.push(("Landing".to_owned(), bucket));
            made
        };
        let pseudo = PseudoParameters {
            account: Some("111122223333".into()),
            region: Some("ap-southeast-2".into()),
            partition: Some("aws".into()),
            stack: "a-pipeline-dev".into(),
        };
        let of = |name: &str, generation| template(&resource(name), generation, &BTreeMap::new(), &pseudo);
        assert_eq!(of("landing", 1).expect("the same"), None);
        assert!(of("landing", 2).expect("it fits").is_some());
        assert_eq!(of("landing-of-many-files", 1).expect("the same"), None);
        assert_eq!(of("landing-of-many-files", 2).expect_err("too long").exit_code(), 5);
    }
}
