//! The code of a function or a task: `worker:`, `code:` and `image:`.

use deployer_syntax::diagnostic::Diagnostic;
use deployer_syntax::yaml::{Node, shorten};
use schemars::JsonSchema;
use serde::Serialize;

use super::Text;
use super::properties::{AnyText, Choice, Object, Properties, Read, Scope, Shape, Str};
use super::worker::Worker;

/// The source of the code of a function or a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A worker that the deployer carries.
    Worker(Worker),
    /// A Cargo package, which the deployer builds.
    Package {
        /// Folder with its `Cargo.toml`, relative to the stack file, with `/` between the names.
        path: String,
        /// The binary; that of the package's name if it is not given.
        bin: Option<String>,
    },
    /// An existing zip.
    Zip {
        /// The file, relative to the stack file, with `/` between the names.
        path: String,
    },
}

impl Code {
    /// Returns its name: that of the worker, of the binary or the package's folder, or of the file without `.zip`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Worker(worker) => worker.name(),
            Self::Package { bin: Some(bin), .. } => bin,
            Self::Package { path, bin: None } | Self::Zip { path } => {
                let last = path.rsplit('/').find(|word| !matches!(*word, "" | "." | "..")).unwrap_or("code");
                last.trim_end_matches(".zip")
            }
        }
    }

    /// Returns the name of the program that is built and published for it: workers share theirs.
    #[must_use]
    pub fn program(&self) -> &str {
        match self {
            Self::Worker(worker) => worker.program().name(),
            Self::Package { .. } | Self::Zip { .. } => self.name(),
        }
    }

    /// Returns the worker, if it is one.
    #[must_use]
    pub const fn worker(&self) -> Option<Worker> {
        match self {
            Self::Worker(worker) => Some(*worker),
            Self::Package { .. } | Self::Zip { .. } => None,
        }
    }
}

/// The code of a function, and the way in which Lambda starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCode {
    /// The code.
    pub code: Code,
    /// Identifier of the runtime.
    pub runtime: String,
    /// The handler that the runtime calls.
    pub handler: String,
}

/// Runtime of Rust programs: AWS Lambda Developer Guide, "Lambda runtimes".
const OS_RUNTIME: &str = "provided.al2023";
/// Families of runtimes: the same page. Their versions come and go.
const RUNTIMES: [&str; 6] = ["provided.al", "python3.", "nodejs", "java", "dotnet", "ruby3."];

impl FunctionCode {
    /// Returns the code of one of the deployer's own workers.
    #[must_use]
    pub fn of_worker(worker: Worker) -> Self {
        // One program for all functions, whose handler names the worker.
        Self { handler: worker.name().to_owned(), ..Self::program(Code::Worker(worker)) }
    }

    fn program(code: Code) -> Self {
        Self { code, runtime: OS_RUNTIME.to_owned(), handler: "bootstrap".to_owned() }
    }

    pub(super) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let package = package(properties);
        let zip = properties.field("zip", "Existing zip file: its path, relative to stack.yaml.", Path);
        let zip = zip.optional();
        let runtime = properties
            .field("runtime", "With `zip`: Lambda's identifier of the runtime, such as `python3.14`.", Str)
            .optional();
        let handler = properties
            .field("handler", "With `zip`: the handler that the runtime calls, such as `app.handler`.", Str)
            .optional();
        if properties.has("package") == properties.has("zip") {
            let span = properties.span_of(if properties.has("zip") { "zip" } else { "" });
            properties.report(
                Diagnostic::error("E0107", span, "code is either a `package` or a `zip`")
                    .help("write `{ package: path/of/a/crate }` or `{ zip: path/of/a.zip, runtime: python3.14, handler: app.handler }`"),
            );
        }
        for name in ["runtime", "handler"] {
            if properties.has(name) && properties.has("package") {
                let span = properties.span_of(name);
                properties.report(
                    Diagnostic::error(
                        "E0107",
                        span,
                        format!("`{name}` can only be used with `zip`, not with `package`"),
                    )
                    .help("remove it"),
                );
            }
        }
        if let Some(runtime) = &runtime
            && !RUNTIMES.iter().any(|family| runtime.starts_with(family) && runtime.len() > family.len())
        {
            let span = properties.span_of("runtime");
            properties.report(
                Diagnostic::error(
                    "E0105",
                    span,
                    format!("`{}` is not a runtime of Lambda", shorten(runtime)),
                )
                .help("such as `python3.14`, `nodejs24.x`, `java25` or `provided.al2023`"),
            );
        }
        let program = runtime.as_ref().is_none_or(|runtime| runtime.starts_with("provided."));
        if zip.is_some() && !program && !properties.has("handler") {
            let span = properties.span_of("runtime");
            properties.report(
                Diagnostic::error("E0102", span, "`handler` is missing")
                    .help("the function that the runtime calls, such as `app.handler`"),
            );
        }
        let out = Self::program(package.or(zip.map(|path| Code::Zip { path }))?);
        Some(Self {
            runtime: runtime.unwrap_or(out.runtime),
            handler: handler.unwrap_or(out.handler),
            code: out.code,
        })
    }
}

