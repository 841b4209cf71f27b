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
fn types_are_written_where_they_make_the_same() {
    let file = "name: shop\nstacks: { dev: {} }\nresources:\n  jobs: { type: queue }\n  notes: { type: AWS::SQS::Queue }\n";
    let folder = folder(file);
    let (code, template, err) = run(&folder, &["synth"]);
    assert_eq!(code, Some(0), "{err}");
    std::fs::write(folder.path().join("made.json"), &template).expect("a file");
    let args = ["import", "--template", "made.json", "--typed", "--out", "new.yaml"];
    let (code, out, err) = run(&folder, &[&args[..], &["--output", "json"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let document = json(&out);
    assert_eq!(judge("import", &document), [""; 0]);
    let typed = &document["typed"];
    assert_eq!((&typed["resources"], &typed["made"]), (&5.into(), &4.into()), "{typed}");
    assert_eq!(typed["lifted"][0]["type"], "queue", "{typed}");
    assert_eq!(typed["kept"][0]["logicalId"], "Notes", "{typed}");
    assert!(typed["kept"][0]["reason"].as_str().expect("a text").contains("RedrivePolicy"), "{typed}");
    let (code, out, err) = run(&folder, &["-f", "new.yaml", "synth"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(json(&out), json(&template));
    let (code, _, err) = run(&folder, &["import", "--template", "made.json", "--typed", "--out", "-"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("types of the language make 4 of the resources, 5 in total: queue 1"), "{err}");
    assert!(err.contains("1 resource for which there is a type stays as it is"), "{err}");
    let (code, ..) = run(&folder, &["import", "jobs=id", "--typed"]);
    assert_eq!(code, Some(2));
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

#[test]
fn options_that_mean_nothing_for_a_template_are_refused_and_a_region_is_written() {
    let folder = folder("name: other\nstacks: { dev: {} }\nresources: {}\n");
    std::fs::write(folder.path().join("shop.yaml"), TEMPLATE).expect("a file");
    let import = ["import", "--template", "shop.yaml", "--out", "-"];
    for (more, part) in [
        (&["--role-arn", "arn:aws:iam::111122223333:role/deployer"][..], "`--role-arn` is for NAME=ID"),
        (&["--into", "dev"], "`--into` is for NAME=ID"),
        (&["--local"], "`--local` is for `--stack`"),
        (&["--config", "throttle=5"], "`--config` is for stack files that exist"),
    ] {
        let (code, out, err) = run(&folder, &[&import[..], more].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{more:?}: {err}");
        assert!(err.contains(part), "{more:?}: {err}");
    }
    let (code, out, err) = run(&folder, &[&import[..], &["--region", "eu-west-1"]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("region: eu-west-1"), "{out}");
    let (code, _, err) = run(&folder, &["import", "=x"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("expected NAME=ID"), "{err}");
}
