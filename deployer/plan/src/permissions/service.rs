//! The permissions of CloudFormation's service role: those of the handlers of the template's types.

use std::collections::BTreeSet;

use deployer_cfn::permissions::{Permissions, published};
use serde_json::Value;

use super::names::{Names, Resource, kind_of};
use super::policy::{Condition, Grants, condition};
use super::rules::rules;

/// Types whose handler is code of the account, named by `ServiceToken`.
pub(super) fn is_custom(kind: &str) -> bool {
    kind == "AWS::CloudFormation::CustomResource" || kind.starts_with("Custom::")
}

/// Returns the permissions for all resources of a template.
pub(super) fn grants(names: &Names<'_>, template: &Value) -> Grants {
    let mut grants = Grants::default();
    let kinds: BTreeSet<&str> = names.resources.iter().map(|resource| resource.kind.as_str()).collect();
    for kind in kinds {
        let all: Vec<&Resource> = names.of_type(kind).collect();
        for resource in all.iter().filter(|_| is_custom(kind)) {
            custom(&mut grants, names, &resource.properties["ServiceToken"]);
        }
        let has = |property: &str| all.iter().any(|one| !one.properties[property].is_null());
        for (action, tags) in published().of(kind).into_iter().flatten() {
            if rules().needs(kind, action, has) {
                add(&mut grants, names, &all, action, tags);
            }
        }
        beside_handlers(&mut grants, names, kind, &all);
    }
    parameters(&mut grants, names, template);
    grants
}

/// Adds an action of a handler.
fn add(grants: &mut Grants, names: &Names<'_>, all: &[&Resource], action: &str, tags: bool) {
    let kind = all.first().map(|one| one.kind.as_str()).unwrap_or_default();
    match action {
        "iam:PassRole" => pass_roles(grants, names, all),
        "iam:GetRole" if kind != "AWS::IAM::Role" => {
            let roles: BTreeSet<String> = all.iter().flat_map(|one| names.roles(&one.properties)).collect();
            // A handler that gets no role of the template looks at none.
            if !roles.is_empty() {
                grants.allow(action, roles);
            }
        }
        // A layer may belong to another account.
        "lambda:GetLayerVersion" => {
            let layers = all.iter().flat_map(|one| one.properties["Layers"].as_array().into_iter().flatten());
            let arn = |layer: &Value| match layer.as_str() {
                Some(arn) => arn.to_owned(),
                None => names.place.any("lambda:layerVersion"),
            };
            grants.allow(action, layers.map(arn).collect::<BTreeSet<_>>());
        }
        "iam:CreateServiceLinkedRole" => service_linked_role(grants, names, kind),
        // The code of a function is an object of a bucket that the function names.
        _ if kind == "AWS::Lambda::Function" && action.starts_with("s3:") => {
            let form = published().arn("s3:object").unwrap_or("*");
            let buckets = all.iter().filter_map(|one| one.properties["Code"].get("S3Bucket"));
            let buckets: BTreeSet<String> = buckets
                .map(|bucket| names.place.fill(form, &[bucket.as_str().unwrap_or("*").to_owned()]))
                .collect();
            if !buckets.is_empty() {
                grants.allow(action, buckets);
            }
        }
        _ => grants.allow_if(action, resources(names, all, action, tags), condition_of(names, action)),
    }
}

