//! The whole program: a pipeline on a local cloud, from before its deployment to a replay, seen on the page.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::cloud::{Cloud, STACK};
use crate::driver::{Browser, is_left_out};

/// Rows of the file.
const ROWS: usize = 2_000;
/// Rows whose house number is not a number.
const WRONG: [usize; 5] = [7, 8, 123, 400, 599];
/// Time within which the pipeline is through with them: two executions at once, as the stack says.
const THROUGH: Duration = Duration::from_secs(150);

/// A console of the program, ended with the test.
struct Console {
    process: Child,
    link: String,
}

impl Console {
    fn start(cloud: &Cloud) -> Self {
        let mut command = cloud.command(&["console", "--no-open"]);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the console starts");
        let mut link = String::new();
        BufReader::new(process.stdout.take().expect("its stdout")).read_line(&mut link).expect("a line");
        Self { process, link: link.trim().to_owned() }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the repository's stack, with a field that can fail.
fn stack() -> String {
    let field = "house_number: { from: HouseNum }";
    assert_eq!(STACK.matches(field).count(), 1, "stack.yaml is another one");
    STACK.replace(field, "house_number: { from: HouseNum, type: integer }")
}

/// Returns a file with rows that are wrong, and names that are markup.
fn csv(ids: char, rows: usize, wrong: &[usize]) -> String {
    let mut text = "ID,HouseNum,Street,Town,Zip\n".to_owned();
    for row in 1..=rows {
        let number = if wrong.contains(&row) { "many".to_owned() } else { row.to_string() };
        let _ = writeln!(text, "{ids}{row},{number},<b>Main</b> Street {row},\"عمّان, {row}\",{row:05}");
    }
    text
}

/// Notes each second what rises on the page while rows arrive.
const NOTE: &str = "
    window.__seen = { loaded: [], rows: [], facts: [], states: [], paces: [] };
    const note = (list, value) => { if (value && list.at(-1) !== value) list.push(value); };
    setInterval(() => {
        note(window.__seen.loaded, document.querySelector('#panel .figure[data-part=loaded] b')?.textContent);
        for (const one of document.querySelectorAll('.edge-label')) if (one.textContent.includes('record-transformed')) note(window.__seen.rows, one.querySelector('.rows').textContent);
        note(window.__seen.facts, document.querySelector('a.node[href=\"#/resource/transform\"] title')?.textContent);
        note(window.__seen.paces, document.querySelector('#panel .pace')?.textContent);
        note(window.__seen.states, document.querySelector('.list .file .state')?.textContent);
    }, 200);
";

/// Returns the content of an object in the bucket.
async fn object(cloud: &Cloud, key: &str) -> Vec<u8> {
    let outputs = cloud.json(&["outputs"]);
    let bucket = outputs["outputs"]["bucket"].as_str().expect("the output `bucket`").to_owned();
    let config = aws_sdk_s3::config::Builder::from(&cloud.sdk().await).force_path_style(true).build();
    let answer = aws_sdk_s3::Client::from_conf(config).get_object().bucket(bucket).key(key).send().await;
    let body = answer.unwrap_or_else(|error| panic!("{key}: {error:?}")).body.collect().await;
    body.expect("the object").to_vec()
}

/// Waits for a file in the folder of downloads, and returns its content.
async fn download(browser: &Browser) -> String {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found =
            std::fs::read_dir(browser.downloads.path()).expect("the folder").flatten().find_map(|entry| {
                let is_whole = entry.path().extension().is_none_or(|end| end != "crdownload");
                is_whole.then(|| std::fs::read_to_string(entry.path()).expect("the download"))
            });
        if let Some(content) = found.filter(|content| !content.is_empty()) {
            return content;
        }
        assert!(Instant::now() < end, "nothing was downloaded");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_seen_at_work() {
    if is_left_out() {
        return;
    }
    let cloud = Cloud::start(&stack());
    let console = Console::start(&cloud);
    let browser = Browser::start().await;
    browser.open(&console.link).await;
    browser
        .until(
            "a stack that is not there",
            "document.querySelector('#connection').dataset.state === 'notDeployed'",
        )
        .await;

    // A deployment by another process, while the page is open.
    let deploy =
        cloud.command(&["deploy"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let deploy = deploy.expect("the deployer starts");
    let patience = Duration::from_secs(400);
    browser.until_within(patience, "the deployment", "!document.querySelector('#activity').hidden || document.querySelector('#connection').dataset.state === 'connected'").await;
    browser.until_within(patience, "its end", "document.querySelector('#activity').hidden && document.querySelector('#connection').dataset.state === 'connected'").await;
    let deployed = tokio::task::spawn_blocking(move || deploy.wait_with_output())
        .await
        .expect("the wait")
        .expect("its output");
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    browser.until("its record", "document.querySelector('.history .number')?.textContent === '#1'").await;
    browser.until("the pipeline", "document.querySelectorAll('a.node').length >= 10").await;

    // Two files at once: one as Windows programs write it, with a mark at its beginning and two characters at each end of a line.
    let windows = format!("\u{feff}{}", csv('x', 40, &[]).replace('\n', "\r\n"));
    let small = [("customers.csv", csv('c', 25, &[])), ("returns.csv", windows)];
    let contents: Vec<(&str, String)> = small.to_vec();
    let small = small.map(|(name, text)| cloud.write(name, text.as_bytes()));
    browser.drop_files(&[&small[0], &small[1]]).await;
    browser.until("both", "document.querySelectorAll('dialog[open] .field').length === 2").await;
    browser.click("dialog .primary").await;
    browser
        .until_within(
            THROUGH,
            "both are complete",
            "document.querySelectorAll('.list .state[data-state=complete]').length === 2",
        )
        .await;

    // A file is dropped: its bar rises while its rows arrive.
    let orders = csv('r', ROWS, &WRONG);
    let file = cloud.write("orders.csv", orders.as_bytes());
    browser.js(NOTE, &[]).await;
    browser.drop_files(&[&file]).await;
    browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
    browser.click("dialog .primary").await;
    browser.until("its place", "location.hash.startsWith('#/file/')").await;
    browser
        .until_within(
            THROUGH,
            "rows",
            "document.querySelector('#panel .figure[data-part=loaded] b')?.textContent > '0'",
        )
        .await;
    pictures(&browser).await;
    browser
        .until_within(
            THROUGH,
            "the end",
            "document.querySelector('#panel .place-head .state')?.textContent === 'incomplete'",
        )
        .await;
    let loaded = browser
        .until("the loaded rows", "document.querySelector('#panel .figure[data-part=loaded] b').textContent")
        .await;
    assert_eq!(loaded, json!("1,995"));
    let seen = browser.js("return window.__seen;", &[]).await;
    let list = |name: &str| seen[name].as_array().expect("a list").len();
    assert!(list("loaded") >= 3, "the bar rises: {seen}");
    assert!(list("rows") >= 2, "the counter on the edge rises: {seen}");
    assert!(
        seen["states"].as_array().is_some_and(|all| all.contains(&json!("open"))),
        "the file was open: {seen}"
    );
    // Two executions at once are not enough for 2,000 rows: messages wait before `transform`.
    let waits = |text: &Value| {
        let waiting = text
            .as_str()
            .and_then(|text| text.split("waiting ").nth(1)?.split(',').next()?.trim().parse::<u64>().ok());
        waiting.is_some_and(|waiting| waiting > 0)
            && text.as_str().is_some_and(|text| text.contains("throttle 2"))
    };
    assert!(seen["facts"].as_array().is_some_and(|all| all.iter().any(waits)), "rows wait: {seen}");
    let is_old = |text: &Value| text.as_str().is_some_and(|text| text.contains("oldest row "));
    assert!(seen["facts"].as_array().is_some_and(|all| all.iter().any(is_old)), "rows become older: {seen}");

    // The objects have the bytes of the files.
    for (key, content) in contents.iter().map(|(key, text)| (*key, text)).chain([("orders.csv", &orders)]) {
        assert!(object(&cloud, key).await == content.as_bytes(), "{key} was changed on its way");
    }

    // The reasons, with the numbers of the rows.
    browser
        .until("the reason", "document.querySelector('.reason .code')?.textContent === 'invalid-number'")
        .await;
    let rows = browser
        .js(
            "return [...document.querySelectorAll('.reason .chip')].map((one) => Number(one.textContent));",
            &[],
        )
        .await;
    assert_eq!(rows, json!(WRONG));

    // The way of a row that is in the table, and of one that failed.
    browser.write("#row-search", "11").await;
    browser.press(Key::Enter).await;
    browser.until("the way", "document.querySelector('.way li[data-step=loaded]') !== null").await;
    browser
        .until(
            "the item, as a text",
            "document.querySelector('#panel').innerText.includes('<b>Main</b> Street 11')",
        )
        .await;
    browser.shot("row").await;
    browser.click("#back").await;
    browser.click(".reason .chip").await;
    browser.until("the way", "document.querySelector('.way li[data-step=failed]') !== null").await;
    browser.click("#back").await;

    // The items.
    browser.click("#show-items").await;
    browser.until("the items", "document.querySelectorAll('.table tbody tr').length >= 20").await;
    browser
        .until(
            "a cell that is markup",
            "document.querySelector('.table').textContent.includes('<b>Main</b> Street 1')",
        )
        .await;

    // The rejects, to be corrected.
    browser
        .until_within(THROUGH, "the rejects", "document.querySelector('a[data-which=rejects]') !== null")
        .await;
    browser.click("a[data-which=rejects]").await;
    let rejects = download(&browser).await;
    assert_eq!(rejects.lines().count(), WRONG.len() + 1, "{rejects}");
    assert!(rejects.contains("r123,many,<b>Main</b> Street 123"), "{rejects}");

    // A replay is confirmed, and the rows fail again.
    browser.click("[data-replay=failed]").await;
    browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
    browser.click("dialog .primary").await;
    browser
        .until("the message", "document.querySelector('#toasts').textContent.includes('replay of 5 rows')")
        .await;
    browser
        .until_within(
            THROUGH,
            "the results of the second attempt",
            "document.querySelector('#panel').innerText.includes('Attempt 2')",
        )
        .await;
    browser
        .until(
            "its end",
            "document.querySelector('#panel .place-head .state')?.textContent === 'incomplete' \
             && !document.querySelector('#panel .pace').textContent.includes('replay')",
        )
        .await;
    let seen = browser.js("return window.__seen.paces;", &[]).await;
    let seen = seen.as_array().expect("a list").iter().filter_map(Value::as_str);
    assert!(
        seen.clone().any(|pace| pace.contains("5 rows of a replay to go")),
        "the replay was under way: {:?}",
        seen.collect::<Vec<_>>()
    );
    let rows = browser
        .js(
            "return [...document.querySelectorAll('.reason .chip')].map((one) => Number(one.textContent));",
            &[],
        )
        .await;
    assert_eq!(rows, json!(WRONG), "the same rows fail again");

    // A second tab shows the same, by the same reader.
    let first = browser.shown().await;
    let second = browser.tab(&console.link).await;
    browser
        .until("the file", "document.querySelector('.list')?.textContent.includes('1,995 of 2,000 loaded')")
        .await;
    // Just after the upload, the file had no event yet.
    browser.is_clean(&["/api/file"]).await;

    // The local cloud is stopped, and returns.
    cloud.ok(&["local", "down"]);
    for tab in [&second, &first] {
        browser.show(tab).await;
        browser.until("the loss", "document.querySelector('#connection').dataset.state === 'lost'").await;
        browser
            .until(
                "the reason",
                "document.querySelector('.banner')?.textContent.includes('No connection since')",
            )
            .await;
    }
    cloud.ok(&["local", "up"]);
    browser.until("the return", "document.querySelector('#connection').dataset.state === 'connected' && document.querySelector('.banner') === null").await;
    browser
        .until("the file", "document.querySelector('.list')?.textContent.includes('1,995 of 2,000 loaded')")
        .await;
    // While nothing answered, the details of the file could not be read.
    browser.is_clean(&["/api/file", "/api/items", "/api/row"]).await;
    browser.quit().await;
}

/// Takes the pictures of a pipeline at work, in light and dark, wide and narrow; nothing is wider than the window.
async fn pictures(browser: &Browser) {
    let hash = browser.js("return location.hash;", &[]).await;
    browser.js("for (const one of document.querySelectorAll('.toast .close')) one.click();", &[]).await;
    for (name, width, height, scheme, place) in [
        ("console", 1_600, 1_000, "light", json!("/")),
        ("console-file", 1_600, 1_000, "dark", hash.clone()),
        ("console-narrow", 360, 780, "light", json!("/")),
        ("console-narrow-file", 360, 780, "dark", hash.clone()),
    ] {
        browser.size(width, height).await;
        browser.scheme(scheme).await;
        browser.js("location.hash = arguments[0];", &[place]).await;
        browser.until("the panel", "document.querySelector('#panel .loading') === null").await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let widths = browser.js("return [document.documentElement.scrollWidth, innerWidth];", &[]).await;
        assert_eq!(widths[0], widths[1], "{name} is wider than the window");
        browser.shot(name).await;
    }
    browser.size(1_600, 1_000).await;
    browser.scheme("light").await;
}
