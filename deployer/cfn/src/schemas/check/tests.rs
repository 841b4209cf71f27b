use super::super::find;
use super::*;
use serde_json::json;

/// Returns a value of a template as it would have been read.
pub(super) fn expression(value: &Value) -> Expression {
    let is = match value {
        Value::Null => ExpressionKind::Null,
        Value::Array(items) => ExpressionKind::List(items.iter().map(expression).collect()),
        Value::Object(map) => match map.iter().next() {
            Some((_, name)) if name == "AWS::NoValue" => ExpressionKind::NoValue,
            Some((key, Value::Array(parts))) if key == "Fn::If" && parts.len() == 3 => ExpressionKind::If {
                condition: parts[0].to_string(),
                then: Box::new(expression(&parts[1])),
                otherwise: Box::new(expression(&parts[2])),
            },
            Some((key, _)) if map.len() == 1 && (key == "Ref" || key.starts_with("Fn::")) => {
                let gives = if key == "Fn::Sub" { Gives::Single } else { Gives::Any };
                ExpressionKind::Function { value: value.clone(), gives }
            }
            _ => ExpressionKind::Map(
                map.iter()
                    .map(|(key, inner)| ExpressionEntry {
                        key: key.clone(),
                        key_span: Span::default(),
                        value: expression(inner),
                    })
                    .collect(),
            ),
        },
        Value::String(text) => ExpressionKind::Scalar { text: text.clone(), plain: false },
        other => ExpressionKind::Scalar { text: other.to_string(), plain: true },
    };
    Expression { is, span: Span::default() }
}

fn check(kind: &str, properties: &Value) -> (Value, Vec<String>) {
    let mut problems = Vec::new();
    let schema = find(kind).expect(kind).schema();
    let value = schema.check(&expression(properties), &mut |problem| problems.push(problem.to_string()));
    (value, problems)
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    for (kind, properties, wanted) in [
        (
            "AWS::SQS::Queue",
            json!({ "VisibilityTimout": 5 }),
            "error[E0101]: unknown property `VisibilityTimout`; help: did you mean `VisibilityTimeout`?",
        ),
        (
            "AWS::SQS::Queue",
            json!({ "VisibilityTimeout": "soon" }),
            "error[E0103]: expected a whole number, found `soon`",
        ),
        (
            "AWS::SQS::Queue",
            json!({ "Arn": "a" }),
            "error[E0501]: `Arn` can't be set; help: only AWS sets it; remove it, and read it with `!GetAtt` where it is needed",
        ),
        ("AWS::SQS::Queue", json!({ "Tags": "a" }), "error[E0103]: expected a list, found `a`"),
        (
            "AWS::IAM::Role",
            json!({ "Path": "/" }),
            "error[E0102]: `AssumeRolePolicyDocument` is missing; help: CloudFormation requires it here",
        ),
        (
            "AWS::Lambda::Function",
            json!({ "Code": {}, "Role": "x" }),
            "error[E0104]: `x` does not have the right form; help: CloudFormation requires the pattern ",
        ),
        (
            "AWS::Lambda::Function",
            json!({ "Code": {}, "Role": { "Ref": "R" }, "MemorySize": 1 }),
            "error[E0104]: 1 is out of range; help: ",
        ),
        (
            "AWS::S3::Bucket",
            json!({ "VersioningConfiguration": { "Status": "On" } }),
            "error[E0105]: `On` is not allowed here; help: valid here: `Enabled`, `Suspended`",
        ),
        (
            "AWS::SQS::Queue",
            json!({ "Tags": [{ "Key": "a" }] }),
            "error[E0102]: `Value` is missing; help: CloudFormation requires it here",
        ),
    ] {
        let (_, problems) = check(kind, &properties);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(wanted), "{}\n{wanted}", problems[0]);
    }
}

