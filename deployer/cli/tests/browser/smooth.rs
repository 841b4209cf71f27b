//! Ten thousand files in the list, scrolled while rows arrive.

use std::time::Duration;

use deployer_console::model::FileRow;
use serde_json::{Value, json};

use crate::driver::{Browser, is_left_out};
use crate::played::{Played, file, state};

const FILES: usize = 10_000;
/// Frames a second at least: half of what a quiet machine shows, since others work beside the test.
const LEAST: f64 = 24.0;
/// Attempts, of which one must be smooth: others may take all of the machine's time for a while.
const ATTEMPTS: usize = 4;

/// Scrolls the list for some seconds, a few rows a frame, and returns the times between frames in milliseconds.
const SCROLL: &str = "
    const list = document.querySelector('.list');
    const times = [];
    performance.mark('scroll-begin');
    await new Promise((resolve) => {
        let last = null;
        const start = performance.now();
        const step = (now) => {
            if (last !== null) times.push(now - last);
            last = now;
            list.scrollTop += 97;
            if (now - start < 4000) requestAnimationFrame(step);
            else resolve();
        };
        requestAnimationFrame(step);
    });
    performance.mark('scroll-end');
    return times;
";

/// Returns the frames a second for these times between frames, and a text about them.
fn measured(mut times: Vec<f64>) -> (f64, String) {
    assert!(!times.is_empty(), "no frames were seen");
    let whole: f64 = times.iter().sum();
    let frames = f64::from(u32::try_from(times.len()).expect("few frames")) / (whole / 1_000.0);
    times.sort_by(f64::total_cmp);
    let slow = times[times.len() * 95 / 100];
    let slowest = times[times.len() - 1];
    (
        frames,
        format!(
            "{frames:.1} frames a second; the slowest of twenty took {slow:.1} ms, the slowest of all {slowest:.1} ms"
        ),
    )
}

/// Returns the times between the frames that the browser has drawn while the list was scrolled for the last time, by its own trace.
async fn drawn(browser: &Browser) -> Vec<f64> {
    let trace = browser.trace().await;
    let mark = |name: &str| {
        let found =
            trace.iter().filter(|(known, _)| known == name).max_by(|one, other| one.1.total_cmp(&other.1));
        found.unwrap_or_else(|| panic!("{name} is not among {} events", trace.len())).1
    };
    let (begin, end) = (mark("scroll-begin"), mark("scroll-end"));
    let frames = trace.iter().filter(|(name, at)| name == "DrawFrame" && (begin..=end).contains(at));
    let mut frames: Vec<f64> = frames.map(|(_, at)| *at).collect();
    frames.sort_by(f64::total_cmp);
    frames.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_are_scrolled_smoothly() {
    if is_left_out() {
        return;
    }
    let key = |number: usize| format!("batch/{:03}/orders-{number}.csv", number / 100);
    let files: Vec<FileRow> = (0..FILES).map(|number| file(number, &key(number))).collect();
    let played = Played::start(state(files.clone()));
    let browser = Browser::start_tracing().await;
    browser.open(&played.link).await;
    browser
        .until("the list", "document.querySelector('#files-count').textContent.startsWith('10,000')")
        .await;
    let elements = browser.js("return document.querySelectorAll('.list .file').length;", &[]).await;
    assert!(elements.as_u64().is_some_and(|number| number < 60), "{elements} rows have elements");

    // Twenty files change ten times a second, as in a busy pipeline.
    let hub = played.hub.clone();
    let busy = tokio::spawn(async move {
        let mut files = files;
        loop {
            for row in files.iter_mut().take(20) {
                row.loaded = (row.loaded + 1) % 90;
            }
            hub.set_files(FILES, files.clone());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let (mut frames, mut page) = (0.0, String::new());
    for _ in 0..ATTEMPTS {
        (frames, page) = measured(serde_json::from_value(browser.js_async(SCROLL).await).expect("times"));
        if frames >= LEAST {
            break;
        }
    }
    busy.abort();
    let (traced, trace) = measured(drawn(&browser).await);
    let report = format!("by the page: {page}\nby the browser's trace: {trace}\n");
    let folder = crate::driver::target().join("screenshots");
    std::fs::create_dir_all(&folder).expect("the folder");
    std::fs::write(folder.join("smooth.txt"), &report).expect("the report");
    assert!(frames >= LEAST && traced >= LEAST, "{report}");

    // The last file is reached, by the keyboard as well, and the filter finds one of them all.
    let seen = browser.js("return document.querySelector('.list').scrollTop > 10000;", &[]).await;
    assert_eq!(seen, Value::Bool(true));
    browser.js("document.querySelector('.list').focus();", &[]).await;
    browser.press(thirtyfour::Key::End).await;
    browser.until("the last file", "document.querySelector('.list .file[aria-selected=true]')?.getAttribute('aria-posinset') === '10000'").await;
    browser.write("#files-filter", "orders-4711.csv").await;
    browser.until("one file", "document.querySelectorAll('.list .file').length === 1").await;
    assert_eq!(
        browser.js("return document.querySelector('.list .key-name').textContent;", &[]).await,
        json!("batch/047/orders-4711.csv")
    );
    browser.is_clean(&[]).await;
    browser.quit().await;
}
