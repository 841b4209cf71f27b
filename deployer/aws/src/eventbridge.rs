//! EventBridge: the events that ECS would send of tasks.

pub mod task_events;
