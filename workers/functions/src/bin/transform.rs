//! `transform`: see [`functions::transform`].

use std::process::ExitCode;

use contract::environment::SETTINGS;
use functions::aws::S3;
use functions::start;
use functions::transform::Transform;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(|environment| {
        let objects = S3::new(&environment.config, environment.custom_endpoint());
        Ok(Transform::new(environment.variables.json(SETTINGS)?, objects, environment.publisher()?))
    })
    .await
}
