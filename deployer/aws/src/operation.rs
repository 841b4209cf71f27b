//! The names of calls, by their requests.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// Returns the service of a request, as its SDK is named.
pub(super) fn service(request: &HttpRequest) -> &str {
    let header = |name: &str| request.headers().get(name);
    // `… api/cloudformation/1.136.0 …`: the SDKs' user agent.
    let agent = header("x-amz-user-agent").or_else(|| header("user-agent")).unwrap_or_default();
    let service = agent.split(' ').find_map(|word| word.strip_prefix("api/")?.split(['/', '#']).next());
    service.unwrap_or("aws")
}

/// Returns the operation of a request, in the protocols that name it.
pub(super) fn named_operation(request: &HttpRequest) -> Option<&str> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    target.or_else(|| {
        let body = std::str::from_utf8(request.body().bytes()?).ok()?;
        body.split('&').find_map(|pair| pair.strip_prefix("Action="))
    })
}

/// Returns the operation of a request, such as `SQS.GetQueueAttributes`. S3 and Lambda have no names of operations in their
/// requests: those of S3 are told apart as far as the deployer makes them, and those of Lambda are named by method.
pub(super) fn operation(request: &HttpRequest) -> String {
    let service = service(request);
    let name = match service {
        "cloudformation" => "CloudFormation",
        "cloudwatchlogs" => "CloudWatchLogs",
        "dynamodb" => "DynamoDB",
        "ecr" => "ECR",
        "ecs" => "ECS",
        "eventbridge" => "EventBridge",
        "iam" => "IAM",
        "kms" => "KMS",
        "lambda" => "Lambda",
        "s3" => "S3",
        "sqs" => "SQS",
        "sts" => "STS",
        other => other,
    };
    match named_operation(request) {
        Some(operation) => format!("{name}.{operation}"),
        None if service == "s3" => format!("{name}.{}", of_s3(request)),
        None => format!("{name}.{}", request.method()),
    }
}

fn of_s3(request: &HttpRequest) -> &'static str {
    let query = request.uri().split_once('?').map(|(_, query)| query).unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match request.method() {
        "HEAD" => "HeadObject",
        "PUT" => "PutObject",
        "DELETE" => "DeleteObject",
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" if has("versions") => "ListObjectVersions",
        "GET" => "GetObject",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn operations_have_the_names_of_aws() {
        let request = |method: &str, uri: &str, agent: &'static str, target: Option<&'static str>| {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_uri(uri.to_owned()).expect("a URI");
            request.set_method(method).expect("a method");
            request.headers_mut().insert("x-amz-user-agent", agent);
            if let Some(target) = target {
                request.headers_mut().insert("x-amz-target", target);
            }
            operation(&request)
        };
        let target = Some("AmazonSQS.GetQueueAttributes");
        assert_eq!(request("POST", "http://x/", "api/sqs/1.1", target), "SQS.GetQueueAttributes");
        for (method, uri, name) in [
            ("GET", "http://x/bucket/key?x-id=GetObject", "S3.GetObject"),
            ("GET", "http://x/bucket?list-type=2&prefix=versions", "S3.ListObjectsV2"),
            ("GET", "http://x/bucket?versions", "S3.ListObjectVersions"),
            ("HEAD", "http://x/bucket/key", "S3.HeadObject"),
            ("PUT", "http://x/bucket/key?x-id=PutObject", "S3.PutObject"),
        ] {
            assert_eq!(request(method, uri, "api/s3/1.157.0", None), name);
        }
        assert_eq!(request("GET", "http://x/f", "api/lambda/1.1", None), "Lambda.GET");
    }
}
