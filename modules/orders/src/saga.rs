//! Drives orders on: asks other services for the step that is due and records what they said.
//!
//! Which step is due, and what follows from an outcome, is in `domain.rs`. Everything here may run
//! twice at once for one order, and may stop anywhere.

use std::sync::Arc;

use contracts::{
    catalog::Catalog,
    inventory::{ConfirmHold, FindHold, HoldPlaces, Inventory, InventoryError, ReleaseHold},
    payments::{ClosePayment, OpenPayment, PaymentError, PaymentStatus, Payments, RefundOrder},
    tickets::{IssueTickets, TicketError, TicketPosition, Tickets, VoidTickets},
};
use jiff::SignedDuration;
use runtime::{Clock, Context, Random, Timestamp};
use store::{Answer, Database, Events, ExecuteError, IdempotencyKey, Loaded, StoreError, Work};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::domain::{Cause, Command, Order, Rejection, Shortage, Step, Terms};

/// Everything orders works with.
pub(crate) struct Purchases {
    pub(crate) database: Database,
    pub(crate) orders: Events<Order>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) inventory: Arc<dyn Inventory>,
    pub(crate) payments: Arc<dyn Payments>,
    pub(crate) tickets: Arc<dyn Tickets>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) payment_margin: SignedDuration,
    /// Places for readers that wait for an order to come to its end.
    pub(crate) waiting: Semaphore,
}

/// Why an order could not be driven on for now. It stays as it is and is tried again later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stuck {
    #[error("the step {step:?} failed: {reason}")]
    Step { step: Step, reason: String },
    #[error("the outcome of {step:?} is not known yet")]
    Undecided { step: Step },
    #[error("there is no order {0}")]
    Unknown(Uuid),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The answer to the request that drives the order on, stored with the change that brings the order
/// to where `render` has one.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) key: IdempotencyKey,
    pub(crate) render: fn(Uuid, &Loaded<Order>) -> Option<Answer>,
}

/// An order that was driven on as far as it goes for now.
pub(crate) struct Advanced {
    pub(crate) order: Loaded<Order>,
    /// Whether the answer to the request was stored on the way.
    pub(crate) has_replied: bool,
}

impl Purchases {
    /// Takes one step after the other until the order has to wait for somebody.
    pub(crate) async fn advance(
        &self,
        cx: &Context,
        id: Uuid,
        reply: Option<&Reply>,
    ) -> Result<Advanced, Stuck> {
        let order = self.orders.load(id).await?.ok_or(Stuck::Unknown(id))?;
        let mut advanced = Advanced { order, has_replied: false };
        loop {
            let order = &advanced.order.state;
            let (Some(step), Some(terms)) = (order.next_step(), &order.terms) else {
                return Ok(advanced);
            };
            let outcome = self.take(cx, id, step, terms, order).await?;
            advanced = self.record(cx, id, outcome, reply).await?;
        }
    }

    /// What is due when an order wakes up: the end of the time to pay, or a step that was left.
    pub(crate) async fn wake(&self, cx: &Context, id: Uuid) -> Result<(), Stuck> {
        let expire = Command::Expire { at: self.clock.now() };
        self.record(cx, id, expire, None).await?;
        self.advance(cx, id, None).await?;
        Ok(())
    }

    async fn record(
        &self,
        cx: &Context,
        id: Uuid,
        outcome: Command,
        reply: Option<&Reply>,
    ) -> Result<Advanced, Stuck> {
        let recorded = match reply {
            None => {
                let executed = self.orders.execute(cx, id, outcome).await;
                executed.map(|order| Advanced { order, has_replied: false })
            }
            Some(reply) => self.record_and_reply(cx, id, outcome, reply).await,
        };
        recorded.map_err(|error| match error {
            ExecuteError::Rejected(_) | ExecuteError::Stale { .. } => Stuck::Unknown(id),
            ExecuteError::Store(error) => error.into(),
        })
    }

