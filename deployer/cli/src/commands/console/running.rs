//! A console that listens, and serves its page.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use deployer_aws::budget::Budget;
use deployer_base::error::{Error, Message, Result};
use deployer_base::time;
use deployer_console::hub::Hub;
use deployer_console::model::{Bucket, KeyPattern, StackInfo, State, Target};
use deployer_console::server::{self, Settings, Token};
use deployer_lang::Compiled;
use deployer_lang::model::ResourceType;
use deployer_lang::model::bucket::BucketEvent;
use deployer_lang::model::target;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::answers::Answers;
use super::reader::Reader;
use super::site::{Options, Site};
use crate::context::Context;

/// Calls a minute on AWS: five a second, of which CloudFormation, ECS and SQS allow more.
const CALLS_ON_AWS: u32 = 300;
/// Calls a minute on the local cloud, which cost nothing.
const CALLS_ON_LOCAL: u32 = 3_000;

/// A console that listens.
#[derive(Debug)]
pub struct Console {
    site: Site,
    listener: TcpListener,
    settings: Settings,
    link: String,
}

impl Console {
    /// Reads the stack file, and listens on this machine.
    ///
    /// # Errors
    /// Returns the errors of [`Context::compile`]; [`Error::Failed`] if the port is taken.
    pub async fn open(context: &Context, stack: Option<&str>, options: Options) -> Result<Self> {
        let compiled = context.compile(stack)?;
        let is_local = compiled.stack.target.target == target::Target::Local;
        let usual = if is_local { CALLS_ON_LOCAL } else { CALLS_ON_AWS };
        let budget = Budget::new(options.calls_per_minute.unwrap_or(usual));
        let port = options.port.unwrap_or_default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
            Error::failed_with_hint(
                format!("could not listen on port {port} of this machine: {error}"),
                "name another port with `--port`, or none, and a free one is taken",
            )
        })?;
        let token = Token::random().map_err(|error| Error::failed(format!("no random bytes: {error}")))?;
        let settings = Settings { token, read_only: options.read_only };
        let link = settings.link(listener.local_addr()?);
        let state = State::new(describe(&compiled, &options), &time::stamp());
        let site = Site {
            context: context.within(budget.clone()),
            options,
            hub: Hub::new(state),
            budget,
            compiled: RefCell::new(Rc::new(compiled)),
            name: stack.map(str::to_owned),
            linked: RefCell::default(),
            objects: RefCell::default(),
            wake: Notify::new(),
        };
        Ok(Self { site, listener, settings, link })
    }

    /// Returns the link to the page, with its token.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Returns the state that the page shows, for whoever has something to add to it.
    #[must_use]
    pub fn hub(&self) -> Hub {
        self.site.hub.clone()
    }

    /// Returns the name of the CloudFormation stack.
    #[must_use]
    pub fn stack(&self) -> String {
        self.site.compiled().stack.name.clone()
    }

    /// Serves the page until it is dropped, or after as many reads as the options name.
    ///
    /// # Errors
    /// Returns an error if the listener is lost.
    pub async fn run(self) -> Result<()> {
        let Self { site, listener, settings, .. } = self;
        let answers = Answers::new(&site);
        let mut reader = Reader::new(&site);
        tokio::select! {
            served = server::serve(listener, settings, site.hub.clone(), &answers) => {
                served?;
                Err(Error::Failed(Message::new("the server of the console has ended")))
            }
            () = reader.run() => Ok(()),
            () = site.show_budget() => Ok(()),
        }
    }
}

/// Describes a stack that nothing has been read of.
fn describe(compiled: &Compiled, options: &Options) -> StackInfo {
    let stack = &compiled.stack;
    let buckets = stack.resources.iter().filter_map(|resource| {
        let ResourceType::Bucket(bucket) = &resource.is else { return None };
        let created: Vec<_> =
            bucket.notify.iter().filter(|notify| notify.on == BucketEvent::Created).collect();
        let keys = created
            .iter()
            .map(|notify| KeyPattern { prefix: notify.prefix.clone(), suffix: notify.suffix.clone() });
        (!created.is_empty()).then(|| Bucket { name: resource.name.clone(), keys: keys.collect() })
    });
    StackInfo {
        name: stack.name.clone(),
        target: match stack.target.target {
            target::Target::Local => Target::Local,
            target::Target::Aws => Target::Aws,
        },
        account: None,
        region: None,
        read_only: options.read_only,
        shows_sensitive: options.show_sensitive,
        console_link: None,
        buckets: buckets.collect(),
    }
}
