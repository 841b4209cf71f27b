//! `observe`: see [`functions::observe`].

use std::process::ExitCode;

use contract::environment::TALLY_TABLE;
use functions::observe::Observe;
use functions::start;
use tally::aws::Table;
use tally::{Writer, backoff};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run_service(|environment| {
        let table = environment.variables.optional(TALLY_TABLE);
        let tally = table.map(|table| {
            let client = aws_sdk_dynamodb::Client::new(&environment.config);
            Writer::new(Table::new(client, table), backoff())
        });
        Ok(Observe::new(tally, std::io::stdout()))
    })
    .await
}
