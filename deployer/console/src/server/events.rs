//! The events of a tab: the state, then its changes, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use tokio::time::Instant;

use super::{App, answer};
use crate::hub::{Message, Tab};

/// Open tabs.
const MAX_TABS: usize = 32;
/// Time between two changes: 10 a second.
const PAUSE: Duration = Duration::from_millis(100);
/// Time after which a tab is told that the server is still there.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Answers `GET /api/events`.
pub async fn events(State(app): State<Arc<App>>) -> Response<Body> {
    if app.hub.tabs() >= MAX_TABS {
        let hint = Some("close one of them");
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many tabs are open", hint);
    }
    let stream = Stream { tab: app.hub.open(), not_before: Instant::now() };
    // A tab that is slow is not asked for its next event, so nothing piles up.
    let stream = futures::stream::unfold(stream, async |mut stream| {
        let event = stream.next().await;
        Some((Ok::<_, std::convert::Infallible>(event), stream))
    });
    answer::of_type(StatusCode::OK, "text/event-stream", Body::from_stream(stream))
}

struct Stream {
    tab: Tab,
    not_before: Instant,
}

impl Stream {
    /// Returns the next event, or a comment if nothing changes.
    async fn next(&mut self) -> Bytes {
        let until = Instant::now() + HEARTBEAT;
        tokio::time::sleep_until(self.not_before).await;
        loop {
            match tokio::time::timeout_at(until, self.tab.changed()).await {
                Err(_) => return Bytes::from_static(b": still here\n\n"),
                Ok(()) => {
                    if let Some(message) = self.tab.take() {
                        self.not_before = Instant::now() + PAUSE;
                        return written(&message);
                    }
                }
            }
        }
    }
}

/// Returns a message as an event. JSON has no line breaks.
fn written(Message { event, number, data }: &Message) -> Bytes {
    format!("event: {event}\nid: {number}\ndata: {data}\n\n").into()
}
