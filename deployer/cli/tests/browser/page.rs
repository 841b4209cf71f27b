//! Uploads and confirmations, what `--read-only` takes away, and the functions of the page that draw nothing.

use serde_json::{Value, json};

use crate::driver::{Browser, is_left_out};
use crate::played::{Done, Played, file, state};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_confirmed_and_sent_whole() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(Vec::new()));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser
        .until("the connection", "document.querySelector('#connection').dataset.state === 'connected'")
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    // Every byte, many times: more than one piece on each connection.
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
    let path = folder.path().join("a b & c.csv");
    std::fs::write(&path, &content).expect("a file");

    // Dropped, and cancelled.
    browser.drop_files(&[&path]).await;
    browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
    let said = browser.js("return document.querySelector('dialog').innerText;", &[]).await;
    for part in ["landing", "played", "local cloud", "2.9 MiB", "a b & c.csv"] {
        assert!(said.as_str().is_some_and(|said| said.contains(part)), "{part} is not in {said}");
    }
    browser.click("dialog .buttons button:not(.primary)").await;
    browser.until("no dialog", "document.querySelector('dialog') === null").await;
    assert_eq!(played.done(), []);

    // Dropped, and confirmed under another key.
    browser.drop_files(&[&path]).await;
    browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
    browser.js("const key = document.querySelector('#upload-key-0'); key.value = ''; key.dispatchEvent(new Event('input'));", &[]).await;
    browser.click("dialog .primary").await;
    browser
        .until(
            "what is wrong",
            "document.querySelector('dialog [role=alert]').textContent === 'A key is empty.'",
        )
        .await;
    browser.write("#upload-key-0", "in/ü & c.txt").await;
    browser.until("the advice", "document.querySelector('dialog').innerText.includes('starts no pipeline: the key has to be like *.csv')").await;
    browser.js("document.querySelector('#upload-key-0').value = '';", &[]).await;
    browser.write("#upload-key-0", "in/ü & c.csv").await;
    browser
        .until("no advice", "!document.querySelector('dialog').innerText.includes('starts no pipeline')")
        .await;
    browser.click("dialog .primary").await;
    browser
        .until(
            "the end of the upload",
            "document.querySelector('#toasts').textContent.includes('has been uploaded')",
        )
        .await;
    let [Done::Upload(bucket, key, sent)] = &played.done()[..] else {
        panic!("one upload, and nothing else")
    };
    assert_eq!(
        (bucket.as_deref(), key.as_str(), sent.len()),
        (Some("landing"), "in/ü & c.csv", content.len())
    );
    assert!(*sent == content, "other bytes were sent");
    browser.until("its place", "location.hash === '#/file/id-uploaded'").await;
    browser
        .until("no event yet", "document.querySelector('#panel').innerText.includes('No event of this file')")
        .await;

    // Its first event: the place of the file fills.
    let mut row = file(0, "in/ü & c.csv");
    row.id = "id-uploaded".into();
    played.hub.set_files(1, vec![row]);
    browser.until("the rows", "document.querySelector('#panel .figure b')?.textContent === '90'").await;
    // The button does the same as a drop.
    browser.js("location.hash = '/';", &[]).await;
    browser.write("#file-input", &path.display().to_string()).await;
    browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
    // The details of a file that the stack does not know yet are not there.
    browser.is_clean(&["/api/file"]).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_only_reads_offers_no_change() {
    if is_left_out() {
        return;
    }
    let mut first = state(vec![file(0, "orders.csv")]);
    first.stack.read_only = true;
    first.stack.shows_sensitive = true;
    let played = Played::start(first);
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser
        .until("the badges", "document.querySelector('#stack-badges').innerText.includes('read-only')")
        .await;
    browser
        .until(
            "the warning",
            "document.querySelector('#stack-badges').innerText.includes('shows sensitive values')",
        )
        .await;
    assert_eq!(browser.js("return document.querySelector('#drop').hidden;", &[]).await, json!(true));
    browser.js("location.hash = '/file/id-0';", &[]).await;
    browser.until("the downloads", "document.querySelectorAll('a[data-which]').length === 2").await;
    assert_eq!(browser.js("return document.querySelectorAll('[data-replay]').length;", &[]).await, json!(0));
    // A file that is dropped neither replaces the page nor is uploaded.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.csv");
    std::fs::write(&path, "ID\n1\n").expect("a file");
    browser.drop_files(&[&path]).await;
    assert_eq!(browser.js("return document.querySelectorAll('dialog').length;", &[]).await, json!(0));
    assert_eq!(browser.js("return document.querySelector('h1').textContent;", &[]).await, json!("played"));
    // Nor does the server take it, whoever asks.
    let status = browser.js_async("return (await fetch('/api/upload?key=a.csv&confirm=1', { method: 'POST', headers: { 'X-Console': '1' }, body: 'ID' })).status;").await;
    assert_eq!(status, json!(403));
    assert_eq!(played.done(), []);
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_counts_and_formats() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(Vec::new()));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    let formats = browser
        .js_async(
            "const f = await import('/format.js');
             const now = new Date(2026, 10, 30, 12, 0, 0);
             return [f.count(1234567), f.count(null), f.short(12345), f.short(999), f.short(1.5e6), f.rate(0.44), f.rate(812.4), f.rate(null),
                 f.counted(1, 'row'), f.counted(2, 'row'), f.bytes(0), f.bytes(1536), f.bytes(5 * 1024 ** 4), f.duration(45), f.duration(100), f.duration(7500), f.duration(7200),
                 f.dollars(0), f.dollars(1.234), f.dollars(0.000123), f.time(new Date(2026, 10, 30, 9, 5, 7), now), f.time(new Date(2026, 10, 29, 9, 5, 7), now), f.time('x'), f.time(null)];",
        )
        .await;
    let wanted = json!([
        "1,234,567",
        "–",
        "12.3k",
        "999",
        "1.5M",
        "0.4/s",
        "812/s",
        "",
        "1 row",
        "2 rows",
        "0 B",
        "1.5 KiB",
        "5,120 GiB",
        "45 s",
        "2 min",
        "2 h 5 min",
        "2 h",
        "$0",
        "$1.23",
        "$0.00012",
        "09:05:07",
        "29 Nov, 09:05:07",
        "–",
        "–"
    ]);
    assert_eq!(formats, wanted);
    // The parts of a bar: each row once, whatever the order in which the stages are seen.
    let parts = browser
        .js_async(
            "const { parts } = await import('/format.js');
             const file = (numbers) => ({ total: null, extracted: 0, transformed: 0, loaded: 0, skipped: 0, failed: 0, missing: null, ...numbers });
             const said = (numbers) => { const { whole, parts: all } = parts(file(numbers)); return [whole, Object.fromEntries(all.map(({ name, rows }) => [name, rows]))]; };
             return [said({}), said({ total: 100, extracted: 60, transformed: 40, loaded: 30 }), said({ total: 100, extracted: 100, transformed: 90, loaded: 80, failed: 12, skipped: 8 }),
                 said({ extracted: 5, transformed: 9, loaded: 7 }), said({ total: 10, extracted: 10, transformed: 10, loaded: 6, missing: 4 }),
                 said({ state: 'open', lastAt: new Date().toISOString(), total: 10, extracted: 10, transformed: 8, loaded: 6, missing: 4 }),
                 said({ state: 'open', lastAt: '2026-01-01T00:00:00Z', total: 10, extracted: 10, transformed: 8, loaded: 6, missing: 4 })];",
        )
        .await;
    assert_eq!(
        parts,
        json!([
            [0, {}],
            [100, { "loaded": 30, "transformed": 10, "extracted": 20 }],
            [100, { "loaded": 80, "skipped": 8, "failed": 12 }],
            [7, { "loaded": 7 }],
            [10, { "loaded": 6, "missing": 4 }],
            [10, { "loaded": 6, "transformed": 2, "extracted": 2 }],
            [10, { "loaded": 6, "missing": 4 }],
        ])
    );
    // The store: changes of a part of the files, in any order, give what the whole state would have given.
    let store = browser
        .js_async(
            "const { Store } = await import('/store.js');
             const row = (id, uploaded, loaded = 0) => ({ id, uploaded, loaded });
             const store = new Store();
             const heard = [];
             store.listen((sections) => heard.push([...sections].sort().join()));
             store.change({ files: { upsert: [row('x', '9')] } });
             const ignored = store.files.length;
             store.replace({ rates: 1, files: { total: 2, rows: [row('a', '2'), row('b', '1')] } });
             const kept = store.file('b');
             store.change({ files: { total: 3, upsert: [row('b', '1', 5), row('c', '3')], gone: [] } });
             store.change({ rates: 2 });
             store.change({ files: { total: 2, upsert: [], gone: ['a', 'none'] } });
             return [ignored, store.files.map((one) => one.id), store.file('b').loaded, kept === store.file('b'), store.state.rates, store.state.files.total, heard];",
        )
        .await;
    assert_eq!(store, json!([0, ["c", "b"], 5, true, 2, 2, ["files,rates", "files", "rates", "files"]]));
    // Addresses: any name is a part of one, and a broken one leads to the overview.
    let routes = browser
        .js_async(
            "const { href, route } = await import('/route.js');
             return [route(href('file', 'a/b#c?d%20é', 'row', '1')), route('#/'), route('#pipeline'), route('#/%'), route('')];",
        )
        .await;
    assert_eq!(routes, json!([["file", "a/b#c?d%20é", "row", "1"], [], [], [], []]));
    let starts = browser
        .js_async("const { starts } = await import('/upload.js'); return [starts([], 'a'), starts([{ prefix: 'in/', suffix: '.csv' }], 'in/a.csv'), starts([{ prefix: null, suffix: '.csv' }], 'a.txt')];")
        .await;
    assert_eq!(starts, Value::Array(vec![json!(true), json!(true), json!(false)]));
    browser.is_clean(&[]).await;
    browser.quit().await;
}
