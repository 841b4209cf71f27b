//! New code for functions and tasks without CloudFormation, for work in progress: `deploy --hotswap`.
//!
//! CloudFormation does not learn of it, so a note is kept in the asset bucket: `diff` shows the swapped code, and the
//! next deployment makes it permanent or sets it back.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::StackResource;
use deployer_aws::ecs::revisions;
use deployer_aws::lambda;
use deployer_aws::s3::{objects, records};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_build::bucket_name;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;

/// The code that was swapped since the last deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Swapped {
    /// ARN of the stack: the note doesn't apply to one of the same name that was created later.
    pub stack_id: String,
    /// Parameter → the code in use in place of CloudFormation's.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose swap began and did not end, so that the code in use is unknown.
    #[serde(default)]
    pub pending: BTreeSet<String>,
    /// Logical ID of a task → ARN of the revision in use.
    #[serde(default)]
    pub revisions: BTreeMap<String, String>,
    /// Time of the last swap: RFC 3339.
    pub time: String,
    /// ARN of the caller.
    pub caller: String,
}

/// Number of functions whose code is swapped at a time.
const PARALLEL: usize = 8;

/// Prefix of the notes in the asset bucket.
pub const NOTES: &str = "hotswaps/";

/// Returns the key of the note of a stack.
fn key(stack: &str) -> String {
    format!("{NOTES}{stack}.json")
}

impl Swapped {
    /// Reads the note of the swapped code of a stack; `None` if nothing was swapped.
    ///
    /// # Errors
    /// Returns an error if the note can't be read.
    pub async fn read(session: &Session, stack: &str, stack_id: &str) -> Result<Option<Self>> {
        let bucket = &bucket_name(session);
        let Some(text) = records::get(session, bucket, &key(stack)).await? else { return Ok(None) };
        let read = serde_json::from_str::<Self>(&text);
        read.map(|note| Some(note).filter(|note| note.stack_id == stack_id)).map_err(|error| {
            Error::failed_with_hint(
                format!("the record of swapped code, {} in {bucket}, can't be read: {error}", key(stack)),
                "it was not written by the deployer; delete it and deploy again",
            )
        })
    }

    /// Removes the note of the swapped code.
    ///
    /// # Errors
    /// Returns the error of S3.
    pub async fn forget(session: &Session, stack: &str) -> Result<()> {
        Ok(objects::delete(session, &bucket_name(session), &key(stack)).await?)
    }

    /// Returns the code in use for a parameter; `None` if it is not known.
    #[must_use]
    pub fn in_use<'a>(
        swapped: Option<&'a Self>,
        deployed: &'a BTreeMap<String, String>,
        parameter: &str,
    ) -> Option<&'a String> {
        match swapped {
            Some(swapped) if swapped.pending.contains(parameter) => None,
            Some(swapped) => swapped.parameters.get(parameter).or_else(|| deployed.get(parameter)),
            None => deployed.get(parameter),
        }
    }

    async fn write(&self, session: &Session, bucket: &str, stack: &str) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::failed(error.to_string()))?;
        Ok(objects::put_text(session, bucket, &key(stack), &text).await?)
    }

    /// Returns the parameters whose code in use is not that of CloudFormation.
    #[must_use]
    pub fn differing(&self, deployed: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let differs = |(name, value): &(&String, &String)| {
            deployed.get(*name) != Some(*value) || self.pending.contains(*name)
        };
        let pairs = self.parameters.iter().filter(differs);
        pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The users of the code of one parameter.
#[derive(Debug, Default, PartialEq, Eq)]
struct Users {
    /// Logical IDs of functions.
    functions: BTreeSet<String>,
    /// Logical ID of a task → the functions that get the ARN of its revision.
    tasks: BTreeMap<String, BTreeSet<String>>,
    /// Logical IDs of other resources that get the ARN of such a revision, and can't be changed in place.
    others: BTreeSet<String>,
}

/// Finds the users of a parameter in a template.
fn users(template: &Value, parameter: &str) -> Users {
    let mut out = Users::default();
    let is = |value: &Value, name: &str| value["Ref"].as_str() == Some(name);
    let resources = || template["Resources"].as_object().into_iter().flatten();
    for (id, resource) in resources() {
        let properties = &resource["Properties"];
        match resource["Type"].as_str() {
            Some("AWS::Lambda::Function") if is(&properties["Code"]["S3Key"], parameter) => {
                out.functions.insert(id.clone());
            }
            Some("AWS::ECS::TaskDefinition") => {
                let mut containers = properties["ContainerDefinitions"].as_array().into_iter().flatten();
                if containers.any(|container| is(&container["Image"], parameter)) {
                    out.tasks.insert(id.clone(), BTreeSet::new());
                }
            }
            _ => {}
        }
    }
    for (id, resource) in resources() {
        let variables = resource["Properties"]["Environment"]["Variables"].as_object();
        for (task, told) in &mut out.tasks {
            match resource["Type"].as_str() {
                Some("AWS::Lambda::Function") => {
                    let tells = variables.is_some_and(|all| all.values().any(|value| is(value, task)));
                    told.extend(tells.then(|| id.clone()));
                }
                // A policy names every revision.
                Some("AWS::IAM::Role" | "AWS::IAM::Policy" | "AWS::ECS::TaskDefinition") => {}
                _ if refers(&resource["Properties"], task) => {
                    out.others.insert(id.clone());
                }
                _ => {}
            }
        }
    }
    out
}

fn refers(value: &Value, id: &str) -> bool {
    match value {
        Value::Object(map) => {
            map.get("Ref").and_then(Value::as_str) == Some(id) || map.values().any(|inner| refers(inner, id))
        }
        Value::Array(items) => items.iter().any(|item| refers(item, id)),
        _ => false,
    }
}

/// Refuses a swap that a user of the code would not learn of.
///
/// # Errors
/// Returns [`Error::Refused`] if the resource that starts a task can't be changed in place.
pub fn check<'a>(template: &Value, parameters: impl IntoIterator<Item = &'a String>) -> Result<()> {
    let others = parameters.into_iter().flat_map(|parameter| users(template, parameter).others);
    match others.into_iter().next() {
        Some(other) => Err(Error::Refused(
            Message::new(format!("{other} starts a task by its revision, which can't be changed in place"))
                .hint("deploy without `--hotswap`; nothing was changed"),
        )),
        None => Ok(()),
    }
}

