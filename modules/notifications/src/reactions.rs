//! What notifications does when orders' events arrive: whoever bought is to be told.

use std::{sync::Arc, time::Duration};

use bus::{Delivered, Handler, HandlerError};
use contracts::orders::OrderEvent;
use runtime::{Clock, async_trait};
use store::{Events, ExecuteError, Work};

use crate::domain::{
    mail::{Command, Mail},
    notice::Notice,
};

/// Queues a mail for the buyer, under the id of the event, so that there is one however often the
/// event is told.
pub(crate) struct TellBuyers {
    pub(crate) mails: Events<Mail>,
    pub(crate) patience: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler<OrderEvent> for TellBuyers {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<OrderEvent>,
    ) -> Result<(), HandlerError> {
        let Some(notice) = Notice::of(&delivered.event) else { return Ok(()) };
        let (happened_at, at, patience) = (delivered.at, self.clock.now(), self.patience);
        let queue = Command::Queue { notice, happened_at, at, patience };
        match work.execute(&self.mails, delivered.id, queue).await {
            Ok(_) => Ok(()),
            Err(ExecuteError::Store(error)) => Err(error.into()),
            Err(other) => Err(HandlerError::new(other.to_string())),
        }
    }
}
