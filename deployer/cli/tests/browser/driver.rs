//! Chromium, driven by WebDriver: one chromedriver for each test, on a port that is free.

use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use thirtyfour::common::capabilities::desiredcapabilities::Capabilities;
use thirtyfour::error::{WebDriverError, WebDriverResult};
use thirtyfour::session::http::{Body, HttpClient};
use thirtyfour::{TypingData, WebDriver, WindowHandle};

/// Time within which the page shows something.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Collects what must not happen, from before the first script of a page.
const WATCH: &str = "
    window.__wrong = [];
    addEventListener('securitypolicyviolation', (event) =>
        window.__wrong.push(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    addEventListener('error', (event) => window.__wrong.push(`error: ${event.message}`));
    addEventListener('unhandledrejection', (event) => window.__wrong.push(`rejection: ${event.reason}`));
";

/// Returns `true` if `BROWSER_TESTS=none` leaves these tests out, which the Makefile sets, and says, where there is no browser.
pub fn is_left_out() -> bool {
    std::env::var("BROWSER_TESTS").is_ok_and(|value| value == "none")
}

/// The connection of the WebDriver client.
struct Http(reqwest::Client);

type Sent<'a> = Pin<Box<dyn Future<Output = WebDriverResult<Response<Bytes>>> + Send + 'a>>;

/// Formats an error of the connection.
fn broken(error: &impl ToString) -> WebDriverError {
    WebDriverError::RequestFailed(error.to_string())
}

impl HttpClient for Http {
    fn send<'life0, 'life1, 'async_trait>(&'life0 self, request: Request<Body<'life1>>) -> Sent<'async_trait>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let mut sent = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers);
            if let Body::Json(document) = body {
                sent = sent.body(document.to_string());
            }
            let answer = sent.send().await.map_err(|error| broken(&error))?;
            let status = answer.status();
            let content = answer.bytes().await.map_err(|error| broken(&error))?;
            Response::builder().status(status).body(content).map_err(|error| broken(&error))
        })
    }

    fn new<'life0, 'async_trait>(
        &'life0 self,
    ) -> Pin<Box<dyn Future<Output = Arc<dyn HttpClient>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let client: Arc<dyn HttpClient> = Arc::new(Self(self.0.clone()));
        Box::pin(std::future::ready(client))
    }
}

/// A chromedriver and the browsers that it has started, which end with it.
struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        // A group of its own, which its browsers belong to.
        command
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("chromedriver does not start ({error}): install it (Debian: apt-get install chromium chromium-driver), or leave these tests out with BROWSER_TESTS=none")
        });
        let stdout = process.stdout.take().expect("its stdout");
        let port = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| {
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok()
        });
        let mut driver = Self { process, url: String::new() };
        driver.url = format!("http://127.0.0.1:{}", port.expect("the port of chromedriver"));
        driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

/// A browser with one tab, or more.
pub struct Browser {
    web: WebDriver,
    /// Where the browser puts downloads.
    pub downloads: tempfile::TempDir,
    _driver: Driver,
}

impl Browser {
    /// Starts a browser without a window.
    pub async fn start() -> Self {
        Self::start_with(json!({ "browser": "ALL" }), json!({})).await
    }

    /// Starts a browser that traces its frames, and the marks of pages.
    pub async fn start_tracing() -> Self {
        let categories =
            "disabled-by-default-devtools.timeline.frame,devtools.timeline.frame,blink.user_timing";
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        let trace = json!({ "enableNetwork": false, "enablePage": false, "traceCategories": categories });
        Self::start_with(logs, json!({ "perfLoggingPrefs": trace })).await
    }

