//! A deployed stack: the session of the caller, its resources, and its tally.

use deployer_aws::cloudformation::{CloudFormation, DeployedStack, StackResource};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_cfn::template::logical_id;
use deployer_console::model::StackInfo;
use deployer_lang::Stack;

use crate::commands::status::sources::Places;
use crate::commands::tally::TallyHandle;
use crate::context::{Context, check_account};
use crate::existing;
use crate::pipeline;

/// A deployed stack.
pub struct Linked {
    /// The session of the caller, whose calls are given up soon.
    pub session: Session,
    /// CloudFormation.
    pub cloudformation: CloudFormation,
    /// The stack as it was described when it was found; `None` if there is none.
    pub deployed: Option<DeployedStack>,
    /// Its resources.
    pub resources: Vec<StackResource>,
    /// Its tally; `None` if it keeps none.
    pub tally: Option<TallyHandle>,
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Linked").field("deployed", &self.deployed).finish_non_exhaustive()
    }
}

impl Linked {
    /// Finds a stack.
    ///
    /// # Errors
    /// Returns an error if nothing answers, the caller may not look, or the file names another account.
    pub async fn find(context: &Context, stack: &Stack) -> Result<Self> {
        let session = context.connect(&stack.target).await?.impatient();
        check_account(&stack.target, &session)?;
        let cloudformation = CloudFormation::new(&session);
        let deployed = cloudformation.describe(&stack.name).await?;
        let resources = match &deployed {
            Some(_) => existing::resources(&cloudformation, &session, stack).await?,
            None => Vec::new(),
        };
        // A stack that was deployed before it had a tally has none.
        let tally = pipeline::tally(stack).ok().and_then(|name| {
            let bucket = pipeline::landing(stack, None).ok();
            let bucket = bucket.and_then(|bucket| pipeline::physical(&resources, stack, &bucket.name).ok());
            let bucket = bucket.map(str::to_owned);
            TallyHandle::new(&session, resources.clone(), stack, name, bucket).ok()
        });
        Ok(Self { session, cloudformation, deployed, resources, tally })
    }

    /// Returns the sources of its state.
    pub fn places<'a>(&'a self, stack: &'a Stack) -> Places<'a> {
        Places { session: &self.session, stack, resources: &self.resources, tally: self.tally.as_ref() }
    }

    /// Returns its tally.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if it has none.
    pub fn tally(&self, stack: &Stack) -> Result<&TallyHandle> {
        self.tally.as_ref().ok_or_else(|| {
            Error::failed_with_hint(
                format!("the deployed stack {} has no tally", stack.name),
                "a function with `worker: observe` and a table for the tally, once deployed, keep it",
            )
        })
    }

    /// Returns the resource of the deployed stack that a resource of the file became.
    pub fn resource(&self, name: &str) -> Option<&StackResource> {
        let id = logical_id(name);
        self.resources.iter().find(|resource| resource.logical_id == id)
    }

    /// Adds to a description where the stack is.
    pub fn describe(&self, info: &StackInfo) -> StackInfo {
        StackInfo {
            account: Some(self.session.account.clone()),
            region: Some(self.session.region.clone()),
            console_link: self.deployed.as_ref().and_then(|stack| {
                self.link("cloudformation", &format!("#/stacks/stackinfo?stackId={}", encoded(&stack.id)))
            }),
            ..info.clone()
        }
    }

    /// Returns a page of AWS's own console; `None` for the local cloud and for partitions with other names.
    pub fn link(&self, service: &str, rest: &str) -> Option<String> {
        let region = &self.session.region;
        let is_there = !self.session.local && self.session.partition() == "aws";
        is_there
            .then(|| format!("https://{region}.console.aws.amazon.com/{service}/home?region={region}{rest}"))
    }

    /// Returns the page of a resource in AWS's own console.
    pub fn link_of(&self, resource: &StackResource) -> Option<String> {
        let id = encoded(&resource.physical_id);
        match resource.resource_type.as_str() {
            "AWS::Lambda::Function" => self.link("lambda", &format!("#/functions/{id}")),
            "AWS::SQS::Queue" => self.link("sqs/v3", &format!("#/queues/{id}")),
            "AWS::DynamoDB::Table" => self.link("dynamodbv2", &format!("#table?name={id}")),
            "AWS::Logs::LogGroup" => {
                self.link("cloudwatch", &format!("#logsV2:log-groups/log-group/{}", encoded(&id)))
            }
            "AWS::S3::Bucket" if !self.session.local && self.session.partition() == "aws" => Some(format!(
                "https://s3.console.aws.amazon.com/s3/buckets/{id}?region={}",
                self.session.region
            )),
            _ => None,
        }
    }
}

/// Returns a text as a part of a URL.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