    async fn record_and_reply(
        &self,
        cx: &Context,
        id: Uuid,
        outcome: Command,
        reply: &Reply,
    ) -> Result<Advanced, ExecuteError<Rejection>> {
        let (orders, reply) = (self.orders.clone(), reply.clone());
        let committer = self.orders.committer().clone();
        committer
            .transact(cx, move |work: &mut Work<'_>| {
                let (orders, reply, outcome) = (orders.clone(), reply.clone(), outcome.clone());
                Box::pin(async move {
                    let order = work.execute(&orders, id, outcome).await?.clone();
                    let answer = (reply.render)(id, &order);
                    if let Some(answer) = &answer {
                        work.answer(&reply.key, answer);
                    }
                    Ok(Advanced { order, has_replied: answer.is_some() })
                })
            })
            .await
    }

    /// Asks for the step that is due and says what came of it.
    async fn take(
        &self,
        cx: &Context,
        id: Uuid,
        step: Step,
        terms: &Terms,
        order: &Order,
    ) -> Result<Command, Stuck> {
        match step {
            Step::HoldPlaces => self.hold_places(cx, id, terms).await,
            Step::OpenPayment => self.open_payment(cx, id, terms, order).await,
            Step::ConfirmPlaces => self.confirm_places(cx, terms).await,
            Step::IssueTickets => self.issue_tickets(cx, id, terms).await,
            Step::ClosePayment => self.close_payment(cx, id, terms).await,
            Step::VoidTickets => self.void_tickets(cx, id, order).await,
            Step::ReturnMoney => self.return_money(cx, id, order).await,
            Step::ReleasePlaces => self.release_places(cx, id, terms, order).await,
            Step::Finish => Ok(Command::Finish { at: self.clock.now() }),
        }
    }

    async fn hold_places(&self, cx: &Context, id: Uuid, terms: &Terms) -> Result<Command, Stuck> {
        let request = HoldPlaces {
            hold_id: terms.hold_id,
            event_id: terms.event_id,
            holder_id: terms.buyer_id,
            order_id: Some(id),
            items: terms.places(),
        };
        let held = self.inventory.hold(cx, request).await;
        let at = self.clock.now();
        let refusal = |cause| Ok(Command::RecordRefusal { cause, shortage: None, at });
        match held {
            Ok(hold) => Ok(Command::RecordHold { expires_at: hold.expires_at, at }),
            Err(InventoryError::SoldOut { ticket_type_id, requested, left }) => {
                let shortage = Some(Shortage { ticket_type_id, requested, left });
                Ok(Command::RecordRefusal { cause: Cause::SoldOut, shortage, at })
            }
            Err(InventoryError::NotOnSale { .. } | InventoryError::TicketTypeUnknown { .. }) => {
                refusal(Cause::NotOnSale)
            }
            Err(InventoryError::HoldDiffers { .. } | InventoryError::HoldReleased { .. }) => {
                refusal(Cause::HoldGone)
            }
            Err(error) => Err(stuck(Step::HoldPlaces, &error)),
        }
    }

    async fn open_payment(
        &self,
        cx: &Context,
        id: Uuid,
        terms: &Terms,
        order: &Order,
    ) -> Result<Command, Stuck> {
        let at = self.clock.now();
        let free_at = order.expires_at.unwrap_or(at);
        let request = OpenPayment {
            order_id: id,
            payer_id: terms.buyer_id,
            organizer_id: terms.organizer_id,
            amount: terms.total,
            expires_at: earlier(free_at, self.payment_margin),
        };
        let opened = self.payments.open(cx, request).await;
        let payment = opened.map_err(|error| stuck(Step::OpenPayment, &error))?;
        let payment_id = payment.payment_id;
        if payment.status == PaymentStatus::Settled {
            return Ok(Command::RecordPayment { payment_id, amount: terms.total, at });
        }
        Ok(Command::RecordPaymentOpened { payment_id, at })
    }

    async fn confirm_places(&self, cx: &Context, terms: &Terms) -> Result<Command, Stuck> {
        let request = ConfirmHold { event_id: terms.event_id, hold_id: terms.hold_id };
        let confirmed = self.inventory.confirm(cx, request).await;
        let at = self.clock.now();
        match confirmed {
            Ok(_) => Ok(Command::RecordConfirmation { at }),
            Err(
                InventoryError::SoldOut { .. }
                | InventoryError::NotOnSale { .. }
                | InventoryError::HoldUnknown { .. }
                | InventoryError::HoldReleased { .. },
            ) => Ok(Command::RecordNoRoom { at }),
            Err(error) => Err(stuck(Step::ConfirmPlaces, &error)),
        }
    }

    async fn issue_tickets(&self, cx: &Context, id: Uuid, terms: &Terms) -> Result<Command, Stuck> {
        let positions = terms.items.iter().flat_map(|item| {
            (0..item.quantity).map(|_| TicketPosition {
                ticket_type_id: item.ticket_type_id,
                ticket_type_name: item.name.clone(),
            })
        });
        let request = IssueTickets {
            order_id: id,
            holder_id: terms.buyer_id,
            event_id: terms.event_id,
            event_name: terms.event_name.clone(),
            organizer_id: terms.organizer_id,
            starts_at: terms.starts_at,
            venue_name: terms.venue_name.clone(),
            time_zone: terms.time_zone.clone(),
            positions: positions.collect(),
        };
        let issued = self.tickets.issue(cx, request).await;
        let issued = issued.map_err(|error: TicketError| stuck(Step::IssueTickets, &error))?;
        Ok(Command::RecordTickets { ticket_ids: issued.ticket_ids, at: self.clock.now() })
    }

    async fn close_payment(&self, cx: &Context, id: Uuid, terms: &Terms) -> Result<Command, Stuck> {
        let closed = self.payments.close(cx, ClosePayment { order_id: id }).await;
        let payment = closed.map_err(|error: PaymentError| stuck(Step::ClosePayment, &error))?;
        let (payment_id, at) = (payment.payment_id, self.clock.now());
        match payment.status {
            PaymentStatus::Closed | PaymentStatus::Refunded => {
                Ok(Command::RecordPaymentClosed { at })
            }
            PaymentStatus::Settled => {
                Ok(Command::RecordPayment { payment_id, amount: terms.total, at })
            }
            PaymentStatus::Open | PaymentStatus::Pending | PaymentStatus::Refunding => {
                Err(Stuck::Undecided { step: Step::ClosePayment })
            }
        }
    }

    async fn void_tickets(&self, cx: &Context, id: Uuid, order: &Order) -> Result<Command, Stuck> {
        let reason = order.cause.map_or("called off", Cause::in_words).to_owned();
        let voided = self.tickets.void(cx, VoidTickets { order_id: id, reason }).await;
        voided.map_err(|error| stuck(Step::VoidTickets, &error))?;
        Ok(Command::RecordTicketsVoided { at: self.clock.now() })
    }

    async fn return_money(&self, cx: &Context, id: Uuid, order: &Order) -> Result<Command, Stuck> {
        let reason = order.cause.map_or("called off", Cause::in_words).to_owned();
        let request = RefundOrder { order_id: id, reason, refund_id: None, amount: None };
        let refunded = self.payments.refund(cx, request).await;
        let payment = refunded.map_err(|error| stuck(Step::ReturnMoney, &error))?;
        match payment.status {
            PaymentStatus::Refunded | PaymentStatus::Closed => {
                Ok(Command::RecordRefund { at: self.clock.now() })
            }
            PaymentStatus::Open
            | PaymentStatus::Pending
            | PaymentStatus::Settled
            | PaymentStatus::Refunding => Err(Stuck::Undecided { step: Step::ReturnMoney }),
        }
    }

    async fn release_places(
        &self,
        cx: &Context,
        id: Uuid,
        terms: &Terms,
        order: &Order,
    ) -> Result<Command, Stuck> {
        let was_held = order.expires_at.is_some();
        if !was_held && !self.has_taken_hold(cx, id, terms).await? {
            return Ok(Command::RecordPlacesReleased { at: self.clock.now() });
        }
        let request = ReleaseHold { event_id: terms.event_id, hold_id: terms.hold_id };
        let released = self.inventory.release(cx, request).await;
        released.map_err(|error| stuck(Step::ReleasePlaces, &error))?;
        Ok(Command::RecordPlacesReleased { at: self.clock.now() })
    }

    /// Whether the hold is this order's. An order that was called off before inventory has answered
    /// may name another order's hold, which is not its to release.
    async fn has_taken_hold(&self, cx: &Context, id: Uuid, terms: &Terms) -> Result<bool, Stuck> {
        let request = FindHold { event_id: terms.event_id, hold_id: terms.hold_id };
        match self.inventory.find_hold(cx, request).await {
            Ok(hold) => Ok(hold.order_id == Some(id)),
            Err(InventoryError::HoldUnknown { .. }) => Ok(false),
            Err(error) => Err(stuck(Step::ReleasePlaces, &error)),
        }
    }
}

fn earlier(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_sub(by).unwrap_or(instant)
}

fn stuck(step: Step, error: &dyn std::error::Error) -> Stuck {
    Stuck::Step { step, reason: error.to_string() }
}
