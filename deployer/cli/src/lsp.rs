//! The language server: the messages of an editor on stdin and stdout, around a session of [`deployer_editor`].
//!
//! One thread reads the messages, one checks files, and this one answers, so that no answer waits for a check. A file is
//! checked when it was not changed for a moment.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use deployer_base::error::{Error, Result};
use deployer_base::ui::Stream;
use deployer_editor::protocol::{ErrorCode, failure, log, warning};
use deployer_editor::session::{Check, Done, Job, Session};
use serde_json::Value;

use framing::{Incoming, read, write};

mod framing;

/// Time without a change before a file is checked: shorter than a pause in which a person looks at the problems.
const PAUSE: Duration = Duration::from_millis(150);
/// Messages that are read before they are handled, so that one that cancels another is seen in time.
const AHEAD: usize = 256;
/// Stack of the thread that checks: that of a main thread, which checks files in all other commands.
const STACK: usize = 8 << 20;

/// Something that has happened.
enum Event {
    Incoming(Incoming),
    /// The client has closed its end, or what it sends has no messages any more.
    Closed(Option<String>),
    Checked(Done),
    /// The pages could not be written.
    NoPages(String),
}

/// Serves a client until it ends the session, and returns the exit code. `prepare` makes the pages of the codes, and
/// runs beside the session before the first check.
///
/// # Errors
/// Returns an error if the client is gone without the end of the session, or what it sends has no messages.
pub fn serve(
    input: impl Read + Send + 'static,
    session: Session,
    prepare: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<u8> {
    let (events, incoming) = sync_channel(AHEAD);
    let (jobs, waiting) = channel();
    spawn("reader", {
        let events = events.clone();
        move || read_messages(input, &events)
    })?;
    spawn("checker", move || {
        if let Err(error) = prepare() {
            let _ = events.send(Event::NoPages(error.to_string()));
        }
        for job in waiting {
            // Without a receiver, the session is over.
            if events.send(Event::Checked(Job::run(job))).is_err() {
                return;
            }
        }
    })?;
    let server = Server {
        session,
        out: Stream::default(),
        incoming,
        inbox: VecDeque::new(),
        jobs,
        busy: false,
        due: BTreeMap::new(),
    };
    server.run()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work);
    thread.map(|_| ()).map_err(|error| Error::failed(format!("could not start a thread: {error}")))
}

fn read_messages(input: impl Read, events: &SyncSender<Event>) {
    let mut input = std::io::BufReader::new(input);
    loop {
        let event = match read(&mut input) {
            Ok(Some(message)) => Event::Incoming(message),
            Ok(None) => Event::Closed(None),
            Err(reason) => Event::Closed(Some(reason)),
        };
        let over = matches!(event, Event::Closed(_));
        if events.send(event).is_err() || over {
            return;
        }
    }
}

struct Server {
    session: Session,
    out: Stream,
    incoming: Receiver<Event>,
    inbox: VecDeque<Event>,
    jobs: Sender<Job>,
    /// `true` while a file is checked.
    busy: bool,
    /// The documents to check, with the time from which on it may be done.
    due: BTreeMap<String, Instant>,
}

impl Server {
    fn run(mut self) -> Result<u8> {
        loop {
            if self.inbox.is_empty() {
                // The answers are written when there is nothing else to do.
                self.out.flush()?;
                if let Some(event) = self.wait()? {
                    self.take(event);
                }
            }
            while let Ok(event) = self.incoming.try_recv() {
                self.take(event);
            }
            if let Some(event) = self.inbox.pop_front()
                && let Some(code) = self.handle(event)?
            {
                self.out.flush()?;
                return Ok(code);
            }
            self.start_check();
        }
    }

    /// Waits for an event, or until a check is due.
    fn wait(&self) -> Result<Option<Event>> {
        let gone = || Error::failed("the reader of the messages has ended");
        let next = self.due.values().min().filter(|_| !self.busy);
        match next {
            None => self.incoming.recv().map(Some).map_err(|_| gone()),
            Some(next) => match self.incoming.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(event) => Ok(Some(event)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(gone()),
            },
        }
    }

