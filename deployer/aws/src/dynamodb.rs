//! DynamoDB: tables, their items, and the tally.

pub mod items;
pub mod tables;
pub mod tally;
