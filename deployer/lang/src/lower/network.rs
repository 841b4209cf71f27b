//! `network` → VPC, subnets, routes, gateways, endpoints; or nothing, if it exists already.
//!
//! Without a NAT gateway, tasks are in public subnets, take a public address and open no port, which costs nothing
//! while idle.

use deployer_cfn::template::{GetAtt, Ref, Sub, logical_id};
use deployer_syntax::diagnostic::Span;
use serde_json::{Value, json};

use super::lowering::Lowering;
use super::{Builder, text_value};
use crate::model::access::{Access, Verb};
use crate::model::network::{Egress, Network, New};
use crate::model::{ResourceRef, ResourceType, Stack, Text, TextPart};

/// Returns the logical IDs of the subnets for tasks and functions.
fn own_subnets(id: &str, network: &New) -> Vec<String> {
    (1..=network.zones).map(|zone| format!("{id}Subnet{zone}")).collect()
}

fn network<'s>(stack: &'s Stack, reference: &ResourceRef) -> Option<&'s Network> {
    match &stack.resource(&reference.name)?.is {
        ResourceType::Network(network) => Some(network),
        _ => None,
    }
}

/// Returns the IDs of the subnets for tasks and functions.
fn subnets(stack: &Stack, reference: &ResourceRef) -> Vec<Text> {
    match network(stack, reference) {
        Some(Network::New(new)) => own_subnets(&logical_id(&reference.name), new)
            .into_iter()
            .map(|resource| Text {
                parts: vec![TextPart::Raw { resource, attribute: None }],
                span: Span::default(),
            })
            .collect(),
        Some(Network::Existing(existing)) => existing.subnets.clone(),
        None => Vec::new(),
    }
}

/// Returns the IDs of the subnets, as a list.
pub(super) fn subnet_list(stack: &Stack, reference: &ResourceRef) -> Vec<Value> {
    subnets(stack, reference).iter().map(|subnet| text_value(stack, subnet)).collect()
}

/// Returns the IDs of the subnets in one text, with commas.
pub(super) fn subnet_text(stack: &Stack, reference: &ResourceRef) -> Value {
    let mut parts = Vec::new();
    for subnet in subnets(stack, reference) {
        if !parts.is_empty() {
            parts.push(TextPart::Literal(",".to_owned()));
        }
        parts.extend(subnet.parts);
    }
    text_value(stack, &Text { parts, span: Span::default() })
}

/// Returns `ENABLED` if tasks need a public address, else `DISABLED`.
pub(super) fn public_ip(stack: &Stack, reference: &ResourceRef) -> &'static str {
    match network(stack, reference) {
        Some(network) if !network.is_public() => "DISABLED",
        _ => "ENABLED",
    }
}

/// Adds a security group for tasks or functions in a network: some ports out, nothing in.
pub(super) fn add_security_group(
    builder: &mut Builder<'_>,
    id: &str,
    what: &str,
    reference: &ResourceRef,
    ports: &[i64],
) {
    let vpc = match network(builder.stack, reference) {
        Some(Network::Existing(existing)) => text_value(builder.stack, &existing.vpc),
        _ => json!(Ref(logical_id(&reference.name))),
    };
    let egress: Vec<Value> = ports
        .iter()
        .map(|port| {
            json!({
                "IpProtocol": "tcp",
                "FromPort": port,
                "ToPort": port,
                "CidrIp": "0.0.0.0/0",
                "Description": if *port == 443 { "AWS APIs" } else { "Named by the file" },
            })
        })
        .collect();
    let description = match ports {
        [443] => format!("{what}: HTTPS out, nothing in."),
        _ => format!("{what}: some ports out, nothing in."),
    };
    let properties = json!({ "GroupDescription": description, "VpcId": vpc, "SecurityGroupEgress": egress });
    builder.add(format!("{id}SecurityGroup"), "AWS::EC2::SecurityGroup", properties);
}

