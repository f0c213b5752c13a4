//! An event: what takes place, when and where, which tickets there are for it, and whether they
//! are for sale.

mod facts;
mod offers;
mod plan;

use contracts::catalog::Quota;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

pub(crate) use self::{
    facts::{Command, Fact, Rejection, Setting},
    offers::{Offer, TicketType, supply},
    plan::{EventState, Phase, Plan},
};

/// So many ticket types fit into one event.
pub(crate) const MOST_TICKET_TYPES: usize = 100;

/// So many quotas fit into one event.
pub(crate) const MOST_QUOTAS: usize = 200;

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
    pub(crate) quotas: Vec<Quota>,
    /// The sections of the seating that publishing copied from the venue.
    sections: Vec<String>,
    pub(crate) cancellation: Option<String>,
    sales_were_open: bool,
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

impl Show {
    fn drafted(organizer_id: Uuid, plan: Plan) -> Self {
        Self {
            organizer_id,
            plan,
            phase: Phase::Draft,
            ticket_types: Vec::new(),
            quotas: Vec::new(),
            sections: Vec::new(),
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
            Command::Publish { setting, now } => self.publish(setting, now),
            Command::OpenSales { now } => self.open_sales(now),
            Command::CloseSales => self.close_sales(),
            Command::Cancel { reason } => self.cancel(reason),
            Command::AddTicketType { id, offer, now } => self.add_ticket_type(id, offer, now),
            Command::ChangeTicketType { id, offer, now } => self.change_ticket_type(id, offer, now),
            Command::RemoveTicketType { id } => self.remove_ticket_type(id),
            Command::PutQuota { quota, now } => self.put_quota(quota, now),
            Command::RemoveQuota { id, now } => self.remove_quota(id, now),
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

    fn publish(&self, setting: Setting, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
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
        let Setting { venue_name, time_zone, seating } = setting;
        let sections: Vec<String> = seating.iter().map(|section| section.name.clone()).collect();
        self.ticket_types.iter().try_for_each(|it| it.offer.check_sections(&sections))?;
        let is_seated = self.ticket_types.iter().any(|it| !it.offer.sections.is_empty());
        Ok(vec![Fact::Published {
            organizer_id: self.organizer_id,
            name: self.plan.name.clone(),
            starts_at,
            ticket_types: self.ticket_types.clone(),
            quotas: Some(self.quotas.clone()),
            seating: if is_seated { seating } else { Vec::new() },
            ends_at: Some(self.plan.ends_at),
            venue_name,
            time_zone,
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

    fn evolve(&mut self, fact: &Fact) {
        match fact {
            Fact::Drafted { .. } | Fact::Discarded => {}
            Fact::Changed { plan } => self.plan = plan.clone(),
            Fact::Published { seating, .. } => {
                self.phase = Phase::Published;
                self.sections = seating.iter().map(|section| section.name.clone()).collect();
            }
            Fact::SalesOpened => {
                self.phase = Phase::OnSale;
                self.sales_were_open = true;
            }
            Fact::SalesClosed => self.phase = Phase::SalesClosed,
            Fact::Cancelled { reason } => {
                self.phase = Phase::Cancelled;
                self.cancellation = Some(reason.clone());
            }
            Fact::TicketTypeAdded { .. }
            | Fact::TicketTypeChanged { .. }
            | Fact::TicketTypeRemoved { .. }
            | Fact::QuotaSet { .. }
            | Fact::QuotaRemoved { .. } => self.evolve_offers(fact),
        }
    }
}

impl Aggregate for Event {
    const NAME: &'static str = "event";
    const STATE_SCHEMA: u16 = 2;
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
