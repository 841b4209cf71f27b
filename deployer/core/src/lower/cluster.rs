//! `cluster` → Cluster.

use serde_json::{Value, json};

use super::Builder;
use crate::model::cluster::Cluster;
use crate::template::{GetAtt, Ref};

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, _: &str, cluster: &Cluster) {
    let insights = if cluster.insights { "enabled" } else { "disabled" };
    let properties = json!({
        "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "ClusterSettings": [{ "Name": "containerInsights", "Value": insights }],
    });
    builder.add(id, "AWS::ECS::Cluster", properties);
}

/// The CloudFormation expression for an attribute.
pub(super) fn attribute(id: &str, name: &str) -> Value {
    match name {
        "arn" => json!(GetAtt(id, "Arn")),
        _ => json!(Ref(id)),
    }
}
