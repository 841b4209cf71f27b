//! A plan in a file: `deploy --plan` does exactly what `diff --save` showed to somebody, or nothing.

use std::collections::BTreeMap;
use std::path::Path;

use deployer_aws::session::Session;
use deployer_base::error::{Error, Message, Result};
use deployer_base::files;
use deployer_packing::sha256_hex;
use deployer_plan::diff::Summary;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::state::{Deployed, Wanted};

/// Version of the file; raised if a field changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// The basis of a plan. It contains digests, but not a template: the plan is made again from the file, and must be the
/// same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    schema_version: u32,
    /// Name of the stack in CloudFormation.
    pub stack: String,
    account: String,
    region: String,
    /// Time of the plan: RFC 3339.
    pub time: String,
    /// SHA-256 of the template that is wanted.
    template: String,
    /// The wanted parameters, which contain the digests of the code.
    parameters: BTreeMap<String, String>,
    /// The wanted tags of the stack, those of others included.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// ARN of the deployed stack, if there was one.
    stack_id: Option<String>,
    /// SHA-256 of the deployed template.
    deployed_template: Option<String>,
    /// The deployed parameters.
    deployed_parameters: BTreeMap<String, String>,
    /// Code that was swapped without CloudFormation.
    swapped: BTreeMap<String, String>,
    /// The resources that are adopted: logical ID → physical ID.
    #[serde(default)]
    adopted: BTreeMap<String, String>,
    /// Information for a reader.
    resources: BTreeMap<String, usize>,
}

impl SavedPlan {
    /// Returns the basis of a plan.
    #[must_use]
    pub fn of(session: &Session, wanted: &Wanted, deployed: Option<&Deployed>, plan: &Plan) -> Self {
        let Summary { create, adopt, rename, update, replace, delete, keep } = plan.diff.summary;
        let resources = [
            ("create", create),
            ("adopt", adopt),
            ("rename", rename),
            ("update", update),
            ("replace", replace),
            ("delete", delete),
            ("keep", keep),
        ];
        Self {
            schema_version: SCHEMA_VERSION,
            stack: plan.diff.stack.clone(),
            account: session.account.clone(),
            region: session.region.clone(),
            time: deployer_base::time::stamp(),
            template: sha256_hex(wanted.text.as_bytes()),
            parameters: wanted.parameters.clone(),
            tags: wanted.tags.clone(),
            stack_id: deployed.map(|deployed| deployed.stack.id.clone()),
            deployed_template: deployed.map(|deployed| sha256_hex(deployed.text.as_bytes())),
            deployed_parameters: deployed
                .map(|deployed| deployed.stack.parameters.clone())
                .unwrap_or_default(),
            swapped: deployed
                .and_then(|deployed| deployed.swapped.as_ref())
                .map(|swapped| swapped.parameters.clone())
                .unwrap_or_default(),
            adopted: plan
                .diff
                .resources
                .iter()
                .filter_map(|one| Some((one.id.clone(), one.adopted.as_ref()?.physical_id.clone())))
                .collect(),
            resources: resources.map(|(name, count)| (name.to_owned(), count)).into(),
        }
    }

