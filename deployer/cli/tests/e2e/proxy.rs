//! A proxy on this machine before the local cloud, for the deployer or for the workers: it names and counts the calls,
//! and lets a test do to each what networks and busy services do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use serde_json::Value;

use crate::parts;
use crate::wire::Call;
use crate::wire::http::{Request, Response};

/// The fate of a call.
#[derive(Debug)]
pub enum Fate {
    /// Passed on.
    Through,
    /// Passed on, late.
    Late(Duration),
    /// Not passed on, and answered with this error: HTTP status, code.
    Refused(u16, &'static str),
    /// Not passed on, and answered with this document and status 200.
    Answered(Value),
    /// Passed on with these of its entries, in this order, each as often as its index is here; the answer calls the
    /// others not accepted. Only for calls that [`parts`] supports.
    Parts(Vec<usize>),
    /// A connection that breaks before anything is passed on.
    LostBefore,
    /// A connection that breaks in the middle of passing on.
    Cut,
    /// Passed on, with an answer that gets lost.
    LostAfter,
    /// Passed on, with a connection that breaks in the middle of the answer.
    CutAnswer,
    /// Not answered, whether passed on (`true`) or not, until the caller has gone; the test is told.
    Held(bool, mpsc::Sender<()>),
    /// Passed on when the test says so; the test is told that the call has come.
    Waits(mpsc::Sender<()>, oneshot::Receiver<()>),
}

/// A decision about a call, by its name and the number of calls before it.
type Decide = Box<dyn FnMut(&Call, usize) -> Fate + Send>;

/// The state of the proxy; a test changes it between commands.
struct State {
    /// Host and port of the local cloud.
    upstream: String,
    calls: Vec<String>,
    decide: Decide,
}

/// A proxy, until it is dropped.
pub struct Proxy {
    /// URL of the proxy.
    pub url: String,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy before the cloud at a URL such as `http://127.0.0.1:4566`. Every call is passed on.
    pub fn start(upstream: &str) -> Self {
        let proxy = Self::before_nothing();
        proxy.pass_on_to(upstream);
        proxy
    }

    /// Starts a proxy before a cloud that does not run yet.
    pub fn before_nothing() -> Self {
        let state =
            State { upstream: String::new(), calls: Vec::new(), decide: Box::new(|_, _| Fate::Through) };
        let state = Arc::new(Mutex::new(state));
        let (stop, stopped) = oneshot::channel();
        let (tell_url, url) = mpsc::channel();
        let shared = Arc::clone(&state);
        // The thread is separate: tests wait for the deployer without giving way to anything.
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell_url
                    .send(format!("http://{}", listener.local_addr().expect("an address")))
                    .expect("a test");
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        let url = url.recv().expect("the proxy starts");
        Self { url, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Passes calls on to the cloud at this URL from now on.
    pub fn pass_on_to(&self, upstream: &str) {
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).upstream = upstream;
    }

    /// Lets `decide` decide about all calls from now on, which are counted from zero again.
    pub fn decide(&self, decide: impl FnMut(&Call, usize) -> Fate + Send + 'static) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.clear();
        state.decide = Box::new(decide);
    }

    /// Returns the number of calls since the last decision, by name.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.iter().fold(BTreeMap::new(), |mut counts, name| {
            *counts.entry(name.clone()).or_default() += 1;
            counts
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // Connections that break are the purpose of the proxy.
        tokio::spawn(async move { drop(serve(stream, &state).await) });
    }
}

/// Serves one request; a connection is not kept, so that it ends where its answer ends.
async fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = Request::read(&mut stream).await? else { return Ok(()) };
    let call = Call::of(&request);
    let (upstream, fate) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.calls.len();
        state.calls.push(call.name());
        (state.upstream.clone(), (state.decide)(&call, before))
    };
    let upstream = upstream.as_str();
    match fate {
        Fate::Through => {}
        Fate::Late(pause) => tokio::time::sleep(pause).await,
        Fate::Refused(status, code) => {
            return call
                .error(status, code, "made up by the proxy")
                .with("connection", "close")
                .send(&request, &mut stream)
                .await;
        }
        Fate::Answered(document) => return answer(&document).send(&request, &mut stream).await,
        Fate::Parts(passed_on) => {
            let mut answers = Vec::new();
            for body in parts::requests(&call, &passed_on) {
                let raw = send(&with_body(&request, &body.to_string()), upstream).await?;
                match parts::document(&raw) {
                    Some(document) => answers.push(document),
                    // The cloud has an error of its own: that is the answer.
                    None => return stream.write_all(&raw).await,
                }
            }
            let whole = parts::answer(&call, &passed_on, &answers);
            return answer(&whole).send(&request, &mut stream).await;
        }
        Fate::LostBefore => return Ok(()),
        Fate::Cut => {
            let mut connection = TcpStream::connect(upstream).await?;
            let raw = closing(&request);
            return connection.write_all(&raw[..raw.len() - request.body.len().div_ceil(2)]).await;
        }
        Fate::LostAfter => return forward(&request, upstream).await.map(drop),
        Fate::CutAnswer => {
            let answer = forward(&request, upstream).await?;
            stream.write_all(&answer[..answer.len() - answer.len() / 4]).await?;
            return stream.flush().await;
        }
        Fate::Held(passed_on, held) => {
            if passed_on {
                forward(&request, upstream).await?;
            }
            let _ = held.send(());
            // The read ends when the caller is gone.
            let _ = stream.read_u8().await;
            return Ok(());
        }
        Fate::Waits(there, go) => {
            let _ = there.send(());
            let _ = go.await;
        }
    }
    let answer = forward(&request, upstream).await?;
    stream.write_all(&answer).await?;
    stream.flush().await
}

/// Returns an answer in the JSON protocol.
fn answer(document: &Value) -> Response {
    Response::new(200, "application/x-amz-json-1.1", document.to_string()).with("connection", "close")
}

/// Passes a request on; returns the whole answer.
async fn forward(request: &Request, upstream: &str) -> std::io::Result<Vec<u8>> {
    send(&closing(request), upstream).await
}

async fn send(raw: &[u8], upstream: &str) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(upstream).await?;
    connection.write_all(raw).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Returns the request as it came, with the header that closes its connection after the answer.
fn closing(request: &Request) -> Vec<u8> {
    let first = request.raw.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    [&request.raw[..first], b"connection: close\r\n", &request.raw[first..]].concat()
}

/// Returns the request with another content, and with the same header.
fn with_body(request: &Request, body: &str) -> Vec<u8> {
    let head = String::from_utf8_lossy(&request.raw);
    let head = head.split_once("\r\n\r\n").map_or("", |(head, _)| head);
    let framing = ["content-length:", "transfer-encoding:", "connection:"];
    let kept = head.split("\r\n").filter(|line| {
        let line = line.to_ascii_lowercase();
        !framing.iter().any(|name| line.starts_with(name))
    });
    let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
    format!("{kept}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
