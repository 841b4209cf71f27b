//! The metrics about files that `observe` writes at their end, if `settings: { metrics: true }` asks for them.

/// Namespace in CloudWatch.
pub const NAMESPACE: &str = "EventbridgeEtl";
/// The dimension whose value is the name of the function `observe`.
pub const DIMENSION: &str = "Function";
/// Files that ended, each attempt once.
pub const FILES: &str = "Files";
/// Rows of these files.
pub const ROWS: &str = "Rows";
/// Rows of these files that failed.
pub const FAILED_ROWS: &str = "FailedRows";
/// Seconds from the upload of a file to its last row; missing where the time of the upload is not known.
pub const SECONDS: &str = "Seconds";
/// The metrics, each with its unit.
pub const METRICS: [(&str, &str); 4] =
    [(FILES, "Count"), (ROWS, "Count"), (FAILED_ROWS, "Count"), (SECONDS, "Seconds")];
