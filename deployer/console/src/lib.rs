//! A page that shows a pipeline at work, and the server for it.
//!
//! The page is plain HTML, CSS and modules, embedded in the program. [`server::serve`] serves it on a listener of this machine,
//! to whoever has the token of the link. [`hub::Hub`] holds the state that all tabs show; its owner changes it, and each tab
//! gets the changes as server-sent events. Whatever is read or done on demand is asked of a [`backend::Backend`]. Nothing here
//! knows what a stack is, nor where its state comes from.

pub mod backend;
pub mod hub;
mod jobs;
pub mod model;
pub mod server;
