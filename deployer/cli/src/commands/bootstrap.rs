//! `deployer bootstrap`.

use deployer_aws::{ecr, s3};
use deployer_base::error::{Error, Result};
use deployer_build::{REPOSITORY, bucket_name, ensure_bucket, ensure_repository};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;

/// Create the asset bucket and the image repository, if they do not exist
///
/// `deployer deploy` creates them when it first needs them. Use this command in accounts where somebody else deploys, with fewer
/// permissions.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stack whose account and region they are created in; optional if the file has one stack, or one marked `default: true`
    stack: Option<String>,
}

/// The bucket and the repository to which the deployer publishes code.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Assets<'a> {
    /// Account.
    account: &'a str,
    /// Region.
    region: &'a str,
    /// The asset bucket.
    bucket: AssetBucket<'a>,
    /// The image repository.
    repository: AssetRepository<'a>,
}

/// The bucket of zips, templates and records.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct AssetBucket<'a> {
    /// Its name.
    name: &'a str,
    /// `made` if the command created it, `there` if it existed.
    result: Setup,
}

/// The repository of images.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct AssetRepository<'a> {
    /// Its URI.
    uri: &'a str,
    /// `made` if the command created it, `there` if it existed.
    result: Setup,
}

/// The action of the command on the bucket or the repository.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Setup {
    /// It was created.
    Made,
    /// It existed.
    There,
}

impl Setup {
    const fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::There => "there",
        }
    }
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let handle = context.open(args.stack.as_deref()).await?;
    let session = &handle.session;
    let bucket = bucket_name(session);
    let (had_bucket, had_repository) = tokio::try_join!(
        async {
            let there = s3::bucket_exists(session, &bucket).await?;
            Ok::<_, Error>(there && s3::is_set_up(session, &bucket).await?)
        },
        async { Ok(ecr::repository_uri(session, REPOSITORY).await?.is_some()) }
    )?;
    let (_, uri) =
        tokio::try_join!(ensure_bucket(&context.ui, session), ensure_repository(&context.ui, session))?;
    let setup = |had: bool| if had { Setup::There } else { Setup::Made };
    let (of_bucket, of_repository) = (setup(had_bucket), setup(had_repository));
    if context.ui.is_json() {
        return context.ui.json(Assets {
            account: &session.account,
            region: &session.region,
            bucket: AssetBucket { name: &bucket, result: of_bucket },
            repository: AssetRepository { uri: &uri, result: of_repository },
        });
    }
    let rows = [
        ["bucket".to_owned(), bucket, of_bucket.name().to_owned()],
        ["repository".to_owned(), uri, of_repository.name().to_owned()],
    ];
    context.ui.data(&deployer_base::ui::table(["what", "name", ""], rows))
}
