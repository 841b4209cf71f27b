//! A substitute for AWS at a port of this machine, for one conversation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::answer::answer;
use crate::conversation::{Conversation, Exchange};
use crate::judge::{Ended, Judge};
use crate::wire::Call;
use crate::wire::http::Request;

/// Number of digits of the digest in the token of an operation of ours, without which no interrupted deployment is
/// found again.
const MARK_DIGITS: usize = 24;

/// A server, until it is dropped.
pub struct Server {
    /// URL of the server.
    pub url: String,
    conversation: Arc<Mutex<Conversation>>,
    judge: Arc<Mutex<Judge>>,
    /// Process of the deployer that talks now.
    talking: Arc<Mutex<Option<u32>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts the server. In answers, `{"$template": FILE}` is the template of that stack file, `{"$digest": FILE}` its
    /// SHA-256, `{"$mark": FILE}` the token of an operation that deploys it, `{"$json": …}` a document as a text,
    /// `{"$sent": "CreateStackRefactor/Description"}` a member of the input of an earlier call, and `${Name}` in a text a member of
    /// this input.
    pub async fn start(exchanges: Vec<Exchange>, templates: BTreeMap<String, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let conversation = Arc::new(Mutex::new(Conversation::new(exchanges)));
        let judge = Arc::new(Mutex::new(Judge::default()));
        let talking = Arc::new(Mutex::new(None));
        let (said, who, templates) = (Arc::clone(&conversation), Arc::clone(&talking), Arc::new(templates));
        let judging = Arc::clone(&judge);
        let inputs: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        // Held from the choice of an answer until the judge has heard it: both see the calls of several deployers in one order.
        let turns: Arc<tokio::sync::Mutex<()>> = Arc::default();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (said, who, templates) = (Arc::clone(&said), Arc::clone(&who), Arc::clone(&templates));
                let (judging, inputs) = (Arc::clone(&judging), Arc::clone(&inputs));
                let turns = Arc::clone(&turns);
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    // A client that goes away is not a concern of the server's.
                    let _ = talk(&mut stream, &said, &judging, &who, &templates, &inputs, &turns).await;
                });
            }
        });
        Self { url, conversation, judge, talking, accepting }
    }

    /// Sets the process that signals go to.
    pub fn talks_with(&self, process: Option<u32>) {
        *self.talking.lock().expect("not poisoned") = process;
    }

    /// Waits until a flag of the conversation is set.
    pub async fn wait_for(&self, flag: &str) {
        wait_for(&self.conversation, flag).await;
    }

    /// Returns the errors of the conversation, given the rules that the case breaks on purpose.
    pub fn complaints(&self, breaks: &[String]) -> Vec<String> {
        let mut complaints = self.conversation.lock().expect("not poisoned").complaints();
        complaints.extend(self.judge.lock().expect("not poisoned").verdict(breaks));
        complaints
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn talk(
    stream: &mut BufReader<TcpStream>,
    conversation: &Mutex<Conversation>,
    judge: &Mutex<Judge>,
    talking: &Mutex<Option<u32>>,
    templates: &BTreeMap<String, String>,
    inputs: &Mutex<BTreeMap<String, Value>>,
    turns: &tokio::sync::Mutex<()>,
) -> std::io::Result<()> {
    while let Some(request) = Request::read(stream).await? {
        let call = Call::of(&request);
        let who = who(&request);
        let mut order = turns.lock().await;
        let exchange = conversation.lock().expect("not poisoned").next(&call, who);
        let Some(exchange) = exchange else {
            drop(order);
            // No SDK tries this code again.
            let text = format!("no exchange of the conversation expects {}", call.name());
            call.error(400, "UnexpectedCall", &text).send(&request, stream).await?;
            continue;
        };
        inputs.lock().expect("not poisoned").insert(call.operation.clone(), call.input.clone());
        if !exchange.delay().is_zero() || exchange.awaits.is_some() {
            drop(order);
            tokio::time::sleep(exchange.delay()).await;
            if let Some(flag) = &exchange.awaits {
                wait_for(conversation, flag).await;
            }
            order = turns.lock().await;
        }
        let hear = |ended: Ended| {
            judge.lock().expect("not poisoned").hear(&call, ended);
            if let Some(flag) = &exchange.sets {
                conversation.lock().expect("not poisoned").set(flag);
            }
        };
        if let Some(signal) = &exchange.signal {
            hear(Ended::Lost);
            drop(order);
            let process = *talking.lock().expect("not poisoned");
            let process = process.expect("a deployer that talks").to_string();
            let sent =
                tokio::process::Command::new("kill").args([&format!("-{signal}"), &process]).status().await;
            assert!(sent.is_ok_and(|status| status.success()), "kill -{signal} {process}");
            // The deployer ends, and the connection with it.
            Request::read(stream).await?;
            return Ok(());
        }
        match (&exchange.error, &exchange.answer) {
            _ if exchange.drop => {
                hear(Ended::Lost);
                drop(order);
                return Ok(());
            }
            (Some(fault), _) => {
                let message = echo(&fault.message, &call.input);
                hear(Ended::Refused(&message, fault.status));
                drop(order);
                call.error(fault.status, &fault.code, &message).send(&request, stream).await?;
            }
            (None, value) => {
                let mut value = value.clone().unwrap_or_default();
                let sent = inputs.lock().expect("not poisoned").clone();
                fill(&mut value, templates, &call.input, &sent);
                hear(Ended::Answered(&value));
                drop(order);
                answer(&call, &value).send(&request, stream).await?;
            }
        }
    }
    Ok(())
}

/// Beginning of the access keys of several deployers, which end with their numbers.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// Returns the number of the deployer that has signed a request; the first, if it can't be told.
fn who(request: &Request) -> usize {
    let signed = request.header("authorization").unwrap_or_default();
    let number = signed.split(ACCESS_KEY).nth(1).and_then(|rest| rest.chars().next());
    number.and_then(|number| number.to_digit(10)).map_or(1, |number| number as usize)
}

/// Waits until a flag is set.
async fn wait_for(conversation: &Mutex<Conversation>, flag: &str) {
    while !conversation.lock().expect("not poisoned").is_set(flag) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Puts templates, and members of the input, where an answer wants them.
fn fill(
    value: &mut Value,
    templates: &BTreeMap<String, String>,
    input: &Value,
    sent: &BTreeMap<String, Value>,
) {
    match value {
        Value::Object(members) if members.contains_key("$sent") => {
            let path = members["$sent"].as_str().unwrap_or_default();
            let (operation, member) = path.split_once('/').expect("OPERATION/MEMBER");
            let found = sent.get(operation).and_then(|input| input.pointer(&format!("/{member}")));
            *value = found.unwrap_or_else(|| panic!("{path} was not sent: {sent:?}")).clone();
        }
        Value::Object(members) if members.contains_key("$template") => {
            let file = members["$template"].as_str().unwrap_or_default();
            *value = Value::String(templates[file].clone());
        }
        Value::Object(members) if members.contains_key("$digest") => {
            let file = members["$digest"].as_str().unwrap_or_default();
            *value = Value::String(digest(&templates[file]));
        }
        Value::Object(members) if members.contains_key("$mark") => {
            let file = members["$mark"].as_str().unwrap_or_default();
            *value = Value::String(format!("deployer-{}-1", &digest(&templates[file])[..MARK_DIGITS]));
        }
        Value::Object(members) if members.contains_key("$json") => {
            let mut inner = members["$json"].take();
            fill(&mut inner, templates, input, sent);
            *value = Value::String(inner.to_string());
        }
        Value::Object(members) => members.values_mut().for_each(|inner| fill(inner, templates, input, sent)),
        Value::Array(items) => items.iter_mut().for_each(|inner| fill(inner, templates, input, sent)),
        Value::String(text) => *text = echo(text, input),
        _ => {}
    }
}

/// Returns the SHA-256 in hexadecimal digits.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a text with the values of the input instead of `${Name}`.
fn echo(text: &str, input: &Value) -> String {
    let members = input.as_object().into_iter().flatten();
    members.fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value.as_str().unwrap_or_default())
    })
}
