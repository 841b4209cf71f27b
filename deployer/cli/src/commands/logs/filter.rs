//! The lines of a log that are asked for.

use clap::ValueEnum;
use serde_json::Value;

/// Importance of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// Every step
    Trace,
    /// Details
    Debug,
    /// What happens
    Info,
    /// What somebody should look at
    Warn,
    /// What went wrong
    Error,
}

impl Level {
    /// Returns the level that a line names, under one of the names that loggers use.
    pub fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "trace" => Some(Self::Trace),
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warn" | "warning" => Some(Self::Warn),
            "error" | "fatal" | "critical" => Some(Self::Error),
            _ => None,
        }
    }
}

/// The lines that are asked for; all by default.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The least level.
    pub level: Option<Level>,
    /// Key of the object that lines are about.
    pub key: Option<String>,
    /// Number of the row that lines are about.
    pub row: Option<u64>,
}

/// First words of the lines that Lambda writes about each invocation: AWS Lambda Developer Guide, "Viewing CloudWatch logs
/// for Lambda functions".
const OF_LAMBDA: [&str; 4] = ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_START "];

impl Filter {
    /// Returns whether a line is asked for.
    ///
    /// A line that has no level may be that of a crash, so a level leaves out only lines that are known to be less important,
    /// and those of Lambda about each invocation. Without a key or a row, a line is not about one.
    pub fn takes(&self, message: &str) -> bool {
        let line = serde_json::from_str::<Value>(message).ok().filter(Value::is_object);
        self.level.is_none_or(|least| is_important(line.as_ref(), message, least))
            && self.key.as_deref().is_none_or(|key| match &line {
                Some(line) => line["key"] == key,
                None => message.contains(key),
            })
            && self.row.is_none_or(|row| line.as_ref().is_some_and(|line| has_row(line, row)))
    }
}

fn is_important(line: Option<&Value>, message: &str, least: Level) -> bool {
    let Some(line) = line else {
        return !OF_LAMBDA.iter().any(|beginning| message.starts_with(beginning));
    };
    // Lambda's own lines in the JSON format have a type instead of a level.
    let is_of_lambda = line["type"].as_str().is_some_and(|kind| kind.starts_with("platform."));
    match line["level"].as_str().and_then(Level::of) {
        Some(level) => level >= least,
        None => !is_of_lambda,
    }
}

/// Returns whether a line is about a row: `record` is the first of `recordCount` rows, or the only one.
fn has_row(line: &Value, row: u64) -> bool {
    let count = line["recordCount"].as_u64().unwrap_or(1);
    line["record"].as_u64().is_some_and(|first| (first..first.saturating_add(count)).contains(&row))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADED: &str =
        r#"{"level":"INFO","message":"record-loaded","key":"a.csv","record":5,"recordCount":3}"#;
    const FAILED: &str =
        r#"{"level":"WARN","message":"failed","key":"a.csv","record":9,"reason":"row-length"}"#;
    const STRANGE: &str = r#"{"severity":3,"message":"failed","key":"data.csv"}"#;

    #[test]
    fn a_level_leaves_out_only_what_is_known_to_be_less_important() {
        let filter = Filter { level: Some(Level::Warn), ..Filter::default() };
        for line in [FAILED, STRANGE, "thread 'main' panicked", "Task timed out after 3.00 seconds", "[1]"] {
            assert!(filter.takes(line), "{line}");
        }
        for line in [
            LOADED,
            "START RequestId: 1 Version: $LATEST",
            "REPORT RequestId: 1\tDuration: 270 ms",
            r#"{"time":"2026-11-24T10:00:00Z","type":"platform.report","record":{}}"#,
        ] {
            assert!(!filter.takes(line), "{line}");
        }
        assert!(Filter { level: Some(Level::Error), ..Filter::default() }.takes(r#"{"level":"CRITICAL"}"#));
    }

    #[test]
    fn a_key_is_the_whole_key_and_a_row_is_in_its_range() {
        let of_key = Filter { key: Some("a.csv".to_owned()), ..Filter::default() };
        assert!(of_key.takes(LOADED) && of_key.takes("could not read a.csv"));
        assert!(!of_key.takes(STRANGE) && !of_key.takes(r#"{"message":"batch done"}"#));
        let of_row = |row| Filter { row: Some(row), ..of_key.clone() };
        let rows: Vec<u64> =
            (1..12).filter(|row| of_row(*row).takes(LOADED) || of_row(*row).takes(FAILED)).collect();
        assert_eq!(rows, [5, 6, 7, 9]);
        assert!(Filter::default().takes("") && Filter::default().takes(LOADED));
    }
}