/// Returns the ARNs that an action of a handler is about.
fn resources(names: &Names<'_>, all: &[&Resource], action: &str, tags: bool) -> BTreeSet<String> {
    let kind = all.first().map(|one| one.kind.as_str()).unwrap_or_default();
    let naming = rules().names.get(kind);
    let own: BTreeSet<&str> = all.iter().filter_map(|one| Some(kind_of(one, naming?))).collect();
    let arns = |kinds: &mut dyn Iterator<Item = &str>| -> BTreeSet<String> {
        kinds.flat_map(|kind| names.arns(kind)).collect()
    };
    let taken = published().resources(action);
    // What sets a tag is about the resource itself, and so is what the reference does not have yet.
    let of_service = own.iter().any(|kind| kind.split(':').next() == action.split(':').next());
    if (taken.is_none() || tags && taken.as_ref().is_some_and(|all| !all.is_empty())) && of_service {
        return arns(&mut own.iter().copied());
    }
    let taken = taken.unwrap_or_default();
    let touched = rules().touches.get(kind).into_iter().flatten();
    let named: BTreeSet<&str> = own.iter().copied().chain(touched.map(String::as_str)).collect();
    let mut chosen: Vec<&str> = taken
        .iter()
        .filter(|kind| kind.is_required || named.contains(kind.name) || names.has(kind.name) && !of_service)
        .map(|kind| kind.name)
        .collect();
    if chosen.is_empty() {
        /// Kinds of which one is meant, beyond which a list says less than `*`.
        const MOST: usize = 4;
        chosen = taken.iter().take(MOST + 1).map(|kind| kind.name).collect();
        if chosen.is_empty() || chosen.len() > MOST {
            return BTreeSet::from(["*".to_owned()]);
        }
    }
    chosen.extend(rules().also.get(action).map(String::as_str));
    arns(&mut chosen.into_iter())
}

/// Returns the condition that narrows an action beyond its resources.
fn condition_of(names: &Names<'_>, action: &str) -> Condition {
    match action {
        // A mapping has an ID that AWS makes, and belongs to a function of the stack.
        "lambda:CreateEventSourceMapping"
        | "lambda:UpdateEventSourceMapping"
        | "lambda:DeleteEventSourceMapping"
            if names.has("lambda:function") =>
        {
            condition("ArnLike", "lambda:FunctionArn", names.arns("lambda:function"))
        }
        "iam:CreateRole"
        | "iam:PutRolePolicy"
        | "iam:AttachRolePolicy"
        | "iam:PutRolePermissionsBoundary" => boundary(names)
            .map(|arn| condition("ArnEquals", "iam:PermissionsBoundary", [arn]))
            .unwrap_or_default(),
        _ => Condition::new(),
    }
}

/// Returns the permissions boundary that all roles of the template have.
fn boundary(names: &Names<'_>) -> Option<String> {
    let mut all = names.of_type("AWS::IAM::Role").map(|role| role.properties["PermissionsBoundary"].as_str());
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.to_owned())
}

/// Allows the roles that resources give to a service, for that service alone.
fn pass_roles(grants: &mut Grants, names: &Names<'_>, all: &[&Resource]) {
    let kind = all.first().map(|one| one.kind.as_str()).unwrap_or_default();
    let Some(passed) = rules().roles.get(kind) else {
        let roles: BTreeSet<String> = all.iter().flat_map(|one| names.roles(&one.properties)).collect();
        if !roles.is_empty() {
            grants.allow("iam:PassRole", roles);
        }
        return;
    };
    let mut roles = BTreeSet::new();
    for value in
        all.iter().flat_map(|one| passed.properties.iter().map(|name| &one.properties[name.as_str()]))
    {
        let found = names.roles(value);
        // A role that a parameter names is known to CloudFormation alone.
        if found.is_empty() && (value.is_string() || value.get("Ref").is_some()) {
            roles.insert(names.place.fill(published().arn("iam:role").unwrap_or("*"), &[]));
        }
        roles.extend(found);
    }
    if !roles.is_empty() {
        let service = condition("StringEquals", "iam:PassedToService", [passed.service.clone()]);
        grants.allow_if("iam:PassRole", roles, service);
    }
}

/// Allows the role that a service makes for itself.
pub(super) fn service_linked_role(grants: &mut Grants, names: &Names<'_>, kind: &str) {
    let service = match kind {
        "AWS::ECS::Cluster" | "AWS::ECS::TaskDefinition" => "ecs.amazonaws.com".to_owned(),
        "AWS::DynamoDB::Table" => "*.dynamodb.amazonaws.com".to_owned(),
        _ => "*".to_owned(),
    };
    let role = format!(
        "arn:{}:iam::{}:role/aws-service-role/{service}/*",
        names.place.partition, names.place.account
    );
    let of_service = match service.contains('*') {
        true => Condition::new(),
        false => condition("StringEquals", "iam:AWSServiceName", [service]),
    };
    grants.allow_if("iam:CreateServiceLinkedRole", [role], of_service);
}

