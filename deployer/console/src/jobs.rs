//! Requests on their way from the server, which answers on any thread, to the backend, which works on one task.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use crate::backend::{Backend, Cause, Download, Failed, Result, Upload};
use crate::model::{
    Drift, FileDetail, Items, Plan, ReplayRequest, Replayed, Resource, RowChoice, RowWay, Uploaded, Written,
};

/// Requests that wait; the next one is refused.
const WAITING: usize = 64;
/// Requests at the same time.
const PARALLEL: usize = 32;

/// The way back of an answer.
pub type Reply<T> = oneshot::Sender<Result<T>>;

/// A request to the backend.
pub enum Job {
    Resource(String, Reply<Resource>),
    File(String, Reply<FileDetail>),
    Items(String, u32, Reply<Items>),
    Row(String, RowChoice, Reply<RowWay>),
    Download(String, Written, Reply<Download>),
    Plan(Reply<Plan>),
    Drift(Reply<Option<Drift>>),
    Upload(Upload, Reply<Uploaded>),
    Replay(ReplayRequest, Reply<Replayed>),
}

/// The end at which requests are made.
#[derive(Clone)]
pub struct Jobs(mpsc::Sender<Job>);

/// The end at which they are answered.
pub struct Queue(mpsc::Receiver<Job>);

/// Creates both ends.
pub fn channel() -> (Jobs, Queue) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Jobs(sender), Queue(receiver))
}

impl Jobs {
    /// Makes a request, and waits for its answer.
    pub async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let busy = || Failed::new(Cause::Service, "the console has too many requests at the same time");
        self.0.try_send(job(reply)).map_err(|_| busy().hint("try it again in a moment"))?;
        answer.await.unwrap_or_else(|_| Err(Failed::new(Cause::Service, "the console is ending")))
    }
}

impl Queue {
    /// Answers requests by the backend, side by side, for as long as there is a server.
    pub async fn run(mut self, backend: &impl Backend) {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                job = self.0.recv(), if running.len() < PARALLEL => match job {
                    Some(job) => running.push(job.run(backend)),
                    None => return,
                },
                Some(()) = running.next(), if !running.is_empty() => {}
            }
        }
    }
}

/// Sends an answer, unless whoever waited for it is gone, which ends the work.
async fn answer<T>(mut reply: Reply<T>, work: impl Future<Output = Result<T>>) {
    let done = tokio::select! {
        done = work => done,
        () = reply.closed() => return,
    };
    let _ = reply.send(done);
}

impl Job {
    async fn run(self, backend: &impl Backend) {
        match self {
            Self::Resource(name, reply) => answer(reply, backend.resource(&name)).await,
            Self::File(id, reply) => answer(reply, backend.file(&id)).await,
            Self::Items(id, limit, reply) => answer(reply, backend.items(&id, limit)).await,
            Self::Row(id, row, reply) => answer(reply, backend.row(&id, row)).await,
            Self::Download(id, which, reply) => answer(reply, backend.download(&id, which)).await,
            Self::Plan(reply) => answer(reply, backend.plan()).await,
            Self::Drift(reply) => answer(reply, backend.drift()).await,
            Self::Upload(upload, reply) => answer(reply, backend.upload(upload)).await,
            // Half of a replay must not be left: it is finished even if nobody waits for it.
            Self::Replay(request, reply) => {
                let _ = reply.send(backend.replay(request).await);
            }
        }
    }
}
