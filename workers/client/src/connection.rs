//! Connections: HTTP/1.1, kept for the next request.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::origin::Origin;
use crate::stream::Duplex;
use crate::{proxy, tls};

/// The time for a connection: the default of the SDK.
const CONNECT: Duration = Duration::from_millis(3100);
/// The time after which an unused connection is not used again. Services close theirs after about as long.
const IDLE: Duration = Duration::from_secs(90);

type Sender = SendRequest<Full<Bytes>>;

/// The connections of a process.
pub(crate) struct Connections {
    idle: Mutex<HashMap<Origin, Vec<(Sender, Instant)>>>,
    /// Made for the first connection that needs it: to read the certificates takes milliseconds.
    tls: OnceLock<Arc<ClientConfig>>,
    /// Says which origins are reached through a proxy; `None` if none is.
    proxies: Option<Matcher>,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connections")
    }
}

impl Connections {
    /// Creates none yet.
    pub(crate) fn new(proxies: Option<Matcher>) -> Self {
        Self { idle: Mutex::default(), tls: OnceLock::new(), proxies }
    }

    /// Sends a request, and returns the answer as soon as its head is there, with the connection that carries the body. A connection that was closed while it was
    /// not in use is replaced.
    pub(crate) async fn send(
        self: &Arc<Self>,
        origin: &Origin,
        mut request: Request<Full<Bytes>>,
    ) -> io::Result<Response<(Incoming, Lease)>> {
        let proxy = self.proxies.as_ref().map(|proxies| proxy::of(proxies, origin)).transpose()?.flatten();
        if let Some(proxy) = proxy.as_ref().filter(|_| !origin.tls) {
            proxy::address(&mut request, origin, proxy)?;
        }
        loop {
            let (mut sender, is_new) = match self.kept(origin).await {
                Some(sender) => (sender, false),
                None => (self.connect(origin, proxy.as_ref()).await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(answer) => {
                    let lease = Lease { connections: Arc::clone(self), origin: origin.clone(), sender };
                    return Ok(answer.map(|incoming| (incoming, lease)));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(io::Error::other(error.into_error())),
                },
            }
        }
    }

    /// Returns a connection that is open and has nothing to do.
    async fn kept(&self, origin: &Origin) -> Option<Sender> {
        loop {
            let (mut sender, since) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.get_mut(origin)?.pop()?
            };
            if since.elapsed() < IDLE && sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, origin: Origin, sender: Sender) {
        if !sender.is_closed() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(origin).or_default().push((sender, Instant::now()));
        }
    }

    async fn connect(&self, origin: &Origin, proxy: Option<&Intercept>) -> io::Result<Sender> {
        let opened = timeout(CONNECT, self.open(origin, proxy)).await;
        let stream =
            opened.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))??;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its errors are those of the request or of the body.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn open(&self, origin: &Origin, proxy: Option<&Intercept>) -> io::Result<Box<dyn Duplex>> {
        let mut stream = match proxy {
            None => tcp(origin).await?,
            Some(proxy) => {
                let between = proxy::origin(proxy)?;
                let mut stream = tcp(&between).await?;
                if between.tls {
                    stream = self.secure(&between, stream).await?;
                }
                if origin.tls {
                    proxy::tunnel(&mut stream, origin, proxy).await?;
                }
                stream
            }
        };
        if origin.tls {
            stream = self.secure(origin, stream).await?;
        }
        Ok(stream)
    }

    async fn secure(&self, origin: &Origin, stream: Box<dyn Duplex>) -> io::Result<Box<dyn Duplex>> {
        let config = match self.tls.get() {
            Some(config) => Arc::clone(config),
            None => {
                let config = tls::config()?;
                Arc::clone(self.tls.get_or_init(|| config))
            }
        };
        let name = ServerName::try_from(origin.address().to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
    }
}

async fn tcp(origin: &Origin) -> io::Result<Box<dyn Duplex>> {
    let stream = TcpStream::connect((origin.address(), origin.port)).await?;
    // Head and body of a request are two writes.
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// A connection that carries an answer.
pub(crate) struct Lease {
    connections: Arc<Connections>,
    origin: Origin,
    sender: Sender,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Lease")
    }
}

impl Lease {
    /// Keeps the connection for another request.
    pub(crate) fn give_back(self) {
        self.connections.keep(self.origin, self.sender);
    }
}

#[cfg(test)]
mod tests;