    /// Writes the plan to a file.
    ///
    /// # Errors
    /// Returns an error if the file can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::failed(error.to_string()))?;
        files::write_whole(path, format!("{text}\n"))
    }

    /// Reads a plan from a file.
    ///
    /// # Errors
    /// Returns [`Error::Usage`] if the file does not exist, or is not a plan of this version.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Usage(
                Message::new(format!("there is no file {}", path.display()))
                    .hint("create a plan with `deployer diff --save FILE`"),
            ),
            _ => Error::io("read", path, &error),
        })?;
        let text = files::utf_8(&path.display().to_string(), bytes)?;
        let plan: Self = serde_json::from_str(&text).map_err(|error| {
            Error::Usage(
                Message::new(format!(
                    "{}:{}:{}: not a plan: {error}",
                    path.display(),
                    error.line(),
                    error.column()
                ))
                .hint("create one with `deployer diff --save FILE`"),
            )
        })?;
        if plan.schema_version != SCHEMA_VERSION {
            return Err(Error::Usage(Message::new(format!(
                "{} is a plan of version {}, but this deployer reads version {SCHEMA_VERSION}",
                path.display(),
                plan.schema_version
            ))));
        }
        Ok(plan)
    }

    /// Refuses if the plan would be different now.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] with all differences.
    pub fn check(&self, now: &Self) -> Result<()> {
        let mut differences = Vec::new();
        let mut differ = |what: &str, differs: bool| {
            if differs {
                differences.push(what.to_owned());
            }
        };
        differ("it was created for another stack", self.stack != now.stack);
        differ("it was created for another account", self.account != now.account);
        differ("it was created for another region", self.region != now.region);
        differ("the stack file has changed", self.template != now.template);
        differ("other tags would be set", self.tags != now.tags);
        differ("the stack was created again, or no longer exists", self.stack_id != now.stack_id);
        differ("another template was deployed since", self.deployed_template != now.deployed_template);
        differ(
            "other code or values were deployed since",
            self.deployed_parameters != now.deployed_parameters,
        );
        differ("other resources would be adopted", self.adopted != now.adopted);
        differ("other code was swapped in since", self.swapped != now.swapped);
        let names = self.parameters.keys().chain(now.parameters.keys());
        let mut changed: Vec<&String> =
            names.filter(|name| self.parameters.get(*name) != now.parameters.get(*name)).collect();
        changed.sort();
        changed.dedup();
        for name in changed {
            differences.push(format!("the code or value of {name} has changed"));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Refused(
            Message::new(format!("the plan of {} is out of date: {}", self.time, differences.join("; ")))
                .hint("create and review a new one with `deployer diff --save FILE`; nothing was changed"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> SavedPlan {
        SavedPlan {
            schema_version: SCHEMA_VERSION,
            stack: "s".into(),
            account: "1".into(),
            region: "r".into(),
            time: "t".into(),
            template: "a".into(),
            parameters: [("Code".to_owned(), "1".to_owned())].into(),
            tags: BTreeMap::new(),
            stack_id: Some("id".into()),
            deployed_template: Some("b".into()),
            deployed_parameters: BTreeMap::new(),
            swapped: BTreeMap::new(),
            adopted: BTreeMap::new(),
            resources: BTreeMap::new(),
        }
    }

    #[test]
    fn a_plan_holds_while_nothing_changes() {
        plan().check(&SavedPlan { time: "later".into(), ..plan() }).expect("the same");
        let changed = [
            SavedPlan { template: "x".into(), ..plan() },
            SavedPlan { deployed_template: None, ..plan() },
            SavedPlan { stack_id: Some("x".into()), ..plan() },
            SavedPlan { parameters: BTreeMap::new(), ..plan() },
            SavedPlan { account: "2".into(), ..plan() },
            SavedPlan { tags: [("team".to_owned(), "a".to_owned())].into(), ..plan() },
            SavedPlan { swapped: [("Code".to_owned(), "2".to_owned())].into(), ..plan() },
            SavedPlan { adopted: [("Records".to_owned(), "r-1".to_owned())].into(), ..plan() },
            SavedPlan { deployed_parameters: [("A".to_owned(), "1".to_owned())].into(), ..plan() },
        ];
        for now in changed {
            assert_eq!(plan().check(&now).expect_err("refused").exit_code(), 5, "{now:?}");
        }
    }

    #[test]
    fn a_plan_survives_its_file_and_no_other_file_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.json");
        plan().save(&path).expect("written");
        assert_eq!(SavedPlan::load(&path).expect("read"), plan());
        for text in ["", "{}", "[1]", "{\"schemaVersion\": 2}", "\u{0}"] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(SavedPlan::load(&path).expect_err("no plan").exit_code(), 2, "{text}");
        }
    }
}
