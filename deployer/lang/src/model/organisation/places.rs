//! The places of the ARNs among the settings, beside the place of the stack.

use super::NamedArn;
use crate::model::arn::{AWS, ArnParts, StackPlace};
use crate::model::existing::FIFO;

/// An ARN with which a stack can't work, or may not work, where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// `true` if it can't work.
    pub is_certain: bool,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: &'static str,
}

impl NamedArn {
    /// Returns why a stack can't use it, or may not be able to.
    #[must_use]
    pub fn misplaced(&self, place: &StackPlace<'_>) -> Option<Misplaced> {
        let Self { setting, text, .. } = self;
        // Pseudo parameters are those of the stack.
        let text = text.replacen("arn:*:", &format!("arn:{}:", place.partition.unwrap_or(AWS)), 1);
        let text = text.replacen("::*:", &format!("::{}:", place.account.unwrap_or(AWS)), 1);
        let arn = ArnParts::parse(&text)?;
        let differs = |own: Option<&str>, other: &str| own.is_some_and(|own| own != other);
        let message = |what: &str, own: Option<&str>, other: &str| {
            let own = own.unwrap_or_default();
            format!("`{setting}` is in {what} {other}, and the stack in {own}")
        };
        if differs(place.partition, arn.partition) {
            return Some(Misplaced {
                is_certain: true,
                message: message("partition", place.partition, arn.partition),
                help: "write an ARN of the partition of the stack: nothing is shared between partitions",
            });
        }
        let is_topic = arn.service == "sns";
        if arn.account != AWS && differs(place.account, arn.account) {
            return Some(Misplaced {
                is_certain: !is_topic,
                message: message("account", place.account, arn.account),
                help: match is_topic {
                    true => {
                        "CloudFormation publishes as whoever deploys: the policy of the topic must allow that, or the events are lost"
                    }
                    false => "name one of the account of the stack: IAM takes no other",
                },
            });
        }
        if is_topic && differs(place.region, arn.region) {
            return Some(Misplaced {
                is_certain: false,
                message: message("region", place.region, arn.region),
                help: "CloudFormation may refuse a topic of another region; name one of the region of the stack",
            });
        }
        (is_topic && arn.resource.ends_with(FIFO)).then(|| Misplaced {
            is_certain: false,
            message: format!("`{setting}` names a FIFO topic"),
            help: "SNS takes no message without a group there, and CloudFormation gives none; name a standard topic",
        })
    }
}

#[cfg(test)]
mod tests {
    use deployer_syntax::Span;

    use super::*;

    #[test]
    fn only_topics_may_be_elsewhere() {
        let place =
            StackPlace { partition: Some("aws"), region: Some("eu-west-1"), account: Some("111122223333") };
        let found = |text: &str| {
            let arn = NamedArn { setting: "x", text: text.to_owned(), span: Span::default() };
            (arn.misplaced(&place).map(|one| one.is_certain), arn.misplaced(&StackPlace::default()))
        };
        for (text, expected) in [
            ("arn:aws:iam::111122223333:role/cfn", None),
            ("arn:aws:iam::444455556666:role/cfn", Some(true)),
            ("arn:aws-cn:iam::111122223333:role/cfn", Some(true)),
            ("arn:aws:iam::aws:policy/PowerUserAccess", None),
            ("arn:*:iam::*:policy/boundary", None),
            ("arn:aws-cn:iam::*:policy/boundary", Some(true)),
            ("arn:*:iam::444455556666:policy/boundary", Some(true)),
            ("arn:aws:sns:eu-west-1:111122223333:news", None),
            ("arn:aws:sns:eu-west-1:444455556666:news", Some(false)),
            ("arn:aws:sns:us-east-1:111122223333:news", Some(false)),
            ("arn:aws-cn:sns:cn-north-1:111122223333:news", Some(true)),
        ] {
            assert_eq!(found(text), (expected, None), "{text}");
        }
        assert_eq!(found("arn:aws:sns:eu-west-1:111122223333:news.fifo").0, Some(false));
    }
}
