//! `cluster` → Cluster.

use deployer_cfn::template::{GetAtt, Ref};
use serde_json::{Value, json};

use super::Builder;
use super::lowering::Lowering;
use crate::model::Stack;
use crate::model::cluster::Cluster;

impl Lowering for Cluster {
    fn lower(&self, builder: &mut Builder<'_>, id: &str, _: &str) {
        if self.existing.is_some() {
            return;
        }
        let insights = if self.insights { "enabled" } else { "disabled" };
        let properties = json!({
            "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
            "ClusterSettings": [{ "Name": "containerInsights", "Value": insights }],
        });
        builder.add(id, "AWS::ECS::Cluster", properties);
    }

    fn attribute(&self, _: &Stack, id: &str, _: &str, attribute: &str) -> Value {
        match attribute {
            "arn" => json!(GetAtt(id, "Arn")),
            _ => json!(Ref(id)),
        }
    }
}