impl Lowering for Network {
    fn lower(&self, builder: &mut Builder<'_>, id: &str, _: &str) {
        if let Network::New(new) = self {
            lower_new(builder, id, new);
        }
    }

    fn attribute(&self, stack: &Stack, id: &str, _: &str, _: &str) -> Value {
        match self {
            Self::New(_) => json!(Ref(id)),
            Self::Existing(existing) => text_value(stack, &existing.vpc),
        }
    }
}

fn named(what: &str) -> Value {
    json!([{ "Key": "Name", "Value": Sub(format!("${{AWS::StackName}}{what}")) }])
}

fn lower_new(builder: &mut Builder<'_>, id: &str, network: &New) {
    let (first, second) = network.cidr;
    let vpc = json!({
        "CidrBlock": format!("{first}.{second}.0.0/16"),
        "EnableDnsHostnames": true,
        "EnableDnsSupport": true,
        "Tags": named(""),
    });
    builder.add(id, "AWS::EC2::VPC", vpc);

    let table = format!("{id}RouteTable");
    match network.egress {
        Egress::Public => {
            let attachment = add_internet_gateway(builder, id);
            add_route_table(builder, id, &table);
            add_internet_route(builder, id, &format!("{id}Route"), &table, attachment);
        }
        Egress::Nat => {
            add_route_table(builder, id, &table);
            add_nat(builder, id, &table, network);
        }
        Egress::Endpoints => add_route_table(builder, id, &table),
    }
    for (index, subnet) in own_subnets(id, network).into_iter().enumerate() {
        // Public subnets share the whole VPC; private ones leave half of it to others.
        let block = match network.egress {
            Egress::Public => format!("{first}.{second}.{}.0/18", index * 64),
            Egress::Nat | Egress::Endpoints => format!("{first}.{second}.{}.0/19", index * 32),
        };
        add_subnet(builder, id, &subnet, index, &block, &table);
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
    if network.egress == Egress::Endpoints {
        add_interface_endpoints(builder, id, network);
    }
}

fn add_internet_gateway(builder: &mut Builder<'_>, id: &str) -> String {
    let gateway = format!("{id}InternetGateway");
    let attachment = format!("{gateway}Attachment");
    builder.add(&gateway, "AWS::EC2::InternetGateway", json!({ "Tags": named("") }));
    let attach = json!({ "VpcId": Ref(id), "InternetGatewayId": Ref(&gateway) });
    builder.add(&attachment, "AWS::EC2::VPCGatewayAttachment", attach);
    attachment
}

fn add_route_table(builder: &mut Builder<'_>, id: &str, table: &str) {
    builder.add(table, "AWS::EC2::RouteTable", json!({ "VpcId": Ref(id), "Tags": named("") }));
}

fn add_internet_route(builder: &mut Builder<'_>, id: &str, route: &str, table: &str, attachment: String) {
    let properties = json!({
        "RouteTableId": Ref(table),
        "DestinationCidrBlock": "0.0.0.0/0",
        "GatewayId": Ref(format!("{id}InternetGateway")),
    });
    builder.add(route, "AWS::EC2::Route", properties).depends_on = vec![attachment];
}

fn add_subnet(builder: &mut Builder<'_>, id: &str, subnet: &str, index: usize, block: &str, table: &str) {
    let properties = json!({
        "VpcId": Ref(id),
        "CidrBlock": block,
        "AvailabilityZone": { "Fn::Select": [index, { "Fn::GetAZs": "" }] },
        // Tasks ask for a public address themselves; nothing else in the subnet gets one.
        "MapPublicIpOnLaunch": false,
        "Tags": named(&format!("-{}", index + 1)),
    });
    builder.add(subnet, "AWS::EC2::Subnet", properties);
    let association = json!({ "SubnetId": Ref(subnet), "RouteTableId": Ref(table) });
    builder.add(
        format!("{subnet}RouteTableAssociation"),
        "AWS::EC2::SubnetRouteTableAssociation",
        association,
    );
}

/// Adds one NAT gateway in a public subnet, for all zones: each one costs money while idle.
fn add_nat(builder: &mut Builder<'_>, id: &str, private_table: &str, network: &New) {
    let (first, second) = network.cidr;
    let attachment = add_internet_gateway(builder, id);
    let table = format!("{id}PublicRouteTable");
    let subnet = format!("{id}PublicSubnet");
    add_route_table(builder, id, &table);
    add_internet_route(builder, id, &format!("{id}PublicRoute"), &table, attachment.clone());
    add_subnet(builder, id, &subnet, 0, &format!("{first}.{second}.128.0/24"), &table);
    let address = format!("{id}NatAddress");
    let gateway = format!("{id}NatGateway");
    builder.add(&address, "AWS::EC2::EIP", json!({ "Domain": "vpc", "Tags": named("") })).depends_on =
        vec![attachment];
    let properties = json!({ "SubnetId": Ref(&subnet), "AllocationId": GetAtt(&address, "AllocationId"), "Tags": named("") });
    builder.add(&gateway, "AWS::EC2::NatGateway", properties);
    let route = json!({
        "RouteTableId": Ref(private_table),
        "DestinationCidrBlock": "0.0.0.0/0",
        "NatGatewayId": Ref(&gateway),
    });
    builder.add(format!("{id}Route"), "AWS::EC2::Route", route);
}

/// Returns the services with an interface endpoint: those that the file names, else the usual ones and further ones
/// that are needed.
fn endpoints<'n>(stack: &Stack, name: &str, network: &'n New) -> Vec<&'n str> {
    let mut out: Vec<&str> = network.endpoints.iter().map(String::as_str).collect();
    if !network.endpoints_given && uses_keys(stack, name) {
        out.push("kms");
    }
    out
}

