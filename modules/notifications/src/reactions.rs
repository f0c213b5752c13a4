//! What notifications does when orders' events arrive: whoever bought is to be told.

use bus::{Delivered, Handler, HandlerError};
use contracts::orders::OrderEvent;
use runtime::async_trait;
use store::Work;

use crate::{domain::Notice, views};

/// Queues a notification for the buyer.
pub(crate) struct TellBuyers;

#[async_trait]
impl Handler<OrderEvent> for TellBuyers {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<OrderEvent>,
    ) -> Result<(), HandlerError> {
        if let Some(notice) = Notice::of(&delivered.event) {
            views::queue(work.tx(), delivered.id, &notice, delivered.at).await?;
        }
        Ok(())
    }
}
