//! The order: a purchase from placing to tickets, and back where it fails. Pure.
//!
//! The order is a saga. [`Order::next_step`] names the one thing that must be asked of another
//! service now; its outcome comes back as a command. The state is durable, each step may be asked
//! twice, so a purchase goes on after a crash at any point.

use contracts::{inventory::Places, money::Money, orders::OrderedItem};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

/// Whoever drives an order goes on with the next step at once. Should that one have died, the order
/// wakes up by itself this much later. What comes from outside has no driver and wakes it at once.
const RESUME_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);

/// What was ordered, by whom, on which terms: copied from the programme at the moment of sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// What people read to each other to name the order.
    pub(crate) order_code: String,
    pub(crate) buyer_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) venue_name: String,
    pub(crate) time_zone: String,
    pub(crate) hold_id: Uuid,
    pub(crate) items: Vec<OrderedItem>,
    pub(crate) total: Money,
}

impl Terms {
    /// Whether `other` asks for the same purchase. The code is drawn anew each time and the
    /// programme may have changed since, so neither counts.
    fn is_same_purchase(&self, other: &Self) -> bool {
        let wanted = |terms: &Self| -> Vec<(Uuid, u32)> {
            terms.items.iter().map(|item| (item.ticket_type_id, item.quantity)).collect()
        };
        self.buyer_id == other.buyer_id
            && self.event_id == other.event_id
            && self.hold_id == other.hold_id
            && wanted(self) == wanted(other)
    }

    /// The places that inventory is asked for.
    pub(crate) fn places(&self) -> Vec<Places> {
        self.items
            .iter()
            .map(|item| Places::any(item.ticket_type_id, item.quantity))
            .collect()
    }
}

/// Why an order ended without tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// There were not enough places.
    SoldOut,
    /// Tickets were no longer sold when the places were asked for.
    NotOnSale,
    /// The hold it was placed with was given back or is another order's.
    HoldGone,
    /// It was not paid in time.
    Expired,
    /// The buyer called it off.
    BuyerCancelled,
    /// The organizer called it off.
    OrganizerCancelled,
    /// The money came after the places had gone to others.
    PaidTooLate,
    /// All the money was given back.
    Refunded,
}

impl Cause {
    /// For people: whoever stands at the door, and the books.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::SoldOut => "sold out",
            Self::NotOnSale => "not on sale",
            Self::HoldGone => "the hold was given back or is another order's",
            Self::Expired => "not paid in time",
            Self::BuyerCancelled => "cancelled by the buyer",
            Self::OrganizerCancelled => "cancelled by the organizer",
            Self::PaidTooLate => "paid after the places had gone to others",
            Self::Refunded => "the money was given back",
        }
    }
}

/// Of which ticket type there were too few places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shortage {
    pub(crate) ticket_type_id: Uuid,
    pub(crate) requested: u32,
    pub(crate) left: u32,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderState {
    /// Accepted; places are being held.
    #[default]
    Placed,
    /// Places are held and the buyer is asked to pay.
    Held,
    /// The money was received.
    Paid,
    /// The places are sold to the buyer.
    Confirmed,
    /// The tickets exist.
    Fulfilled,
    /// It is being called off: tickets voided, money returned, places freed.
    CallingOff,
    /// It was called off.
    Cancelled,
    /// It was not paid in time.
    Expired,
}

impl OrderState {
    /// As it is written in JSON and in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Held => "held",
            Self::Paid => "paid",
            Self::Confirmed => "confirmed",
            Self::Fulfilled => "fulfilled",
            Self::CallingOff => "calling_off",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// What must be asked of another service now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask inventory to hold the places.
    HoldPlaces,
    /// Ask payments to ask the buyer for money.
    OpenPayment,
    /// Ask inventory to turn the hold into a sale.
    ConfirmPlaces,
    /// Ask tickets to issue.
    IssueTickets,
    /// Ask payments to accept no more money.
    ClosePayment,
    /// Ask tickets to void.
    VoidTickets,
    /// Ask payments to give the money back.
    ReturnMoney,
    /// Ask inventory to free the places.
    ReleasePlaces,
    /// Everything is undone; record the end.
    Finish,
}

