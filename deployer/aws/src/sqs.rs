//! SQS: how many messages queues hold, and sending those of a dead-letter queue again.

pub mod messages;
pub mod send;
