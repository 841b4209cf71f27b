//! The tally of a deployed stack.

use contract::ObjectRef;
use deployer_aws::cloudformation::{CloudFormation, StackResource};
use deployer_aws::dynamodb::tally::{self as table, Table};
use deployer_aws::session::Session;
use deployer_base::error::{Error, Result};
use deployer_lang::Stack;
use deployer_lang::model::worker::Worker;
use tally::{Batch, RowSet, Tally, Writer};

use crate::commands::outputs;
use crate::context::Context;
use crate::existing;
use crate::pipeline::{self, physical};

/// The places of the tally and of the objects.
pub struct TallyHandle {
    session: Session,
    resources: Vec<StackResource>,
    table: Table,
    table_name: String,
    bucket: Option<String>,
    /// `true` if the stack has a `snapshot`, with which a file ends.
    cleans: bool,
}

impl TallyHandle {
    /// Finds both in a deployed stack.
    ///
    /// # Errors
    /// Returns [`Error::Usage`] if the file lacks one of them, [`Error::Failed`] if the deployed stack does.
    pub async fn find(
        context: &Context,
        stack: &Stack,
        bucket: Option<&str>,
        with_bucket: bool,
    ) -> Result<Self> {
        let landing = with_bucket.then(|| pipeline::landing(stack, bucket)).transpose()?;
        let tally = pipeline::tally(stack)?;
        let session = context.connect(&stack.target).await?;
        let cloudformation = CloudFormation::new(&session);
        outputs::deployed(&cloudformation, stack).await?;
        let resources = existing::resources(&cloudformation, &session, stack).await?;
        let bucket = landing.map(|landing| physical(&resources, stack, &landing.name)).transpose()?;
        let bucket = bucket.map(str::to_owned);
        Self::new(&session, resources, stack, tally, bucket)
    }

    /// Finds the tally with that name in the file, for a bucket that is known.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if the deployed stack lacks the table.
    pub fn new(
        session: &Session,
        resources: Vec<StackResource>,
        stack: &Stack,
        tally: &str,
        bucket: Option<String>,
    ) -> Result<Self> {
        let table_name = physical(&resources, stack, tally)?.to_owned();
        let table = table::table(session, &table_name);
        let cleans = stack.functions().any(|(_, function)| function.worker() == Some(Worker::Snapshot));
        Ok(Self { session: session.clone(), resources, table, table_name, bucket, cleans })
    }

    /// Returns whether the stack has a `snapshot`, with which a file ends.
    pub(super) const fn cleans(&self) -> bool {
        self.cleans
    }

    /// Returns the session of the caller.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the resources of the stack.
    pub fn resources(&self) -> &[StackResource] {
        &self.resources
    }

    /// Returns the version of an object that is meant: the one that is named, or the latest; for a deleted object, the
    /// latest in the tally.
    ///
    /// # Errors
    /// Returns [`Error::Failed`] if there is none.
    pub async fn object(&self, key: &str, version: Option<&str>) -> Result<ObjectRef> {
        let bucket = self.bucket.clone().unwrap_or_default();
        let unknown = || {
            Error::failed(format!(
                "there is no object s3://{bucket}/{key}, and the tally has no record of one"
            ))
        };
        if let Some(version) = version {
            let version = Some(version.to_owned());
            return Ok(ObjectRef {
                bucket,
                key: key.to_owned(),
                version,
                etag: None,
                uploaded: None,
                replay: None,
            });
        }
        if let Some(latest) = table::latest(&self.session, &bucket, key).await? {
            return Ok(latest);
        }
        let mut known = self.list().await?;
        known.retain(|one| {
            one.summary.object.as_ref().is_some_and(|own| own.bucket == bucket && own.key == key)
        });
        known.into_iter().next().and_then(|one| one.summary.object).ok_or_else(unknown)
    }

    /// Reads the tally of an object.
    ///
    /// # Errors
    /// Returns the error of DynamoDB, or an error if an item can't be read.
    pub async fn read(&self, object: &ObjectRef) -> Result<Option<Tally>> {
        tally::read(&self.table, object).await.map_err(|error| table::error(&self.table_name, error))
    }

    /// Notes in the tally that rows of an object were requested again, so that waiting readers learn of it.
    ///
    /// # Errors
    /// Returns the error of DynamoDB.
    pub async fn ask(&self, object: &ObjectRef, id: &str, what: &str, rows: &RowSet) -> Result<()> {
        let mut batch = Batch::default();
        batch.ask(object, id, what, rows);
        self.note(batch).await
    }

    /// Withdraws the note of [`Self::ask`]. If that fails too, waiting readers give up in the end.
    pub async fn withdraw(&self, object: &ObjectRef, id: &str) {
        let mut batch = Batch::default();
        batch.withdraw(object, id);
        let _ = self.note(batch).await;
    }

    async fn note(&self, batch: Batch) -> Result<()> {
        let errors = Writer::new(self.table.clone(), tally::backoff()).merge(batch).await;
        match errors.iter().next() {
            None => Ok(()),
            Some(error) => Err(Error::failed_with_hint(
                format!("could not record the replay in the table {}: {error}", self.table_name),
                "nothing was sent; the command needs `dynamodb:UpdateItem` on that table",
            )),
        }
    }

    /// Reads the tallies of all objects, the newest first.
    pub async fn list(&self) -> Result<Vec<Tally>> {
        let mut all =
            tally::list(&self.table).await.map_err(|error| table::error(&self.table_name, error))?;
        all.sort_by(|a, b| newest(b).cmp(&newest(a)));
        Ok(all)
    }
}

/// Returns the time at which an object arrived, for sorting; for two objects of the same time, the digest decides.
pub(super) fn newest(tally: &Tally) -> (Option<&String>, &str) {
    let uploaded = tally.summary.object.as_ref().and_then(|object| object.uploaded.as_ref());
    (uploaded.or(tally.started_at.as_ref()), &tally.digest)
}
