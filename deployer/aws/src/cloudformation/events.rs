//! CloudFormation: the events of a stack.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudformation::primitives::{DateTime, DateTimeFormat};
use aws_sdk_cloudformation::types::StackEvent;
use deployer_cfn::status::Status;

use super::{CloudFormation, Result, stack_resource};
use crate::error::AwsResult as _;

/// The fields of a stack's event that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique id.
    pub id: String,
    /// Time of the event, as text.
    pub time: String,
    /// Logical id of the resource; the stack's own name for events of the stack.
    pub logical_id: String,
    /// Name, URL, id or ARN; empty when there is none yet.
    pub physical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// CloudFormation's status, such as `CREATE_IN_PROGRESS`.
    pub status: String,
    /// The reason, mostly of failures.
    pub reason: Option<String>,
    /// `true` if the event is of the stack and not of one of its resources.
    pub of_stack: bool,
    /// Token that the operation was started with, if there was one.
    pub token: Option<String>,
}

/// The events before an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Id of the newest event.
    pub last: Option<String>,
    /// Duration of the operation before.
    pub took: Option<Duration>,
}

/// Formats a time as RFC 3339.
fn time(time: &DateTime) -> Option<String> {
    time.fmt(DateTimeFormat::DateTime).ok()
}

impl CloudFormation {
    /// Returns the newest event, after which an operation that starts now begins, and the duration of the operation
    /// that it ended.
    pub async fn past(&self, stack: &str) -> Result<Past> {
        let page = self
            .client
            .describe_stack_events()
            .stack_name(stack)
            .send()
            .await
            .aws("DescribeStackEvents", stack_resource(stack))?;
        let events = page.stack_events();
        let last = events.first().and_then(|event| event.event_id()).map(str::to_owned);
        let ends = |one: &&StackEvent| {
            one.physical_resource_id() == one.stack_id()
                && one.resource_status().is_some_and(|status| Status::of(status.as_str()).is_terminal())
        };
        let end = events.first().filter(ends).and_then(StackEvent::timestamp);
        let own = events.iter().skip(1).take_while(|one| !ends(one)).last();
        // A page that ends before the operation began does not tell.
        let begin = own.filter(|own| own.physical_resource_id() == own.stack_id());
        let took = end
            .zip(begin.and_then(StackEvent::timestamp))
            .and_then(|(end, begin)| u64::try_from(end.secs() - begin.secs()).ok().map(Duration::from_secs));
        Ok(Past { last, took })
    }

    /// Returns the events of the newest operation, oldest first: those after the last event of the operation before, if
    /// there was one.
    pub async fn events_of_operation(&self, stack: &str) -> Result<Vec<Event>> {
        let mut out: Vec<Event> = Vec::new();
        let mut pages = self.client.describe_stack_events().stack_name(stack).into_paginator().send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.aws("DescribeStackEvents", stack_resource(stack))?;
            for one in page.stack_events().iter().map(event) {
                let end = one.of_stack && Status::of(&one.status).is_terminal() && !out.is_empty();
                out.push(one);
                if end {
                    break 'pages;
                }
            }
        }
        out.reverse();
        Ok(out)
    }

    /// Returns the events after the one with the id `after`, oldest first.
    ///
    /// CloudFormation returns the newest first, so pages are read until that event is met.
    pub async fn events_after(&self, stack: &str, after: Option<&str>) -> Result<Vec<Event>> {
        let mut out = Vec::new();
        let mut pages = self.client.describe_stack_events().stack_name(stack).into_paginator().send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.aws("DescribeStackEvents", stack_resource(stack))?;
            for one in page.stack_events() {
                if after.is_some() && one.event_id() == after {
                    break 'pages;
                }
                out.push(event(one));
            }
        }
        out.reverse();
        // Pages shift while events arrive, so an event may be met twice.
        let mut seen = BTreeSet::new();
        out.retain(|event| seen.insert(event.id.clone()));
        Ok(out)
    }
}

fn event(event: &StackEvent) -> Event {
    Event {
        id: event.event_id().unwrap_or_default().to_owned(),
        physical_id: event.physical_resource_id().unwrap_or_default().to_owned(),
        logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: event.resource_type().unwrap_or_default().to_owned(),
        status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason().map(str::to_owned),
        of_stack: event.physical_resource_id() == event.stack_id(),
        token: event.client_request_token().map(str::to_owned),
        time: event.timestamp().and_then(time).unwrap_or_default(),
    }
}
