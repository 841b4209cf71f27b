//! Writes the items of a table to a bucket as one CSV, named by the day.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::SystemTime;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (table, bucket) = (std::env::var("TABLE")?, std::env::var("BUCKET")?);
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut items =
        aws_sdk_dynamodb::Client::new(&config).scan().table_name(table).into_paginator().items().send();
    let mut rows = Vec::new();
    while let Some(item) = items.next().await {
        rows.push(item?);
    }
    let columns: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns)?;
    for row in &rows {
        writer.write_record(columns.iter().map(|column| row.get(*column).map_or_else(String::new, text)))?;
    }
    let day = DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTime)?;
    let key = format!("orders-{}.csv", day.get(..10).unwrap_or(&day));
    aws_sdk_s3::Client::new(&config)
        .put_object()
        .bucket(bucket)
        .key(&key)
        .content_type("text/csv")
        .body(writer.into_inner()?.into())
        .send()
        .await?;
    Ok(())
}

/// A value as it stands in a cell.
fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}