fn package(properties: &mut Properties<'_>) -> Option<Code> {
    let package = properties
        .field(
            "package",
            "Cargo package, which the deployer builds: its folder, relative to stack.yaml.",
            Path,
        )
        .optional();
    let bin = properties
        .field(
            "bin",
            "With `package`: the binary of it to use; by default the one with the name of the package.",
            Str,
        )
        .optional();
    if properties.has("bin") && !properties.has("package") {
        let span = properties.span_of("bin");
        properties.report(
            Diagnostic::error("E0107", span, "`bin` can only be used with `package`").help("remove it"),
        );
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if let Some(bin) = &bin
        && (bin.is_empty() || !bin.bytes().all(word))
    {
        let span = properties.span_of("bin");
        properties.report(
            Diagnostic::error("E0108", span, format!("`{}` can't be the name of a binary", shorten(bin)))
                .help("letters, digits, `-` and `_`"),
        );
    }
    Some(Code::Package { path: package?, bin })
}

/// The image of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// A program, of which the deployer makes an image.
    Program(Code),
    /// An existing image, by its URI.
    Uri(Text),
}

impl Image {
    /// Returns the deployer's own worker, if it is one.
    #[must_use]
    pub const fn worker(&self) -> Option<Worker> {
        match self {
            Self::Program(code) => code.worker(),
            Self::Uri(_) => None,
        }
    }

    /// Reads `worker`, `code` and `image` of a task.
    pub(super) fn read(properties: &mut Properties<'_>) -> Option<Self> {
        let worker = properties
            .field(
                "worker",
                "Worker of the deployer that it runs.",
                Choice(&[("extraction", Worker::Extraction)]),
            )
            .optional();
        let code = properties
            .field("code", "Program that it runs, if it is not a worker.", Object(package))
            .optional();
        let image = properties
            .field("image", "Existing image that it runs: `registry/name:tag` or `…@sha256:…`.", AnyText)
            .optional();
        one_of_these(properties, &["worker", "code", "image"], "worker: extraction");
        let worker = worker.map(|worker| Self::Program(Code::Worker(worker)));
        worker.or(code.map(Self::Program)).or(image.map(Self::Uri))
    }
}

/// Reports properties of which not exactly one is given.
pub(super) fn one_of_these(properties: &mut Properties<'_>, names: &[&str], example: &str) {
    let given: Vec<&str> = names.iter().copied().filter(|name| properties.has(name)).collect();
    let words = super::properties::one_of(names.iter().copied());
    let diagnostic = match given.as_slice() {
        [_] => return,
        [] => Diagnostic::error("E0102", properties.span_of(""), format!("one of {words} is missing"))
            .help(format!("such as `{example}`")),
        [_, second, ..] => Diagnostic::error(
            "E0107",
            properties.span_of(second),
            format!("only one of {words} can be given"),
        )
        .help("remove the others"),
    };
    properties.report(diagnostic);
}

/// Processor that code is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm (Graviton).
    Arm64,
}

impl Architecture {
    /// Returns the word in `stack.yaml`, which is Lambda's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// Reads `architecture`; the deployer's own workers have one only.
    pub(super) fn read(properties: &mut Properties<'_>) -> Self {
        let architecture = properties
            .field(
                "architecture",
                "Processor architecture of the code; the deployer's workers are for `x86_64`.",
                Choice(&[("x86_64", Self::X86_64), ("arm64", Self::Arm64)]),
            )
            .or(Self::X86_64);
        if architecture == Self::Arm64 && properties.has("worker") {
            let span = properties.span_of("architecture");
            properties.report(
                Diagnostic::error("E0107", span, "the deployer's workers are programs for x86_64")
                    .help("remove `architecture`, or use `code` of your own"),
            );
        }
        architecture
    }
}

/// A path beside the stack file.
pub(crate) struct Path;
impl Read for Path {
    type Out = String;
    fn shape(&self) -> Shape {
        Shape::String
    }
    fn read(&self, node: &Node, scope: &Scope) -> Option<String> {
        let path = Str.read(node, scope)?;
        let drive = path.as_bytes().get(1) == Some(&b':');
        if path.is_empty() || path.starts_with(['/', '~']) || drive || path.contains(['\\', '\0']) {
            scope.report(
                Diagnostic::error("E0110", node.span, format!("`{}` is not a path in the folder of the file", shorten(&path)))
                    .help("relative to the folder of stack.yaml, with `/` between the names, such as `services/resize`"),
            );
            return None;
        }
        Some(path)
    }
    fn show(&self, _: &String) -> Option<String> {
        None
    }
}
