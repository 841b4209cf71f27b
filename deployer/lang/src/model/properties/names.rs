//! The forms of names.

/// Longest name of a resource or output: names made of it stay below 255 characters, CloudFormation's limit.
pub(crate) const MAX_NAME: usize = 64;

/// Returns whether a logical ID can be made from a name.
pub(crate) fn is_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= MAX_NAME
}

/// Longest logical ID: AWS CloudFormation User Guide, "Resources syntax".
pub(crate) const MAX_LOGICAL_ID: usize = 255;

/// Returns whether a text can be a logical ID: the same source.
pub(crate) fn is_logical_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric()) && (1..=MAX_LOGICAL_ID).contains(&text.len())
}
