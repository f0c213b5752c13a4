//! An event: what takes place, when and where, which tickets there are for it, and whether they
//! are for sale.

use contracts::{catalog::Capacity, money::Money};
use iso_currency::Currency;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use utoipa::ToSchema;
use uuid::Uuid;

/// So many ticket types fit into one event.
pub(crate) const MOST_TICKET_TYPES: usize = 100;

/// The highest price of one ticket, in minor units of its currency.
pub(crate) const HIGHEST_PRICE: i64 = 1_000_000_000_000;

/// An event as its facts have made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// Nobody has drafted it.
    #[default]
    Unwritten,
    /// It is there.
    Kept(Box<Show>),
    /// It was deleted while it was a draft.
    Discarded,
}

/// An event that was drafted and not deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Show {
    pub(crate) organizer_id: Uuid,
    pub(crate) plan: Plan,
    pub(crate) phase: Phase,
    pub(crate) ticket_types: Vec<TicketType>,
    pub(crate) cancellation: Option<String>,
    sales_were_open: bool,
}

/// What the organizer says about an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) venue_id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) currency: Currency,
}

/// How far an event was brought. Whether it has ended is for the clock to say: see [`EventState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Draft,
    Published,
    OnSale,
    SalesClosed,
    Cancelled,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventState {
    /// Only the organizer sees it.
    Draft,
    /// Everybody sees it; sales were never opened.
    Published,
    /// Tickets are for sale.
    OnSale,
    /// Tickets were for sale, and may be again.
    SalesClosed,
    /// It will not take place.
    Cancelled,
    /// It is over.
    Ended,
}

/// A kind of ticket for an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TicketType {
    pub(crate) id: Uuid,
    #[serde(flatten)]
    pub(crate) offer: Offer,
}

/// What is offered with a ticket type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) capacity: Capacity,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Draft { organizer_id: Uuid, plan: Plan },
    Change { plan: Plan, now: Timestamp },
    Discard,
    Publish { now: Timestamp },
    OpenSales { now: Timestamp },
    CloseSales,
    Cancel { reason: String },
    AddTicketType { id: Uuid, offer: Offer, now: Timestamp },
    ChangeTicketType { id: Uuid, offer: Offer, now: Timestamp },
    RemoveTicketType { id: Uuid },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Fact {
    Drafted {
        organizer_id: Uuid,
        plan: Plan,
    },
    Changed {
        plan: Plan,
    },
    Discarded,
    /// Says all that other services need to know, so that the fact can be passed on by itself.
    Published {
        organizer_id: Uuid,
        name: String,
        starts_at: Timestamp,
        ticket_types: Vec<TicketType>,
    },
    SalesOpened,
    SalesClosed,
    Cancelled {
        reason: String,
    },
    TicketTypeAdded {
        ticket_type: TicketType,
        /// Whether other services are to hear of it: the event is published.
        announced: bool,
    },
    TicketTypeChanged {
        ticket_type: TicketType,
        /// Whether other services are to hear of it: the event is published and not only the
        /// price is another.
        announced: bool,
    },
    TicketTypeRemoved {
        ticket_type_id: Uuid,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("no event has this id")]
    Unknown,
    #[error("an event has this id already")]
    Exists,
    #[error("the event must end after it starts: put ends_at after starts_at")]
    EndsBeforeItStarts,
    #[error("the event would have ended already: put ends_at into the future")]
    EndsInThePast,
    #[error("the event would have started already at {starts_at}: put starts_at into the future")]
    StartsInThePast { starts_at: Timestamp },
    #[error("the ticket types have prices in {currency}: keep the currency, or delete them first")]
    CurrencyInUse { currency: Currency },
    #[error(
        "{} cannot be changed once the event is published, only name, description and ends_at: \
         cancel the event and publish another",
        .fields.join(", ")
    )]
    FixedByPublishing { fields: Vec<&'static str> },
    #[error("only a draft can be deleted: cancel the event instead")]
    NotADraft,
    #[error("the event is a draft: publish it first")]
    NotPublished,
    #[error("the event is a draft that nobody has seen: delete it instead")]
    NothingToCancel,
    #[error("sales of the event were never opened: open them first")]
    SalesNeverOpened,
    #[error("the event is cancelled, and nothing about it can be changed any more")]
    Cancelled,
    #[error("the event is over, and nothing about it can be changed any more")]
    Ended,
    #[error("an event needs a ticket type before it can be published: add one")]
    NoTicketTypes,
    #[error("the event has no ticket type with this id")]
    TicketTypeUnknown,
    #[error("an event has at most {MOST_TICKET_TYPES} ticket types")]
    TooManyTicketTypes,
    #[error("another ticket type of the event has the name {name:?}: choose another")]
    TicketTypeNameTaken { name: String },
    #[error(
        "the name of a ticket type cannot be changed once sales were opened, since buyers have \
         tickets with it: add another ticket type"
    )]
    TicketTypeNameFixed,
    #[error("a ticket type can be deleted only while the event is a draft: give it no places")]
    TicketTypeFixed,
    #[error("the price is in {given} and the event's prices are in {expected}")]
    PriceInOtherCurrency { given: Currency, expected: Currency },
    #[error("a price is from 0 to {HIGHEST_PRICE} minor units")]
    PriceOutOfRange,
}

