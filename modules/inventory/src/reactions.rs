//! What inventory does when catalog's events arrive.

use bus::{Delivered, Handler, HandlerError};
use contracts::catalog::CatalogEvent;
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
            CatalogEvent::EventPublished { event_id, ticket_types, .. } => {
                (event_id, Command::SetCapacities { ticket_types })
            }
            CatalogEvent::CapacityChanged { event_id, ticket_type } => {
                (event_id, Command::SetCapacities { ticket_types: vec![ticket_type] })
            }
            CatalogEvent::SalesOpened { event_id } => (event_id, Command::OpenSale),
            CatalogEvent::SalesClosed { event_id } => (event_id, Command::CloseSale),
            CatalogEvent::EventCancelled { event_id, .. } => (event_id, Command::CancelSale),
            CatalogEvent::QuotaChanged { .. } | CatalogEvent::QuotaRemoved { .. } => return Ok(()),
            CatalogEvent::Unknown => return Ok(()),
        };
        work.execute(&self.stocks, event_id, command).await?;
        Ok(())
    }
}
