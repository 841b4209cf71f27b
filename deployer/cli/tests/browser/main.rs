//! The page of the console in a real browser: Chromium, driven by WebDriver.
//!
//! Most tests drive the console's own server with a pipeline that is played; `pipeline` drives the whole program with a local
//! cloud. Without a browser, `BROWSER_TESTS=none` leaves them out, and `BROWSER_TESTS=without-axe` those that need axe-core.

#[expect(dead_code, reason = "the end-to-end tests use all of it")]
#[path = "../e2e/cloud.rs"]
mod cloud;
#[path = "../output/schema.rs"]
mod schema;

mod access;
mod connection;
mod driver;
mod hostile;
mod keyboard;
mod page;
mod pipeline;
mod played;
mod smooth;