/// Returns whether something in the network calls KMS itself. Code that reads and writes encrypted data leaves the
/// calls to the service.
fn uses_keys(stack: &Stack, name: &str) -> bool {
    let uses = |network: &ResourceRef, access: &[Access]| {
        network.name == name && access.iter().any(|entry| matches!(entry.verb, Verb::Encrypt | Verb::Decrypt))
    };
    stack.tasks().any(|(_, task)| uses(&task.network, &task.access))
        || stack.functions().any(|(_, function)| {
            function.network.as_ref().is_some_and(|network| uses(network, &function.access))
        })
}

fn add_interface_endpoints(builder: &mut Builder<'_>, id: &str, network: &New) {
    let (first, second) = network.cidr;
    let group = format!("{id}EndpointsSecurityGroup");
    let properties = json!({
        "GroupDescription": "Endpoints of AWS services: HTTPS from the network.",
        "VpcId": Ref(id),
        "SecurityGroupIngress": [{
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "CidrIp": format!("{first}.{second}.0.0/16"),
            "Description": "AWS APIs",
        }],
        // Answers need no rule: a security group remembers the requests.
        "SecurityGroupEgress": [{
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "CidrIp": format!("{first}.{second}.0.0/16"),
            "Description": "The network itself",
        }],
    });
    builder.add(&group, "AWS::EC2::SecurityGroup", properties);
    let subnets: Vec<Value> = own_subnets(id, network).iter().map(|subnet| json!(Ref(subnet))).collect();
    for service in endpoints(builder.stack, &builder.origin, network) {
        let words: Vec<String> = service.split(['.', '-']).map(logical_id).collect();
        let endpoint = json!({
            "VpcId": Ref(id),
            "VpcEndpointType": "Interface",
            "ServiceName": Sub(format!("com.amazonaws.${{AWS::Region}}.{service}")),
            "PrivateDnsEnabled": true,
            "SubnetIds": subnets,
            "SecurityGroupIds": [GetAtt(&group, "GroupId")],
        });
        builder.add(format!("{id}{}Endpoint", words.concat()), "AWS::EC2::VPCEndpoint", endpoint);
    }
}
