//! `cluster` → Cluster.

use serde_json::json;

use super::Builder;
use crate::model::cluster::Cluster;

pub(super) fn lower(builder: &mut Builder<'_>, id: &str, cluster: &Cluster) {
    let insights = if cluster.insights { "enabled" } else { "disabled" };
    let properties = json!({
        "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "ClusterSettings": [{ "Name": "containerInsights", "Value": insights }],
    });
    builder.add(id, "AWS::ECS::Cluster", properties);
}
