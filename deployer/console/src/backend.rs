//! What the server asks of its owner: reads on demand, and the actions.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::{
    Drift, FileDetail, Items, Plan, ReplayRequest, Replayed, Resource, RowChoice, RowWay, Uploaded, Written,
};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The cause, which decides about the status of the answer.
    pub cause: Cause,
    /// The fact.
    pub text: String,
    /// Advice.
    pub hint: Option<String>,
}

/// The cause of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The request makes no sense: 400.
    Request,
    /// It asks for something that is not there: 404.
    Absent,
    /// The state of the stack does not allow it: 409.
    Conflict,
    /// The caller lacks credentials or a permission for it: 403.
    Denied,
    /// A service failed, or does not answer: 502.
    Service,
}

impl Failed {
    /// Creates a failure without advice.
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into(), hint: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Result of a request.
pub type Result<T> = std::result::Result<T, Failed>;

/// A body, piece by piece. An error ends it.
pub type Pieces = mpsc::Receiver<std::io::Result<Bytes>>;

/// A file that is downloaded.
#[derive(Debug)]
pub struct Download {
    /// Its name.
    pub name: String,
    /// Its size, if that is known.
    pub size: Option<u64>,
    /// Its content.
    pub body: Pieces,
}

/// A file that is uploaded.
#[derive(Debug)]
pub struct Upload {
    /// Name of the bucket in the stack file; `None` for the only one.
    pub bucket: Option<String>,
    /// Key of the object.
    pub key: String,
    /// Its size.
    pub size: u64,
    /// Its content.
    pub body: Pieces,
}

/// What the server asks of its owner. Requests are made side by side, on the task that called [`crate::server::serve`], so the
/// futures need not be sent between threads.
#[expect(async_fn_in_trait, reason = "they are awaited where the trait is implemented")]
pub trait Backend {
    /// Describes a resource.
    async fn resource(&self, name: &str) -> Result<Resource>;

    /// Describes a file.
    async fn file(&self, id: &str) -> Result<FileDetail>;

    /// Returns the first rows of a file beside their items.
    async fn items(&self, id: &str, limit: u32) -> Result<Items>;

    /// Returns the way of a row.
    async fn row(&self, id: &str, row: RowChoice) -> Result<RowWay>;

    /// Opens a file that was written about a file.
    async fn download(&self, id: &str, which: Written) -> Result<Download>;

    /// Returns the plan of the next deployment.
    async fn plan(&self) -> Result<Plan>;

    /// Returns the drift of the stack; `None` while it is being detected.
    async fn drift(&self) -> Result<Option<Drift>>;

    /// Uploads a file.
    async fn upload(&self, upload: Upload) -> Result<Uploaded>;

    /// Sends rows again.
    async fn replay(&self, request: ReplayRequest) -> Result<Replayed>;
}
