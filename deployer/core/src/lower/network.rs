//! `network` → VPC, subnets, routes, internet gateway, gateway endpoints for S3 and DynamoDB.
//!
//! No NAT gateway: tasks stand in public subnets, take a public address and open no port, which costs nothing while idle.

use serde_json::{Value, json};

use super::Builder;
use crate::model::network::Network;
use crate::template::{GetAtt, Ref, Sub};

/// Room for four subnets of 16,384 addresses.
const VPC_CIDR: &str = "10.0.0.0/16";

/// Logical ids of the subnets of a network.
pub(super) fn subnets(id: &str, network: &Network) -> Vec<String> {
    (1..=network.zones).map(|zone| format!("{id}Subnet{zone}")).collect()
}

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, _: &str, network: &Network) {
    let named = |what: &str| json!([{ "Key": "Name", "Value": Sub(format!("${{AWS::StackName}}{what}")) }]);
    let vpc = json!({
        "CidrBlock": VPC_CIDR,
        "EnableDnsHostnames": true,
        "EnableDnsSupport": true,
        "Tags": named(""),
    });
    builder.add(id, "AWS::EC2::VPC", vpc);

    let gateway = format!("{id}InternetGateway");
    let attachment = format!("{gateway}Attachment");
    let table = format!("{id}RouteTable");
    builder.add(&gateway, "AWS::EC2::InternetGateway", json!({ "Tags": named("") }));
    let attach = json!({ "VpcId": Ref(id), "InternetGatewayId": Ref(&gateway) });
    builder.add(&attachment, "AWS::EC2::VPCGatewayAttachment", attach);
    builder.add(&table, "AWS::EC2::RouteTable", json!({ "VpcId": Ref(id), "Tags": named("") }));
    let route = json!({
        "RouteTableId": Ref(&table),
        "DestinationCidrBlock": "0.0.0.0/0",
        "GatewayId": Ref(&gateway),
    });
    builder.add(format!("{id}Route"), "AWS::EC2::Route", route).depends_on = vec![attachment];

    for (index, subnet) in subnets(id, network).into_iter().enumerate() {
        let properties = json!({
            "VpcId": Ref(id),
            "CidrBlock": format!("10.0.{}.0/18", index * 64),
            "AvailabilityZone": { "Fn::Select": [index, { "Fn::GetAZs": "" }] },
            // Tasks ask for a public address themselves; nothing else in the subnet gets one.
            "MapPublicIpOnLaunch": false,
            "Tags": named(&format!("-{}", index + 1)),
        });
        builder.add(&subnet, "AWS::EC2::Subnet", properties);
        let association = json!({ "SubnetId": Ref(&subnet), "RouteTableId": Ref(&table) });
        builder.add(
            format!("{subnet}RouteTableAssociation"),
            "AWS::EC2::SubnetRouteTableAssociation",
            association,
        );
    }

    for (name, service) in [("S3", "s3"), ("DynamoDb", "dynamodb")] {
        let endpoint: Value = json!({
            "VpcId": Ref(id),
            "VpcEndpointType": "Gateway",
            "ServiceName": Sub(format!("com.amazonaws.${{AWS::Region}}.{service}")),
            "RouteTableIds": [Ref(&table)],
        });
        builder.add(format!("{id}{name}Endpoint"), "AWS::EC2::VPCEndpoint", endpoint);
    }
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        _ => json!(Ref(id)),
    }
}