/// One purchase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) state: OrderState,
    pub(crate) terms: Option<Terms>,
    pub(crate) placed_at: Option<Timestamp>,
    /// Until when the places are held and money is accepted.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) paid: Option<Money>,
    pub(crate) ticket_ids: Vec<Uuid>,
    pub(crate) cause: Option<Cause>,
    /// What was sold out, when that is the cause.
    pub(crate) shortage: Option<Shortage>,
    undo: Undo,
    was_confirmed: bool,
    /// When the step that is due is asked for by nobody but the timer.
    resume_at: Option<Timestamp>,
}

/// What is left to undo of an order that is being called off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent things, each done or not")]
struct Undo {
    payment_is_open: bool,
    tickets_may_exist: bool,
    money_is_here: bool,
    places_are_taken: bool,
}

/// What an order is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Place { terms: Terms, at: Timestamp },
    RecordHold { expires_at: Timestamp, at: Timestamp },
    RecordRefusal { cause: Cause, shortage: Option<Shortage>, at: Timestamp },
    RecordPaymentOpened { payment_id: Uuid, at: Timestamp },
    RecordPayment { payment_id: Uuid, amount: Money, at: Timestamp },
    RecordConfirmation { at: Timestamp },
    RecordNoRoom { at: Timestamp },
    RecordTickets { ticket_ids: Vec<Uuid>, at: Timestamp },
    Expire { at: Timestamp },
    Cancel { cause: Cause, at: Timestamp },
    RecordRefund { at: Timestamp },
    RecordPaymentClosed { at: Timestamp },
    RecordTicketsVoided { at: Timestamp },
    RecordPlacesReleased { at: Timestamp },
    Finish { at: Timestamp },
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Placed {
        terms: Terms,
        at: Timestamp,
    },
    PlacesHeld {
        expires_at: Timestamp,
        at: Timestamp,
    },
    PaymentOpened {
        payment_id: Uuid,
        at: Timestamp,
    },
    PaymentReceived {
        payment_id: Uuid,
        amount: Money,
        at: Timestamp,
    },
    /// With the terms, for whoever is told of it.
    PlacesConfirmed {
        terms: Terms,
        at: Timestamp,
    },
    TicketsIssued {
        ticket_ids: Vec<Uuid>,
        at: Timestamp,
    },
    /// Inventory would not hold the places.
    Refused {
        cause: Cause,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        shortage: Option<Shortage>,
        at: Timestamp,
    },
    CalledOff {
        cause: Cause,
        at: Timestamp,
    },
    PaymentClosed {
        at: Timestamp,
    },
    TicketsVoided {
        at: Timestamp,
    },
    MoneyReturned {
        at: Timestamp,
    },
    PlacesReleased {
        at: Timestamp,
    },
    /// With the terms when its places had been confirmed, for whoever was told of that.
    Ended {
        confirmed: Option<Terms>,
        at: Timestamp,
    },
}

impl Event {
    /// When it happened.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Placed { at, .. }
            | Self::PlacesHeld { at, .. }
            | Self::PaymentOpened { at, .. }
            | Self::PaymentReceived { at, .. }
            | Self::PlacesConfirmed { at, .. }
            | Self::TicketsIssued { at, .. }
            | Self::Refused { at, .. }
            | Self::CalledOff { at, .. }
            | Self::PaymentClosed { at }
            | Self::TicketsVoided { at }
            | Self::MoneyReturned { at }
            | Self::PlacesReleased { at }
            | Self::Ended { at, .. } => *at,
        }
    }

    fn resume_at(&self) -> Option<Timestamp> {
        let comes_from_outside = matches!(
            self,
            Self::PaymentReceived { .. } | Self::CalledOff { cause: Cause::Refunded, .. }
        );
        if comes_from_outside { Some(self.at()) } else { self.at().checked_add(RESUME_AFTER).ok() }
    }
}

/// Why an order did not do what it was told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("there is no such order")]
    Unknown,
    #[error("the order was placed with other contents")]
    Differs,
    #[error("the order is paid: only its organizer can cancel it now, which returns the money")]
    AlreadyPaid,
    #[error("the order has already ended")]
    Ended,
}

