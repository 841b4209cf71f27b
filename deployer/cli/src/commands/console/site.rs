//! What the reader and the answers of a console share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use contract::ObjectRef;
use deployer_aws::budget::Budget;
use deployer_base::error::Result;
use deployer_console::hub::Hub;
use deployer_lang::Compiled;
use deployer_lang::model::target;
use tokio::sync::Notify;

use super::cost;
use super::linked::Linked;
use crate::context::Context;

/// Time after which the calls that were made are shown again.
const SPENT_SHOWN: Duration = Duration::from_secs(1);

/// The settings of a console.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The port; by default one that is free.
    pub port: Option<u16>,
    /// `true` if no action is allowed.
    pub read_only: bool,
    /// `true` if values of sensitive fields are shown.
    pub show_sensitive: bool,
    /// The most calls in a minute.
    pub calls_per_minute: Option<u32>,
    /// The number of reads after which the console ends; it reads without a tab then.
    pub reads: Option<u32>,
}

/// What the reader and the answers share. Both work on one task.
#[derive(Debug)]
pub struct Site {
    pub context: Context,
    pub options: Options,
    pub hub: Hub,
    pub budget: Budget,
    /// The stack as the file described it when it was last valid.
    pub compiled: RefCell<Rc<Compiled>>,
    /// The name of the stack on the command line.
    pub name: Option<String>,
    /// The deployed stack, while something answers.
    pub linked: RefCell<Option<Rc<Linked>>>,
    /// The objects of the last read, by digest.
    pub objects: RefCell<HashMap<String, ObjectRef>>,
    /// Tells the reader that there may be something new.
    pub wake: Notify,
}

impl Site {
    /// Returns the stack as the file described it when it was last valid.
    pub fn compiled(&self) -> Rc<Compiled> {
        Rc::clone(&self.compiled.borrow())
    }

    /// Returns the deployed stack, if it was found.
    pub fn linked(&self) -> Option<Rc<Linked>> {
        self.linked.borrow().as_ref().map(Rc::clone)
    }

    /// Shows what is spent of the budget while a tab is open, also while the reader waits for its turn.
    pub async fn show_budget(&self) {
        loop {
            self.hub.watched().await;
            tokio::time::sleep(SPENT_SHOWN).await;
            let is_local = self.compiled().stack.target.target == target::Target::Local;
            self.hub.set_budget(cost::shown(&self.budget, is_local));
        }
    }

    /// Returns the deployed stack, after a look for it if there was none.
    ///
    /// # Errors
    /// Returns the errors of [`Linked::find`].
    pub async fn link(&self) -> Result<Rc<Linked>> {
        if let Some(linked) = self.linked() {
            return Ok(linked);
        }
        let compiled = self.compiled();
        let linked = Rc::new(Linked::find(&self.context, &compiled.stack).await?);
        *self.linked.borrow_mut() = Some(Rc::clone(&linked));
        self.hub.set_stack(linked.describe(&self.hub.stack()));
        Ok(linked)
    }
}