impl Event {
    /// The event, when it is there.
    pub(crate) fn show(&self) -> Option<&Show> {
        match self {
            Self::Kept(show) => Some(show),
            Self::Unwritten | Self::Discarded => None,
        }
    }
}

impl EventState {
    /// Its name in JSON and in statements.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::OnSale => "on_sale",
            Self::SalesClosed => "sales_closed",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
        }
    }
}

impl Phase {
    /// Where an event of this phase stands at `now`, if it ends at `ends_at`.
    pub(crate) fn state(self, ends_at: Timestamp, now: Timestamp) -> EventState {
        match self {
            Self::Draft => EventState::Draft,
            Self::Cancelled => EventState::Cancelled,
            Self::Published | Self::OnSale | Self::SalesClosed if ends_at <= now => {
                EventState::Ended
            }
            Self::Published => EventState::Published,
            Self::OnSale => EventState::OnSale,
            Self::SalesClosed => EventState::SalesClosed,
        }
    }
}

impl Plan {
    fn check(&self) -> Result<(), Rejection> {
        if self.ends_at <= self.starts_at {
            return Err(Rejection::EndsBeforeItStarts);
        }
        Ok(())
    }

    /// What differs from `other` although publishing has fixed it.
    fn fixed_differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("venue_id", self.venue_id != other.venue_id),
            ("starts_at", self.starts_at != other.starts_at),
            ("currency", self.currency != other.currency),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

impl Show {
    fn drafted(organizer_id: Uuid, plan: Plan) -> Self {
        Self {
            organizer_id,
            plan,
            phase: Phase::Draft,
            ticket_types: Vec::new(),
            cancellation: None,
            sales_were_open: false,
        }
    }

    fn is_draft(&self) -> bool {
        self.phase == Phase::Draft
    }

    fn changeable(&self, now: Timestamp) -> Result<(), Rejection> {
        match self.phase.state(self.plan.ends_at, now) {
            EventState::Cancelled => Err(Rejection::Cancelled),
            EventState::Ended => Err(Rejection::Ended),
            EventState::Draft
            | EventState::Published
            | EventState::OnSale
            | EventState::SalesClosed => Ok(()),
        }
    }

