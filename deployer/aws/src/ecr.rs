//! ECR: the repository for the images of tasks, and the key to its registry.

use std::fmt;

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageIdentifier, ImageScanningConfiguration, ImageTagMutability,
    Repository,
};

use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

/// `Basic` credentials for a registry, which are never shown.
#[derive(Clone)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

fn client(session: &Session) -> aws_sdk_ecr::Client {
    aws_sdk_ecr::Client::new(&session.config)
}

fn resource(repository: &str) -> String {
    format!("image repository {repository}")
}

fn uri(operation: &'static str, repository: &str, found: Option<&Repository>) -> Result<String, AwsError> {
    found.and_then(Repository::repository_uri).map(str::to_owned).ok_or_else(|| AwsError {
        operation,
        resource: resource(repository),
        code: Some("InvalidAnswer".to_owned()),
        message: "the answer has no URI".to_owned(),
    })
}

/// Returns the URI of a repository of this account, if it exists.
///
/// # Errors
/// If the call fails.
pub async fn repository_uri(session: &Session, repository: &str) -> Result<Option<String>, AwsError> {
    const OPERATION: &str = "DescribeRepositories";
    let answer = client(session)
        .describe_repositories()
        .registry_id(&session.account)
        .repository_names(repository)
        .send()
        .await
        .aws(OPERATION, resource(repository));
    match answer {
        Err(error) if error.is("RepositoryNotFoundException") => Ok(None),
        answer => uri(OPERATION, repository, answer?.repositories().first()).map(Some),
    }
}

/// Creates a repository in which a tag never changes its meaning and images are scanned; returns its URI.
///
/// # Errors
/// If the call fails. Not if another deployer was faster.
pub async fn create_repository(session: &Session, repository: &str) -> Result<String, AwsError> {
    const OPERATION: &str = "CreateRepository";
    let encryption = EncryptionConfiguration::builder()
        .encryption_type(EncryptionType::Aes256)
        .build()
        .map_err(|error| AwsError {
            operation: OPERATION,
            resource: resource(repository),
            code: Some("InvalidRequest".to_owned()),
            message: error.to_string(),
        })?;
    let answer = client(session)
        .create_repository()
        .registry_id(&session.account)
        .repository_name(repository)
        .image_tag_mutability(ImageTagMutability::Immutable)
        .image_scanning_configuration(ImageScanningConfiguration::builder().scan_on_push(true).build())
        .encryption_configuration(encryption)
        .send()
        .await
        .aws(OPERATION, resource(repository));
    match answer {
        Err(error) if error.is("RepositoryAlreadyExistsException") => {
            repository_uri(session, repository).await?.ok_or(error)
        }
        answer => uri(OPERATION, repository, answer?.repository()),
    }
}

/// Checks whether an image exists. Asks AWS, since the registry itself answers only with a token.
///
/// # Errors
/// If the call fails.
pub async fn has_image(session: &Session, repository: &str, digest: &str) -> Result<bool, AwsError> {
    let answer = client(session)
        .describe_images()
        .registry_id(&session.account)
        .repository_name(repository)
        .image_ids(ImageIdentifier::builder().image_digest(digest).build())
        .send()
        .await
        .aws("DescribeImages", format!("image {digest} in {}", resource(repository)));
    match answer {
        Err(error) if error.is("ImageNotFoundException") => Ok(false),
        answer => Ok(answer?.image_details().iter().any(|image| image.image_digest() == Some(digest))),
    }
}

/// Returns credentials for the registry, which are valid for twelve hours.
///
/// # Errors
/// If the call fails.
pub async fn token(session: &Session) -> Result<Token, AwsError> {
    const OPERATION: &str = "GetAuthorizationToken";
    let resource = || format!("registry of account {}", session.account);
    let answer = client(session).get_authorization_token().send().await.aws(OPERATION, resource())?;
    let token = answer.authorization_data().first().and_then(|data| data.authorization_token());
    token.map(|token| Token(token.to_owned())).ok_or_else(|| AwsError {
        operation: OPERATION,
        resource: resource(),
        code: Some("InvalidAnswer".to_owned()),
        message: "the answer has no token".to_owned(),
    })
}

/// Returns the URL of the registry if it is not AWS's own: that of the emulator, which takes images where it takes all
/// calls.
#[must_use]
pub fn emulator(session: &Session) -> Option<String> {
    session.endpoint("ECR").filter(|endpoint| !is_aws(endpoint))
}

/// Checks whether an endpoint is AWS's, such as that of a VPC or a FIPS one: those speak the API, not the registry's
/// protocol.
fn is_aws(endpoint: &str) -> bool {
    // AWS General Reference: domains of the partitions.
    const DOMAINS: [&str; 4] = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"];
    let host = reqwest::Url::parse(endpoint)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    DOMAINS.iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_aws_is_no_emulator() {
        for endpoint in [
            "https://ecr-fips.us-east-1.amazonaws.com",
            "https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com",
        ] {
            assert!(is_aws(endpoint), "{endpoint}");
        }
        for endpoint in
            ["http://127.0.0.1:4566", "http://localhost:4566", "https://amazonaws.com.example.org"]
        {
            assert!(!is_aws(endpoint), "{endpoint}");
        }
    }
}
