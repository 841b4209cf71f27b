//! DynamoDB: tables, their items, and the tally.

pub mod items;
pub mod marked;
pub mod tables;
pub mod tally;
