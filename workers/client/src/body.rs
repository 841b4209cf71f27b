//! The body of an answer, as it arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::checksum::Checksum;
use crate::connection::Lease;

/// The time without a byte after which a body is given up: as the SDK's protection against stalled streams.
const STALL: Duration = Duration::from_secs(5);

/// The body of an answer. When it has been read to its end, its connection can carry another request.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    /// Bytes that have arrived and are not read yet.
    arrived: Bytes,
    /// The connection, until the end.
    lease: Option<Lease>,
    checksum: Option<Checksum>,
    /// Ends when the body stalls; only counts while `waits`.
    stall: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Body {
    /// Creates the body that arrives by a connection.
    pub(crate) fn new((incoming, lease): (Incoming, Lease)) -> Self {
        Self {
            incoming,
            arrived: Bytes::new(),
            lease: Some(lease),
            checksum: None,
            stall: None,
            waits: false,
        }
    }

    /// Compares the bytes with a checksum, and fails at their end if they are others.
    pub(crate) fn checked(self, checksum: Option<Checksum>) -> Self {
        Self { checksum, ..self }
    }

    /// Closes the connection at the end, instead of keeping it.
    pub(crate) fn close(&mut self) {
        self.lease = None;
    }

    /// Returns the next bytes; `None` at the end.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.poll_stall(context).map(Err),
            };
            self.waits = false;
            match frame {
                Some(Ok(frame)) => {
                    // Trailers have no bytes.
                    let Ok(bytes) = frame.into_data() else { continue };
                    if let Some(checksum) = &mut self.checksum {
                        checksum.update(&bytes);
                    }
                    return Poll::Ready(Ok(Some(bytes)));
                }
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => {
                    if let Some(lease) = self.lease.take() {
                        lease.give_back();
                    }
                    let equal = self.checksum.take().is_none_or(Checksum::ends_as_expected);
                    return Poll::Ready(match equal {
                        true => Ok(None),
                        false => Err(io::Error::other("the body has another checksum than its object")),
                    });
                }
            }
        }
    }

    /// Returns an error once the body has stalled.
    fn poll_stall(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        if !self.waits {
            stall.as_mut().reset(Instant::now() + STALL);
            self.waits = true;
        }
        ready!(stall.as_mut().poll(context));
        Poll::Ready(io::Error::other("the body stalled"))
    }

    /// Returns the whole body.
    ///
    /// # Errors
    /// If the connection breaks or stalls before its end.
    pub async fn whole(mut self) -> io::Result<Bytes> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(bytes) = std::future::poll_fn(|context| self.poll_bytes(context)).await? {
            // Nearly all answers are one piece.
            if first.is_empty() && rest.is_empty() {
                first = bytes;
                continue;
            }
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&bytes);
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.arrived.is_empty() {
            match ready!(self.poll_bytes(context))? {
                Some(bytes) => self.arrived = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let many = out.remaining().min(self.arrived.len());
        out.put_slice(self.arrived.get(..many).unwrap_or_default());
        self.arrived.advance(many);
        Poll::Ready(Ok(()))
    }
}
