//! Nothing: Cargo looks at the build dependencies of packages with a build script only.

fn main() {}
