//! `extract`: see [`functions::extract`].

use std::process::ExitCode;

use functions::aws::{Fargate, Queues, TaskSettings};
use functions::extract::Extract;
use functions::start;

#[tokio::main]
async fn main() -> ExitCode {
    start::run(|environment| {
        let settings = TaskSettings::read(&environment.variables)?;
        let tasks = Fargate::new(aws_sdk_ecs::Client::new(&environment.config), settings);
        let queues = Queues::new(aws_sdk_sqs::Client::new(&environment.config));
        Ok(Extract::new(tasks, queues, environment.publisher()?))
    })
    .await
}
