//! What other services are told of orders, out of what happened to them. No personal data.

use contracts::orders::{CancellationCause, OrderEvent};
use store::Recorded;
use uuid::Uuid;

use crate::domain::{Cause, Event, Parties};

/// The integration event that a domain event is to others; most are none.
pub(crate) fn announce(recorded: &Recorded<Event>) -> Option<OrderEvent> {
    let order_id = recorded.stream;
    match recorded.event.clone() {
        Event::PlacesConfirmed { terms, guest, at } => Some(OrderEvent::OrderConfirmed {
            order_id,
            positions: terms.positions(),
            order_code: terms.order_code,
            event_id: terms.event_id,
            event_name: terms.event_name,
            organizer_id: terms.organizer_id,
            buyer_id: terms.buyer_id,
            items: terms.items,
            total: terms.total,
            confirmed_at: at,
            guest,
        }),
        Event::TicketsIssued { ticket_ids, parties: Some(parties), at } => {
            let Parties { event_id, organizer_id, buyer_id } = parties;
            Some(OrderEvent::OrderFulfilled {
                order_id,
                event_id,
                buyer_id,
                organizer_id,
                ticket_ids,
                at,
            })
        }
        Event::PositionsCancelled { positions, items, amount, reason, parties, .. } => {
            let Parties { event_id, organizer_id, buyer_id } = parties;
            Some(OrderEvent::PositionsCancelled {
                order_id,
                event_id,
                organizer_id,
                buyer_id,
                positions,
                items,
                amount,
                reason,
            })
        }
        Event::CalledOff {
            cause: Cause::PaidTooLate,
            money: Some(amount),
            parties: Some(Parties { event_id, organizer_id, buyer_id }),
            ..
        } => Some(OrderEvent::PaidTooLate { order_id, event_id, buyer_id, organizer_id, amount }),
        Event::Ended { confirmed: Some(terms), cause, .. } => Some(OrderEvent::OrderCancelled {
            order_id,
            event_id: terms.event_id,
            organizer_id: terms.organizer_id,
            buyer_id: terms.buyer_id,
            items: terms.items,
            total: terms.total,
            cause: cause.map_or(CancellationCause::Unknown, cancelled_for),
        }),
        event => refunded(order_id, &event),
    }
}

/// Why an order that had been confirmed was called off; the other causes end orders before that.
fn cancelled_for(cause: Cause) -> CancellationCause {
    match cause {
        Cause::BuyerCancelled => CancellationCause::BuyerCancelled,
        Cause::OrganizerCancelled => CancellationCause::OrganizerCancelled,
        Cause::EventCancelled => CancellationCause::EventCancelled,
        Cause::Refunded => CancellationCause::Refunded,
        Cause::NotFulfilled => CancellationCause::NotFulfilled,
        Cause::SoldOut
        | Cause::NotOnSale
        | Cause::HoldGone
        | Cause::SeatTaken
        | Cause::NotOnTheseTerms
        | Cause::Expired
        | Cause::PaidTooLate
        | Cause::NotHeld
        | Cause::Underpaid => CancellationCause::Unknown,
    }
}

/// Money that was given back, without what others were told of before.
fn refunded(order_id: Uuid, event: &Event) -> Option<OrderEvent> {
    let words = |cause: Option<Cause>| cause.map_or("called off", Cause::in_words).to_owned();
    let (parties, refund_id, amount, partial, cause) = match *event {
        Event::MoneyReturned {
            amount: Some(amount), news, cause, parties: Some(parties), ..
        } => (parties, None, news.unwrap_or(amount), false, words(cause)),
        Event::CalledOff {
            cause: Cause::Refunded,
            money: Some(amount),
            parties: Some(parties),
            ..
        } => (parties, None, amount, false, words(Some(Cause::Refunded))),
        Event::PositionsRefunded { return_id, amount, news, parties, .. } => {
            let told = news.unwrap_or(amount);
            (parties, Some(return_id), told, true, "positions were cancelled".to_owned())
        }
        Event::MoneyGivenBack { refund_id, amount, news, parties, .. } => {
            let told = news.unwrap_or(amount);
            (parties, refund_id, told, true, "given back by the organizer".to_owned())
        }
        _ => return None,
    };
    let Parties { event_id, organizer_id, buyer_id } = parties;
    (amount.amount > 0).then_some(OrderEvent::OrderRefunded {
        order_id,
        event_id,
        organizer_id,
        buyer_id,
        refund_id,
        amount,
        partial,
        cause,
    })
}
