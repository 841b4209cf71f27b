//! `import --template`: what it writes, and what it refuses.

use crate::schema::judge;
use crate::{folder, json, run};

const TEMPLATE: &str = "Resources:\n  jobs: { Type: AWS::SQS::Queue, Properties: { QueueName: !Sub '${AWS::StackName}-jobs' } }\n";

#[test]
fn a_template_becomes_a_stack_file_once() {
    let folder = folder("name: other\nstacks: { dev: {} }\nresources: {}\n");
    let template = folder.path().join("OldShop.template.yaml");
    std::fs::write(&template, TEMPLATE).expect("a file");
    let template = template.to_str().expect("a path");
    let args = ["import", "--template", template, "--out", "new.yaml"];
    let (code, out, err) = run(&folder, &[&args[..], &["--output", "json"]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(judge("import", &json(&out)), [""; 0]);
    let written = std::fs::read_to_string(folder.path().join("new.yaml")).expect("a file");
    assert!(written.contains("name: old-shop\n"), "{written}");
    let (code, out, err) = run(&folder, &["-f", "new.yaml", "synth"]);
    assert_eq!(code, Some(0), "{err}");
    let made = json(&out);
    assert_eq!(made["Resources"]["jobs"]["Properties"]["QueueName"]["Fn::Sub"], "${AWS::StackName}-jobs");

    // Neither the new file nor the one that was there is overwritten.
    for args in [&args[..], &["import", "--template", template]] {
        let (code, _, err) = run(&folder, args);
        assert_eq!(code, Some(5), "{err}");
        assert!(err.contains("exists already"), "{err}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("new.yaml")).expect("a file"), written);

    let (code, out, err) = run(&folder, &["import", "--template", template, "--out", "-"]);
    assert_eq!((code, out.as_str()), (Some(0), written.as_str()), "{err}");
}

#[test]
fn what_is_refused_is_named_and_nothing_is_written() {
    let folder = folder("name: other\nstacks: { dev: {} }\nresources: {}\n");
    let template = folder.path().join("wrong.yaml");
    std::fs::write(&template, format!("Hooks: {{}}\n{TEMPLATE}")).expect("a file");
    let args = ["--message-format", "short", "import", "--template", "wrong.yaml", "--out", "new.yaml"];
    let (code, _, err) = run(&folder, &args);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("wrong.yaml:1:1: error[E0375]"), "{err}");
    assert!(!folder.path().join("new.yaml").exists());
    for args in [
        &["import"][..],
        &["import", "--template", "a", "--stack", "b"],
        &["import", "--template", "gone.yaml", "--out", "-"],
    ] {
        let (code, _, err) = run(&folder, args);
        assert_eq!(code, Some(2), "{args:?}: {err}");
    }
}
