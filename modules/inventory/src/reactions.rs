//! What inventory does when catalog's events arrive.

use bus::{Delivered, Handler, HandlerError};
use contracts::catalog::{CatalogEvent, Quota, TicketTypeCapacity};
use runtime::async_trait;
use store::{Events, Work};

use crate::domain::{Command, Stock};

/// Keeps each event's stock as the programme says.
pub(crate) struct FollowProgramme {
    pub(crate) stocks: Events<Stock>,
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
        Ok(())
    }
}

fn set(ticket_types: Vec<TicketTypeCapacity>, quotas: Vec<Quota>) -> Command {
    Command::SetProgramme { ticket_types, quotas, seating: Vec::new() }
}