/// Checks that conditions, functions and dynamic references are accepted, since each may turn out right.
#[test]
fn what_only_the_deployment_knows_is_right() {
    let nothing = || json!({ "Ref": "AWS::NoValue" });
    let perhaps = |value: Value| json!({ "Fn::If": ["c", value, { "Ref": "AWS::NoValue" }] });
    let unless = |value: Value| json!({ "Fn::If": ["c", { "Ref": "AWS::NoValue" }, value] });
    let key = |name: Value, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let two = json!([
        { "AttributeName": "a", "AttributeType": "S" },
        { "AttributeName": "b", "AttributeType": "S" }
    ]);
    for (kind, properties) in [
        (
            "AWS::EC2::Subnet",
            json!({ "VpcId": "vpc-0123456789abcdef0", "CidrBlock": perhaps(json!("10.0.0.0/24")),
                "Ipv4IpamPoolId": unless(json!("ipam-pool-1")), "Ipv4NetmaskLength": unless(json!(24)) }),
        ),
        ("AWS::EC2::VPC", json!({ "CidrBlock": { "Ref": "Range" } })),
        ("AWS::EC2::VPC", json!({ "CidrBlock": "{{resolve:ssm:range}}" })),
        ("AWS::EC2::VPC", json!({ "CidrBlock": "10.0.0.1/16" })),
        (
            "AWS::EC2::SecurityGroup",
            json!({ "GroupDescription": "a", "SecurityGroupIngress": [
                { "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIp": { "Ref": "A" } },
                { "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIp": { "Ref": "B" } },
                perhaps(json!({ "IpProtocol": "tcp", "FromPort": 3, "ToPort": 3, "CidrIp": "0.0.0.0/0" })),
                unless(json!({ "IpProtocol": "tcp", "FromPort": 3, "ToPort": 3, "CidrIp": "0.0.0.0/0" })),
            ] }),
        ),
        (
            "AWS::DynamoDB::Table",
            json!({ "AttributeDefinitions": two.clone(), "KeySchema": [
                perhaps(key(json!("a"), "HASH")), unless(key(json!("b"), "HASH")), key(json!("c"), "RANGE"),
            ] }),
        ),
        (
            "AWS::DynamoDB::Table",
            json!({ "AttributeDefinitions": two, "KeySchema": [
                key(json!({ "Ref": "A" }), "HASH"), key(json!({ "Ref": "A" }), "RANGE"),
            ] }),
        ),
        (
            "AWS::DynamoDB::Table",
            json!({ "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }],
                "KeySchema": [key(json!("a"), "HASH")], "LocalSecondaryIndexes": nothing() }),
        ),
        (
            "AWS::DynamoDB::Table",
            json!({ "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }],
                "KeySchema": [key(json!("a"), "HASH")],
                "LocalSecondaryIndexes": perhaps(json!([{ "IndexName": "abc",
                    "KeySchema": [key(json!("a"), "HASH")], "Projection": {} }])) }),
        ),
        (
            "AWS::Cognito::UserPoolDomain",
            json!({ "UserPoolId": "eu-west-1_a", "Domain": "no.dots",
                "CustomDomainConfig": perhaps(json!({ "CertificateArn": { "Ref": "A" } })) }),
        ),
        ("AWS::RDS::DBCluster", json!({ "Engine": { "Ref": "E" }, "MasterUsername": "admin" })),
        ("AWS::RDS::DBCluster", json!({ "Engine": "aurora-mysql", "MasterUsername": "admin" })),
        ("AWS::RDS::DBCluster", json!({ "Engine": "aurora-postgresql", "MasterUsername": { "Ref": "E" } })),
        (
            "AWS::Events::Connection",
            json!({ "AuthorizationType": "API_KEY", "AuthParameters": {
                "ApiKeyAuthParameters": perhaps(json!({ "ApiKeyName": "a", "ApiKeyValue": "b" })),
                "BasicAuthParameters": unless(json!({ "Username": "a", "Password": "b" })),
                "OAuthParameters": nothing(),
                "InvocationHttpParameters": {},
            } }),
        ),
        (
            "AWS::Logs::Transformer",
            json!({ "LogGroupIdentifier": "a", "TransformerConfig": [
                { "ParseJSON": {}, "ParseWAF": nothing() },
                { "ParseJSON": perhaps(json!({})), "ParseWAF": unless(json!({})) },
            ] }),
        ),
        (
            "AWS::CloudFront::RealtimeLogConfig",
            json!({ "Name": "a", "Fields": ["a"], "SamplingRate": { "Ref": "R" },
            "EndPoints": [{ "StreamType": "Kinesis", "KinesisStreamConfig": { "RoleArn": "a", "StreamArn": "b" } }] }),
        ),
        (
            "AWS::Bedrock::Blueprint",
            json!({ "BlueprintName": "a", "Type": "DOCUMENT", "Schema": {},
            "KmsEncryptionContext": { "KmsEncryptionContext": "a" } }),
        ),
        (
            "AWS::Scheduler::Schedule",
            json!({ "FlexibleTimeWindow": { "Mode": "OFF" }, "ScheduleExpression": "rate(1 day)",
            "StartDate": "2027-01-31T09:00:00+05:30", "EndDate": { "Ref": "End" },
            "Target": { "Arn": { "Ref": "A" }, "RoleArn": { "Ref": "R" } } }),
        ),
        (
            "AWS::Route53::CidrCollection",
            json!({ "Name": "a",
            "Locations": [{ "LocationName": "a", "CidrList": ["10.0.0.0/24", "2001:db8::/48"] }] }),
        ),
    ] {
        assert_eq!(check(kind, &properties).1, Vec::<String>::new(), "{kind} {properties}");
    }
}

