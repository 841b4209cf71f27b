//! Resources that an earlier deployment of a stack has left in the account, and that the next one adopts: a deployment
//! of a stack that doesn't exist finds them, and imports them before it creates the rest.
//!
//! They are found by the record of the deletion, otherwise by the resources of the deleted stack, which CloudFormation
//! names for 90 days, otherwise by name and tags. What was found is checked with the service itself.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::ImportedResource;
use deployer_aws::existing;
use deployer_base::error::Result;
use deployer_base::text::printable;
use deployer_cfn::importable;
use deployer_plan::adopt::{FormerStack, ImportTemplate, PhysicalResource, import_template, name_of};
use deployer_plan::diff::{self, Adopted, ChangeKind, Fate, PseudoParameters, Side};
use deployer_syntax::number;
use futures::future::join_all;
use serde_json::Value;

use crate::data_loss::{self, Holds};
use crate::gates::Loss;
use crate::records::RecordedResource;
use crate::state::{self, Deployed};

mod adopter;
mod former;

pub use adopter::Adopter;
pub use former::{Former, recorded_formers};

/// The resources that a deployment adopts.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The template of the import.
    pub template: Value,
    /// The same as it is sent.
    pub text: String,
    /// The resources.
    pub resources: Vec<ImportedResource>,
    /// The same for the plan, by logical ID.
    pub adopted: BTreeMap<String, Adopted>,
    /// Kept resources that the wanted template would replace by empty ones.
    pub losses: Vec<Loss>,
    /// Remarks about kept resources that are not adopted.
    pub notes: Vec<String>,
}

