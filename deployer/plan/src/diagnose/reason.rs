//! The reason that CloudFormation gives for a failure, taken apart: the message, its service, and the codes beside it.

/// A reason of a stack event.
///
/// `Resource handler returned message: "MESSAGE (Service: Lambda, Status Code: 400, Request ID: …)" (RequestToken: …,
/// HandlerErrorCode: InvalidRequest)` since resources have handlers, `MESSAGE (Service: AmazonEC2; Status Code: 400;
/// Error Code: DependencyViolation; Request ID: …)` from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reason<'r> {
    /// The message alone.
    pub message: &'r str,
    /// `HandlerErrorCode`, such as `AlreadyExists`: CloudFormation CLI User Guide, "Handler error codes".
    pub handler_code: Option<&'r str>,
    /// The service that answered.
    pub service: Option<&'r str>,
    /// The service's own code.
    pub error_code: Option<&'r str>,
}

impl<'r> Reason<'r> {
    /// Parses a reason; a text in another form is the message.
    #[must_use]
    pub fn parse(text: &'r str) -> Self {
        let text = text.trim();
        let mut message = text;
        let handler_code = field(text, "HandlerErrorCode:");
        if let Some(rest) = after(message, "returned message:") {
            // The message may contain quotes and brackets of its own: the last of them end it.
            let end = rest.rfind("(RequestToken:").or_else(|| rest.rfind("(HandlerErrorCode:"));
            let rest = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
            message = rest.trim().trim_matches('"').trim();
        }
        let of_service =
            message.rfind("(Service:").and_then(|at| Some((message.get(..at)?, message.get(at..)?)));
        let (service, error_code) = match of_service {
            Some((before, details)) => {
                message = before;
                (field(details, "Service:"), field(details, "Error Code:"))
            }
            None => (None, None),
        };
        Self {
            message: message.trim().trim_end_matches(['"', '.']).trim(),
            handler_code,
            service,
            error_code,
        }
    }
}

fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.find(mark).and_then(|at| text.get(at + mark.len()..))
}

/// Returns the word after a mark such as `HandlerErrorCode:`.
fn field<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let rest = after(text, mark)?.trim_start();
    let end = rest.find([',', ';', ')', '"']).unwrap_or(rest.len());
    rest.get(..end).map(str::trim).filter(|word| !word.is_empty())
}

/// Beginnings of CloudFormation's messages when something else is the cause. Source: AWS CloudFormation User Guide,
/// "Troubleshooting CloudFormation", and the events of stacks.
const CONSEQUENCES: [&str; 9] = [
    "Resource creation cancelled",
    "Resource update cancelled",
    "Resource deletion cancelled",
    "Resource import cancelled",
    "The following resource(s) failed to",
    "Resource creation Initiated",
    "User Initiated",
    "Rollback requested by user",
    "Delete requested by user",
];

/// Returns whether a reason only says that something else failed.
#[must_use]
pub fn is_consequence(reason: &str) -> bool {
    let reason = reason.trim();
    reason.is_empty() || CONSEQUENCES.iter().any(|start| reason.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_taken_apart() {
        let new = "Resource handler returned message: \"Bad \"thing\" (x). (Service: Lambda, Status Code: 400, Request ID: 1) \
                   (SDK Attempt Count: 1)\" (RequestToken: 2, HandlerErrorCode: InvalidRequest)";
        let reason = Reason::parse(new);
        assert_eq!(reason.message, "Bad \"thing\" (x)");
        assert_eq!((reason.service, reason.handler_code), (Some("Lambda"), Some("InvalidRequest")));
        let old = "resource sg-1 has a dependent object (Service: AmazonEC2; Status Code: 400; Error Code: DependencyViolation; \
                   Request ID: 1)";
        let reason = Reason::parse(old);
        assert_eq!(reason.message, "resource sg-1 has a dependent object");
        assert_eq!((reason.service, reason.error_code), (Some("AmazonEC2"), Some("DependencyViolation")));
        assert_eq!(Reason::parse("mybucket already exists").message, "mybucket already exists");
        for odd in [
            "",
            "\"",
            "returned message:",
            "(Service:",
            "HandlerErrorCode: ,",
            "returned message: (RequestToken:",
        ] {
            assert!(Reason::parse(odd).message.len() <= odd.len());
        }
    }

    #[test]
    fn what_follows_from_something_else_is_no_cause() {
        for text in
            ["", " ", "Resource creation cancelled", "The following resource(s) failed to create: [A]. "]
        {
            assert!(is_consequence(text), "{text}");
        }
        assert!(!is_consequence("The request was cancelled by the service"));
    }
}
