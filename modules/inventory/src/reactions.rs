//! What inventory does when catalog's events arrive.

use std::sync::Arc;

use bus::{Delivered, Handler, HandlerError};
use contracts::catalog::{CatalogEvent, Quota, TicketTypeCapacity};
use edge::Pages;
use runtime::{Context, Tasks, async_trait};
use store::{Events, StoreError, Work};
use uuid::Uuid;

use crate::domain::{Command, Stock};

/// Keeps each event's stock as the programme says.
pub(crate) struct FollowProgramme {
    pub(crate) stocks: Events<Stock>,
    pub(crate) pages: Arc<Pages>,
    pub(crate) tasks: Tasks,
}

#[async_trait]
impl Handler<CatalogEvent> for FollowProgramme {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<CatalogEvent>,
    ) -> Result<(), HandlerError> {
        let (event_id, command) = match delivered.event.clone() {
            CatalogEvent::EventPublished { event_id, ticket_types, quotas, seating, .. } => {
                (event_id, Command::SetProgramme { ticket_types, quotas, seating })
            }
            CatalogEvent::CapacityChanged { event_id, ticket_type } => {
                (event_id, set(vec![ticket_type], Vec::new()))
            }
            CatalogEvent::QuotaChanged { event_id, quota } => {
                (event_id, set(Vec::new(), vec![quota]))
            }
            CatalogEvent::QuotaRemoved { event_id, quota_id } => {
                (event_id, Command::RemoveQuota { quota_id })
            }
            CatalogEvent::SalesOpened { event_id } => (event_id, Command::OpenSale),
            CatalogEvent::SalesClosed { event_id } => (event_id, Command::CloseSale),
            CatalogEvent::EventCancelled { event_id, .. } => (event_id, Command::CancelSale),
            CatalogEvent::Unknown => return Ok(()),
        };
        work.execute(&self.stocks, event_id, command).await?;
        self.forget_once_committed(work.cx(), event_id);
        Ok(())
    }
}

impl FollowProgramme {
    /// What was shown of the event is not to be shown any more. What waits for the committer is
    /// carried out after what it is at.
    fn forget_once_committed(&self, cx: &Context, event_id: Uuid) {
        let (committer, pages) = (self.stocks.committer().clone(), Arc::clone(&self.pages));
        let cx = cx.clone();
        drop(self.tasks.spawn(async move {
            let turn = committer
                .transact(&cx, |_: &mut Work<'_>| Box::pin(async { Ok::<(), StoreError>(()) }));
            // Should it fail, what is shown is stale for a moment, as it may be anyway.
            let _ended = turn.await;
            pages.forget(event_id);
        }));
    }
}

fn set(ticket_types: Vec<TicketTypeCapacity>, quotas: Vec<Quota>) -> Command {
    Command::SetProgramme { ticket_types, quotas, seating: Vec::new() }
}
