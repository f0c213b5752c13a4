//! What reporting does when other services' events arrive: it notes them. What is written and how
//! far was read are one commit, and the rows have the ids of what they tell of, so that nothing
//! counts twice.

use std::sync::Arc;

use bus::{AuditLog, AuditRecord, Delivered, EventView, Handler, HandlerError};
use contracts::{
    orders::{OrderEvent, OrderedItem},
    tickets::TicketEvent,
};
use runtime::{Clock, IntegrationEvents, async_trait};
use store::{Tx, Work};

use crate::{
    domain::{standing::Fact, tickets_of},
    views::{
        self, Admission, audit,
        ledger::{self, ItemCount, SoldOrder, Telling},
    },
};

/// The ledger of what was sold and what went back.
pub(crate) struct Sales;

#[async_trait]
impl EventView<OrderEvent> for Sales {
    async fn apply(
        &self,
        tx: &mut Tx,
        delivered: &Delivered<OrderEvent>,
    ) -> Result<(), sqlx::Error> {
        let telling = Telling { id: delivered.id, at: delivered.at };
        if let OrderEvent::OrderConfirmed {
            order_id,
            order_code,
            event_id,
            event_name,
            organizer_id,
            buyer_id,
            items,
            total,
            confirmed_at,
            ..
        } = &delivered.event
        {
            views::note_event(&mut *tx, *event_id, *organizer_id, event_name).await?;
            let order = SoldOrder {
                order_id: *order_id,
                order_code,
                event_id: *event_id,
                organizer_id: *organizer_id,
                buyer_id: *buyer_id,
                total: *total,
                tickets: tickets_of(items),
                confirmed_at: *confirmed_at,
            };
            let items = counts(items, |tickets| (tickets, 0));
            ledger::note_sale(&mut *tx, telling, order, &items).await?;
        }
        // An order's confirmation came before all of these, under the same key.
        if let Some((fact, items)) = fact_of(&delivered.event) {
            let items = counts(items, |tickets| (0, tickets));
            ledger::note_fact(&mut *tx, telling, delivered.key, fact, &items).await?;
        }
        Ok(())
    }
}

/// Enters into the ledger what was sold and what went back.
pub(crate) struct CountSales(pub(crate) Arc<dyn Clock>);

#[async_trait]
impl Handler<OrderEvent> for CountSales {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<OrderEvent>,
    ) -> Result<(), HandlerError> {
        Sales.apply(work.tx(), delivered).await?;
        let publisher = OrderEvent::PUBLISHER;
        views::note_progress(work.tx(), publisher, delivered.at, self.0.now()).await?;
        Ok(())
    }
}

/// What an event means for an order that was confirmed, with the tickets it is about.
fn fact_of(event: &OrderEvent) -> Option<(Fact, &[OrderedItem])> {
    match event {
        OrderEvent::PositionsCancelled { items, amount, .. } => {
            let fact = Fact::TicketsCancelled { tickets: tickets_of(items), cost: amount.amount };
            Some((fact, items))
        }
        OrderEvent::OrderCancelled { items, total, .. } => {
            let fact = Fact::Cancelled { tickets: tickets_of(items), cost: total.amount };
            Some((fact, items))
        }
        OrderEvent::OrderRefunded { amount, .. } => {
            Some((Fact::Refunded { amount: amount.amount }, &[]))
        }
        OrderEvent::OrderConfirmed { .. }
        | OrderEvent::OrderFulfilled { .. }
        | OrderEvent::PaidTooLate { .. }
        | OrderEvent::Unknown => None,
    }
}

/// One count a ticket type; `split` says how many are sold and how many cancelled.
fn counts(items: &[OrderedItem], split: fn(i64) -> (i64, i64)) -> Vec<ItemCount> {
    let mut counts: Vec<ItemCount> = Vec::new();
    for item in items {
        let (tickets, cancelled_tickets) = split(i64::from(item.quantity));
        let known = counts.iter_mut().find(|it| it.ticket_type_id == item.ticket_type_id);
        match known {
            Some(count) => {
                count.tickets += tickets;
                count.cancelled_tickets += cancelled_tickets;
            }
            None => counts.push(ItemCount {
                ticket_type_id: item.ticket_type_id,
                name: item.name.clone(),
                tickets,
                cancelled_tickets,
            }),
        }
    }
    counts
}

/// Who was let in.
pub(crate) struct Admissions;

#[async_trait]
impl EventView<TicketEvent> for Admissions {
    async fn apply(
        &self,
        tx: &mut Tx,
        delivered: &Delivered<TicketEvent>,
    ) -> Result<(), sqlx::Error> {
        if let TicketEvent::TicketAdmitted { ticket_id, event_id, admitted_at, .. } =
            delivered.event
        {
            let admission = Admission { ticket_id, event_id, admitted_at };
            views::note_admission(tx, admission).await?;
        }
        Ok(())
    }
}

/// Notes who was let in.
pub(crate) struct CountAdmissions(pub(crate) Arc<dyn Clock>);

#[async_trait]
impl Handler<TicketEvent> for CountAdmissions {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<TicketEvent>,
    ) -> Result<(), HandlerError> {
        Admissions.apply(work.tx(), delivered).await?;
        let publisher = TicketEvent::PUBLISHER;
        views::note_progress(work.tx(), publisher, delivered.at, self.0.now()).await?;
        Ok(())
    }
}

/// Keeps the trail of what changes anywhere.
pub(crate) struct KeepTrail;

#[async_trait]
impl AuditLog for KeepTrail {
    async fn keep(&self, tx: &mut Tx, records: &[AuditRecord]) -> Result<(), sqlx::Error> {
        audit::keep(tx, records).await
    }
}