impl Order {
    /// What must be asked of another service now. `None` while the order waits for the buyer, for
    /// money, or for nothing any more.
    pub(crate) fn next_step(&self) -> Option<Step> {
        self.terms.as_ref()?;
        match self.state {
            OrderState::Placed => Some(Step::HoldPlaces),
            OrderState::Held if self.payment_id.is_none() => Some(Step::OpenPayment),
            OrderState::Paid => Some(Step::ConfirmPlaces),
            OrderState::Confirmed => Some(Step::IssueTickets),
            OrderState::CallingOff => Some(self.undo.next_step()),
            OrderState::Held
            | OrderState::Fulfilled
            | OrderState::Cancelled
            | OrderState::Expired => None,
        }
    }

    /// Whether the buyer has let the time to pay go by.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        self.state == OrderState::Held && self.expires_at.is_some_and(|expiry| expiry <= now)
    }

    /// Whether the purchase has come to an end, with tickets or without.
    pub(crate) fn has_outcome(&self) -> bool {
        self.state == OrderState::Fulfilled || self.is_over()
    }

    fn is_over(&self) -> bool {
        matches!(self.state, OrderState::Cancelled | OrderState::Expired)
    }

    fn begin_calling_off(&mut self, cause: Cause) {
        let was = self.state;
        self.cause = Some(cause);
        self.state = OrderState::CallingOff;
        self.undo = Undo {
            // A payment that is about to be opened when its order is called off must stay shut.
            payment_is_open: matches!(was, OrderState::Held),
            tickets_may_exist: matches!(was, OrderState::Confirmed | OrderState::Fulfilled),
            money_is_here: self.paid.is_some() && cause != Cause::Refunded,
            // An expired hold frees its places by itself, and can still be confirmed should the
            // money come late; a refused one never took any.
            places_are_taken: !matches!(
                cause,
                Cause::Expired
                    | Cause::SoldOut
                    | Cause::NotOnSale
                    | Cause::HoldGone
                    | Cause::PaidTooLate
            ),
        };
    }

    fn receive_payment(&mut self, amount: Money) {
        self.paid = Some(amount);
        self.undo.payment_is_open = false;
        let may_still_be_served = match self.state {
            OrderState::Held | OrderState::Placed => true,
            OrderState::CallingOff | OrderState::Expired => self.cause == Some(Cause::Expired),
            OrderState::Paid
            | OrderState::Confirmed
            | OrderState::Fulfilled
            | OrderState::Cancelled => false,
        };
        if may_still_be_served {
            self.state = OrderState::Paid;
            self.cause = None;
            return;
        }
        self.state = OrderState::CallingOff;
        self.undo.money_is_here = true;
    }
}

impl Undo {
    /// Money first closed, then the tickets, then the money back, the places last: nobody may enter
    /// on money that was returned, and no place is sold again while its ticket still opens doors.
    fn next_step(self) -> Step {
        if self.payment_is_open {
            return Step::ClosePayment;
        }
        if self.tickets_may_exist {
            return Step::VoidTickets;
        }
        if self.money_is_here {
            return Step::ReturnMoney;
        }
        if self.places_are_taken {
            return Step::ReleasePlaces;
        }
        Step::Finish
    }
}

