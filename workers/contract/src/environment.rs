//! Names of the environment variables that the lowering sets and the workers read.
//!
//! They are not written by hand: an `access` or `triggers` entry in `stack.yaml` brings those that it needs. A worker
//! reads them with [`Variables`], once, when it starts.

use serde::de::DeserializeOwned;

/// The handler of the function's configuration, which names the worker; Lambda sets it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
pub const HANDLER: &str = "_HANDLER";
/// Name of the function; Lambda sets it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
pub const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// Name of the event bus that `access: [{ publish: … }]` grants.
pub const EVENT_BUS: &str = "EVENT_BUS_NAME";
/// `source` of every event that the worker publishes.
pub const EVENT_SOURCE: &str = "EVENT_SOURCE";
/// Name of the table that `access: [{ write: … }]` grants.
pub const TABLE: &str = "TABLE_NAME";
/// Names of the table's key attributes, comma separated, partition key first.
pub const TABLE_KEY: &str = "TABLE_KEY";
/// Names of the key attributes of the table's secondary indexes, comma separated, without those of the table's own key. DynamoDB
/// refuses an item in which one of them is empty.
pub const TABLE_INDEX_KEYS: &str = "TABLE_INDEX_KEYS";
/// ARN of the cluster in which `access: [{ run: … }]` starts tasks.
pub const TASK_CLUSTER: &str = "TASK_CLUSTER";
/// ARN of the task definition that `access: [{ run: … }]` starts.
pub const TASK_DEFINITION: &str = "TASK_DEFINITION";
/// Name of the container in that task definition.
pub const TASK_CONTAINER: &str = "TASK_CONTAINER";
/// Subnet IDs for the task, comma separated.
pub const TASK_SUBNETS: &str = "TASK_SUBNETS";
/// Security group IDs for the task, comma separated.
pub const TASK_SECURITY_GROUPS: &str = "TASK_SECURITY_GROUPS";
/// `ENABLED` or `DISABLED`: a public address for the task (which it needs in a network without NAT).
pub const TASK_PUBLIC_IP: &str = "TASK_ASSIGN_PUBLIC_IP";
/// `ENABLED` when the task runs on Fargate Spot.
pub const TASK_SPOT: &str = "TASK_SPOT";
/// The number of times that a message is received before its queue moves it to the dead-letter queue.
pub const MAX_RECEIVE_COUNT: &str = "MAX_RECEIVE_COUNT";
/// The worker's `settings`, as one JSON document.
pub const SETTINGS: &str = "SETTINGS";
/// The `settings` of the task, as one JSON document, for an `extract` that reads small objects itself.
pub const EXTRACTION_SETTINGS: &str = "EXTRACTION_SETTINGS";
/// The object that a task works on, as the JSON of [`crate::ObjectRef`]; set by `extract` when it starts the task.
pub const OBJECT: &str = "OBJECT";
/// The work of the task, as the JSON of [`crate::Assignment`]; set by `extract` when it starts the task.
pub const ASSIGNMENT: &str = "ASSIGNMENT";
/// `startedBy` of the tasks that `extract` starts: it tells them from others in the events of ECS.
pub const STARTED_BY: &str = "deployer";
/// Name of the table in which `access: [{ tally: … }]` keeps account of every row.
pub const TALLY_TABLE: &str = "TALLY_TABLE_NAME";
/// `true` in a stack with a worker `report`: the workers before it keep what it needs, and ignore what it writes.
pub const RESULT_FILES: &str = "RESULT_FILES";
/// ARN of the topic that `access: [{ publish: … }]` grants to a `report`.
pub const TOPIC: &str = "TOPIC_ARN";