/// The input of a swap.
#[derive(Debug)]
pub struct Swap<'a> {
    /// The context of the command.
    pub context: &'a Context,
    /// The session of the caller.
    pub session: &'a Session,
    /// Name of the stack in CloudFormation.
    pub stack: &'a str,
    /// ARN of the stack.
    pub stack_id: &'a str,
    /// The deployed template.
    pub template: &'a Value,
    /// The parameters of the stack as CloudFormation has them.
    pub deployed: &'a BTreeMap<String, String>,
    /// The stack's resources.
    pub resources: &'a [StackResource],
    /// The code that was swapped before.
    pub before: Option<Swapped>,
}

impl Swap<'_> {
    /// Swaps the code of these parameters, and notes it.
    ///
    /// # Errors
    /// Returns the errors of AWS.
    pub async fn run(self, wanted: &BTreeMap<String, String>) -> Result<Swapped> {
        let bucket = &bucket_name(self.session);
        let mut swapped = self.before.clone().unwrap_or_default();
        self.stack_id.clone_into(&mut swapped.stack_id);
        swapped.time = deployer_base::time::stamp();
        swapped.caller.clone_from(&self.session.caller);
        // Noted first: an interrupted run must not leave a swap without a note.
        for (parameter, value) in wanted {
            swapped.parameters.insert(parameter.clone(), value.clone());
            swapped.pending.insert(parameter.clone());
        }
        swapped.write(self.session, bucket, self.stack).await?;
        let users: Vec<(&String, &String, Users)> = wanted
            .iter()
            .map(|(parameter, value)| (parameter, value, users(self.template, parameter)))
            .collect();
        // Each takes its time until it runs the new code, and they need not wait for each other.
        let functions = users.iter().flat_map(|(_, value, users)| {
            users.functions.iter().map(async |function| {
                self.context.ui.step("hotswap", format!("code of {function}"));
                lambda::update_code(self.session, self.physical(function)?, bucket, value).await?;
                Ok::<_, Error>(())
            })
        });
        let functions: Vec<_> = functions.collect();
        futures::stream::iter(functions).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        for (parameter, value, users) in &users {
            for (task, told) in &users.tasks {
                self.context.ui.step("hotswap", format!("image of {task}"));
                let original = self.physical(task)?;
                let current = swapped.revisions.get(task).map_or(original, String::as_str).to_owned();
                let Some(image) = self.deployed.get(*parameter) else { continue };
                let new = match *value == image {
                    true => original.to_owned(),
                    false => revisions::register(self.session, original, image, value).await?,
                };
                swapped.revisions.insert(task.clone(), new.clone());
                swapped.write(self.session, bucket, self.stack).await?;
                for function in told {
                    // Replaces any revision: an earlier run may have come this far.
                    lambda::replace_revision(self.session, self.physical(function)?, &new).await?;
                }
                if current != original && current != new {
                    revisions::deregister(self.session, &current).await?;
                }
            }
        }
        for parameter in wanted.keys() {
            swapped.pending.remove(parameter);
        }
        swapped.write(self.session, bucket, self.stack).await?;
        Ok(swapped)
    }

    /// Settles the swaps after a deployment: resources that CloudFormation did not touch, because it did not learn of
    /// the swap, get their own code back. Then the note is removed.
    ///
    /// # Errors
    /// Returns the errors of AWS.
    pub async fn settle(mut self, before: &BTreeMap<String, String>) -> Result<()> {
        let Some(swapped) = self.before.take() else { return Ok(()) };
        let back: BTreeMap<String, String> = swapped
            .differing(self.deployed)
            .into_keys()
            .filter_map(|name| {
                let value = self.deployed.get(&name)?;
                (before.get(&name) == Some(value)).then(|| (name, value.clone()))
            })
            .collect();
        let (session, stack) = (self.session, self.stack.to_owned());
        let leftovers: Vec<String> = swapped.revisions.values().cloned().collect();
        let originals: BTreeSet<&str> = self.resources.iter().map(|one| one.physical_id.as_str()).collect();
        let leftovers: Vec<String> =
            leftovers.into_iter().filter(|arn| !originals.contains(arn.as_str())).collect();
        if !back.is_empty() {
            self.context.ui.step("hotswap", format!("reverts {}", names(&back)));
            self.before = Some(swapped);
            self.run(&back).await?;
        }
        Swapped::forget(session, &stack).await?;
        for revision in leftovers {
            revisions::deregister(session, &revision).await?;
        }
        Ok(())
    }

    fn physical(&self, logical_id: &str) -> Result<&str> {
        let found = self.resources.iter().find(|one| one.logical_id == logical_id);
        found.map(|one| one.physical_id.as_str()).filter(|id| !id.is_empty()).ok_or_else(|| {
            Error::failed_with_hint(
                format!("{logical_id} does not exist"),
                "deploy without `--hotswap`, which creates it",
            )
        })
    }
}