impl Aggregate for Order {
    const NAME: &'static str = "order";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        let Some(terms) = &self.terms else {
            return match command {
                Command::Place { terms, at } => Ok(vec![Event::Placed { terms, at }]),
                _ => Err(Rejection::Unknown),
            };
        };
        let due = self.next_step();
        let when_due =
            |step: Step, event: Event| if due == Some(step) { vec![event] } else { Vec::new() };

        let events = match command {
            Command::Place { terms: again, .. } if again.is_same_purchase(terms) => Vec::new(),
            Command::Place { .. } => return Err(Rejection::Differs),
            Command::RecordHold { expires_at, at } => {
                when_due(Step::HoldPlaces, Event::PlacesHeld { expires_at, at })
            }
            Command::RecordRefusal { cause, shortage, at } if due == Some(Step::HoldPlaces) => {
                vec![Event::Refused { cause, shortage, at }, Event::Ended { confirmed: None, at }]
            }
            Command::RecordPaymentOpened { payment_id, at } => {
                when_due(Step::OpenPayment, Event::PaymentOpened { payment_id, at })
            }
            Command::RecordPayment { .. } if self.paid.is_some() => Vec::new(),
            Command::RecordPayment { payment_id, amount, at } => {
                vec![Event::PaymentReceived { payment_id, amount, at }]
            }
            Command::RecordConfirmation { at } => {
                when_due(Step::ConfirmPlaces, Event::PlacesConfirmed { terms: terms.clone(), at })
            }
            Command::RecordNoRoom { at } => {
                when_due(Step::ConfirmPlaces, Event::CalledOff { cause: Cause::PaidTooLate, at })
            }
            Command::RecordTickets { ticket_ids, at } => {
                when_due(Step::IssueTickets, Event::TicketsIssued { ticket_ids, at })
            }
            Command::Expire { at } if self.is_overdue(at) => {
                vec![Event::CalledOff { cause: Cause::Expired, at }]
            }
            Command::RecordRefusal { .. } | Command::Expire { .. } => Vec::new(),
            Command::Cancel { cause, at } => return self.cancel(cause, at),
            Command::RecordRefund { at } => self.record_refund(at),
            Command::RecordPaymentClosed { at } => {
                when_due(Step::ClosePayment, Event::PaymentClosed { at })
            }
            Command::RecordTicketsVoided { at } => {
                when_due(Step::VoidTickets, Event::TicketsVoided { at })
            }
            Command::RecordPlacesReleased { at } => {
                when_due(Step::ReleasePlaces, Event::PlacesReleased { at })
            }
            Command::Finish { at } => {
                let confirmed = self.was_confirmed.then(|| terms.clone());
                when_due(Step::Finish, Event::Ended { confirmed, at })
            }
        };
        Ok(events)
    }

    fn evolve(&mut self, event: &Event) {
        self.resume_at = event.resume_at();
        match event {
            Event::Placed { terms, at } => {
                self.state = OrderState::Placed;
                self.terms = Some(terms.clone());
                self.placed_at = Some(*at);
            }
            Event::PlacesHeld { expires_at, .. } => {
                self.state = OrderState::Held;
                self.expires_at = Some(*expires_at);
            }
            Event::PaymentOpened { payment_id, .. } => self.payment_id = Some(*payment_id),
            Event::PaymentReceived { payment_id, amount, .. } => {
                self.payment_id = Some(*payment_id);
                self.receive_payment(*amount);
            }
            Event::PlacesConfirmed { .. } => {
                self.state = OrderState::Confirmed;
                self.was_confirmed = true;
            }
            Event::TicketsIssued { ticket_ids, .. } => {
                self.state = OrderState::Fulfilled;
                self.ticket_ids.clone_from(ticket_ids);
            }
            Event::Refused { cause, shortage, .. } => {
                self.begin_calling_off(*cause);
                self.shortage = *shortage;
            }
            Event::CalledOff { cause, .. } => self.begin_calling_off(*cause),
            Event::PaymentClosed { .. } => self.undo.payment_is_open = false,
            Event::TicketsVoided { .. } => self.undo.tickets_may_exist = false,
            Event::MoneyReturned { .. } => self.undo.money_is_here = false,
            Event::PlacesReleased { .. } => self.undo.places_are_taken = false,
            Event::Ended { .. } => {
                let is_expired = self.cause == Some(Cause::Expired);
                self.state = if is_expired { OrderState::Expired } else { OrderState::Cancelled };
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        if self.next_step().is_some() {
            return self.resume_at;
        }
        if self.state == OrderState::Held { self.expires_at } else { None }
    }
}

impl Order {
    fn cancel(&self, cause: Cause, at: Timestamp) -> Result<Vec<Event>, Rejection> {
        let is_paid =
            matches!(self.state, OrderState::Paid | OrderState::Confirmed | OrderState::Fulfilled);
        if is_paid && cause == Cause::BuyerCancelled {
            return Err(Rejection::AlreadyPaid);
        }
        if self.cause == Some(cause) {
            return Ok(Vec::new());
        }
        if self.is_over() || self.state == OrderState::CallingOff {
            return Err(Rejection::Ended);
        }
        Ok(vec![Event::CalledOff { cause, at }])
    }

    fn record_refund(&self, at: Timestamp) -> Vec<Event> {
        let is_served =
            matches!(self.state, OrderState::Paid | OrderState::Confirmed | OrderState::Fulfilled);
        if is_served {
            return vec![Event::CalledOff { cause: Cause::Refunded, at }];
        }
        if self.undo.money_is_here { vec![Event::MoneyReturned { at }] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests;
