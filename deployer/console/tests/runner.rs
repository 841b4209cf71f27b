//! The one integration binary of `deployer-console`: the server over HTTP, without a browser.

mod actions;
mod admission;
mod events;
mod limits;
mod page;
mod played;
