//! The form of [`super::Diff`] as JSON Schema (draft 2020-12), for programs that read `deployer diff --output json`.

use serde_json::{Map, Value, json};

/// The schema of a diff, as the command writes it.
#[must_use]
pub fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let number = |description: &str| json!({ "type": "number", "description": description });
    let yes = |description: &str| json!({ "type": "boolean", "description": description });
    let any = |description: &str| json!({ "description": description });
    let words = |words: &[&str], description: &str| json!({ "enum": words, "description": description });
    let list = |items: Value, description: &str| json!({ "type": "array", "items": items, "description": description });
    let texts = |description: &str| list(json!({ "type": "string" }), description);
    let count = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    let to = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });

    let before = ("before", any("the deployed value; an expression where it is not known"), false);
    let after = ("after", any("the value in the file; an expression where it is not known"), false);
    let because = ("because", text("the replaced resource that the value comes from"), false);
    let forces = |description: &str| words(&["never", "unknown", "conditional", "always"], description);
    let property = object(vec![
        (
            "path",
            text("where: `Properties.ScalingConfig.MaximumConcurrency`; entries of lists by name or place"),
            true,
        ),
        before.clone(),
        after.clone(),
        ("replacement", forces("whether the change forces a replacement"), true),
        because.clone(),
    ]);
    let resource = object(vec![
        ("id", text("logical id"), true),
        ("type", text("CloudFormation type"), true),
        ("origin", text("name in stack.yaml"), false),
        ("action", words(&["create", "update", "replace", "delete", "keep"], "what happens to it"), true),
        ("replacement", forces("whether it is, or may be, replaced"), true),
        ("holds", text("the data that is lost with it, if it can't be created again"), false),
        ("protected", yes("whether the deployed template protects it"), true),
        ("old", words(&["deleted", "retained", "snapshot"], "what happens to the deployed one"), false),
        ("blockedByName", text("the unchanged name for which CloudFormation refuses to replace it"), false),
        ("changes", list(to("property"), "its changes"), true),
    ]);
    let value = object(vec![
        ("name", text("its name"), true),
        ("action", words(&["create", "update", "delete"], "what happens to it"), true),
        before,
        after,
        because,
    ]);
    let permission = object(vec![
        ("gained", yes("true if it is gained, false if it is lost"), true),
        ("effect", words(&["allow", "deny"], "what it does"), true),
        ("principal", text("who"), true),
        ("actions", texts("the actions, or all that a managed policy allows"), true),
        ("resources", texts("on what"), true),
        ("condition", any("the condition"), false),
        ("widens", yes("whether it allows more than before"), true),
    ]);
    let kinds =
        ["ingress", "egress", "route", "publicAddress", "publicEndpoint", "publicPolicy", "publicBucket"];
    let exposure = object(vec![
        ("gained", yes("true if it is opened, false if it is closed"), true),
        ("kind", words(&kinds, "its sort"), true),
        ("resource", text("logical id"), true),
        ("sentence", text("what it does"), true),
        ("public", yes("whether it allows access from anywhere"), true),
    ]);
    let code = object(vec![
        ("parameter", text("the parameter that names it"), true),
        ("resources", texts("logical ids of the resources that run it"), true),
        ("origins", texts("their names in stack.yaml"), true),
        ("kind", words(&["zip", "image"], "how it is packed"), true),
        (
            "state",
            words(&["create", "update", "delete", "unknown"], "what happens to it; unknown: not built"),
            true,
        ),
        ("before", text("SHA-256 of the deployed code"), false),
        ("after", text("SHA-256 of the new code"), false),
        ("beforeBytes", count("size of the deployed code"), false),
        ("afterBytes", count("size of the new code"), false),
    ]);
    let item = object(vec![
        ("resource", text("logical id"), true),
        ("what", text("what is charged"), true),
        ("before", number("dollars a month of what is deployed"), false),
        ("after", number("dollars a month of the file"), false),
    ]);
    let cost = object(vec![
        ("before", number("dollars a month of what is deployed, as far as known"), true),
        ("after", number("dollars a month of the file, as far as known"), true),
        ("delta", number("the difference, as far as known"), true),
        ("items", list(item, "the resources whose cost changes"), true),
        ("unknown", texts("logical ids of resources that change and whose price is not known"), true),
        ("region", text("region of the prices"), true),
        ("date", text("when they were taken"), true),
    ]);
    let summary = ["create", "update", "replace", "delete", "keep"];
    let summary = object(summary.map(|name| (name, count("resources"), true)).to_vec());
    let values = |description: &str| list(to("value"), description);
    let mut root = object(vec![
        ("stack", text("name of the stack"), true),
        ("new", yes("whether nothing is deployed"), true),
        ("summary", summary, true),
        (
            "resources",
            list(
                to("resource"),
                "all resources: those of the file in its order, then those that are removed",
            ),
            true,
        ),
        ("permissions", list(permission, "permissions gained and lost"), true),
        ("exposure", list(exposure, "network and public access, gained and lost"), true),
        ("code", list(code, "code"), true),
        ("outputs", values("outputs"), true),
        ("parameters", values("parameters that name no code"), true),
        ("tags", values("tags of the stack"), true),
        ("template", values("other parts of the template"), true),
        ("cost", cost, true),
        ("notes", texts("notes on this comparison"), true),
    ]);
    // The command adds its own members: the version, what CloudFormation says.
    root["additionalProperties"] = json!(true);
    root["properties"]["schemaVersion"] = json!({ "type": "integer" });
    let mut out = Map::new();
    out.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    out.insert("title".to_owned(), json!("deployer diff"));
    if let Value::Object(root) = root {
        out.extend(root);
    }
    out.insert("$defs".to_owned(), json!({ "property": property, "resource": resource, "value": value }));
    Value::Object(out)
}

/// A mapping of exactly these members: name, schema, whether it is always there.
fn object(members: Vec<(&str, Value, bool)>) -> Value {
    let required: Vec<&str> =
        members.iter().filter(|(_, _, always)| *always).map(|(name, _, _)| *name).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}
