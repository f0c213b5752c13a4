//! How each step is asked for, and what the answers mean to the order.

use contracts::{
    inventory::{ConfirmHold, FindHold, HoldPlaces, InventoryError, ReleaseHold, ReleasePlaces},
    payments::{ClosePayment, OpenPayment, PaymentError, PaymentStatus, RefundOrder, RefundState},
    tickets::{IssueTickets, TicketPosition, VoidTickets},
};
use jiff::SignedDuration;
use runtime::{Context, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    domain::{
        Cause, Command, Order, Particulars, Refusal, Return, Returned, Shortage, Step, Terms,
        places_of,
    },
    saga::{Purchases, Stuck},
};

impl Purchases {
    /// Asks for the step that is due and says what came of it.
    pub(crate) async fn take(
        &self,
        cx: &Context,
        id: Uuid,
        step: Step,
        order: &Order,
    ) -> Result<Command, Stuck> {
        // What comes of it must still be recorded.
        let cx = &cx.with_deadline(Instant::now() + cx.remaining() / 4 * 3);
        if step == Step::ReturnMoney {
            return self.return_money(cx, id, order).await;
        }
        let Some(terms) = &order.terms else { return Err(Stuck::Unknown(id)) };
        match step {
            Step::HoldPlaces => self.hold_places(cx, id, terms).await,
            Step::OpenPayment => self.open_payment(cx, id, terms, order).await,
            Step::ConfirmPlaces => self.confirm_places(cx, terms).await,
            Step::IssueTickets => self.issue_tickets(cx, id, terms).await,
            Step::ClosePayment => self.close_payment(cx, id, terms).await,
            Step::VoidTickets => self.void_tickets(cx, id, order).await,
            Step::ReleasePlaces => self.release_places(cx, id, terms, order).await,
            Step::ReturnMoney | Step::Finish => Ok(Command::Finish { at: self.clock.now() }),
            Step::VoidPositions(of) | Step::ReleasePositions(of) | Step::RefundPositions(of) => {
                let due = order.return_with(of).ok_or(Stuck::Undecided { step })?;
                self.take_back(cx, id, step, terms, order, due).await
            }
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
        match held {
            Ok(hold) => {
                let (expires_at, items) = (hold.expires_at, hold.items);
                Ok(Command::RecordHold { expires_at, items, at })
            }
            Err(error) => match refusal(&error) {
                Some(refusal) => Ok(Command::RecordRefusal { refusal, at }),
                None => Err(stuck(Step::HoldPlaces, &error)),
            },
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
        let closes_at = last_call(order.placed_at.unwrap_or(at), free_at, self.payment_margin);
        let request = OpenPayment {
            order_id: id,
            payer_id: terms.buyer_id,
            organizer_id: terms.organizer_id,
            amount: terms.total,
            expires_at: closes_at,
        };
        let opened = self.payments.open(cx, request).await;
        let payment = opened.map_err(|error| stuck(Step::OpenPayment, &error))?;
        let payment_id = payment.payment_id;
        if payment.status == PaymentStatus::Settled {
            return Ok(Command::RecordPayment { payment_id, amount: terms.total, at });
        }
        Ok(Command::RecordPaymentOpened { payment_id, closes_at, at })
    }

    async fn confirm_places(&self, cx: &Context, terms: &Terms) -> Result<Command, Stuck> {
        let request = ConfirmHold { event_id: terms.event_id, hold_id: terms.hold_id };
        let confirmed = self.inventory.confirm(cx, request).await;
        let at = self.clock.now();
        match confirmed {
            Ok(_) => Ok(Command::RecordConfirmation { at }),
            Err(error) if refusal(&error).is_some() => Ok(Command::RecordNoRoom { at }),
            Err(error) => Err(stuck(Step::ConfirmPlaces, &error)),
        }
    }

    async fn issue_tickets(&self, cx: &Context, id: Uuid, terms: &Terms) -> Result<Command, Stuck> {
        let positions = terms.positions().into_iter().map(|position| TicketPosition {
            ticket_type_id: position.ticket_type_id,
            ticket_type_name: position.name,
            position: position.position,
            seat: position.seat,
            valid_from: None,
            valid_until: None,
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
        let issued = issued.map_err(|error| stuck(Step::IssueTickets, &error))?;
        Ok(Command::RecordTickets { ticket_ids: issued.ticket_ids, at: self.clock.now() })
    }

    async fn close_payment(&self, cx: &Context, id: Uuid, terms: &Terms) -> Result<Command, Stuck> {
        let closed = self.payments.close(cx, ClosePayment { order_id: id }).await;
        let payment = closed.map_err(|error| stuck(Step::ClosePayment, &error))?;
        let (payment_id, at) = (payment.payment_id, self.clock.now());
        match payment.status {
            PaymentStatus::Closed | PaymentStatus::Refunded => {
                Ok(Command::RecordPaymentClosed { at })
            }
            PaymentStatus::Settled => {
                let amount = payment.received.unwrap_or(terms.total);
                Ok(Command::RecordPayment { payment_id, amount, at })
            }
            PaymentStatus::Open | PaymentStatus::Pending | PaymentStatus::Refunding => {
                Err(Stuck::Undecided { step: Step::ClosePayment })
            }
        }
    }

    async fn void_tickets(&self, cx: &Context, id: Uuid, order: &Order) -> Result<Command, Stuck> {
        let reason = why(order);
        let request = VoidTickets { order_id: id, reason, ticket_ids: Vec::new() };
        let voided = self.tickets.void(cx, request).await;
        voided.map_err(|error| stuck(Step::VoidTickets, &error))?;
        Ok(Command::RecordTicketsVoided { at: self.clock.now() })
    }

    async fn return_money(&self, cx: &Context, id: Uuid, order: &Order) -> Result<Command, Stuck> {
        let reason = why(order);
        let request = RefundOrder { order_id: id, reason, refund_id: None, amount: None };
        let refunded = self.payments.refund(cx, request).await;
        let payment = refunded.map_err(|error| stuck(Step::ReturnMoney, &error))?;
        match payment.status {
            PaymentStatus::Refunded | PaymentStatus::Closed => {
                let refusals = order.refusals();
                Ok(Command::RecordMoneyReturned { refusals, at: self.clock.now() })
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

    /// A step of the return of some positions.
    async fn take_back(
        &self,
        cx: &Context,
        id: Uuid,
        step: Step,
        terms: &Terms,
        order: &Order,
        due: &Return,
    ) -> Result<Command, Stuck> {
        let return_id = due.return_id;
        let what = match step {
            Step::VoidPositions(_) => {
                let ticket_ids = order.tickets_at(&due.positions);
                let reason = due.reason.clone();
                let request = VoidTickets { order_id: id, reason, ticket_ids };
                let voided = self.tickets.void(cx, request).await;
                voided.map_err(|error| stuck(step, &error))?;
                Returned::Tickets
            }
            Step::ReleasePositions(_) => {
                let request = ReleasePlaces {
                    event_id: terms.event_id,
                    hold_id: terms.hold_id,
                    release_id: return_id,
                    items: due.items.iter().map(places_of).collect(),
                };
                let released = self.inventory.release_places(cx, request).await;
                released.map_err(|error| stuck(step, &error))?;
                Returned::Places
            }
            _ => self.refund_positions(cx, id, step, due).await?,
        };
        Ok(Command::RecordReturned { return_id, what, at: self.clock.now() })
    }

    /// Gives the price of cancelled positions back, or what is left of it.
    async fn refund_positions(
        &self,
        cx: &Context,
        id: Uuid,
        step: Step,
        due: &Return,
    ) -> Result<Returned, Stuck> {
        let undecided = || Stuck::Undecided { step };
        let request = |amount| RefundOrder {
            order_id: id,
            reason: due.reason.clone(),
            refund_id: Some(due.return_id),
            amount,
        };
        let mut refunded = self.payments.refund(cx, request(Some(due.amount))).await;
        if let Err(PaymentError::RefundExceeds { left, .. }) = refunded {
            // The organizer has given money back beside, which orders has not heard of yet.
            if left.amount <= 0 {
                return Ok(Returned::Money { refund_id: None, amount: left });
            }
            refunded = self.payments.refund(cx, request(Some(left))).await;
        }
        if let Err(PaymentError::RefundDiffers { .. }) = refunded {
            // It was begun when less was left.
            refunded = self.payments.refund(cx, request(None)).await;
        }
        let payment = refunded.map_err(|error| stuck(step, &error))?;
        let refund = payment.refund.ok_or_else(undecided)?;
        match refund.state {
            RefundState::Done | RefundState::External => {
                let refund_id = Some(refund.refund_id);
                Ok(Returned::Money { refund_id, amount: refund.amount })
            }
            RefundState::Created
            | RefundState::InTransit
            | RefundState::Failed
            | RefundState::Cancelled => Err(undecided()),
        }
    }
}

/// What inventory refuses and will go on to refuse; `None` for what may be otherwise next time.
fn refusal(error: &InventoryError) -> Option<Refusal> {
    Some(match error.clone() {
        InventoryError::SoldOut { ticket_type_id, requested, left } => {
            let shortage = Some(Shortage { ticket_type_id, requested, left });
            Refusal { shortage, ..Refusal::of(Cause::SoldOut) }
        }
        InventoryError::NotOnSale { .. } | InventoryError::TicketTypeUnknown { .. } => {
            Refusal::of(Cause::NotOnSale)
        }
        InventoryError::HoldDiffers { .. }
        | InventoryError::HoldReleased { .. }
        | InventoryError::HoldUnknown { .. } => Refusal::of(Cause::HoldGone),
        InventoryError::SeatTaken { seats } => {
            let particulars = Some(Particulars::Seats { seats });
            Refusal { particulars, ..Refusal::of(Cause::SeatTaken) }
        }
        InventoryError::SeatUnknown { ticket_type_id, seat } => {
            Refusal::on_terms(Particulars::NoSuchSeat { ticket_type_id, seat })
        }
        InventoryError::NotSeated { ticket_type_id } => {
            Refusal::on_terms(Particulars::NotSeated { ticket_type_id })
        }
        InventoryError::SalesNotStarted { ticket_type_id, from } => {
            Refusal::on_terms(Particulars::From { ticket_type_id, from })
        }
        InventoryError::SalesEnded { ticket_type_id, until } => {
            Refusal::on_terms(Particulars::Until { ticket_type_id, until })
        }
        InventoryError::QuotaMissing { ticket_type_id } => {
            Refusal::on_terms(Particulars::NoQuota { ticket_type_id })
        }
        InventoryError::BelowMinimum { ticket_type_id, minimum } => {
            Refusal::on_terms(Particulars::Minimum { ticket_type_id, minimum })
        }
        InventoryError::AboveMaximum { ticket_type_id, maximum } => {
            Refusal::on_terms(Particulars::Maximum { ticket_type_id, maximum })
        }
        InventoryError::TooManyHolds { open, most } => {
            Refusal::on_terms(Particulars::Holds { open, most })
        }
        InventoryError::Invalid { .. } | InventoryError::Unrecognised(_) => {
            Refusal::of(Cause::NotHeld)
        }
        // It may not have heard of the event yet.
        InventoryError::EventUnknown { .. } | InventoryError::Fault(_) => return None,
    })
}

/// In words, for the door and the books.
fn why(order: &Order) -> String {
    if !order.reason.is_empty() {
        return order.reason.clone();
    }
    order.cause.map_or("called off", Cause::in_words).to_owned()
}

/// Until when new attempts to pay are accepted: `margin` before the places become free, but not in
/// the first half of what the hold leaves. How long a hold lasts is another service's matter, and a
/// margin that is longer would let nobody pay.
fn last_call(placed_at: Timestamp, free_at: Timestamp, margin: SignedDuration) -> Timestamp {
    let half = free_at.duration_since(placed_at) / 2;
    free_at.checked_sub(margin.min(half).max(SignedDuration::ZERO)).unwrap_or(free_at)
}

fn stuck(step: Step, error: &dyn std::error::Error) -> Stuck {
    Stuck::Step { step, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_that_is_longer_than_the_hold_leaves_half_of_it_to_pay_in() {
        let placed_at: Timestamp = "2026-11-20T19:00:00Z".parse().unwrap();
        let accepted = |held: i64, margin: i64| {
            let free_at = placed_at + SignedDuration::from_secs(held);
            let until = last_call(placed_at, free_at, SignedDuration::from_secs(margin));
            until.duration_since(placed_at).as_secs()
        };
        assert_eq!(accepted(900, 30), 870);
        assert_eq!(accepted(20, 30), 10);
        assert_eq!(accepted(900, 1000), 450);
        assert_eq!(accepted(60, 0), 60);
    }
}