/// Allows the call of a custom resource: a function, or a topic if an ARN says so.
fn custom(grants: &mut Grants, names: &Names<'_>, token: &Value) {
    match token.as_str().filter(|token| token.starts_with("arn:")) {
        Some(arn) if arn.contains(":sns:") => grants.allow("sns:Publish", [arn.to_owned()]),
        Some(arn) => grants.allow("lambda:InvokeFunction", [arn.to_owned()]),
        None => {
            let form = published().arn("lambda:function").unwrap_or("*");
            let functions = names.patterns(token, 0).into_iter();
            grants.allow("lambda:InvokeFunction", functions.map(|name| names.place.fill(form, &[name])));
        }
    }
}

/// Adds what CloudFormation or the service needs beside the handler: CloudFormation User Guide and the guides of the
/// services.
fn beside_handlers(grants: &mut Grants, names: &Names<'_>, kind: &str, all: &[&Resource]) {
    match kind {
        // Lambda lets itself read the image: AWS Lambda Developer Guide, "Amazon ECR permissions".
        "AWS::Lambda::Function" if all.iter().any(|one| one.properties["Code"].get("ImageUri").is_some()) => {
            for action in
                ["BatchGetImage", "GetDownloadUrlForLayer", "GetRepositoryPolicy", "SetRepositoryPolicy"]
            {
                grants.allow(&format!("ecr:{action}"), [names.place.any("ecr:repository")]);
            }
        }
        // The service whose logs are delivered is asked for each resource: Amazon EventBridge User Guide, "Configuring
        // logs for Amazon EventBridge event buses".
        "AWS::Logs::DeliverySource" if names.has("events:event-bus") => {
            grants.allow("events:AllowVendedLogDeliveryForResource", names.arns("events:event-bus"));
        }
        _ => {}
    }
}

/// Adds the reads of values that the template takes from Systems Manager and Secrets Manager.
fn parameters(grants: &mut Grants, names: &Names<'_>, template: &Value) {
    let place = names.place;
    for (_, parameter) in template["Parameters"].as_object().into_iter().flatten() {
        let of_ssm = parameter["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::SSM::Parameter::"));
        if of_ssm {
            let name = parameter["Default"].as_str().unwrap_or("*").trim_start_matches('/').to_owned();
            grants.allow("ssm:GetParameters", [place.named("ssm:parameter", name)]);
        }
    }
    let text = template.to_string();
    for (at, begin) in text.match_indices("{{resolve:") {
        let rest = &text[at + begin.len()..];
        let reference = rest.split_once("}}").map(|(reference, _)| reference).unwrap_or_default();
        match reference.split_once(':') {
            Some(("ssm" | "ssm-secure", name)) => {
                // A version may follow the name.
                let name = name.split(':').next().unwrap_or(name).trim_start_matches('/');
                grants.allow("ssm:GetParameters", [place.named("ssm:parameter", known(name))]);
            }
            Some(("secretsmanager", secret)) => {
                let arn = match secret.strip_prefix("arn:") {
                    // partition, service, region, account, `secret`, and the name before the options.
                    Some(rest) => {
                        let arn: Vec<&str> = rest.split(':').take(6).collect();
                        known(&format!("arn:{}", arn.join(":")))
                    }
                    // AWS puts six letters of its own behind the name.
                    None => {
                        let name = secret.split(':').next().unwrap_or(secret);
                        place.named("secretsmanager:Secret", format!("{}-??????", known(name)))
                    }
                };
                grants.allow("secretsmanager:GetSecretValue", [arn]);
            }
            _ => {}
        }
    }
}

/// Returns a name that may contain references as a pattern.
fn known(name: &str) -> String {
    let literal = name.split("${").next().unwrap_or_default();
    if literal.len() == name.len() { name.to_owned() } else { format!("{literal}*") }
}

/// Returns the resources without published permissions: their logical ID and type.
pub(super) fn unpublished(names: &Names<'_>) -> Vec<(String, String)> {
    let all: &Permissions = published();
    let unknown = |resource: &&Resource| all.of(&resource.kind).is_none() && !is_custom(&resource.kind);
    names.resources.iter().filter(unknown).map(|one| (one.id.clone(), one.kind.clone())).collect()
}
