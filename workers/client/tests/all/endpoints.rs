//! Endpoints, beside those of the SDK's own rules.

use client::{Service, Variant, host};

/// Regions of every partition, and one that nobody knows yet.
const REGIONS: [&str; 22] = [
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-2",
    "ap-southeast-7",
    "sa-east-1",
    "ca-west-1",
    "me-south-1",
    "af-south-1",
    "il-central-1",
    "mx-central-1",
    "us-gov-west-1",
    "us-gov-east-1",
    "cn-north-1",
    "cn-northwest-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isof-south-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
    "xx-north-9",
];

macro_rules! endpoint {
    ($sdk:ident, $region:expr, $variant:expr $(, $more:ident($value:expr))*) => {{
        use $sdk::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
        let params = Params::builder()
            .region($region.to_owned())
            .use_fips($variant.fips)
            .use_dual_stack($variant.dual_stack)
            $(.$more($value))*
            .build()
            .expect("complete");
        match DefaultResolver::new().resolve_endpoint(&params).await {
            Ok(endpoint) => endpoint.url().to_owned(),
            Err(_) => "none".to_owned(),
        }
    }};
}

#[tokio::test]
async fn every_service_is_where_the_sdk_finds_it() {
    for region in REGIONS {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
            let variant = Variant { fips, dual_stack };
            for service in Service::ALL {
                let own = host(service, region, variant)
                    .map_or_else(|| "none".to_owned(), |host| format!("https://{host}"));
                let expected = match service {
                    Service::DynamoDb => endpoint!(aws_sdk_dynamodb, region, variant),
                    Service::Ecs => endpoint!(aws_sdk_ecs, region, variant),
                    Service::EventBridge => endpoint!(aws_sdk_eventbridge, region, variant),
                    Service::Kms => endpoint!(aws_sdk_kms, region, variant),
                    Service::Sqs => endpoint!(aws_sdk_sqs, region, variant),
                    Service::S3 => {
                        let url = endpoint!(aws_sdk_s3, region, variant, bucket("a-bucket".to_owned()));
                        url.replacen("a-bucket.", "", 1)
                    }
                    // Not a dependency: SNS has the endpoints of SQS.
                    Service::Sns => endpoint!(aws_sdk_sqs, region, variant).replacen("sqs", "sns", 1),
                };
                assert_eq!(own, expected, "{service} {region} {variant:?}");
            }
        }
    }
}
