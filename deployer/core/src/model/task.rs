//! `type: task`.

use super::access::Access;
use super::properties::{Choice, Duration, Integer, List, Object, Properties, Reference, Size};
use super::{Kind, ResourceRef};
use crate::assets::Worker;
use crate::diagnostic::Diagnostic;
use crate::units;

/// What the type is.
pub const DESCRIPTION: &str = "A Fargate task that a function can run.";
/// Attributes for `${name.attribute}`, with what each is; the first is meant by `${name}` alone.
pub const ATTRIBUTES: &[(&str, &str)] = &[("arn", "ARN of the task definition, with its revision")];

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A Fargate task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The worker that it runs.
    pub worker: Worker,
    /// The cluster that it runs in.
    pub cluster: ResourceRef,
    /// The network that it runs in.
    pub network: ResourceRef,
    /// CPU units; 1,024 are one virtual CPU.
    pub cpu: i64,
    /// Bytes.
    pub memory: u64,
    /// Ephemeral storage in bytes.
    pub disk: u64,
    /// Seconds for which log events are kept.
    pub log_retention: u64,
    /// What it may do.
    pub access: Vec<Access>,
}

impl Task {
    pub(crate) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let worker = properties
            .field("worker", "Which of the workers it runs.", Choice(&[("extraction", Worker::Extraction)]))
            .required();
        let cluster = properties
            .field("cluster", "The cluster that it runs in.", Reference(&[Kind::Cluster]))
            .required();
        let network = properties
            .field("network", "The network that it runs in.", Reference(&[Kind::Network]))
            .required();
        let cpu =
            properties.field("cpu", "CPU units; 1024 are one virtual CPU.", Integer(256, 16_384)).or(256);
        let memory = properties.field("memory", "Memory.", Size(512 * MIB, 120 * GIB)).or(512 * MIB);
        let disk = properties.field("disk", "Ephemeral storage.", Size(21 * GIB, 200 * GIB)).or(21 * GIB);
        let log_retention = properties
            .field("logRetention", "How long log events are kept.", Duration(86_400, 3_653 * 86_400))
            .or(30 * 86_400);
        let access = properties
            .field("access", "What it may do, and to what.", List(Object(Access::read)))
            .or(Vec::new());
        if properties.is_sound() && !fargate_pair(cpu, memory) {
            let span = properties.span_of(if properties.has("memory") { "memory" } else { "cpu" });
            properties.report(
                Diagnostic::error(
                    "E0301",
                    span,
                    format!("Fargate has no task with cpu {cpu} and memory {}", units::show_size(memory)),
                )
                .help(fargate_help(cpu)),
            );
        }
        if !disk.is_multiple_of(GIB) {
            let span = properties.span_of("disk");
            properties.report(
                Diagnostic::error("E0104", span, "ephemeral storage comes in whole GiB")
                    .help("write `21GiB` to `200GiB`"),
            );
        }
        super::function::check_log_retention(properties, log_retention);
        Some(Self {
            worker: worker?,
            cluster: cluster?,
            network: network?,
            cpu,
            memory,
            disk,
            log_retention,
            access,
        })
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
