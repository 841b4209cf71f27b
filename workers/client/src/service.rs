//! The services that the workers call: their names on the wire, and where they are.

use std::fmt;

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon ECS.
    Ecs,
    /// Amazon EventBridge.
    EventBridge,
    /// AWS KMS.
    Kms,
    /// Amazon S3.
    S3,
    /// Amazon SNS.
    Sns,
    /// Amazon SQS.
    Sqs,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 7] =
        [Self::DynamoDb, Self::Ecs, Self::EventBridge, Self::Kms, Self::S3, Self::Sns, Self::Sqs];

    /// Returns the name in signatures, and the first label of the service's host names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Ecs => "ecs",
            Self::EventBridge => "events",
            Self::Kms => "kms",
            Self::S3 => "s3",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
        }
    }

    /// Returns the variable that names another endpoint of this service.
    ///
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
    #[must_use]
    pub const fn endpoint_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Ecs => "AWS_ENDPOINT_URL_ECS",
            Self::EventBridge => "AWS_ENDPOINT_URL_EVENTBRIDGE",
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
        }
    }

    /// Returns the first part of `X-Amz-Target`, and the media type; `None` for a service without a JSON protocol.
    pub(crate) const fn json(self) -> Option<(&'static str, &'static str)> {
        const JSON_1_0: &str = "application/x-amz-json-1.0";
        const JSON_1_1: &str = "application/x-amz-json-1.1";
        Some(match self {
            Self::DynamoDb => ("DynamoDB_20120810", JSON_1_0),
            Self::Ecs => ("AmazonEC2ContainerServiceV20141113", JSON_1_1),
            Self::EventBridge => ("AWSEvents", JSON_1_1),
            Self::Kms => ("TrentService", JSON_1_1),
            Self::Sqs => ("AmazonSQS", JSON_1_0),
            Self::S3 | Self::Sns => return None,
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The variants of AWS's endpoints that a process can ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// Endpoints with validated cryptography (`AWS_USE_FIPS_ENDPOINT`).
    pub fips: bool,
    /// Endpoints that also have IPv6 addresses (`AWS_USE_DUALSTACK_ENDPOINT`).
    pub dual_stack: bool,
}

/// A part of AWS with names of its own.
struct Partition {
    /// The prefix of its Regions.
    prefix: &'static str,
    /// The domain of its services.
    domain: &'static str,
    /// The domain of those with IPv6 addresses.
    dual_stack: &'static str,
}

const AWS: Partition = Partition { prefix: "", domain: "amazonaws.com", dual_stack: "api.aws" };

/// The partitions by the prefixes of their Regions. A Region of none of them is one of AWS's own.
///
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
const PARTITIONS: [Partition; 7] = [
    Partition { prefix: "us-gov-", ..AWS },
    Partition { prefix: "cn-", domain: "amazonaws.com.cn", dual_stack: "api.amazonwebservices.com.cn" },
    Partition { prefix: "eusc-", domain: "amazonaws.eu", dual_stack: "api.amazonwebservices.eu" },
    Partition { prefix: "us-iso-", domain: "c2s.ic.gov", dual_stack: "api.aws.ic.gov" },
    Partition { prefix: "us-isob-", domain: "sc2s.sgov.gov", dual_stack: "api.aws.scloud" },
    Partition { prefix: "eu-isoe-", domain: "cloud.adc-e.uk", dual_stack: "api.cloud-aws.adc-e.uk" },
    Partition { prefix: "us-isof-", domain: "csp.hci.ic.gov", dual_stack: "api.aws.hci.ic.gov" },
];

/// Returns the host name of a service in a Region; `None` if there is no endpoint of that variant.
///
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
#[must_use]
pub fn host(service: Service, region: &str, variant: Variant) -> Option<String> {
    let partition = PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix)).unwrap_or(&AWS);
    if variant.fips && service == Service::S3 && partition.prefix == "cn-" {
        return None;
    }
    let government = partition.prefix == "us-gov-";
    let Variant { fips, dual_stack } = variant;
    let name = service.name();
    // In GovCloud the endpoints without a mark are validated ones.
    let marked = match service {
        Service::DynamoDb | Service::Sns | Service::Sqs => !government || dual_stack,
        Service::EventBridge => !government,
        Service::Ecs | Service::Kms | Service::S3 => true,
    };
    let mark = if fips && marked { "-fips" } else { "" };
    Some(match (service, dual_stack) {
        // S3 had such endpoints before there was a domain for them.
        (Service::S3, true) => format!("{name}{mark}.dualstack.{region}.{}", partition.domain),
        (_, true) => format!("{name}{mark}.{region}.{}", partition.dual_stack),
        (_, false) => format!("{name}{mark}.{region}.{}", partition.domain),
    })
}
