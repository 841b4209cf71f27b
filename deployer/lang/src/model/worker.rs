//! The workers that the deployer carries, and the programs that contain them.

/// A worker that the deployer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worker {
    /// Lambda: object created → start a task.
    Extract,
    /// Lambda: row → item.
    Transform,
    /// Lambda: item → table.
    Load,
    /// Lambda: every event → log.
    Observe,
    /// Lambda: end of an object → files about it.
    Report,
    /// Lambda: end of an object → items that it lacks are deleted.
    Snapshot,
    /// Fargate: object → one event a row.
    Extraction,
}

impl Worker {
    /// Every worker.
    pub const ALL: [Self; 7] = [
        Self::Extract,
        Self::Transform,
        Self::Load,
        Self::Observe,
        Self::Report,
        Self::Snapshot,
        Self::Extraction,
    ];

    /// Returns its name in `stack.yaml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Transform => "transform",
            Self::Load => "load",
            Self::Observe => "observe",
            Self::Report => "report",
            Self::Snapshot => "snapshot",
            Self::Extraction => "extraction",
        }
    }

    /// Returns the program that it runs in.
    #[must_use]
    pub const fn program(self) -> Program {
        match self {
            Self::Extract | Self::Transform | Self::Load | Self::Observe | Self::Report | Self::Snapshot => {
                Program::Functions
            }
            Self::Extraction => Program::Extraction,
        }
    }
}

/// A program of the deployer's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// The program of all functions of the pipeline, whose handler names the worker.
    Functions,
    /// The program of the task.
    Extraction,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 2] = [Self::Functions, Self::Extraction];

    /// Returns the name of its binary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Extraction => "extraction",
        }
    }
}
