//! `init --from` of files that are not what a program writes: those of offices, with titles, units and footnotes, in other
//! encodings and formats, and with values that no table takes.

use tempfile::TempDir;

use crate::from::{check, file, folder, has, init};
use crate::{command, run};

#[test]
fn files_of_public_offices_become_items() {
    for (name, items, parts, said) in [
        (
            "gemeinden.csv",
            5,
            &[
                "encoding: windows-1252",
                "skip: 4",
                "- \"Schlüssel\"",
                "\"bevölkerung\": { from: \"Bevölkerung\", type: number, decimal: \",\", group: \".\" }",
                "where: \"row['Stadt'] != '' || row['Fläche'] != ''",
            ][..],
            &["line 5 has the units", "the last 3 rows look like footnotes", "read as windows-1252"][..],
        ),
        (
            "konto.csv",
            4,
            &[
                "skip: 4",
                "type: date, format: \"%d.%m.%y\"",
                "betrag: { from: Betrag, type: number, decimal: \",\", group: \".\" }",
            ],
            &["the header is in line 5"],
        ),
        (
            "budget.csv",
            4,
            &["award_date: { from: Award Date, type: date, format: \"%m/%d/%y\" }", "zip: { from: ZIP }"],
            &["the key is `Contract No.`"],
        ),
        (
            "merged.csv",
            4,
            &["skip: 2", "- \"2019 Female\"", "where: \"!row['Region'].startsWith('Note:') && "],
            &["the header has two lines, 2 and 3, which are joined", "the last 2 rows look like footnotes"],
        ),
        ("series.csv", 8, &["title: { from: Title, required: true }"], &[]),
        (
            "eurostat.tsv",
            3,
            &["delimiter: \"\\t\"", "\"2019\": { from: \"2019\", type: number }"],
            &["the key is `freq,unit,geo\\TIME_PERIOD`"],
        ),
        (
            "communes.csv",
            3,
            &[
                "type: date, format: \"%d/%m/%Y\"",
                "type: number, decimal: \",\", group: \" \"",
                "values: { \"N/A\": \"\" }",
            ],
            &[],
        ),
        (
            "bank.csv",
            3,
            &["skip: 4", "\"2023\": { from: \"2023\", type: integer }"],
            &["the header is in line 5"],
        ),
        (
            "gminy.csv",
            3,
            &["encoding: windows-1250", "type: number, decimal: \",\""],
            &["read as windows-1250"],
        ),
        (
            "noaa.csv",
            3,
            &[
                "comment: \"#\"",
                "tmax: { from: TMAX, type: number }",
                "key: { station: string, date: string }",
            ],
            &["line 4 has the units", "`comment` leaves out lines that begin with `#`"],
        ),
        (
            "schools.xlsx",
            3,
            &[
                "xlsx: { sheet: Pupils }",
                "- \"2022 Girls\"",
                "\"2023_girls\": { from: \"2023 Girls\", type: number }",
            ],
            &[
                "the sheet `Pupils` is read",
                "other sheets are not read: `Notes`",
                "the last row looks like a footnote",
            ],
        ),
    ] {
        let (stack, err) = check(name, &file(name), items, 0);
        has(name, &stack, parts);
        for part in said {
            assert!(err.contains(part), "{name}: no `{part}` in {err}");
        }
        assert!(!err.contains("warning"), "{name}: {err}");
    }
}

