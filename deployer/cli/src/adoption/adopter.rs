//! The stack that may adopt something.

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::session::Session;

use crate::records::Record;
use crate::state::Wanted;

/// The stack that may adopt something.
#[derive(Debug, Clone, Copy)]
pub struct Adopter<'a> {
    /// The session of the caller.
    pub session: &'a Session,
    /// The client of CloudFormation.
    pub cloudformation: &'a CloudFormation,
    /// Name of the stack.
    pub name: &'a str,
    /// The stack as it is wanted.
    pub wanted: &'a Wanted,
    /// The records of the stack, newest first.
    pub records: &'a [Record],
    /// Resources that need not be adopted if the wanted template would replace them, by logical ID or name in the file.
    pub allow_replace: &'a [String],
}