/// The sensitive fields, as the JSON of a list of [`crate::settings::SensitiveField`]. The task encrypts their columns, and
/// `load` takes them in no other form.
pub const SENSITIVE: &str = "SENSITIVE_FIELDS";
/// The columns that the header of a file must have, as a JSON list of names: those that fields of `transform` come from, unless
/// they are optional. The task fails a file without one of them before its first row.
pub const COLUMNS: &str = "EXPECTED_COLUMNS";
/// The columns that files may lack, as a JSON list of names: those of optional fields of `transform`. The task fails a file in which
/// such a name fits several columns before its first row.
pub const OPTIONAL_COLUMNS: &str = "OPTIONAL_COLUMNS";
/// ARN of the KMS key that `access: [{ encrypt: … }]` and `{ decrypt: … }` grant.
pub const DATA_KEY: &str = "DATA_KEY_ARN";

/// The name of the object's digest in the encryption context of its data keys: with another digest, KMS neither
/// generates nor decrypts a data key for the workers.
pub const DATA_KEY_CONTEXT: &str = "deployer:object";

/// The variables of one process, looked up by a function so that tests need no process of their own.
#[derive(Debug, Clone)]
pub struct Variables<F>(F);

/// A variable that a worker cannot start with.
#[derive(Debug, thiserror::Error)]
pub enum VariableError {
    /// It is not set, or empty.
    #[error("the environment variable `{0}` is missing")]
    Missing(&'static str),
    /// It has another value than the worker expects.
    #[error("the environment variable `{name}` is not {expected}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// The expected value.
        expected: String,
    },
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// Creates variables that `get` looks up.
    pub const fn new(get: F) -> Self {
        Self(get)
    }

    /// Returns the value of the variable; `None` if it is not set or empty.
    pub fn optional(&self, name: &'static str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Returns the value of the variable.
    ///
    /// # Errors
    /// [`VariableError::Missing`] when it is not set or empty.
    pub fn required(&self, name: &'static str) -> Result<String, VariableError> {
        self.optional(name).ok_or(VariableError::Missing(name))
    }

    /// Returns the parts of a comma separated list, trimmed, without empty ones.
    ///
    /// # Errors
    /// [`VariableError::Missing`] when no part is left.
    pub fn list(&self, name: &'static str) -> Result<Vec<String>, VariableError> {
        let value = self.required(name)?;
        let parts: Vec<String> =
            value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if parts.is_empty() { Err(VariableError::Missing(name)) } else { Ok(parts) }
    }

    /// Returns the JSON document in the variable.
    ///
    /// # Errors
    /// [`VariableError`] when it is missing, or is not the JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, VariableError> {
        serde_json::from_str(&self.required(name)?)
            .map_err(|error| VariableError::Invalid { name, expected: format!("the expected JSON: {error}") })
    }

    /// Returns the JSON document in the variable, or the default if it is not set.
    ///
    /// # Errors
    /// [`VariableError::Invalid`] when it is not the JSON of a `T`.
    pub fn json_or_default<T: DeserializeOwned + Default>(
        &self,
        name: &'static str,
    ) -> Result<T, VariableError> {
        if self.optional(name).is_some() { self.json(name) } else { Ok(T::default()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable() {
        let variables = Variables::new(|name| match name {
            SETTINGS => Some("{".to_owned()),
            TASK_SUBNETS => Some(" a, ,b".to_owned()),
            TABLE_KEY => Some(" , ".to_owned()),
            TABLE => Some(String::new()),
            _ => None,
        });
        assert_eq!(variables.list(TASK_SUBNETS).expect("two"), ["a", "b"]);
        assert_eq!(variables.json_or_default::<Vec<String>>(TABLE).expect("the default"), [""; 0]);
        for (name, error) in [
            (TABLE, variables.required(TABLE).expect_err("empty")),
            (EVENT_BUS, variables.required(EVENT_BUS).expect_err("not set")),
            (TABLE_KEY, variables.list(TABLE_KEY).expect_err("no part")),
            (SETTINGS, variables.json::<crate::settings::TransformSettings>(SETTINGS).expect_err("no JSON")),
            (SETTINGS, variables.json_or_default::<Vec<String>>(SETTINGS).expect_err("no JSON")),
        ] {
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
