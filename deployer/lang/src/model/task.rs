//! `type: task`.

use contract::settings::ExtractionSettings;
use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::units;
use deployer_syntax::yaml::{Node, shorten};

use super::access::{Access, Verb};
use super::code::{Architecture, Image, one_of_these};
use super::definition::{Definition, Drawing, UNUSED};
use super::environment::{Environment, Variables};
use super::flow::{Flows, Role};
use super::properties::{
    AnyText, Boolean, Duration, List, Map, Object, Properties, Read, Reference, Scope, Shape, Size, Str,
};
use super::statement::Statement;
use super::{Kind, ResourceRef, Text, csv, network};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A Fargate task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its image.
    pub image: Image,
    /// Processor that it runs on.
    pub architecture: Architecture,
    /// Cluster that it runs in.
    pub cluster: ResourceRef,
    /// Network that it runs in.
    pub network: ResourceRef,
    /// TCP ports that it may connect to.
    pub outbound: Vec<i64>,
    /// CPU units; 1,024 are one virtual CPU.
    pub cpu: i64,
    /// Bytes of memory.
    pub memory: u64,
    /// Ephemeral storage in bytes.
    pub disk: u64,
    /// Seconds for which log events are kept.
    pub log_retention: u64,
    /// `true` if it runs on spare capacity, which is cheaper and may be reclaimed with two minutes' notice.
    pub spot: bool,
    /// Command that replaces the image's.
    pub command: Vec<Text>,
    /// Variables from the file.
    pub environment: Environment,
    /// Variables whose values are kept elsewhere.
    pub secrets: Vec<(String, Secret)>,
    /// User and group in the container, as numbers.
    pub user: String,
    /// `true` if the container can write to its root file system.
    pub writable: bool,
    /// Its permissions.
    pub access: Vec<Access>,
    /// Further permissions, as statements of IAM.
    pub statements: Vec<Statement>,
    /// The worker's own settings.
    pub settings: Option<ExtractionSettings>,
}

/// One of `secrets`: the place of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A secret of Secrets Manager, by ARN.
    Secret {
        /// Its ARN.
        arn: Text,
        /// The key in its JSON, if the value is a part of it.
        key: Option<String>,
    },
    /// A parameter of Systems Manager, by name.
    Parameter(String),
}

/// User and group without a name; numbers, since an image without `/etc/passwd` has no names.
const USER: &str = "65532:65532";

impl Definition for Task {
    const DESCRIPTION: &'static str = "A Fargate task that a function can run.";
    const ATTRIBUTES: &'static [(&'static str, &'static str)] = &[
        ("arn", "ARN of the task definition, with its revision"),
        ("securityGroup", "id of its security group"),
    ];
    const ACCESS: &'static [(Verb, &'static str)] = &[(Verb::Run, "a task in its cluster")];
    const DRAWING: Drawing = Drawing::Always(Role::Task);

    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let image = Image::read(properties);
        let architecture = Architecture::read(properties);
        let cluster =
            properties.field("cluster", "Cluster that it runs in.", Reference(&[Kind::Cluster])).required();
        let network =
            properties.field("network", "Network that it runs in.", Reference(&[Kind::Network])).required();
        let outbound = network::outbound(properties);
        let cpu = properties.field("cpu", "CPU units; 1024 are one virtual CPU.", CpuUnits).or(256);
        let memory = properties.field("memory", "Memory.", Size(512 * MIB, 120 * GIB)).or(512 * MIB);
        let disk = properties.field("disk", "Ephemeral storage.", Size(21 * GIB, 200 * GIB)).or(21 * GIB);
        let log_retention = properties
            .field("logRetention", "Time for which log events are kept.", Duration(86_400, 3_653 * 86_400))
            .or(30 * 86_400);
        let spot = properties
            .field(
                "spot",
                "Use Fargate Spot: cheaper, but tasks can be stopped with two minutes' notice.",
                Boolean,
            )
            .or(false);
        let command =
            properties.field("command", "Command that replaces the image's.", List(AnyText)).or(Vec::new());
        let environment = properties
            .field("environment", "Environment variables for code of your own.", Variables::OfTask)
            .or(Environment::default());
        let secrets = properties
            .field(
                "secrets",
                "Environment variables whose values are stored elsewhere.",
                Map(Object(Secret::read)),
            )
            .or(Vec::new());
        let user =
            properties.field("user", "User and group in the container, as numbers.", Str).or(USER.to_owned());
        let writable = properties
            .field(
                "writable",
                "Allow the container to write to its root file system, which ECS Exec needs.",
                Boolean,
            )
            .or(false);
        let access = properties
            .field(
                "access",
                "Operations that it is allowed to perform, and on which resources.",
                List(Object(Access::read)),
            )
            .or(Vec::new());
        let statements = properties
            .field("statements", "Further permissions, as statements of IAM.", List(Object(Statement::read)))
            .or(Vec::new());
        let settings = properties
            .field(
                "settings",
                "Settings of the worker; `extraction` has `format`, `csv`, `json`, `xlsx`, `rowsPerEvent` and `eventsPerSecond`.",
                Object(csv::read_settings),
            )
            .optional();
        let number = |text: &str| text.parse::<u32>().is_ok_and(|number| number.to_string() == text);
        if !user.split_once(':').map_or(number(&user), |(user, group)| number(user) && number(group)) {
            let span = properties.span_of("user");
            properties.report(
                Diagnostic::error("E0108", span, format!("`{}` is not a user and group", shorten(&user)))
                    .help("numbers, such as `1000:1000`"),
            );
        }
        for name in ["command", "environment", "secrets", "user", "writable"] {
            if properties.has("worker") && properties.has(name) {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error(
                        "E0107",
                        span,
                        format!("`{name}` can only be used with `code` or `image`, not with `worker`"),
                    )
                    .help("workers are configured by `access`; remove it"),
                );
            }
        }
        if properties.has("settings") && !properties.has("worker") {
            let span = properties.span_of("settings");
            properties.report(
                Diagnostic::error(
                    "E0107",
                    span,
                    "`settings` can only be used with `worker`, not with `code` or `image`",
                )
                .help("configure code of your own by `environment`"),
            );
        }
        if properties.is_sound() && !fargate_pair(cpu, memory) {
            let span = properties.span_of(if properties.has("memory") { "memory" } else { "cpu" });
            properties.report(
                Diagnostic::error(
                    "E0301",
                    span,
                    format!("Fargate does not support cpu {cpu} with memory {}", units::show_size(memory)),
                )
                .help(fargate_help(cpu)),
            );
        }
        if !disk.is_multiple_of(GIB) {
            let span = properties.span_of("disk");
            properties.report(
                Diagnostic::error("E0104", span, "ephemeral storage must be in whole GiB")
                    .help("write `21GiB` to `200GiB`"),
            );
        }
        super::function::check_log_retention(properties, log_retention);
        Some(Self {
            image: image?,
            architecture,
            cluster: cluster?,
            network: network?,
            outbound,
            cpu,
            memory,
            disk,
            log_retention,
            spot,
            command,
            environment,
            secrets,
            user,
            writable,
            access,
            statements,
            settings,
        })
    }

    fn unused(&self) -> Option<&'static str> {
        Some(UNUSED)
    }

    fn flows(&self, name: &str, flows: &mut Flows) {
        flows.add_access(name, &self.access);
    }
}

