//! Rows that become no items.

use contract::Reason;

/// What is wrong with a value, before it is known whose value it is. The rule is a clause that follows the field's name
/// in a message (`is not a number`), and contains nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Stable code.
    pub reason: Reason,
    /// The rule that the value breaks, as a clause: `is not a number`, or `is less than the minimum, 0`.
    pub rule: String,
}

impl Flaw {
    /// Creates a flaw.
    pub fn new(reason: Reason, rule: impl Into<String>) -> Self {
        Self { reason, rule: rule.into() }
    }
}

/// A row, or a file, that can't become items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code.
    pub reason: Reason,
    /// The field, with the fields around it if it is in a map: `address.street`. `None` if it is no field's fault.
    pub field: Option<String>,
    /// The column that the field comes from, if it comes from one.
    pub column: Option<String>,
    /// One sentence for a person. It never contains a value of the row.
    pub message: String,
}

impl Failure {
    /// Creates a failure that is no field's fault.
    #[must_use]
    pub const fn of_row(reason: Reason, message: String) -> Self {
        Self { reason, field: None, column: None, message }
    }
}
