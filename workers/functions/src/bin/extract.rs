//! `extract`: see [`functions::extract`].

use std::process::ExitCode;

use contract::environment::SETTINGS;
use contract::settings::ExtractSettings;
use functions::aws::{Fargate, Queues, TaskSettings};
use functions::extract::Extract;
use functions::start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(|environment| {
        let settings = TaskSettings::read(&environment.variables)?;
        let tasks = Fargate::new(aws_sdk_ecs::Client::new(&environment.config), settings);
        let queues = Queues::new(aws_sdk_sqs::Client::new(&environment.config));
        let divided: ExtractSettings = environment.variables.json_or_default(SETTINGS)?;
        Ok(Extract::new(divided, tasks, queues, environment.publisher()?))
    })
    .await
}
