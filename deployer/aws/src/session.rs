//! The caller and the place of calls: credentials, region, endpoint, and the clients that share them.

use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use deployer_base::error::{Error, Message, Result};
use deployer_base::profiles;
use deployer_syntax::diagnostic::nearest;

use crate::calls::{Calls, shown};
use crate::error::AwsResult as _;

/// Region of the local cloud unless the stack names one.
pub const LOCAL_REGION: &str = "us-east-1";
/// Key id and secret for the local cloud, which requires credentials and checks none.
pub const LOCAL_CREDENTIAL: &str = "test";

/// Attempts of a call that fails in passing: throttled for about half a minute in all, or some seconds without a
/// network.
const ATTEMPTS: u32 = 8;
/// Attempts of a call that is given up soon, and the time limit of each.
const HASTY_ATTEMPTS: u32 = 2;
const HASTE: Duration = Duration::from_secs(10);
/// The SDK's default: AWS SDKs and Tools Reference Guide, "Retry behavior".
const SDK_ATTEMPTS: u32 = 3;

/// A cloud to connect to.
#[derive(Debug, Clone)]
pub enum Connection {
    /// The local cloud: its endpoint and credentials of no account, independent of the environment.
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
    /// `true` if the session is one of the local cloud, not of AWS.
    pub local: bool,
}

/// A connection whose caller has not been asked for yet: enough to read with.
#[derive(Debug, Clone)]
pub struct Unidentified {
    /// Shared configuration of all clients.
    pub config: SdkConfig,
    region: String,
    local: bool,
}

impl Unidentified {
    /// Connects, without a call. Shows later calls by `calls`.
    ///
    /// # Errors
    /// [`Error::Usage`] without a region.
    pub async fn open(connection: Connection, calls: Option<Calls>) -> Result<Self> {
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
                    .credentials_provider(Credentials::new(
                        LOCAL_CREDENTIAL,
                        LOCAL_CREDENTIAL,
                        None,
                        None,
                        "local cloud",
                    ))
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
                        check_profile(&profile)?;
                        profiles::choose(&profile);
                        loader.profile_name(profile)
                    }
                    None => loader,
                }
            }
        };
        let config = patient(loader.load().await);
        let config = match calls {
            Some(calls) => shown(config, calls),
            None => config,
        };
        let config = match profiles::chosen().filter(|_| !local) {
            Some(profile) => {
                let provider = SharedCredentialsProvider::new(of_profile(profile, config.region()));
                config.into_builder().credentials_provider(provider).build()
            }
            None => config,
        };
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(Error::Usage(Message::new("no region is set").hint(
                "set `region:` of the stack, pass `--region`, set AWS_REGION, or `region` of the AWS profile",
            )));
        };
        Ok(Self { config, region, local })
    }

    /// Checks whether the connection is to the local cloud.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.local
    }

    /// Asks who the caller is.
    ///
    /// # Errors
    /// An AWS error (exit 6) if the caller is not logged in.
    pub async fn identify(self) -> Result<Session> {
        let Self { config, region, local } = self;
        let caller = aws_sdk_sts::Client::new(&config)
            .get_caller_identity()
            .send()
            .await
            .aws("GetCallerIdentity", format!("region {region}"))
            .map_err(|error| match profiles::of_environment() {
                // The SDK found no profile of that name, and went on to look elsewhere.
                Some(profile) if error.is_without_credentials() && profiles::chosen().is_none() => {
                    check_profile(&profile).err().unwrap_or_else(|| error.into())
                }
                _ => error.into(),
            })?;
        Ok(Session {
            config,
            region,
            account: caller.account().unwrap_or_default().to_owned(),
            caller: caller.arn().unwrap_or_default().to_owned(),
            local,
        })
    }
}

impl Session {
    /// Returns the same session with calls that are given up soon: for a reader that reads again anyway.
    #[must_use]
    pub fn impatient(mut self) -> Self {
        let retries = RetryConfig::standard().with_max_attempts(HASTY_ATTEMPTS);
        let limits = TimeoutConfig::builder().connect_timeout(HASTE).read_timeout(HASTE).build();
        self.config = self.config.into_builder().retry_config(retries).timeout_config(limits).build();
        self
    }

    /// Returns the partition by the caller's ARN: `aws`, `aws-cn` and others.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.caller.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws")
    }

    /// Returns the domain of the partition's services: AWS General Reference, "AWS service endpoints".
    #[must_use]
    pub fn domain(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            _ => "amazonaws.com",
        }
    }

    /// Returns the endpoint of a service if it is not AWS's own.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Option<String> {
        let specific =
            (!self.local).then(|| std::env::var(format!("AWS_ENDPOINT_URL_{service}")).ok()).flatten();
        specific.or_else(|| self.config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
    }

    /// Creates a client for S3. Endpoints other than AWS's own have no name for each bucket.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.endpoint("S3").is_some())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

/// Gives every call more attempts than the SDK does, unless environment or profile set another number: a deployment is
/// hundreds of calls, and one that is given up leaves it half done.
fn patient(config: SdkConfig) -> SdkConfig {
    match config.retry_config().filter(|retries| retries.max_attempts() == SDK_ATTEMPTS).cloned() {
        Some(retries) => config.into_builder().retry_config(retries.with_max_attempts(ATTEMPTS)).build(),
        None => config,
    }
}

/// Returns the SDK's chain without the environment, as the AWS CLI has it for a profile that is asked for: the SDK
/// would prefer credentials of the environment to the profile, and so work in another account.
fn of_profile(profile: &str, region: Option<&Region>) -> CredentialsProviderChain {
    let place = ProviderConfig::default().with_region(region.cloned());
    let of_profile =
        ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&place).build();
    CredentialsProviderChain::first_try("Profile", of_profile)
        .or_else("WebIdentityToken", WebIdentityTokenCredentialsProvider::builder().configure(&place).build())
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(&place).build())
        .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(&place).build())
}

/// Refuses a profile that no configuration file has.
fn check_profile(profile: &str) -> Result<()> {
    let known = profiles::names();
    if known.contains(profile) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = match (nearest(profile, &names), names.is_empty()) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, false) => format!("the profiles are {}", names.join(", ")),
        (None, true) => format!(
            "no profiles are configured; create one with `aws configure sso --profile {profile}` or `aws configure --profile \
             {profile}`"
        ),
    };
    Err(Error::Credentials(Message::new(format!("there is no AWS profile `{profile}`")).hint(hint)))
}
