//! Everything is reached and done with the keyboard alone.

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::driver::{Browser, is_left_out};
use crate::played::{Done, Played, file, state};

/// Presses Tab until the focus is on an element of this selector; fails after a whole round.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..120 {
        browser.press(Key::Tab).await;
        let is_there =
            browser.js("return document.activeElement.matches(arguments[0]);", &[json!(selector)]).await;
        if is_there == Value::Bool(true) {
            // Somebody who can't use a mouse must see where they are.
            let ring = browser
                .js(
                    "const one = document.activeElement;
                     const style = getComputedStyle(one.matches('a.node') ? one.querySelector('rect') : one);
                     return style.outlineStyle !== 'none' || parseFloat(style.strokeWidth) > 3;",
                    &[],
                )
                .await;
            assert_eq!(ring, json!(true), "{selector} has no focus ring");
            return;
        }
    }
    panic!("{selector} is not reached with Tab");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_done_with_the_keyboard() {
    if is_left_out() {
        return;
    }
    let files = (0..200).map(|number| file(number, &format!("orders-{number}.csv"))).collect();
    let played = Played::start(state(files));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.until("the list", "document.querySelector('.list .file') !== null").await;

    tab_to(&browser, ".skip").await;
    browser.press(Key::Enter).await;
    browser.until("the pipeline", "document.activeElement.id === 'pipeline'").await;
    browser.press(Key::Tab).await;
    browser.until("its first box", "document.activeElement.matches('a.node')").await;

    // A resource, and back to where one came from.
    tab_to(&browser, "a.node[href='#/resource/transform']").await;
    browser.press(Key::Enter).await;
    browser.until("the resource", "document.querySelector('#panel h2').textContent === 'transform'").await;
    browser.until("the panel has the focus", "document.activeElement.id === 'panel'").await;
    browser.press(Key::Escape).await;
    browser.until("the overview", "document.querySelector('#panel .history') !== null").await;
    browser
        .until("the focus is back", "document.activeElement.matches('a.node[href=\"#/resource/transform\"]')")
        .await;

    // A file of the list.
    tab_to(&browser, ".list").await;
    for key in [
        Key::Down,
        Key::Down,
        Key::Down,
        Key::PageDown,
        Key::PageUp,
        Key::Home,
        Key::Down,
        Key::Down,
        Key::Down,
    ] {
        browser.press(key).await;
    }
    browser.until("the fourth file is active", "(() => { const list = document.querySelector('.list'); const one = document.getElementById(list.getAttribute('aria-activedescendant')); return one?.getAttribute('aria-posinset') === '4' && one.getAttribute('aria-selected') === 'true'; })()").await;
    browser.press(Key::Enter).await;
    browser.until("the file", "document.querySelector('#panel h2')?.textContent === 'orders-3.csv' && document.querySelector('[data-replay]') !== null").await;

    // A replay is confirmed: Escape and the button with the first focus cancel.
    tab_to(&browser, "[data-replay=failed]").await;
    for cancel in [Key::Escape, Key::Enter] {
        browser.press(Key::Enter).await;
        browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
        browser.press(cancel).await;
        browser.until("no dialog", "document.querySelector('dialog') === null").await;
        assert_eq!(played.done(), [], "nothing was confirmed");
        browser.until("the focus is back", "document.activeElement.matches('[data-replay=failed]')").await;
    }
    browser.press(Key::Enter).await;
    browser.until("the dialog", "document.querySelector('dialog[open]') !== null").await;
    tab_to(&browser, "dialog .primary").await;
    browser.press(Key::Enter).await;
    browser
        .until("the message", "document.querySelector('#toasts').textContent.includes('10 rows has started')")
        .await;
    assert_eq!(played.done(), [Done::Replay("id-3".into())]);

    // A row's way by its number.
    browser.js("document.querySelector('#panel').focus();", &[]).await;
    tab_to(&browser, "#row-search").await;
    browser.press("17").await;
    browser.press(Key::Enter).await;
    browser.until("the way of the row", "document.querySelectorAll('.way li').length === 4").await;
    assert_eq!(browser.js("return location.hash;", &[]).await, json!("#/file/id-3/row/17"));

    // The whole round has no trap.
    tab_to(&browser, ".skip").await;
    browser.is_clean(&[]).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_that_covers_the_page_keeps_the_focus() {
    if is_left_out() {
        return;
    }
    let played = Played::start(state(vec![file(0, "orders.csv")]));
    let browser = Browser::start().await;
    browser.open(&played.link).await;
    browser.size(360, 800).await;
    browser.until("the list", "document.querySelector('.list .file') !== null").await;
    browser.js("document.querySelector('.list').focus();", &[]).await;
    browser.press(Key::Down).await;
    browser.press(Key::Enter).await;
    browser.until("the file", "document.querySelector('#panel h2')?.textContent === 'orders.csv'").await;
    // Through the whole panel and the bar of the browser, and back into the panel: what is under it is passed over.
    tab_to(&browser, ".skip").await;
    browser.press(Key::Tab).await;
    browser
        .until("the panel has the focus", "document.querySelector('#panel').contains(document.activeElement)")
        .await;
    browser.press(Key::Escape).await;
    browser.until("the focus is back", "document.activeElement.matches('.list')").await;
    browser.quit().await;
}
