//! SQS: the number of messages in queues, and sending those of a dead-letter queue again.

pub mod messages;
pub mod send;