impl Adopter<'_> {
    /// Finds the resources that the stack can adopt; `None` if there is nothing to say about any.
    ///
    /// # Errors
    /// Returns an error if a service can't be asked whether a resource exists.
    pub async fn find(&self, deployed: Option<&Deployed>) -> Result<Option<Adoption>> {
        // A stack with resources of its own has adopted what it could, or was created without.
        if deployed.is_some_and(|deployed| !deployed.is_empty()) {
            return Ok(None);
        }
        let pseudo = state::pseudo(self.session, self.name);
        for former in self.formers(&pseudo).await? {
            if let Some(adoption) = self.adoption(&former, &pseudo).await? {
                return Ok(Some(adoption));
            }
        }
        Ok(None)
    }

    /// Returns what can be adopted of a former stack; `None` if nothing of it is left.
    async fn adoption(&self, former: &Former, pseudo: &PseudoParameters) -> Result<Option<Adoption>> {
        let asked = former.kept.iter().map(async |one| {
            let found = existing::exists(self.session, &one.resource_type, &one.physical_id).await?;
            // A type that nobody asks about is left to CloudFormation, which refuses what does not exist.
            Ok::<_, deployer_base::aws_error::AwsError>((one, found.unwrap_or(true)))
        });
        let mut there = Vec::new();
        let mut notes = former.notes.clone();
        for one in join_all(asked).await {
            match one? {
                (resource, true) => there.push(resource),
                (resource, false) => notes.push(format!(
                    "{} was kept as {}, which no longer exists; a new one is created",
                    resource.logical_id, resource.physical_id
                )),
            }
        }
        if there.is_empty() {
            return Ok(None);
        }
        let mut candidates: Vec<&RecordedResource> = Vec::new();
        for resource in there {
            match self.obstacle(resource, pseudo) {
                None => candidates.push(resource),
                Some(why) => notes.push(not_adopted(resource, why)),
            }
        }
        let physical = former.physical();
        let stack = FormerStack {
            template: &former.template,
            parameters: &former.parameters,
            pseudo,
            resources: &physical,
        };
        let ids =
            |candidates: &[&RecordedResource]| candidates.iter().map(|one| one.logical_id.clone()).collect();
        let made = self.importable(&stack, ids(&candidates), &mut candidates, &mut notes);
        let replaced = self.replaced(&made.template, pseudo);
        let (given_up, refused): (BTreeSet<String>, BTreeSet<String>) =
            replaced.into_iter().partition(|id| self.is_allowed(id));
        for resource in candidates.extract_if(.., |one| given_up.contains(&one.logical_id)) {
            notes.push(not_adopted(resource, "`--allow-replace` names it: a new one is created"));
        }
        let made = match given_up.is_empty() {
            true => made,
            false => self.importable(&stack, ids(&candidates), &mut candidates, &mut notes),
        };
        for (id, property) in &made.left_out {
            notes.push(format!(
                "{id} is imported without its {property}, which refers to something that no longer exists; the deployment sets it \
                 afterwards"
            ));
        }
        let holds = candidates.iter().map(|one| self.holds(one));
        let holds = join_all(holds).await;
        let mut losses = Vec::new();
        let mut adopted = BTreeMap::new();
        for (resource, holds) in candidates.iter().zip(holds) {
            let id = resource.logical_id.clone();
            let words = match &holds {
                Holds::This(words) => Some(words.clone()),
                Holds::Nothing => Some("no data".to_owned()),
                Holds::Unknown => None,
            };
            adopted.insert(id.clone(), Adopted { physical_id: resource.physical_id.clone(), holds: words });
            if refused.contains(&id) {
                losses.push(Loss {
                    origin: self.wanted.origins.get(&id).cloned(),
                    logical_id: id,
                    resource_type: resource.resource_type.clone(),
                    replaced: true,
                    kept: true,
                    protected: false,
                    holds,
                });
            }
        }
        let resources = candidates.iter().filter_map(|one| {
            let importable = importable::find(&one.resource_type)?;
            Some(ImportedResource {
                logical_id: one.logical_id.clone(),
                resource_type: one.resource_type.clone(),
                key: importable.identifier,
                value: one.physical_id.clone(),
            })
        });
        let notes = notes.iter().map(|note| printable(note)).collect();
        let (resources, text) = (resources.collect(), number::to_ascii_json(&made.template));
        Ok(Some(Adoption { template: made.template, text, resources, adopted, losses, notes }))
    }

    /// Returns the template of the import, without the candidates that can't be imported.
    fn importable(
        &self,
        stack: &FormerStack<'_>,
        ids: BTreeSet<String>,
        candidates: &mut Vec<&RecordedResource>,
        notes: &mut Vec<String>,
    ) -> ImportTemplate {
        let made = import_template(stack, &ids);
        for resource in candidates.extract_if(.., |one| made.impossible.contains_key(&one.logical_id)) {
            notes.push(not_adopted(resource, &made.impossible[&resource.logical_id]));
        }
        made
    }

    /// Returns the reason for which a kept resource is not adopted.
    fn obstacle(&self, resource: &RecordedResource, pseudo: &PseudoParameters) -> Option<&'static str> {
        let wanted = &self.wanted.template["Resources"][&resource.logical_id];
        if wanted.is_null() {
            return Some("the file has no such resource any more");
        }
        if wanted["Type"] != resource.resource_type.as_str() {
            return Some("the file gives its name to a resource of another type");
        }
        let none = BTreeMap::new();
        let stack = FormerStack {
            template: &self.wanted.template,
            parameters: &self.wanted.parameters,
            pseudo,
            resources: &none,
        };
        // A bucket of another generation, or one whose stack was named otherwise.
        let name = name_of(&stack, &resource.logical_id, "BucketName");
        if resource.resource_type == "AWS::S3::Bucket"
            && name.is_some_and(|name| name != resource.physical_id)
        {
            return Some("the bucket of the file has another name");
        }
        importable::find(&resource.resource_type)
            .is_none()
            .then_some("CloudFormation can't import a resource of its type by this ID")
    }

    /// Returns the resources that the wanted template would replace right after the import.
    fn replaced(&self, template: &Value, pseudo: &PseudoParameters) -> BTreeSet<String> {
        let none = BTreeMap::new();
        let before = Side { template, parameters: &none, tags: &none };
        let after = Side {
            template: &self.wanted.template,
            parameters: &self.wanted.parameters,
            tags: &self.wanted.tags,
        };
        let diff = diff::compare(Some(&before), &after, pseudo, &self.wanted.origins);
        let replaced = diff.resources.into_iter().filter(|one| one.action == ChangeKind::Replace);
        replaced.map(|one| one.id).collect()
    }

    fn is_allowed(&self, id: &str) -> bool {
        let origin = self.wanted.origins.get(id);
        self.allow_replace.iter().any(|name| name == id || origin == Some(name))
    }

    async fn holds(&self, resource: &RecordedResource) -> Holds {
        // A caller without the permission to count can adopt all the same.
        let holds = data_loss::of(self.session, &resource.resource_type, &resource.physical_id).await;
        holds.unwrap_or(Holds::Unknown)
    }
}

/// Returns the remark about a kept resource that stays outside of the stack.
fn not_adopted(resource: &RecordedResource, why: &str) -> String {
    format!(
        "{} ({}) is not adopted, and stays in the account: {why}",
        resource.physical_id, resource.resource_type
    )
}

impl Adoption {
    /// Returns what becomes of the resources in a plan whose deployed side is the template of the import.
    pub fn mark(&self, diff: &mut diff::Diff) {
        diff.adopt(&self.adopted);
        for resource in
            diff.resources.iter_mut().filter(|one| self.losses.iter().any(|loss| loss.logical_id == one.id))
        {
            resource.old = Some(Fate::Retained);
        }
        diff.notes.extend(self.notes.iter().cloned());
    }
}

impl Former {
    /// Returns all resources of the stack whose physical IDs are known, by logical ID.
    fn physical(&self) -> BTreeMap<String, PhysicalResource> {
        let all = self.kept.iter().chain(&self.referenced);
        let one = |one: &RecordedResource| {
            let physical = PhysicalResource { kind: one.resource_type.clone(), id: one.physical_id.clone() };
            (one.logical_id.clone(), physical)
        };
        all.map(one).collect()
    }
}