impl Secret {
    fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let arn = properties
            .field(
                "secret",
                "ARN of a secret of Secrets Manager, such as `${password}` of a raw type.",
                AnyText,
            )
            .optional();
        let key = properties.field("key", "With `secret`: the key in its JSON.", Str).optional();
        let parameter = properties
            .field("parameter", "Name of a parameter of Systems Manager, such as `/etl/password`.", Str)
            .optional();
        one_of_these(properties, &["secret", "parameter"], "parameter: /etl/password");
        if properties.has("key") && !properties.has("secret") {
            let span = properties.span_of("key");
            properties.report(
                Diagnostic::error("E0107", span, "`key` can only be used with `secret`").help("remove it"),
            );
        }
        // AWS Systems Manager API reference, `PutParameter`.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        if let Some(name) = parameter.as_ref().filter(|name| name.is_empty() || !name.bytes().all(letter)) {
            let span = properties.span_of("parameter");
            properties.report(
                Diagnostic::error(
                    "E0108",
                    span,
                    format!("`{}` can't be the name of a parameter", shorten(name)),
                )
                .help("letters, digits, `/`, `.`, `_` and `-`, such as `/etl/password`"),
            );
        }
        arn.map(|arn| Self::Secret { arn, key }).or(parameter.map(Self::Parameter))
    }
}

/// CPU units → smallest memory, largest memory and step, in MiB.
/// Source: Amazon ECS Developer Guide, "Fargate task definition differences for CPU and memory".
const FARGATE: [(i64, u64, u64, u64); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// CPU units of a task: the message about a wrong number lists the possible ones.
struct CpuUnits;
impl Read for CpuUnits {
    type Out = i64;
    fn shape(&self) -> Shape {
        Shape::Integer(256, 16_384)
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<i64> {
        let (text, plain) = scope.single(node, "CPU units")?;
        let found = units::integer(&text).filter(|units| plain && (256..=16_384).contains(units));
        if found.is_none() {
            let message = format!("`{}` is not a number of CPU units", shorten(&text));
            scope.report(Diagnostic::error("E0104", node.span, message).help(
                "256 (a quarter of a virtual CPU), 512 (half of one), 1024 (one), 2048, 4096, 8192 or 16384",
            ));
        }
        found
    }
    fn show(&self, value: &i64) -> Option<String> {
        Some(value.to_string())
    }
}

fn fargate_pair(cpu: i64, memory: u64) -> bool {
    FARGATE.iter().any(|(units, low, high, step)| {
        let mib = memory / MIB;
        // The smallest size is the one with 512, 1,024 and 2,048 MiB: doubling, not steps of 512.
        let stepped = mib.is_multiple_of(*step) && !(cpu == 256 && mib == 1_536);
        *units == cpu && memory.is_multiple_of(MIB) && (*low..=*high).contains(&mib) && stepped
    })
}

fn fargate_help(cpu: i64) -> String {
    match FARGATE.iter().find(|(units, ..)| *units == cpu) {
        Some((256, ..)) => "with cpu 256: 512MiB, 1GiB or 2GiB".to_owned(),
        Some((_, low, high, step)) => {
            format!(
                "with cpu {cpu}: {}GiB to {}GiB in steps of {}GiB",
                low / 1_024,
                high / 1_024,
                step / 1_024
            )
        }
        None => "cpu is 256, 512, 1024, 2048, 4096, 8192 or 16384".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fargate_sizes_are_those_of_the_guide() {
        for (cpu, mib, fits) in [
            (256, 512, true),
            (256, 1_024, true),
            (256, 1_536, false),
            (256, 2_048, true),
            (256, 4_096, false),
            (512, 1_024, true),
            (512, 512, false),
            (4_096, 30_720, true),
            (4_096, 31_744, false),
            (8_192, 20_480, true),
            (8_192, 17_408, false),
            (16_384, 122_880, true),
            (300, 1_024, false),
        ] {
            assert_eq!(fargate_pair(cpu, mib * MIB), fits, "{cpu} {mib}");
        }
    }
}
