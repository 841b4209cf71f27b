//! CloudFormation: detection of resources that differ from their template.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{StackDriftDetectionStatus, StackResourceDrift};

use crate::Pause;
use crate::error::{AwsError, AwsResult as _};
use crate::session::Session;

type Result<T> = std::result::Result<T, AwsError>;

/// The result of a drift detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// CloudFormation's word for the stack: `IN_SYNC`, `DRIFTED`, `UNKNOWN`.
    pub status: String,
    /// The reason why not everything was checked, if that is so.
    pub failure: Option<String>,
    /// The resources that were checked.
    pub resources: Vec<ResourceDrift>,
}

/// A resource compared with its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceDrift {
    /// Logical id.
    pub logical_id: String,
    /// CloudFormation type.
    pub resource_type: String,
    /// CloudFormation's word: `IN_SYNC`, `MODIFIED`, `DELETED`, `NOT_CHECKED`, `UNKNOWN`, `UNSUPPORTED`.
    pub status: String,
    /// The reason for the status, if CloudFormation gives one.
    pub reason: Option<String>,
    /// The properties that differ.
    pub differences: Vec<Difference>,
}

/// A property that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path of the property, such as `/Tags/0/Value`.
    pub path: String,
    /// Value in the template, as JSON.
    pub expected: String,
    /// Value of the resource, as JSON.
    pub actual: String,
    /// CloudFormation's word: `ADD`, `REMOVE`, `NOT_EQUAL`.
    pub kind: String,
}

/// Has CloudFormation compare every resource of a stack, and waits for the result.
///
/// # Errors
/// If a call fails.
pub async fn detect(session: &Session, stack: &str) -> Result<Detection> {
    let client = Client::new(&session.config);
    let resource = || format!("stack {stack}");
    let started = client.detect_stack_drift().stack_name(stack).send().await;
    let started = started.aws("DetectStackDrift", resource())?;
    let id = started.stack_drift_detection_id().unwrap_or_default();
    let mut pause = Pause::new();
    let (status, failure) = loop {
        let answer = client.describe_stack_drift_detection_status().stack_drift_detection_id(id).send().await;
        let answer = answer.aws("DescribeStackDriftDetectionStatus", resource());
        let answer = match answer {
            Err(error) if error.is_transient() => {
                pause.wait().await;
                continue;
            }
            answer => answer?,
        };
        let status = answer.stack_drift_status().map(|status| status.as_str().to_owned());
        match answer.detection_status() {
            Some(StackDriftDetectionStatus::DetectionInProgress) => pause.wait().await,
            // Some resources could not be read; the others were.
            Some(StackDriftDetectionStatus::DetectionFailed) => {
                let reason = answer.detection_status_reason().unwrap_or("no reason given");
                break (status, Some(reason.to_owned()));
            }
            _ => break (status, None),
        }
    };
    let mut resources = Vec::new();
    let mut pages = client.describe_stack_resource_drifts().stack_name(stack).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.aws("DescribeStackResourceDrifts", resource())?;
        resources.extend(page.stack_resource_drifts().iter().map(drift));
    }
    Ok(Detection { status: status.unwrap_or_else(|| "UNKNOWN".to_owned()), failure, resources })
}

fn drift(drift: &StackResourceDrift) -> ResourceDrift {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let differences = drift.property_differences().iter().map(|difference| Difference {
        path: text(difference.property_path()),
        expected: text(difference.expected_value()),
        actual: text(difference.actual_value()),
        kind: difference.difference_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
    });
    ResourceDrift {
        logical_id: text(drift.logical_resource_id()),
        resource_type: text(drift.resource_type()),
        status: drift.stack_resource_drift_status().map(|one| one.as_str().to_owned()).unwrap_or_default(),
        reason: drift.drift_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        differences: differences.collect(),
    }
}