    async fn start_with(logs: Value, mut options: Value) -> Self {
        let driver = Driver::start();
        let downloads = tempfile::tempdir().expect("a folder for downloads");
        // In a container, Chromium has neither its sandbox, as root, nor enough shared memory.
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--lang=en-GB",
        ];
        options["args"] = json!(args);
        let wanted = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": logs,
            "goog:chromeOptions": options,
        });
        let capabilities: Capabilities = wanted.as_object().expect("an object").clone().into();
        let client =
            reqwest::Client::builder().timeout(Duration::from_secs(90)).no_proxy().build().expect("a client");
        let web = WebDriver::builder(&driver.url, capabilities)
            .client(Http(client))
            .connect()
            .await
            .expect("a session of the browser");
        let browser = Self { web, downloads, _driver: driver };
        browser.prepare().await;
        browser
    }

    /// Prepares a tab: what must not happen is collected, and downloads have a folder.
    async fn prepare(&self) {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await;
        let folder = self.downloads.path();
        self.cdp("Browser.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": folder })).await;
        self.size(1600, 1000).await;
    }

    /// Sends a command of Chrome's own protocol.
    pub async fn cdp(&self, method: &str, parameters: Value) -> Value {
        self.web.cdp().send_raw(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Gives the page a size.
    pub async fn size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Makes the system's colours `light` or `dark`.
    pub async fn scheme(&self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", feature).await;
    }

    /// Opens an address.
    pub async fn open(&self, address: &str) {
        self.web.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// Opens another tab, which becomes the one that is driven.
    pub async fn tab(&self, address: &str) -> WindowHandle {
        let tab = self.web.new_tab().await.expect("another tab");
        self.show(&tab).await;
        self.prepare().await;
        self.open(address).await;
        tab
    }

    /// Returns the tab that is driven.
    pub async fn shown(&self) -> WindowHandle {
        self.web.window().await.expect("the tab")
    }

    /// Drives another tab.
    pub async fn show(&self, tab: &WindowHandle) {
        self.web.switch_to_window(tab.clone()).await.expect("the other tab");
        // A tab that nobody sees draws nothing.
        self.cdp("Page.bringToFront", json!({})).await;
    }

    /// Closes the tab that is driven, and drives this one.
    pub async fn close(&self, next: &WindowHandle) {
        self.web.close_window().await.expect("the tab closes");
        self.show(next).await;
    }

    /// Runs a script, and returns what it returns.
    pub async fn js(&self, script: &str, args: &[Value]) -> Value {
        let done = self.web.execute(script, args.to_vec()).await;
        done.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// Runs a script with `await` in it, and returns what it returns.
    pub async fn js_async(&self, script: &str) -> Value {
        let whole = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"
        );
        let answer = self.web.execute_async(whole, Vec::new()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone();
        assert!(answer.get("error").is_none(), "{script}: {}", answer["error"]);
        answer["value"].clone()
    }

    /// Waits until an expression of the page is true, and returns it. `what` is what it means.
    pub async fn until(&self, what: &str, expression: &str) -> Value {
        self.until_within(PATIENCE, what, expression).await
    }

    /// The same with another patience.
    pub async fn until_within(&self, patience: Duration, what: &str, expression: &str) -> Value {
        let end = Instant::now() + patience;
        loop {
            let value = self.js(&format!("return ({expression});"), &[]).await;
            if !matches!(value, Value::Null | Value::Bool(false)) && value != json!("") && value != json!(0) {
                return value;
            }
            if Instant::now() > end {
                let page = self.js("return document.body.innerText;", &[]).await;
                self.shot("failed").await;
                panic!("not seen: {what} ({expression}); the page:\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks on the element of a selector, with the mouse, when it is there and nothing that is being read will move it.
    pub async fn click(&self, selector: &str) {
        let is_there = format!(
            "document.querySelector({selector:?}) !== null && document.querySelector('.loading') === null"
        );
        self.until(selector, &is_there).await;
        let element = self.web.find(thirtyfour::By::Css(selector)).await.expect("the element");
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types into the element of a selector; of a file input, the path is the file.
    pub async fn write(&self, selector: &str, text: &str) {
        let element = self.web.find(thirtyfour::By::Css(selector)).await.expect("the element");
        element.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses keys where the focus is.
    pub async fn press(&self, keys: impl Into<TypingData>) {
        self.web.action_chain().send_keys(keys).perform().await.expect("keys are pressed");
    }

    /// Drops files on the page, as somebody with a mouse does; Chrome takes them for files from outside of the browser.
    pub async fn drop_files(&self, paths: &[&Path]) {
        let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.cdp("Input.dispatchDragEvent", json!({ "type": kind, "x": 300, "y": 300, "data": data }))
                .await;
        }
    }

    /// Saves what the browser shows as `target/screenshots/NAME.png`, and returns the path.
    pub async fn shot(&self, name: &str) -> PathBuf {
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder).expect("the folder of screenshots");
        let path = folder.join(format!("{name}.png"));
        self.web.screenshot(&path).await.expect("a screenshot");
        path
    }

    /// Asserts that the tab has broken no rule: no violation of the policy, and no error; in the log, only what `expected` allows.
    pub async fn is_clean(&self, expected: &[&str]) {
        let wrong = self.js("return window.__wrong;", &[]).await;
        assert_eq!(wrong, json!([]), "in the page");
        let log = self.web.browser_log().await.expect("the log of the browser");
        let wrong: Vec<String> = log
            .iter()
            .filter(|entry| entry.level == "SEVERE" || entry.message.contains("Content Security Policy"))
            .map(|entry| entry.message.clone())
            .filter(|message| !expected.iter().any(|part| message.contains(part)))
            .collect();
        assert!(wrong.is_empty(), "in the log of the browser: {wrong:#?}");
    }

    /// Returns the events of the browser's trace since the last time: name, and time in milliseconds.
    pub async fn trace(&self) -> Vec<(String, f64)> {
        let log = self.web.get_log("performance").await.expect("the trace of the browser");
        let event = |message: &str| {
            let entry: Value = serde_json::from_str(message).ok()?;
            let event = &entry["message"]["params"];
            Some((event["name"].as_str()?.to_owned(), event["ts"].as_f64()? / 1_000.0))
        };
        log.iter().filter_map(|entry| event(&entry.message)).collect()
    }

    /// Ends the browser.
    pub async fn quit(self) {
        self.web.clone().quit().await.expect("the browser ends");
    }
}

/// Returns the folder of what is built.
pub fn target() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(own, PathBuf::from)
}
