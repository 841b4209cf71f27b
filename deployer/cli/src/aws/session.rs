//! Who asks, where: credentials, region, endpoint; the clients that share them.

use std::sync::OnceLock;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::Credentials;

use crate::error::{AwsResult as _, Error, Message, Result};

/// Region of the local cloud unless the stack names one.
const LOCAL_REGION: &str = "us-east-1";

/// `--profile`, for the advice on how to log in.
static PROFILE: OnceLock<String> = OnceLock::new();

/// Where to connect to.
#[derive(Debug, Clone)]
pub enum Connection {
    /// The local cloud: its endpoint and credentials of no account, whatever the environment says.
    Local {
        /// URL of the emulator.
        endpoint: String,
        /// Region, else a fixed one.
        region: Option<String>,
    },
    /// AWS as every AWS tool finds it: environment, profiles, SSO, roles, `AWS_ENDPOINT_URL`.
    Aws {
        /// Region, else the environment's or profile's.
        region: Option<String>,
        /// Profile, else the environment's.
        profile: Option<String>,
    },
}

/// A connection whose caller is known.
#[derive(Debug, Clone)]
pub struct Session {
    /// Shared configuration of all clients.
    pub config: SdkConfig,
    /// Region of all calls.
    pub region: String,
    /// Account of the caller: 12 digits.
    pub account: String,
    /// ARN of the caller.
    pub caller: String,
    /// The local cloud, not AWS.
    pub local: bool,
}

impl Session {
    /// Connects and asks who the caller is.
    ///
    /// # Errors
    /// [`Error::Usage`] without a region, an AWS error (exit 6) when nobody is logged in.
    pub async fn connect(connection: Connection) -> Result<Self> {
        let local = matches!(connection, Connection::Local { .. });
        let loader = aws_config::defaults(BehaviorVersion::latest());
        let loader = match connection {
            Connection::Local { endpoint, region } => {
                // A proxy of the environment leads away from this machine.
                let loader = if endpoint.starts_with("http://") {
                    loader.http_client(aws_smithy_http_client::Builder::new().build_http())
                } else {
                    loader
                };
                loader
                    .credentials_provider(Credentials::new("test", "test", None, None, "local cloud"))
                    .region(Region::new(region.unwrap_or_else(|| LOCAL_REGION.to_owned())))
                    .endpoint_url(endpoint)
            }
            Connection::Aws { region, profile } => {
                let loader = match region {
                    Some(region) => loader.region(Region::new(region)),
                    None => loader,
                };
                match profile {
                    Some(profile) => {
                        let _ = PROFILE.set(profile.clone());
                        loader.profile_name(profile)
                    }
                    None => loader,
                }
            }
        };
        let config = loader.load().await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(Error::Usage(Message::new("no region is set").hint(
                "set `region:` of the stack, pass `--region`, set AWS_REGION, or `region` of the AWS profile",
            )));
        };
        let caller = aws_sdk_sts::Client::new(&config)
            .get_caller_identity()
            .send()
            .await
            .aws("GetCallerIdentity", format!("region {region}"))?;
        Ok(Self {
            config,
            region,
            account: caller.account().unwrap_or_default().to_owned(),
            caller: caller.arn().unwrap_or_default().to_owned(),
            local,
        })
    }

    /// Endpoint of a service, when it is not AWS's own.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Option<String> {
        let specific =
            (!self.local).then(|| std::env::var(format!("AWS_ENDPOINT_URL_{service}")).ok()).flatten();
        specific.or_else(|| self.config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
    }

    /// A client for S3: other endpoints than AWS's own have no name for each bucket.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.endpoint("S3").is_some())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

/// How to log in, by what the environment says of how this person does it.
#[must_use]
pub fn login_hint() -> String {
    let environment = || std::env::var("AWS_PROFILE").ok().filter(|profile| !profile.is_empty());
    match PROFILE.get().cloned().or_else(environment) {
        Some(profile) => {
            format!("run `aws sso login --profile {profile}`, or renew the credentials of that profile")
        }
        None => "set AWS_PROFILE (and run `aws sso login`), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            .to_owned(),
    }
}