    fn decide(&self, command: Command) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Draft { .. } => Err(Rejection::Exists),
            Command::Change { plan, now } => self.change(plan, now),
            Command::Discard if self.is_draft() => Ok(vec![Fact::Discarded]),
            Command::Discard => Err(Rejection::NotADraft),
            Command::Publish { now } => self.publish(now),
            Command::OpenSales { now } => self.open_sales(now),
            Command::CloseSales => self.close_sales(),
            Command::Cancel { reason } => self.cancel(reason),
            Command::AddTicketType { id, offer, now } => self.add_ticket_type(id, offer, now),
            Command::ChangeTicketType { id, offer, now } => self.change_ticket_type(id, offer, now),
            Command::RemoveTicketType { id } => self.remove_ticket_type(id),
        }
    }

    fn change(&self, plan: Plan, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        self.changeable(now)?;
        plan.check()?;
        if self.is_draft() {
            let other_currency = plan.currency != self.plan.currency;
            if other_currency && !self.ticket_types.is_empty() {
                return Err(Rejection::CurrencyInUse { currency: self.plan.currency });
            }
        } else {
            let fields = plan.fixed_differences(&self.plan);
            if !fields.is_empty() {
                return Err(Rejection::FixedByPublishing { fields });
            }
            if plan.ends_at <= now {
                return Err(Rejection::EndsInThePast);
            }
        }
        if plan == self.plan {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::Changed { plan }])
    }

    fn publish(&self, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        match self.phase {
            Phase::Published | Phase::OnSale | Phase::SalesClosed => return Ok(Vec::new()),
            Phase::Cancelled => return Err(Rejection::Cancelled),
            Phase::Draft => {}
        }
        if self.ticket_types.is_empty() {
            return Err(Rejection::NoTicketTypes);
        }
        let starts_at = self.plan.starts_at;
        if starts_at <= now {
            return Err(Rejection::StartsInThePast { starts_at });
        }
        Ok(vec![Fact::Published {
            organizer_id: self.organizer_id,
            name: self.plan.name.clone(),
            starts_at,
            ticket_types: self.ticket_types.clone(),
        }])
    }

    fn open_sales(&self, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        match self.phase.state(self.plan.ends_at, now) {
            EventState::Draft => Err(Rejection::NotPublished),
            EventState::Cancelled => Err(Rejection::Cancelled),
            EventState::Ended => Err(Rejection::Ended),
            EventState::OnSale => Ok(Vec::new()),
            EventState::Published | EventState::SalesClosed => Ok(vec![Fact::SalesOpened]),
        }
    }

    fn close_sales(&self) -> Result<Vec<Fact>, Rejection> {
        match self.phase {
            Phase::Draft => Err(Rejection::NotPublished),
            Phase::Cancelled => Err(Rejection::Cancelled),
            Phase::Published => Err(Rejection::SalesNeverOpened),
            Phase::SalesClosed => Ok(Vec::new()),
            Phase::OnSale => Ok(vec![Fact::SalesClosed]),
        }
    }

    /// An event that is over can still be cancelled: it may turn out only afterwards, or be put
    /// down only afterwards, that it did not take place.
    fn cancel(&self, reason: String) -> Result<Vec<Fact>, Rejection> {
        match self.phase {
            Phase::Draft => Err(Rejection::NothingToCancel),
            Phase::Cancelled => Ok(Vec::new()),
            Phase::Published | Phase::OnSale | Phase::SalesClosed => {
                Ok(vec![Fact::Cancelled { reason }])
            }
        }
    }

    fn add_ticket_type(
        &self,
        id: Uuid,
        offer: Offer,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        self.changeable(now)?;
        self.check_offer(id, &offer)?;
        if self.ticket_type(id).is_some() {
            return Err(Rejection::Exists);
        }
        if self.ticket_types.len() >= MOST_TICKET_TYPES {
            return Err(Rejection::TooManyTicketTypes);
        }
        let announced = !self.is_draft();
        Ok(vec![Fact::TicketTypeAdded { ticket_type: TicketType { id, offer }, announced }])
    }

    fn change_ticket_type(
        &self,
        id: Uuid,
        offer: Offer,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let before = &self.ticket_type(id).ok_or(Rejection::TicketTypeUnknown)?.offer;
        self.changeable(now)?;
        self.check_offer(id, &offer)?;
        if self.sales_were_open && offer.name != before.name {
            return Err(Rejection::TicketTypeNameFixed);
        }
        if offer == *before {
            return Ok(Vec::new());
        }
        let only_the_price = offer.name == before.name && offer.capacity == before.capacity;
        let announced = !self.is_draft() && !only_the_price;
        Ok(vec![Fact::TicketTypeChanged { ticket_type: TicketType { id, offer }, announced }])
    }

    fn remove_ticket_type(&self, id: Uuid) -> Result<Vec<Fact>, Rejection> {
        self.ticket_type(id).ok_or(Rejection::TicketTypeUnknown)?;
        if !self.is_draft() {
            return Err(Rejection::TicketTypeFixed);
        }
        Ok(vec![Fact::TicketTypeRemoved { ticket_type_id: id }])
    }

    pub(crate) fn ticket_type(&self, id: Uuid) -> Option<&TicketType> {
        self.ticket_types.iter().find(|ticket_type| ticket_type.id == id)
    }

    fn check_offer(&self, id: Uuid, offer: &Offer) -> Result<(), Rejection> {
        let (given, expected) = (offer.price.currency, self.plan.currency);
        if given != expected {
            return Err(Rejection::PriceInOtherCurrency { given, expected });
        }
        if !(0..=HIGHEST_PRICE).contains(&offer.price.amount) {
            return Err(Rejection::PriceOutOfRange);
        }
        let name = offer.name.to_lowercase();
        let mut others = self.ticket_types.iter().filter(|other| other.id != id);
        if others.any(|other| other.offer.name.to_lowercase() == name) {
            return Err(Rejection::TicketTypeNameTaken { name: offer.name.clone() });
        }
        Ok(())
    }

    fn evolve(&mut self, fact: &Fact) {
        match fact {
            Fact::Drafted { .. } | Fact::Discarded => {}
            Fact::Changed { plan } => self.plan = plan.clone(),
            Fact::Published { .. } => self.phase = Phase::Published,
            Fact::SalesOpened => {
                self.phase = Phase::OnSale;
                self.sales_were_open = true;
            }
            Fact::SalesClosed => self.phase = Phase::SalesClosed,
            Fact::Cancelled { reason } => {
                self.phase = Phase::Cancelled;
                self.cancellation = Some(reason.clone());
            }
            Fact::TicketTypeAdded { ticket_type, .. } => {
                self.ticket_types.push(ticket_type.clone());
            }
            Fact::TicketTypeChanged { ticket_type, .. } => {
                let mut all = self.ticket_types.iter_mut();
                if let Some(kept) = all.find(|kept| kept.id == ticket_type.id) {
                    *kept = ticket_type.clone();
                }
            }
            Fact::TicketTypeRemoved { ticket_type_id } => {
                self.ticket_types.retain(|kept| kept.id != *ticket_type_id);
            }
        }
    }
}

impl Aggregate for Event {
    const NAME: &'static str = "event";
    type Command = Command;
    type Event = Fact;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Fact>, Rejection> {
        match (self, command) {
            (Self::Unwritten, Command::Draft { organizer_id, plan }) => {
                plan.check()?;
                Ok(vec![Fact::Drafted { organizer_id, plan }])
            }
            (Self::Discarded, Command::Draft { .. }) => Err(Rejection::Exists),
            (Self::Unwritten | Self::Discarded, _) => Err(Rejection::Unknown),
            (Self::Kept(show), command) => show.decide(command),
        }
    }

    fn evolve(&mut self, fact: &Fact) {
        match (&mut *self, fact) {
            (Self::Unwritten, Fact::Drafted { organizer_id, plan }) => {
                *self = Self::Kept(Box::new(Show::drafted(*organizer_id, plan.clone())));
            }
            (Self::Kept(_), Fact::Discarded) => *self = Self::Discarded,
            (Self::Kept(show), fact) => show.evolve(fact),
            (Self::Unwritten | Self::Discarded, _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
