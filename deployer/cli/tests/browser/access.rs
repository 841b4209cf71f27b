//! The rules of accessibility, by axe-core, which `make browser-tools` installs.

use serde_json::{Value, json};

use crate::driver::{Browser, is_left_out, target};
use crate::played::{HOSTILE, Played, file, state};

/// Returns the script, which is in no page of the console: only this test adds it.
fn axe() -> String {
    let path = target().join("browser-tools/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{} ({error}): run `make browser-tools`, or leave this test out with BROWSER_TESTS=without-axe",
            path.display()
        )
    })
}

/// Returns what axe-core finds, each with the elements.
async fn findings(browser: &Browser) -> Vec<String> {
    let found = browser
        .js_async(
            "const { violations } = await axe.run(document, { resultTypes: ['violations'] });
             return violations.map(({ id, impact, help, nodes }) =>
                 `${impact} ${id}: ${help}: ${nodes.map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? '')).join('; ')}`);",
        )
        .await;
    serde_json::from_value(found).expect("findings")
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing() {
    if is_left_out() || std::env::var("BROWSER_TESTS").is_ok_and(|value| value == "without-axe") {
        return;
    }
    let axe = axe();
    let files = HOSTILE.iter().enumerate().map(|(number, key)| file(number * 3, key)).collect();
    let played = Played::start(state(files));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the list", "document.querySelector('.list .file') !== null").await;
    browser.js(&axe, &[]).await;
    // It finds what is wrong, if there is something.
    browser.js("const one = document.createElement('img'); one.src = '/icon.svg'; one.id = 'wrong'; document.querySelector('#main').append(one);", &[]).await;
    let found = findings(&browser).await;
    assert!(found.iter().any(|one| one.contains("image-alt") && one.contains("#wrong")), "{found:#?}");
    browser.js("document.querySelector('#wrong').remove();", &[]).await;

    let mut wrong = Vec::new();
    for (scheme, width) in [("light", 1_600), ("dark", 360)] {
        browser.scheme(scheme).await;
        browser.size(width, 900).await;
        for place in ["/", "/file/id-0", "/file/id-0/row/17", "/resource/transform", "/plan", "/drift"] {
            browser.js("location.hash = arguments[0];", &[json!(place)]).await;
            browser.until(place, "document.querySelector('#panel .place') !== null && document.querySelector('#panel .loading') === null").await;
            if place == "/file/id-0" {
                browser.js("document.querySelector('#show-items').click(); document.querySelector('details').open = true;", &[]).await;
                browser
                    .until("the items", "document.querySelectorAll('.table tbody tr').length === 20")
                    .await;
            }
            wrong.extend(
                findings(&browser).await.into_iter().map(|one| format!("{place}, {scheme}, {width}: {one}")),
            );
        }
        // A dialog, with the panel under it.
        browser.js("location.hash = '/file/id-0';", &[]).await;
        browser.until("the replay", "document.querySelector('[data-replay]') !== null").await;
        browser.js("document.querySelector('[data-replay]').click();", &[]).await;
        browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
        wrong.extend(findings(&browser).await.into_iter().map(|one| format!("dialog, {scheme}: {one}")));
        browser.js("document.querySelector('dialog').close();", &[]).await;
        // Banners, and what `dev` shows.
        let text = "the key is not known".to_owned();
        let problem = deployer_console::model::FileProblem {
            severity: deployer_console::model::Severity::Error,
            code: "unknown-property".into(),
            text,
            file: "stack.yaml".into(),
            line: 12,
            column: 7,
            help: Some("remove it".into()),
        };
        played.hub.set_problems(vec![problem]);
        browser.js("location.hash = '/';", &[]).await;
        browser.until("the problem", "document.querySelector('.problems') !== null").await;
        wrong.extend(findings(&browser).await.into_iter().map(|one| format!("problems, {scheme}: {one}")));
        played.hub.set_problems(Vec::new());
        browser.until("no problem", "document.querySelector('.problems') === null").await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(browser.js("return window.__wrong;", &[]).await, Value::Array(Vec::new()));
    browser.quit().await;
}
