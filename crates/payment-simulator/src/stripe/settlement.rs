//! Payments in `processing`, which succeed by themselves after a while.

use super::Account;
use crate::context::Context;

impl Account {
    /// Has an intent in `processing` succeed later.
    pub(super) fn schedule_settlement(&mut self, id: &str, context: &Context) {
        if self.intents.get(id).is_some_and(|intent| intent.status == "processing") {
            self.settlements.push_back((context.now() + context.processing_time, id.to_owned()));
        }
    }

    pub(super) fn settle_due_intents(&mut self, context: &mut Context) {
        let fault = context.fault.take(); // it is for the current request
        while self.settlements.front().is_some_and(|(due_at, _)| *due_at <= context.now()) {
            let Some((_, id)) = self.settlements.pop_front() else { break };
            if let Some(intent) = self.intents.get_mut(&id).filter(|intent| intent.status == "processing") {
                intent.succeed(context);
            }
        }
        context.fault = fault;
    }
}