/// Joins the names of parameters, for people.
#[must_use]
pub fn names(parameters: &BTreeMap<String, String>) -> String {
    parameters.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        json!({ "Resources": {
            "Load": { "Type": "AWS::Lambda::Function", "Properties": { "Code": { "S3Key": { "Ref": "LoadCode" } } } },
            "Extract": { "Type": "AWS::Lambda::Function", "Properties": {
                "Code": { "S3Key": { "Ref": "ExtractCode" } },
                "Environment": { "Variables": { "TASK_DEFINITION": { "Ref": "Task" } } } } },
            "ExtractRole": { "Type": "AWS::IAM::Role", "Properties": { "P": { "Ref": "Task" } } },
            "Task": { "Type": "AWS::ECS::TaskDefinition", "Properties": {
                "ContainerDefinitions": [{ "Image": { "Ref": "TaskImage" } }] } },
        } })
    }

    #[test]
    fn users_of_code_are_functions_and_tasks_with_who_is_told_of_them() {
        let load = users(&template(), "LoadCode");
        assert_eq!(load, Users { functions: ["Load".to_owned()].into(), ..Users::default() });
        let task = users(&template(), "TaskImage");
        assert_eq!(task.tasks, [("Task".to_owned(), ["Extract".to_owned()].into())].into());
        assert!(task.others.is_empty());
        let mut scheduled = template();
        scheduled["Resources"]["Nightly"] =
            json!({ "Type": "AWS::Events::Rule", "Properties": { "Targets": [{ "T": { "Ref": "Task" } }] } });
        assert_eq!(users(&scheduled, "TaskImage").others, ["Nightly".to_owned()].into());
    }

    #[test]
    fn what_differs_is_what_cloudformation_does_not_have() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let swapped = Swapped { parameters: map(&[("A", "1"), ("B", "2")]), ..Swapped::default() };
        let deployed = map(&[("A", "1"), ("B", "1")]);
        assert_eq!(swapped.differing(&deployed), map(&[("B", "2")]));
        let in_use = |swapped: &Swapped, name: &str| Swapped::in_use(Some(swapped), &deployed, name).cloned();
        assert_eq!(
            (in_use(&swapped, "B").as_deref(), in_use(&swapped, "A").as_deref()),
            (Some("2"), Some("1"))
        );
        // A swap that did not end is repeated, in both directions.
        let pending = Swapped { pending: ["A".to_owned(), "B".to_owned()].into(), ..swapped };
        assert_eq!((in_use(&pending, "A"), in_use(&pending, "B")), (None, None));
        assert_eq!(pending.differing(&deployed).len(), 2);
    }
}
