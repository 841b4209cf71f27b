//! The variables that name sensitive fields to workers.

use contract::environment;
use deployer_cfn::template::{GetAtt, logical_id};
use serde_json::{Value, json};

use crate::model::Stack;
use crate::model::access::Access;
use crate::model::task::Task;
use crate::model::worker::Worker;
use crate::sensitive::{self, Field};

/// Returns the variables with the sensitive fields that a worker seals or opens, and their key.
pub(super) fn variables(
    worker: Worker,
    access: &[Access],
    fields: &[Field<'_>],
) -> Vec<(&'static str, Value)> {
    let fields = sensitive::contract(fields);
    let text = (!fields.is_empty()).then(|| serde_json::to_string(&fields).unwrap_or_default());
    let key = sensitive::key(worker, access).map(|key| GetAtt(logical_id(&key.resource.name), "Arn"));
    let fields = text.map(|text| (environment::SENSITIVE, json!(text)));
    fields.into_iter().chain(key.map(|arn| (environment::DATA_KEY, json!(arn)))).collect()
}

/// Returns the variables with the columns that a task expects in its files, and with those that they may lack.
pub(super) fn columns(stack: &Stack, task: &Task) -> Vec<(&'static str, Value)> {
    [
        (environment::COLUMNS, sensitive::expected(stack, task)),
        (environment::OPTIONAL_COLUMNS, sensitive::optional(stack, task)),
    ]
    .into_iter()
    .filter(|(_, uses)| !uses.is_empty())
    .map(|(name, uses)| (name, json!(json!(sensitive::columns_of(&uses)).to_string())))
    .collect()
}