    /// Takes an event into the inbox; a message that cancels a waiting request takes that one out instead.
    fn take(&mut self, event: Event) {
        if let Event::Incoming(Incoming::Message(message)) = &event
            && message.get("method").and_then(Value::as_str) == Some("$/cancelRequest")
        {
            let Some(id) = message.pointer("/params/id") else { return };
            let is_request = |event: &Event| {
                matches!(event, Event::Incoming(Incoming::Message(message))
                    if message.get("id") == Some(id) && message.get("method").is_some())
            };
            if let Some(at) = self.inbox.iter().position(is_request) {
                self.inbox.remove(at);
                let text = "the client has cancelled the request";
                write(self.out.buffer(), &failure(id, ErrorCode::RequestCancelled, text));
            }
            return;
        }
        self.inbox.push_back(event);
    }

    /// Handles an event; returns the exit code if the session is over.
    fn handle(&mut self, event: Event) -> Result<Option<u8>> {
        match event {
            Event::Incoming(Incoming::Message(message)) => {
                let reaction = self.session.handle(&message);
                for message in &reaction.messages {
                    write(self.out.buffer(), message);
                }
                if let Some(Check { uri, now }) = reaction.check {
                    let pause = if now { Duration::ZERO } else { PAUSE };
                    self.due.insert(uri, Instant::now() + pause);
                }
                return Ok(reaction.exit);
            }
            Event::Incoming(Incoming::NotJson(reason)) => {
                let text = format!("the message is not JSON: {reason}");
                write(self.out.buffer(), &failure(&Value::Null, ErrorCode::ParseError, &text));
            }
            Event::Incoming(Incoming::TooLong(length)) => {
                let text = format!(
                    "a message of {length} bytes was passed over; it can have at most {}",
                    framing::MAX_MESSAGE
                );
                write(self.out.buffer(), &warning(&text));
            }
            Event::NoPages(reason) => {
                write(self.out.buffer(), &log(&format!("codes have no links to their pages: {reason}")));
            }
            Event::Checked(done) => {
                self.busy = false;
                if let Some(message) = self.session.checked(done) {
                    write(self.out.buffer(), &message);
                }
            }
            Event::Closed(None) => {
                self.out.flush()?;
                return Err(Error::failed(
                    "the client is gone: it closed stdin without `shutdown` and `exit`",
                ));
            }
            Event::Closed(Some(reason)) => {
                self.out.flush()?;
                return Err(Error::failed_with_hint(
                    format!("stdin does not contain messages of the Language Server Protocol: {reason}"),
                    "`deployer lsp` is started by an editor; `deployer docs editor` shows how",
                ));
            }
        }
        Ok(None)
    }

    /// Starts the check of a document for which it is time.
    fn start_check(&mut self) {
        let now = Instant::now();
        while !self.busy {
            let Some(uri) = self.due.iter().find(|(_, at)| **at <= now).map(|(uri, _)| uri.clone()) else {
                return;
            };
            self.due.remove(&uri);
            if let Some(job) = self.session.job(&uri) {
                self.busy = self.jobs.send(job).is_ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use deployer_editor::session::Pages;
    use serde_json::json;

    use super::*;

    struct NoPages;
    impl Pages for NoPages {
        fn page(&self, _: &str) -> Option<String> {
            None
        }
        fn link(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn a_waiting_request_can_be_cancelled() {
        let (_events, incoming) = sync_channel(AHEAD);
        let (jobs, _waiting) = channel();
        let mut server = Server {
            session: Session::new(Box::new(NoPages), Vec::new()),
            out: Stream::default(),
            incoming,
            inbox: VecDeque::new(),
            jobs,
            busy: false,
            due: BTreeMap::new(),
        };
        let take =
            |server: &mut Server, message: Value| server.take(Event::Incoming(Incoming::Message(message)));
        let cancel = |id: Value| json!({ "method": "$/cancelRequest", "params": { "id": id } });
        take(&mut server, json!({ "id": 1, "method": "textDocument/hover" }));
        take(&mut server, json!({ "id": "1", "method": "textDocument/hover" }));
        take(&mut server, cancel(json!(2)));
        take(&mut server, json!({ "method": "$/cancelRequest" }));
        assert_eq!(server.inbox.len(), 2, "nothing to cancel, and no answer to that");
        assert!(server.out.buffer().is_empty());
        take(&mut server, cancel(json!("1")));
        let answer = String::from_utf8_lossy(server.out.buffer()).into_owned();
        assert!(answer.contains("-32800") && answer.contains("\"id\":\"1\""), "{answer}");
        let [Event::Incoming(Incoming::Message(left))] = server.inbox.make_contiguous() else {
            panic!("the other request waits")
        };
        assert_eq!(left["id"], 1);
        server.out.buffer().clear();
    }
}