#[test]
fn a_null_is_one_problem() {
    for (kind, properties) in [
        (
            "AWS::Cognito::UserPoolDomain",
            json!({ "UserPoolId": "eu-west-1_a", "Domain": "a.b", "CustomDomainConfig": { "CertificateArn": null } }),
        ),
        ("AWS::RDS::DBCluster", json!({ "Engine": "aurora-postgresql", "MasterUsername": null })),
        ("AWS::RDS::DBCluster", json!({ "Engine": "aurora-postgresql", "KmsKeyId": null })),
    ] {
        let (_, problems) = check(kind, &properties);
        assert_eq!(problems.len(), 1, "{kind} {problems:?}");
    }
}

#[test]
fn multiples_are_those_of_decimals() {
    for (weight, right) in [("0.29", true), ("0.07", true), ("0.1", true), ("0.001", false), ("0.005", false)]
    {
        let properties = json!({ "ContinuousDeploymentPolicyConfig": { "Enabled": true,
            "StagingDistributionDnsNames": ["a.cloudfront.net"], "Type": "SingleWeight",
            "SingleWeightPolicyConfig": { "Weight": number::value(weight) } } });
        let (_, problems) = check("AWS::CloudFront::ContinuousDeploymentPolicy", &properties);
        assert_eq!(problems.is_empty(), right, "{weight} {problems:?}");
    }
}

#[test]
fn single_values_get_the_type_of_their_place() {
    let properties = json!({ "VisibilityTimeout": "5", "SqsManagedSseEnabled": "true", "QueueName": 12, "Tags": [{ "Key": "a", "Value": true }] });
    let (value, problems) = check("AWS::SQS::Queue", &properties);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        value,
        json!({ "VisibilityTimeout": 5, "SqsManagedSseEnabled": true, "QueueName": "12", "Tags": [{ "Key": "a", "Value": "true" }] })
    );
}

#[test]
fn free_json_keeps_every_scalar() {
    let plain = |text: &str| Expression {
        is: ExpressionKind::Scalar { text: text.to_owned(), plain: true },
        span: Span::default(),
    };
    let texts =
        ["012345678901", "0755", "-01", "1_000", ".5", "5.", "0o17", "0x1F", "nan", ".inf", "True", "no"];
    let numbers = ["1e3", "1.10", "12345678901234567890123", "18446744073709551616", "-0", "0", "7"];
    let items = texts.iter().chain(&numbers).map(|text| plain(text)).collect();
    let list = Expression { is: ExpressionKind::List(items), span: Span::default() };
    let document = |value: Expression| Expression {
        is: ExpressionKind::Map(vec![ExpressionEntry {
            key: "ServiceToken".to_owned(),
            key_span: Span::default(),
            value,
        }]),
        span: Span::default(),
    };
    let mut problems = Vec::new();
    let written = free(&document(list), &mut |problem| problems.push(problem));
    let texts = texts.map(|text| format!("{text:?}")).join(",");
    assert_eq!(number::to_json(&written), format!("{{\"ServiceToken\":[{texts},{}]}}", numbers.join(",")));
    assert_eq!(problems, []);
    let null = Expression { is: ExpressionKind::Null, span: Span::default() };
    free(&document(null), &mut |problem| problems.push(problem));
    assert_eq!(problems.len(), 1);
}

#[test]
fn a_place_for_numbers_takes_numbers_as_json_has_them() {
    for (text, wrong) in [("012", true), ("1_0", true), ("5", false), ("1e1", true), ("+5", true)] {
        let properties = Expression {
            is: ExpressionKind::Map(vec![ExpressionEntry {
                key: "DelaySeconds".to_owned(),
                key_span: Span::default(),
                value: Expression {
                    is: ExpressionKind::Scalar { text: text.to_owned(), plain: true },
                    span: Span::default(),
                },
            }]),
            span: Span::default(),
        };
        let mut count = 0;
        find("AWS::SQS::Queue").expect("a type").schema().check(&properties, &mut |_| count += 1);
        assert_eq!(count, usize::from(wrong), "{text}");
    }
}

fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = "[A-Z][a-z]{1,4}|Tags|Key|Value|Code|Rules|Status|Ref";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..4).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn any_value_is_judged_without_a_panic(value in any_value(), kind in 0..1_500_u16) {
        let mut count = 0;
        super::super::TypeId(kind).schema().check(&expression(&value), &mut |_| count += 1);
    }
}
