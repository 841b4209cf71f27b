//! The server: connections of this machine, with limits for each, and the requests on them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::backend::Backend;
use crate::hub::Hub;
use crate::jobs::{self, Jobs};

mod answer;
mod events;
mod guard;
mod routes;

/// Connections at the same time. A browser opens six for a page, whatever the number of tabs.
const MAX_CONNECTIONS: usize = 128;
/// Uploads at the same time.
const UPLOADS: usize = 4;
/// Time limit for the head of a request, and for the next request on a connection.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Most bytes of the head of a request, and of what is read or written ahead.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Most fields in the head of a request.
const MAX_HEAD_FIELDS: usize = 64;
/// Bytes of a token.
const TOKEN_BYTES: usize = 32;

/// The secret of the link, without which nothing is shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Creates a random token.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// Returns its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Compares it with a text, in a time that does not depend on where they differ.
    fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token")
    }
}

/// The settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The secret of the link.
    pub token: Token,
    /// `true` if no action is allowed.
    pub read_only: bool,
}

impl Settings {
    /// Returns the link to a server on this address.
    #[must_use]
    pub fn link(&self, address: SocketAddr) -> String {
        format!("http://{address}/?token={}", self.token.text())
    }
}

/// What requests are answered with.
struct App {
    settings: Settings,
    /// The values of `Host` that lead here.
    hosts: [String; 2],
    /// Name of the cookie with the token. Cookies are not separated by port, so the name is.
    cookie: String,
    hub: Hub,
    jobs: Jobs,
    /// Places for uploads, which take long; the others wait.
    uploads: Semaphore,
}

/// Ends a task with this value.
struct Owned(JoinHandle<()>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves the page and its protocol, until it is dropped. Requests to the backend are made here, all others on other tasks.
///
/// # Errors
/// If the listener has no address.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    hub: Hub,
    backend: &impl Backend,
) -> io::Result<()> {
    let port = listener.local_addr()?.port();
    let (jobs, queue) = jobs::channel();
    let app = Arc::new(App {
        settings,
        hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        cookie: format!("deployer-console-{port}"),
        hub,
        jobs,
        uploads: Semaphore::new(UPLOADS),
    });
    let _accepting = Owned(tokio::spawn(accept(listener, router(app))));
    queue.run(backend).await;
    Ok(())
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/events", get(events::events))
        .route("/api/state", get(routes::state))
        .route("/api/resource", get(routes::resource))
        .route("/api/file", get(routes::file))
        .route("/api/items", get(routes::items))
        .route("/api/row", get(routes::row))
        .route("/api/download", get(routes::download))
        .route("/api/plan", get(routes::plan))
        .route("/api/drift", get(routes::drift))
        .route("/api/upload", post(routes::upload))
        .route("/api/replay", post(routes::replay))
        .fallback(routes::page)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

/// Accepts connections, and serves each until it ends. Those beyond the limit are closed.
async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                        let router = router.clone();
                        connections.spawn(async move {
                            connection(stream, router).await;
                            drop(place);
                        });
                    }
                }
                // The process has no file descriptors left, or the client is gone already.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // Events are small, and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEAD_FIELDS);
    // An error of a connection is the client's.
    let _ = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}
