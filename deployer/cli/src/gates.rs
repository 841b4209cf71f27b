//! The checks between a plan and its execution: losses are refused unless they are named, and a change that opens the
//! stack to others needs a yes.

use deployer_base::error::{Error, Message, Result};
use deployer_cfn::template::logical_id;

use crate::data_loss::Holds;

/// A resource with data that a plan removes or replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The logical ID.
    pub logical_id: String,
    /// The name in the file, if the file still has it.
    pub origin: Option<String>,
    /// The CloudFormation type.
    pub resource_type: String,
    /// `true` if the resource is replaced by a new one that is empty, and not only removed.
    pub replaced: bool,
    /// `true` if the resource stays in the account, outside of the stack.
    pub kept: bool,
    /// `true` if the deployed template protects the resource.
    pub protected: bool,
    /// The data in the resource, once it was counted.
    pub holds: Holds,
}

impl Loss {
    /// Returns whether `--allow-replace` names the resource, by logical ID or by its name in the file.
    fn is_allowed(&self, allowed: &[String]) -> bool {
        allowed.iter().any(|name| {
            *name == self.logical_id
                || self.origin.as_deref() == Some(name)
                // A resource that the file no longer names had a logical ID that was made from its name.
                || logical_id(name) == self.logical_id
        })
    }

    /// Describes the change of the resource, in a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let what = if self.replaced { "replaced by an empty one" } else { "removed" };
        let old = if self.kept { "; the old one is kept in the account, outside of the stack" } else { "" };
        let holds = match &self.holds {
            Holds::This(holds) => format!(", with {holds}"),
            Holds::Nothing | Holds::Unknown => String::new(),
        };
        format!("{} ({}) is {what}{holds}{old}", self.logical_id, self.resource_type)
    }
}

/// Returns the losses of data that are not named.
#[must_use]
pub fn refused<'l>(losses: &'l [Loss], allow_replace: &[String]) -> Vec<&'l Loss> {
    let loses = |loss: &&Loss| loss.holds != Holds::Nothing && !loss.is_allowed(allow_replace);
    losses.iter().filter(loses).collect()
}

/// Refuses losses of protected resources, and losses of data that are not named.
///
/// # Errors
/// Returns [`Error::Refused`] with all losses.
pub fn check_losses(losses: &[Loss], allow_replace: &[String]) -> Result<()> {
    let lines =
        |losses: &[&Loss]| losses.iter().map(|loss| format!("\n  {}", loss.describe())).collect::<String>();
    let protected: Vec<&Loss> = losses.iter().filter(|loss| loss.protected).collect();
    if !protected.is_empty() {
        return Err(Error::Refused(
            Message::new(format!("`protect: true` forbids this deployment:{}", lines(&protected))).hint(
                "leave the resource as it is deployed, or remove `protect`, deploy that, and then make this change; nothing was \
                 changed",
            ),
        ));
    }
    let refused = refused(losses, allow_replace);
    if refused.is_empty() {
        return Ok(());
    }
    let options: Vec<String> =
        refused.iter().map(|loss| format!("--allow-replace {}", loss.logical_id)).collect();
    Err(Error::Refused(
        Message::new(format!("this deployment would lose data:{}", lines(&refused)))
            .hint(format!("to allow it, pass `{}`; nothing was changed", options.join(" "))),
    ))
}

/// Refuses names that allow nothing: most of them are misspelt. It is only called after CloudFormation was asked, which
/// may find further losses.
///
/// # Errors
/// Returns [`Error::Usage`] with the first of these names.
pub fn check_names(losses: &[Loss], allow_replace: &[String]) -> Result<()> {
    let allows = |name: &&String| losses.iter().any(|loss| loss.is_allowed(std::slice::from_ref(*name)));
    match allow_replace.iter().find(|name| !allows(name)) {
        Some(stranger) => Err(Error::Usage(
            Message::new(format!(
                "`--allow-replace {stranger}` has no effect: the plan neither removes nor replaces that resource"
            ))
            .hint("`deployer diff` shows what a deployment would do; nothing was changed"),
        )),
        None => Ok(()),
    }
}

/// Returns the question that must be answered with yes, if there is one: about the first deployment of a stack
/// (described by `first`), about wider permissions, about access for anyone.
#[must_use]
pub fn question(first: Option<&str>, widened: usize, exposed: usize) -> Option<String> {
    let counted = |count: usize, one: &str, several: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {several}")),
    };
    let parts: Vec<String> = [
        counted(widened, "additional permission", "additional permissions"),
        counted(exposed, "resource opened to the public", "resources opened to the public"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (first, parts.as_slice()) {
        (None, []) => None,
        (Some(first), []) => Some(format!("{first}?")),
        (first, _) => {
            let start = first.map_or_else(|| "Deploy".to_owned(), |first| format!("{first},"));
            Some(format!("{start} with {} (shown above)?", parts.join(" and ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(logical_id: &str) -> Loss {
        Loss {
            logical_id: logical_id.into(),
            origin: Some(logical_id.to_lowercase()),
            resource_type: "AWS::DynamoDB::Table".into(),
            replaced: true,
            kept: false,
            protected: false,
            holds: Holds::This("3 items".into()),
        }
    }

    #[test]
    fn what_would_be_lost_must_be_named() {
        check_losses(&[], &[]).expect("nothing is lost");
        let refused =
            check_losses(&[loss("Records"), loss("Other")], &["Other".into()]).expect_err("a refusal");
        assert_eq!(refused.exit_code(), 5);
        let message = refused.message().expect("a message");
        assert!(
            message.text.contains("Records (AWS::DynamoDB::Table) is replaced by an empty one, with 3 items")
        );
        assert!(!message.text.contains("Other"), "{}", message.text);
        assert!(message.hint.expect("a hint").contains("--allow-replace Records"));
        check_losses(&[loss("Records")], &["records".into()]).expect("named as in the file");
        let removed = Loss { origin: None, ..loss("OldRecords") };
        check_losses(&[removed], &["old-records".into()]).expect("named as the file did");
    }

    #[test]
    fn what_is_protected_stays_whatever_is_named() {
        let protected = Loss { protected: true, ..loss("Records") };
        let refused = check_losses(&[protected], &["Records".into()]).expect_err("a refusal");
        assert!(refused.message().expect("a message").text.contains("`protect: true` forbids"));
    }

    #[test]
    fn what_is_empty_is_no_loss() {
        check_losses(&[Loss { holds: Holds::Nothing, ..loss("Records") }], &[]).expect("nothing is lost");
        let unknown = Loss { holds: Holds::Unknown, ..loss("Records") };
        assert_eq!(check_losses(&[unknown], &[]).expect_err("a refusal").exit_code(), 5);
    }

    #[test]
    fn a_name_that_allows_nothing_is_a_mistake() {
        assert_eq!(check_names(&[loss("A")], &["B".into()]).expect_err("a mistake").exit_code(), 2);
        check_names(&[loss("A")], &["a".into()]).expect("named as in the file");
    }

    #[test]
    fn only_what_opens_is_asked_about() {
        assert_eq!(question(None, 0, 0), None);
        assert_eq!(
            question(None, 1, 2).as_deref(),
            Some("Deploy with 1 additional permission and 2 resources opened to the public (shown above)?")
        );
        assert_eq!(question(Some("Create a"), 0, 0).as_deref(), Some("Create a?"));
        assert_eq!(
            question(Some("Create a"), 0, 1).as_deref(),
            Some("Create a, with 1 resource opened to the public (shown above)?")
        );
    }
}
