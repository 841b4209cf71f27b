//! The one integration binary of `deployer-policy`: each file beside this one is a module of it.

mod cases;
#[expect(dead_code, reason = "other packages use the rest")]
#[path = "../../lang/tests/golden.rs"]
mod golden;

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