#[test]
fn encodings_are_those_of_the_letters() {
    let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (bytes, label) in [
        // id;Straße 1;Große Gärten 2;Höfe
        (b"id;Stra\xdfe\n1;Gro\xdfe G\xe4rten\n2;H\xf6fe\n".to_vec(), "windows-1252"),
        // id;ulica 1;Żółwiowa 2;Ślężna, Łódź
        (b"id;ulica\n1;\xaf\xf3\xb3wiowa\n2;\x8cl\xea\xbfna, \xa3\xf3d\x9f\n".to_vec(), "windows-1250"),
        // 番号,名前 1,田中太郎 2,鈴木花子
        (b"\x94\xd4\x8d\x86,\x96\xbc\x91O\n1,\x93c\x92\x86\x91\xbe\x98Y\n2,\x97\xe9\x96\xd8\x89\xd4\x8eq\n".to_vec(), "shift_jis"),
        (units("id;Größe\n1;1,75\n2;1,8\n"), "utf-16le"),
        // The first letters are far from the start.
        ([b"id,name\n".to_vec(), b"1,plain\n".repeat(50_000), b"3,M\xfcller\n".to_vec()].concat(), "windows-1252"),
    ] {
        let folder = folder("x.csv", &bytes);
        let (stack, err) = init(&folder, "x.csv", &[]);
        has(label, &stack, &[&format!("encoding: {label}")]);
        assert!(err.to_lowercase().contains(label), "{label}: {err}");
        let (code, out, _) = run_in_project(&folder, &["preview", "../x.csv", "dev", "--output", "csv"]);
        assert_eq!(code, Some(0), "{label}");
        assert!(!out.contains('\u{fffd}'), "{label}: {out}");
    }
    // A code page of DOS can't be read.
    let folder = folder("x.csv", b"id;name\n1;G\x84rten \x81ber H\x94fe\n");
    let (code, _, err) = run(&folder, &["init", "project", "--from", "x.csv"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("a code page of DOS") && err.contains("iconv -f CP850"), "{err}");
    // Some broken places make no other encoding.
    let mixed = ["id;Straße\n1;Große Gärten\n2;Höfe\n".as_bytes(), b"3;\xff\n"].concat();
    let (stack, err) = check("mixed.csv", &mixed, 2, 1);
    assert!(!stack.contains("encoding:"), "{stack}");
    assert!(err.contains("1 row will fail (invalid-encoding): row 3"), "{err}");
}

#[test]
fn json_lines_are_a_format_and_an_array_is_refused() {
    let text = r#"{"id": 1, "name": "a", "geo": {"lat": 1.5}, "": 3, "a.b": "x", "tags": ["x"]}
{"id": 2, "name": "b", "geo": {"lat": 2, "lon": 1}, "extra": true, "tags": []}
{"id": 3, "name": "c", "geo": null, "extra": false, "tags": ["y", 1]}
"#;
    let (stack, err) = check("orders.jsonl", text.as_bytes(), 3, 0);
    has(
        "json",
        &stack,
        &[
            "suffix: .jsonl",
            "settings:\n        format: json-lines\n",
            "key: { id: number }",
            "geo: { from: geo, type: json }",
            "extra: { from: extra, type: boolean, optional: true }",
            "tags: { from: tags, type: json }",
            "a_b: { from: a.b, optional: true }",
        ],
    );
    assert!(!stack.contains("geo.lat"), "{stack}");
    assert!(err.contains("1 column without a usable name"), "{err}");
    for (text, part) in [
        ("[{\"id\": 1}, {\"id\": 2}]\n", "`jq -c '.[]' FILE` writes them"),
        ("{\n  \"id\": 1\n}\n", "`jq -c . FILE` writes each on one line"),
    ] {
        let folder = folder("x.json", text.as_bytes());
        let (code, _, err) = run(&folder, &["init", "project", "--from", "x.json"]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(part) && err.contains("nothing was written"), "{err}");
    }
}

#[test]
fn what_no_table_takes_is_said_or_not_chosen() {
    let (stack, err) =
        check("long.csv", format!("id,body\n1,{}\n2,y\n", "x".repeat(500_000)).as_bytes(), 1, 1);
    assert!(
        err.contains("warning: 1 row will fail (invalid-item): row 1; the item has 500009 bytes"),
        "{err}"
    );
    assert!(err.contains("`body` has the longest values, of up to 500,000 bytes"), "{err}");
    has("long", &stack, &["1 row will fail (invalid-item)"]);
    let long = |bytes: usize| format!("name,x\n{},1\nb,1\n", "a".repeat(bytes));
    let (stack, _) = check("key.csv", long(1_500).as_bytes(), 2, 0);
    has("key", &stack, &["key: { name: string }"]);
    let (stack, err) = check("key.csv", long(2_500).as_bytes(), 2, 0);
    has("key", &stack, &["id: \"${object.key}#${record.index}\""]);
    assert!(
        err.contains(
            "`name` is different in all rows, but not taken for the key: it has values of up to 2,500 bytes"
        ),
        "{err}"
    );
    let folder = folder("key.csv", long(2_500).as_bytes());
    let (code, _, err) = run(&folder, &["init", "project", "--from", "key.csv", "--key", "name"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("values of up to 2,500 bytes, and a partition key can have at most 2,048 bytes"),
        "{err}"
    );
    let (code, _, err) =
        run(&folder, &["init", "project", "--from", "key.csv", "--key", "x", "--key", "name"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("a sort key can have at most 1,024 bytes"), "{err}");
}

#[test]
fn rows_that_overwrite_each_other_are_said() {
    let folder = folder("codes.csv", b"code,x\nA,1\nA,2\nB,3\nA,4\n");
    let (stack, err) = init(&folder, "codes.csv", &["--key", "code"]);
    let said = "2 rows have the key of an earlier row and will overwrite its item: rows 2 (as 1), 4 (as 1)";
    assert!(err.contains(&format!("warning: {said}")), "{err}");
    assert!(
        stack.split_whitespace().collect::<Vec<_>>().join(" ").replace("# ", "").contains(said),
        "{stack}"
    );
    // Two texts of one instant are one key.
    let times = "station,at\nA,2026-01-01T00:00:00Z\nA,2026-01-01T01:00:00+01:00\nB,2026-01-01T02:00:00Z\n";
    let (stack, _) = check("times.csv", times.as_bytes(), 3, 0);
    has("times", &stack, &["id: \"${object.key}#${record.index}\""]);
}

#[test]
fn names_that_do_not_fit_are_left_out_and_said() {
    let text = format!("id,{},b\n1,2,3\n2,3,4\n", "n".repeat(4_096));
    let (stack, err) = check("names.csv", text.as_bytes(), 2, 0);
    has("names", &stack, &["b: { from: b, type: integer }"]);
    assert!(err.contains("1 column without a usable name, of 1 to 1024 bytes, is left out"), "{err}");
    let names: Vec<String> = (0..1_000).map(|column| format!("Measurement number {column}")).collect();
    let row = |row: u32| (0..1_000).map(|column| (row * column).to_string()).collect::<Vec<_>>().join(",");
    let text = format!("{}\n{}\n{}\n", names.join(","), row(1), row(2));
    let (_, err) = check("thousand.csv", text.as_bytes(), 2, 0);
    assert!(err.contains("of 1,000 columns are not used: Lambda holds 4 KB of settings"), "{err}");
    // Names that are needed as settings have to fit, too.
    let names: Vec<String> = (0..1_000)
        .map(|column| {
            format!("A long name of the measurement in the field of the study with the number {}", column / 2)
        })
        .collect();
    let folder = folder("twice.csv", format!("{}\n{}\n", names.join(","), row(1)).as_bytes());
    let (code, _, err) = run(&folder, &["init", "project", "--from", "twice.csv"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("too many columns") && err.contains("ECS allows 65536 bytes"), "{err}");
    assert!(!folder.path().join("project").exists());
}

#[test]
fn odd_headers_are_understood_or_doubted() {
    for (text, items, part) in [
        (",,\n1,a,b\n2,c,d\n", 2, "the file has no header"),
        (",,\nid,name,town\n1,a,b\n2,c,d\n", 2, "the key is `id`"),
        (",,\nid,name,name\n1,a,b\n2,c,d\n", 2, "the header names a column twice"),
        ("\"\",\"\",\"\"\n1,a,b\n2,c,d\n", 2, "the file has no header"),
        ("Sales\nid,town\n1,Bath\n2,York\n", 2, "the header is in line 2"),
        ("note\nhello\nhi, you\nyes, no, and so on\n", 3, "the key is `note`"),
        ("a;b;c\n1;2;3;\n4;5;6;\n7;8;9;\n", 3, "rows end with a delimiter more than line 1"),
        (";2019;2020\nBath;1,5;2\nYork;2,5;3\n", 2, "the header has no name for a column with values"),
        ("  \n\n id , name \n 1 , a \n 2 , b \n", 2, "the header is in line 3"),
        ("\"Town\nName\",x\nBath,1\nYork,2\n", 2, "the key is `Town\\nName`"),
        ("12.5,town,2026-01-31\nx,Bath,y\nz,York,w\n", 2, "line 1 may not be the header"),
        ("id,doc\n1,\"{\"\"a\"\":{\"\"\"\":1}}\"\n2,{}\n", 2, "the key is `id`"),
    ] {
        let (_, err) = check("odd.csv", text.as_bytes(), items, 0);
        assert!(err.contains(part), "{text}: no `{part}` in {err}");
    }
    let folder = folder("odd.csv", b"id,town\n1\n2\n3\n4,x\n");
    let (_, err) = init(&folder, "odd.csv", &[]);
    assert!(err.contains("most rows will fail: if the header is in another line"), "{err}");
}

/// Runs the deployer in the project.
fn run_in_project(folder: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let output = command(&folder.path().join("project"), args).output().expect("the deployer starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}
