//! Items whose key is in the table already, and rows that delete: `onConflict` of `load` and `delete` of `transform`.

use crate::cloud::{Cloud, STACK};

/// Returns the repository's stack with this setting of `load`, with rows that may delete unless items are kept, and with
/// columns that files may lack.
pub fn stack(on_conflict: &str) -> String {
    let access = match on_conflict {
        "merge" => "{ update: \"${records}\" }, { delete: \"${records}\" }",
        "newest" => "{ write: \"${records}\" }, { delete: \"${records}\" }",
        _ => "{ write: \"${records}\" }",
    };
    let delete = match on_conflict {
        "keep" => "",
        _ => "        delete: \"has(row.Op) && Op == 'D'\"\n",
    };
    let edits = [
        ("worker: load\n", format!("worker: load\n      settings: {{ onConflict: {on_conflict} }}\n")),
        ("{ write: \"${records}\" }", access.to_owned()),
        ("        fields: #", format!("{delete}        fields: #")),
        ("{ from: HouseNum }", "{ from: HouseNum, optional: true }".to_owned()),
        ("{ from: Street }", "{ from: Street, optional: true }".to_owned()),
        ("{ from: Town }", "{ from: Town, optional: true, empty: omit }".to_owned()),
        ("{ from: Zip }", "{ from: Zip, optional: true }".to_owned()),
    ];
    edits.iter().fold(STACK.to_owned(), |stack, (old, new)| {
        assert_eq!(stack.matches(old).count(), 1, "stack.yaml is another one: {old}");
        stack.replace(old, new)
    })
}

/// Deploys the stack with another setting.
fn deploy(cloud: &Cloud, on_conflict: &str) {
    cloud.write("stack.yaml", stack(on_conflict).as_bytes());
    cloud.json(&["deploy", "local", "-y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_kept_merged_and_deleted() {
    let cloud = Cloud::start(&stack("keep"));
    cloud.json(&["deploy", "local"]);
    cloud.write("first.csv", b"ID,HouseNum,Street,Town,Zip\n1,1,A,Bonn,1\n2,2,A,Bonn,2\n");
    let first = cloud.json(&["upload", "first.csv", "--wait", "--timeout", "3m"]);
    assert_eq!((&first["loaded"], &first["existing"]), (&2.into(), &serde_json::Value::Null), "{first}");

    // One key of the file before, and one that the file has twice.
    cloud.write("second.csv", b"ID,HouseNum,Street,Town,Zip\n2,9,B,Kiel,9\n3,3,B,Kiel,3\n3,4,B,Kiel,4\n");
    let second = cloud.json(&["upload", "second.csv", "--wait", "--timeout", "3m"]);
    assert_eq!(
        (&second["loaded"], &second["skipped"], &second["existing"]),
        (&1.into(), &2.into(), &2.into()),
        "{second}"
    );
    let tally = cloud.json(&["tally", "second.csv"]);
    assert_eq!((&tally["complete"], &tally["existingRows"]["rows"]), (&true.into(), &2.into()), "{tally}");
    let items = cloud.items().await;
    assert_eq!(items.keys().collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!((items["2"]["town"].as_str(), items["3"]["town"].as_str()), ("Bonn", "Kiel"));
    assert!(items["2"]["_version"].ends_with("#00000000000000000002"), "{items:?}");

    deploy(&cloud, "merge");
    cloud.write("third.csv", b"ID,HouseNum,Town\n1,99,\n4,4,Ulm\n");
    let third = cloud.json(&["upload", "third.csv", "--wait", "--timeout", "3m"]);
    assert_eq!(third["loaded"], 2, "{third}");
    let items = cloud.items().await;
    let merged = ["house_number", "street_address", "town"].map(|name| items["1"][name].as_str());
    assert_eq!(merged, ["99", "A", "Bonn"]);
    assert_eq!(items["4"].keys().collect::<Vec<_>>(), ["house_number", "id", "town"]);

    // Row 2 writes what row 1 has deleted, and row 3 deletes what is not there.
    cloud.write("fourth.csv", b"ID,Op,HouseNum\n4,D,\n4,,44\n5,D,\n1,D,\n");
    let fourth = cloud.json(&["upload", "fourth.csv", "--wait", "--timeout", "3m"]);
    assert_eq!((&fourth["loaded"], &fourth["deleted"]), (&4.into(), &3.into()), "{fourth}");
    assert!(!cloud.items().await.contains_key("1"));

    deploy(&cloud, "newest");
    cloud.write("fifth.csv", b"ID,Op,HouseNum\n2,D,\n6,,6\n3,D,\n");
    let shown = cloud.command(&["preview", "fifth.csv", "--output", "ndjson"]).output().expect("preview");
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    assert_eq!(shown.lines().next(), Some("{\"row\":1,\"deleted\":{\"id\":{\"S\":\"2\"}}}"));
    let fifth = cloud.json(&["upload", "fifth.csv", "--wait", "--timeout", "3m"]);
    assert_eq!((&fifth["loaded"], &fifth["deleted"]), (&3.into(), &2.into()), "{fifth}");
    let (text, _) = cloud.ok(&["tally", "fifth.csv"]);
    assert!(text.contains("2 of the loaded rows, which deleted the item of their key: 1, 3"), "{text}");
    let left = cloud.items().await;
    assert!(!left.contains_key("2") && !left.contains_key("3") && left.contains_key("6"), "{left:?}");
}
