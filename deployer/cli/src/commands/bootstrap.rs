//! `deployer bootstrap`.

use deployer_aws::{ecr, s3};
use deployer_base::error::{Error, Result};
use deployer_build::{REPOSITORY, bucket_name, ensure_bucket, ensure_repository};
use serde_json::json;

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
    let word = |had: bool| if had { "there" } else { "made" };
    if context.ui.is_json() {
        return context.ui.json(json!({
            "account": session.account,
            "region": session.region,
            "bucket": { "name": bucket, "result": word(had_bucket) },
            "repository": { "uri": uri, "result": word(had_repository) },
        }));
    }
    let rows = [
        ["bucket".to_owned(), bucket, word(had_bucket).to_owned()],
        ["repository".to_owned(), uri, word(had_repository).to_owned()],
    ];
    context.ui.data(&deployer_base::ui::table(["what", "name", ""], rows))
}
