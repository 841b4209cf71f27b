//! The one integration binary of `deployer-lang`: each file beside this one is a module of it.

mod cases;
mod codes;
mod docs;
mod fixes;
mod golden;
mod graph;
mod import;
mod imports;
mod patterns;
mod robustness;
mod schema;
mod schemas;
mod sensitive;
mod typed;

#[test]
fn no_test_file_is_forgotten() {
    let runner = golden::read(&golden::package().join("tests/runner.rs"));
    for entry in golden::entries(&golden::package().join("tests")) {
        let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "runner") {
            assert!(runner.contains(&format!("\nmod {module};\n")), "tests/runner.rs has no `mod {module};`");
        }
    }
}
