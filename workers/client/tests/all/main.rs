//! The client beside the AWS SDK: the same endpoints, requests, attempts and errors; and what is its own: connections and
//! the credentials of a container.

mod answers;
mod connections;
mod container;
mod endpoints;
mod proxies;
mod requests;
mod server;
