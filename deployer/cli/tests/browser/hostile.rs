//! Keys, cells and messages that look like markup, script or another language stay what they are: texts.

use serde_json::{Value, json};

use crate::driver::{Browser, is_left_out};
use crate::played::{HOSTILE, Played, file, state};

/// Elements that no part of the page has, and that a hostile text would make.
const FOREIGN: &str = "document.querySelectorAll('img:not(.brand img), script:not([type=module]), iframe, object, embed, svg[onload], [onerror], [onload], [onclick], [style*=url]').length";

/// Writes characters that can't be seen as their numbers, as the page does, but for these.
fn escaped(text: &str, kept: &[char]) -> String {
    let is_unseen = |one: char| {
        one.is_control()
            || matches!(one, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let write = |one: char| match is_unseen(one) && !kept.contains(&one) {
        true => one.escape_unicode().to_string(),
        false => one.to_string(),
    };
    text.chars().map(write).collect()
}

/// Returns a text of one line as the page shows it.
fn visible(text: &str) -> String {
    escaped(text, &[])
}

/// Returns a text that may have lines as the page shows it.
fn lines(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

/// Asserts that no hostile text has become anything but a text.
async fn nothing_ran(browser: &Browser) {
    assert_eq!(
        browser.js("return window.__owned ?? null;", &[]).await,
        Value::Null,
        "a script of a text ran"
    );
    assert_eq!(browser.js(&format!("return {FOREIGN};"), &[]).await, json!(0), "a text became an element");
}

/// Asserts that the page is not wider than the window; fails with the elements that are.
async fn nothing_sticks_out(browser: &Browser, place: &str) {
    const WIDER: &str = "return document.documentElement.scrollWidth <= innerWidth ? [] : \
        [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth) \
        .map((one) => `${one.localName}#${one.id}.${one.className} to ${one.getBoundingClientRect().right}`);";
    let wider = browser.js(WIDER, &[]).await;
    assert_eq!(wider, json!([]), "{place} is wider than the window");
}

/// Returns the whole texts of the elements of a selector.
async fn texts(browser: &Browser, selector: &str) -> Vec<String> {
    let found = browser
        .js(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent);",
            &[json!(selector)],
        )
        .await;
    serde_json::from_value(found).expect("texts")
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_keys_and_cells_are_texts() {
    if is_left_out() {
        return;
    }
    let files = HOSTILE.iter().enumerate().map(|(number, key)| file(number * 3, key)).collect();
    let mut first = state(files);
    // A key as long as S3 allows, without a place to break it.
    first.files.rows.push(file(1_000, &"w".repeat(1_024)));
    first.files.total = first.files.rows.len();
    let played = Played::start(first);
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the list", "document.querySelectorAll('.list .file').length === 13").await;

    let shown = texts(&browser, ".list .file .key-name").await;
    for key in HOSTILE {
        assert!(shown.contains(&visible(key)), "{key:?} is not in {shown:?}");
    }
    assert!(
        shown.iter().any(|text| text == "gepj.\\u{202e}vsc.exe"),
        "the order of a key is turned around: {shown:?}"
    );
    let isolated = browser.js("return [...document.querySelectorAll('.list .file .key-name')].every((one) => one.localName === 'bdi' && one.title === one.textContent);", &[]).await;
    assert_eq!(isolated, json!(true), "keys are isolated, with the whole key as their tooltip");

    // Every place of the panel, wide and narrow.
    let places = [
        "/file/id-0",
        "/file/id-0/row/17",
        "/file/id-0/row/none",
        "/resource/transform",
        "/plan",
        "/drift",
        "/",
        "/file/id-1000",
    ];
    for width in [1_600, 360] {
        browser.size(width, 900).await;
        for place in places {
            browser.js("location.hash = arguments[0];", &[json!(place)]).await;
            browser.until(place, "document.querySelector('#panel .place') !== null && document.querySelector('#panel .loading') === null").await;
            if place == "/file/id-0" {
                browser.js("document.querySelector('#show-items').click();", &[]).await;
                browser
                    .until("the items", "document.querySelectorAll('.table tbody tr').length === 20")
                    .await;
                let columns = texts(&browser, ".table thead .cell").await;
                assert_eq!(columns, HOSTILE.map(visible));
                let cells = texts(&browser, ".table tbody tr:first-child td .cell").await;
                assert!(
                    cells.iter().zip(HOSTILE).all(|(cell, text)| cell.starts_with(&visible(text))),
                    "{cells:?}"
                );
                let messages = texts(&browser, ".reason .message").await;
                assert_eq!(messages, HOSTILE.map(lines));
            }
            nothing_ran(&browser).await;
            nothing_sticks_out(&browser, &format!("{place} at {width}")).await;
        }
        browser.js("location.hash = '/file/id-0';", &[]).await;
        browser.until("the file", "document.querySelectorAll('.reason').length === 12").await;
        browser.shot(&format!("hostile-{width}")).await;
    }
    // Downloads have a name that the file system allows, and nothing is shown in their place.
    browser.js("location.hash = '/resource/transform';", &[]).await;
    browser.until("the log", "document.querySelectorAll('.log li').length === 12").await;
    assert_eq!(texts(&browser, ".log .foreign").await, HOSTILE.map(lines));
    // The row that is not there is a message of the server.
    browser.is_clean(&["/api/row"]).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_page_holds() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(vec![file(0, "orders.csv")]));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the list", "document.querySelector('.list .file') !== null").await;
    // The token is not in the address, where somebody would copy it from, nor where a script can read it.
    assert_eq!(browser.js("return location.search + document.cookie;", &[]).await, json!(""));
    browser.is_clean(&[]).await;
    // What the policy forbids is seen here: the test would fail if it were allowed, and so would the check above.
    for (directive, script) in [
        (
            "script-src-elem",
            "const one = document.createElement('script'); one.textContent = 'window.__owned = 1'; document.body.append(one);",
        ),
        (
            "script-src-attr",
            "const one = document.createElement('p'); one.setAttribute('onclick', 'window.__owned = 1'); document.body.append(one); one.click();",
        ),
        (
            "style-src-attr",
            "const one = document.createElement('p'); one.setAttribute('style', 'color: red'); document.body.append(one);",
        ),
        (
            "style-src-elem",
            "const one = document.createElement('style'); one.textContent = '* { color: red }'; document.body.append(one);",
        ),
        ("img-src", "new Image().src = 'http://127.0.0.1:9/pixel.png';"),
        ("connect-src", "fetch('http://127.0.0.1:9/').catch(() => {});"),
        (
            "frame-src",
            "const one = document.createElement('iframe'); one.src = 'http://127.0.0.1:9/'; document.body.append(one);",
        ),
    ] {
        browser.js(script, &[]).await;
        browser
            .until(directive, &format!("window.__wrong.some((one) => one.startsWith('policy: {directive}'))"))
            .await;
    }
    assert_eq!(browser.js("return window.__owned ?? null;", &[]).await, Value::Null);
    browser.quit().await;
}
