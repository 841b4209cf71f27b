//! `transform`: see [`functions::transform`].

use std::process::ExitCode;

use contract::environment::SETTINGS;
use functions::start;
use functions::transform::Transform;

#[tokio::main]
async fn main() -> ExitCode {
    start::run(|environment| {
        Ok(Transform::new(environment.variables.json(SETTINGS)?, environment.publisher()?))
    })
    .await
}
