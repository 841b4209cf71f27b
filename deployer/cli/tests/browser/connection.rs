//! Tabs, and what they show when the console or the pipeline is not there.

use deployer_console::model::{Connection, ConnectionState, Problem};
use serde_json::json;

use crate::driver::{Browser, is_left_out};
use crate::played::{Played, TIME, file, state};

const PILL: &str = "document.querySelector('#connection').dataset.state";

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_was_stopped_comes_back() {
    if is_left_out() {
        return;
    }
    let mut played = Played::start(state(vec![file(0, "orders.csv")]));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the connection", &format!("{PILL} === 'connected'")).await;

    played.stop();
    browser.until("the loss", &format!("{PILL} === 'lost'")).await;
    browser
        .until(
            "a banner",
            "document.querySelector('.banner[role=alert]')?.textContent.includes('does not answer')",
        )
        .await;
    assert_eq!(
        browser.js("return document.querySelectorAll('.list .file').length;", &[]).await,
        json!(1),
        "the last state is kept"
    );
    browser.shot("lost").await;

    // Meanwhile another file has come.
    played.hub.set_files(2, vec![file(0, "orders.csv"), file(1, "returns.csv")]);
    played.listen();
    browser.until("its return", &format!("{PILL} === 'connected'")).await;
    browser.until("the new file", "document.querySelectorAll('.list .file').length === 2").await;
    browser.until("no banner", "document.querySelector('.banner') === null").await;
    browser
        .is_clean(&[
            "net::ERR_CONNECTION_REFUSED",
            "net::ERR_INCOMPLETE_CHUNKED_ENCODING",
            "net::ERR_EMPTY_RESPONSE",
            "net::ERR_CONNECTION_RESET",
        ])
        .await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_an_earlier_console_says_so() {
    if is_left_out() {
        return;
    }
    let mut played = Played::start(state(Vec::new()));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the connection", &format!("{PILL} === 'connected'")).await;
    // As if the console had been started anew, with another token.
    browser.cdp("Network.clearBrowserCookies", json!({})).await;
    played.stop();
    played.listen();
    browser
        .until("a banner", "document.querySelector('.banner')?.textContent.includes('not valid any more')")
        .await;
    browser.open(played.link.split('?').next().expect("the address")).await;
    let text = browser.until("a page that explains", "document.body.innerText").await;
    assert!(text.as_str().is_some_and(|text| text.contains("link")), "{text}");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_another_page_leads_to_the_console() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(vec![file(0, "orders.csv")]));
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let text = format!("<!doctype html><meta http-equiv=\"refresh\" content=\"0;url={}\">", played.link);
    std::fs::write(&page, text).expect("a page");
    let browser = Browser::start().await;
    browser.open(&format!("file://{}", page.display())).await;
    browser
        .until("the connection", &format!("document.querySelector('#connection') && {PILL} === 'connected'"))
        .await;
    assert!(
        !browser.js("return location.href;", &[]).await.to_string().contains("token"),
        "the token is gone"
    );
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_show_the_same() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(vec![file(0, "orders.csv")]));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the list", "document.querySelectorAll('.list .file').length === 1").await;
    let first = browser.shown().await;
    let second = browser.tab(&played.link).await;
    browser.until("the list", "document.querySelectorAll('.list .file').length === 1").await;
    assert_eq!(played.hub.tabs(), 2);

    let mut row = file(0, "orders.csv");
    row.loaded = 42;
    played.hub.set_files(2, vec![row, file(1, "returns.csv")]);
    for tab in [&second, &first] {
        browser.show(tab).await;
        browser.until("the change", "document.querySelectorAll('.list .file').length === 2").await;
        browser
            .until("its rows", "document.querySelector('.list').textContent.includes('42 of 100 loaded')")
            .await;
        browser.is_clean(&[]).await;
    }
    // A tab of its own place.
    browser.js("location.hash = '/file/id-0';", &[]).await;
    browser.until("the file", "document.querySelector('#panel h2').textContent === 'orders.csv'").await;
    browser.show(&second).await;
    assert_eq!(browser.js("return location.hash;", &[]).await, json!(""));
    browser.close(&first).await;
    for _ in 0..100 {
        if played.hub.tabs() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(played.hub.tabs(), 1, "a closed tab is not counted");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_the_stack_is_shown() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(Vec::new()));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the connection", &format!("{PILL} === 'connected'")).await;
    let problem =
        Problem { text: "the local cloud is not running".into(), hint: Some("deployer local up".into()) };
    for (state, shown) in [(ConnectionState::Lost, "lost"), (ConnectionState::NotDeployed, "notDeployed")] {
        played.hub.set_connection(Connection { state, since: TIME.into(), problem: Some(problem.clone()) });
        browser.until(shown, &format!("{PILL} === '{shown}'")).await;
        browser
            .until(
                "the reason",
                "document.querySelector('.banner').textContent.includes('the local cloud is not running')",
            )
            .await;
        browser
            .until(
                "the advice",
                "document.querySelector('.banner .hint').textContent === 'deployer local up'",
            )
            .await;
        let possible = browser.js("return !document.querySelector('#drop').disabled;", &[]).await;
        assert_eq!(possible, json!(false), "nothing can be uploaded");
    }
    played.hub.set_connection(Connection {
        state: ConnectionState::Connected,
        since: TIME.into(),
        problem: None,
    });
    browser
        .until("the return", &format!("{PILL} === 'connected' && document.querySelector('.banner') === null"))
        .await;
    // A part that can't be read.
    let part = Problem { text: "the tasks cannot be listed".into(), hint: None };
    played.hub.set_connection(Connection {
        state: ConnectionState::Connected,
        since: TIME.into(),
        problem: Some(part),
    });
    browser
        .until("the part", &format!("{PILL} === 'connected' && document.querySelector('.banner')?.textContent === 'the tasks cannot be listed'"))
        .await;
    // A deployment by another process.
    played.hub.set_activity(Some(deployer_console::model::Activity {
        text: "UPDATE_IN_PROGRESS".into(),
        since: TIME.into(),
    }));
    browser.until("the activity", "!document.querySelector('#activity').hidden && document.querySelector('#activity').textContent.includes('UPDATE_IN_PROGRESS')").await;
    played.hub.set_activity(None);
    browser.until("its end", "document.querySelector('#activity').hidden").await;
    browser.is_clean(&[]).await;
    browser.quit().await;
}
