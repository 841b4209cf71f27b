//! The stacks of the same name that were deleted, and what they have left.

use std::collections::{BTreeMap, BTreeSet};

use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::existing;
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_cfn::deployed;
use deployer_cfn::importable::{LOGICAL_ID_TAG, STACK_TAG};
use deployer_cfn::status::Status;
use deployer_plan::adopt::{FormerStack, name_of};
use deployer_plan::diff::PseudoParameters;
use serde_json::Value;

use super::adopter::Adopter;
use crate::records::{self, Record, RecordedResource};

/// Number of deleted stacks whose resources are asked of CloudFormation: nobody needs what an older one has left.
const MOST_STACKS: usize = 3;

/// A deleted stack.
#[derive(Debug, Default)]
pub struct Former {
    /// The template that was deployed.
    pub template: Value,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The resources that were kept.
    pub kept: Vec<RecordedResource>,
    /// Deleted resources to which the kept ones may refer.
    pub referenced: Vec<RecordedResource>,
    /// Remarks on the search.
    pub notes: Vec<String>,
}

impl Adopter<'_> {
    /// Returns the deleted stacks that have kept something, the last one first; if none is known, what has the names
    /// and tags of this stack.
    pub(super) async fn formers(&self, pseudo: &PseudoParameters) -> Result<Vec<Former>> {
        let mut out = recorded_formers(self.session, self.cloudformation, self.records).await?;
        if out.is_empty() {
            out.extend(self.named(pseudo).await?);
        }
        Ok(out)
    }

    /// Returns what has the names of the wanted resources: buckets by the computed name, tables by the name that
    /// CloudFormation makes and by the tags of the deployer. The wanted template is the only one that is known then.
    async fn named(&self, pseudo: &PseudoParameters) -> Result<Option<Former>> {
        let none = BTreeMap::new();
        let wanted = FormerStack {
            template: &self.wanted.template,
            parameters: &self.wanted.parameters,
            pseudo,
            resources: &none,
        };
        let mut former = Former {
            template: self.wanted.template.clone(),
            parameters: self.wanted.parameters.clone(),
            ..Former::default()
        };
        let resources = self.wanted.template["Resources"].as_object().into_iter().flatten();
        let prefix = format!("{}-", self.name);
        let is_own = |name: &String| name.starts_with(&prefix);
        for (id, resource) in resources {
            let kind = resource["Type"].as_str().unwrap_or_default();
            let found = match kind {
                // A name that the file chooses may be that of any bucket.
                "AWS::S3::Bucket" => match name_of(&wanted, id, "BucketName").filter(|name| is_own(name)) {
                    // A name of another account is answered by a denial.
                    Some(name) => match existing::exists(self.session, kind, &name).await {
                        Ok(Some(true)) => Some(name),
                        Ok(_) => None,
                        Err(error) if error.is_denied() || error.message.contains("403") => None,
                        Err(error) => return Err(error.into()),
                    },
                    None => None,
                },
                "AWS::DynamoDB::Table" if resource["Properties"]["TableName"].is_null() => {
                    self.table(id, &resource["Properties"]["KeySchema"], &mut former.notes).await?
                }
                _ => None,
            };
            former.kept.extend(found.map(|physical_id| RecordedResource {
                logical_id: id.clone(),
                physical_id,
                resource_type: kind.to_owned(),
            }));
        }
        Ok((!former.kept.is_empty()).then_some(former))
    }

    /// Finds the table of a logical ID.
    async fn table(&self, id: &str, key: &Value, notes: &mut Vec<String>) -> Result<Option<String>> {
        let prefix = format!("{}-{id}-", self.name);
        let tables = match existing::tables_with_prefix(self.session, &prefix).await {
            Ok(tables) => tables,
            Err(error) if error.is_denied() => {
                notes.push(format!(
                    "tables named {prefix}* were not looked up: {} is denied",
                    error.operation
                ));
                return Ok(None);
            }
            Err(error) => return Err(Error::from(error)),
        };
        let is = |(name, value): &(String, String), key: &str, text: &str| name == key && value == text;
        let ours = tables.iter().filter(|table| {
            table.tags.iter().any(|tag| is(tag, STACK_TAG, self.name))
                && table.tags.iter().any(|tag| is(tag, LOGICAL_ID_TAG, id))
        });
        let ours: Vec<_> = ours.collect();
        let wanted: Vec<(String, String)> = key
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                [&one["AttributeName"], &one["KeyType"]]
                    .map(|text| text.as_str().unwrap_or_default().to_owned())
            })
            .map(|[name, kind]| (name, kind))
            .collect();
        match ours.as_slice() {
            [] => Ok(None),
            [only] if only.key == wanted => Ok(Some(only.name.clone())),
            [only] => {
                notes.push(format!("{} is not adopted, since its key is another one", only.name));
                Ok(None)
            }
            several => {
                let names: Vec<&str> = several.iter().map(|table| table.name.as_str()).collect();
                notes.push(format!(
                    "{} tables were kept for {id}, and none is adopted: {}; to choose one, deploy, remove the new table from the \
                     stack, and run `deployer import`",
                    several.len(),
                    names.join(", ")
                ));
                Ok(None)
            }
        }
    }
}

/// Returns the deleted stacks that have kept something, the last one first, as far as the records and CloudFormation know.
///
/// # Errors
/// Returns an error if AWS can't be asked.
pub async fn recorded_formers(
    session: &Session,
    cloudformation: &CloudFormation,
    records: &[Record],
) -> Result<Vec<Former>> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for record in records {
        if seen.len() == MOST_STACKS {
            break;
        }
        if seen.insert(record.stack_id.as_str()) {
            let former = match recorded(session, record).await? {
                Some(former) => Some(former),
                None => deleted(cloudformation, record).await?,
            };
            out.extend(former);
        }
    }
    Ok(out)
}

/// Returns the stack whose deletion a record describes, if that kept something.
async fn recorded(session: &Session, record: &Record) -> Result<Option<Former>> {
    let Some(digest) = record.template.as_ref().filter(|_| !record.kept.is_empty()) else { return Ok(None) };
    let Some(text) = records::template(session, digest).await? else { return Ok(None) };
    Ok(Some(Former {
        template: deployed::read(&text),
        parameters: record.parameters.clone(),
        kept: record.kept.clone(),
        referenced: record.referenced.clone(),
        notes: Vec::new(),
    }))
}

/// Returns the deleted stack of a record as CloudFormation remembers it. It does so for 90 days, by ARN: AWS
/// CloudFormation API Reference, ListStackResources.
async fn deleted(cloudformation: &CloudFormation, record: &Record) -> Result<Option<Former>> {
    let id = &record.stack_id;
    let resources = match cloudformation.resources(id).await {
        Err(error) if error.is("ValidationError") => return Ok(None),
        resources => resources?,
    };
    let named = resources.into_iter().filter(|one| !one.physical_id.is_empty());
    let (kept, others): (Vec<StackResource>, Vec<StackResource>) =
        named.partition(|one| Status::of(&one.status) == Status::DeleteSkipped);
    if kept.is_empty() {
        return Ok(None);
    }
    let Some(text) = cloudformation.template(id).await? else { return Ok(None) };
    Ok(Some(Former {
        template: deployed::read(&text),
        parameters: record.parameters.clone(),
        kept: kept.iter().map(RecordedResource::from).collect(),
        referenced: others.iter().map(RecordedResource::from).collect(),
        notes: Vec::new(),
    }))
}
