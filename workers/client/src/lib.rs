//! Thin signed calls to the services of AWS that the workers use.
//!
//! A worker makes a handful of operations, most of them PutEvents, millions of times. This package does for a call what
//! the AWS SDK does, and nothing for the hundreds of operations that no worker has: it finds the endpoint of the Region, gets
//! credentials, signs, sends over a kept connection, tries again in the SDK's standard mode, and reads errors. Its tests
//! compare all of it with the SDK. See `docs/design/040-thin-client.md`.
//!
//! [`Client::json`] calls an operation of a JSON protocol by its name, [`Client::query`] one of a service with the older
//! query protocol, and [`Client::object`] one on an object in S3.

mod body;
mod checksum;
mod client;
mod clock;
mod connection;
mod credentials;
mod error;
mod origin;
mod problem;
mod proxy;
mod retry;
mod s3;
mod service;
mod signature;
mod stream;
mod tls;

pub use body::Body;
pub use bytes::Bytes;
pub use client::Client;
pub use credentials::Credentials;
pub use error::{CallError, Failure, NoAnswer};
pub use http::{HeaderMap, Method};
pub use s3::{Object, Reply};
pub use service::{Service, Variant, host};
