//! [`Topic`] by SNS.

use client::{Client, Service};
use runtime::CallError;

use crate::report::Topic;

/// The version of SNS's query protocol: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const VERSION: &str = "2010-03-31";

/// A topic of SNS.
#[derive(Debug)]
pub struct Sns {
    client: Client,
    arn: String,
}

impl Sns {
    /// Creates a client for the topic with this ARN.
    #[must_use]
    pub const fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }
}

impl Topic for Sns {
    async fn publish(&self, subject: &str, message: &str) -> Result<(), CallError> {
        let parameters = [("TopicArn", self.arn.as_str()), ("Subject", subject), ("Message", message)];
        self.client.query(Service::Sns, VERSION, "Publish", &parameters).await?;
        Ok(())
    }
}
