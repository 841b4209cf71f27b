//! A bucket, a queue and a topic in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use client::Bytes;
use contract::ObjectRef;
use runtime::CallError;
use runtime::s3::ObjectError;
use task::download::{Opened, Source};

use super::super::{Files, Topic};
use crate::extract::Delay;
use crate::messages::QueueOrigin;

/// The objects of a bucket, by their keys.
#[derive(Clone, Default)]
pub(super) struct Bucket(Arc<Mutex<Content>>);

#[derive(Default)]
pub(super) struct Content {
    pub(super) objects: BTreeMap<String, Vec<u8>>,
    pub(super) uploads: BTreeMap<String, BTreeMap<i32, Vec<u8>>>,
    pub(super) calls: usize,
    /// The number of the call that fails, with its code, before or after it was executed.
    pub(super) fails: Option<(usize, &'static str, bool)>,
    pub(super) opened: Vec<(u64, u64)>,
    /// The byte of objects from which no request is answered.
    pub(super) never_from: Option<u64>,
}

impl Bucket {
    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().expect("lock")
    }

    pub(super) fn text(&self, key: &str) -> String {
        String::from_utf8(self.content().objects.get(key).cloned().unwrap_or_default()).expect("UTF-8")
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.content().objects.keys().cloned().collect()
    }

    /// Executes a call, unless it fails.
    async fn call<T>(&self, execute: impl FnOnce(&mut Content) -> T) -> Result<T, CallError> {
        tokio::task::yield_now().await;
        let (answer, fails) = {
            let mut content = self.content();
            content.calls += 1;
            let fails = content.fails.filter(|(call, ..)| *call == content.calls);
            match fails {
                Some((_, code, false)) => (None, Some(code)),
                fails => (Some(execute(&mut content)), fails.map(|(_, code, _)| code)),
            }
        };
        tokio::task::yield_now().await;
        match (answer, fails) {
            (Some(answer), None) => Ok(answer),
            (_, code) => {
                let code = code.unwrap_or_default();
                Err(CallError { code: code.into(), message: "m".into(), retryable: code == "SlowDown" })
            }
        }
    }
}

pub(super) struct Stored {
    bucket: Bucket,
    key: String,
}

impl Source for Stored {
    async fn open(&self, from: u64, to: u64) -> Result<Opened, ObjectError> {
        let never = self.bucket.content().never_from.is_some_and(|never| from >= never);
        if never {
            std::future::pending::<()>().await;
        }
        let mut content = self.bucket.content();
        content.opened.push((from, to));
        let Some(bytes) = content.objects.get(&self.key) else {
            return Err(ObjectError::Unreadable { code: "NoSuchKey".into() });
        };
        let range =
            usize::try_from(from).expect("small")..bytes.len().min(usize::try_from(to).unwrap_or(usize::MAX));
        let bytes_of_range = bytes.get(range).unwrap_or_default().to_vec();
        let length = Some(bytes.len() as u64);
        Ok(Opened { from, body: Box::pin(std::io::Cursor::new(bytes_of_range)), length })
    }
}

impl Files for Bucket {
    type Object = Stored;

    fn open(&self, object: &ObjectRef) -> Stored {
        Stored { bucket: self.clone(), key: object.key.clone() }
    }

    async fn read(&self, _: &str, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        self.call(|content| content.objects.get(key).cloned()).await
    }

    async fn put(&self, _: &str, key: &str, _: &str, bytes: Vec<u8>) -> Result<(), CallError> {
        self.call(|content| content.objects.insert(key.to_owned(), bytes)).await.map(drop)
    }

    async fn delete(&self, _: &str, key: &str) -> Result<(), CallError> {
        self.call(|content| content.objects.remove(key)).await.map(drop)
    }

    async fn begin(&self, _: &str, _: &str, _: &str) -> Result<String, CallError> {
        self.call(|content| {
            let id = format!("u{}", content.uploads.len());
            content.uploads.insert(id.clone(), BTreeMap::new());
            id
        })
        .await
    }

    async fn part(
        &self,
        _: &str,
        _: &str,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<String, CallError> {
        let added = self.call(|content| {
            let tag = format!("{number}:{}", bytes.len());
            content.uploads.get_mut(upload).map(|parts| (parts.insert(number, bytes.to_vec()), tag))
        });
        let gone = CallError { code: "NoSuchUpload".into(), message: "m".into(), retryable: false };
        added.await?.map(|(_, tag)| tag).ok_or(gone)
    }

    async fn complete(&self, _: &str, key: &str, upload: &str, tags: &[String]) -> Result<(), CallError> {
        self.call(|content| {
            let parts = content.uploads.get(upload).expect("an upload");
            let of_tag = |(number, tag): (i32, &String)| {
                let part = parts.get(&number).expect("a part");
                assert_eq!(*tag, format!("{number}:{}", part.len()));
                part.clone()
            };
            let bytes: Vec<u8> = (1..).zip(tags).flat_map(of_tag).collect();
            content.objects.insert(key.to_owned(), bytes);
        })
        .await
    }
}

/// A queue that keeps the messages that are sent to it.
#[derive(Clone, Default)]
pub(super) struct Queue(pub(super) Arc<Mutex<Vec<String>>>);

impl Delay for Queue {
    async fn delay(&self, _: &QueueOrigin, _: i32) -> Result<(), String> {
        Ok(())
    }

    async fn send_later(&self, _: &QueueOrigin, body: &str, _: i32) -> Result<(), String> {
        self.0.lock().expect("lock").push(body.to_owned());
        Ok(())
    }
}

/// A topic that keeps the messages, and refuses some.
#[derive(Clone, Default)]
pub(super) struct People {
    pub(super) messages: Arc<Mutex<Vec<(String, String)>>>,
    pub(super) refuse: bool,
}

impl Topic for People {
    async fn publish(&self, subject: &str, message: &str) -> Result<(), CallError> {
        if self.refuse {
            return Err(CallError {
                code: "AuthorizationError".into(),
                message: "m".into(),
                retryable: false,
            });
        }
        self.messages.lock().expect("lock").push((subject.to_owned(), message.to_owned()));
        Ok(())
    }
}
