//! What is offered for an event: ticket types, and the quotas they draw on.

use contracts::{
    catalog::{Capacity, Quota},
    money::{Money, Tax},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Fact, HIGHEST_PRICE, MOST_QUOTAS, MOST_TICKET_TYPES, Rejection, Show};

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
    /// The capacity of a quota of its own, with the ticket type's id: given when there shall be one.
    /// What is kept of a ticket type has none: quotas are kept beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<Capacity>,
    #[serde(default, skip_serializing_if = "is_untaxed")]
    pub(crate) tax: Tax,
    /// Within these instants it is sold, the last not included; without, as long as the event is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sales_from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sales_until: Option<Timestamp>,
    /// 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) min_per_order: u32,
    /// 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) max_per_order: u32,
    /// The sections of the venue whose seats it is for; none: general admission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sections: Vec<String>,
}

fn is_untaxed(tax: &Tax) -> bool {
    *tax == Tax::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field like this")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Offer {
    /// Whether it may be sold at `now`, as far as its sales window says.
    pub(crate) fn is_in_window(&self, now: Timestamp) -> bool {
        self.sales_from.is_none_or(|from| from <= now)
            && self.sales_until.is_none_or(|until| now < until)
    }

    fn check(&self) -> Result<(), Rejection> {
        if !(0..=HIGHEST_PRICE).contains(&self.price.amount) {
            return Err(Rejection::PriceOutOfRange);
        }
        let window = self.sales_from.zip(self.sales_until);
        if window.is_some_and(|(from, until)| until <= from) {
            return Err(Rejection::SaleEndsBeforeItBegins);
        }
        if self.max_per_order > 0 && self.max_per_order < self.min_per_order {
            return Err(Rejection::MaximumBelowMinimum);
        }
        Ok(())
    }
}

/// The capacity of the smallest of the quotas that a ticket type draws on; no places without one.
pub(crate) fn supply(quotas: &[Quota], ticket_type_id: Uuid) -> Capacity {
    let draws = quotas.iter().filter(|quota| quota.ticket_type_ids.contains(&ticket_type_id));
    let capacities = draws.map(|quota| quota.capacity);
    capacities.reduce(Capacity::smaller).unwrap_or(Capacity::limited(0))
}

impl Show {
    pub(super) fn add_ticket_type(
        &self,
        id: Uuid,
        mut offer: Offer,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        self.changeable(now)?;
        self.check_offer(id, &offer)?;
        self.check_sections(&offer)?;
        if self.ticket_type(id).is_some() {
            return Err(Rejection::Exists);
        }
        if self.ticket_types.len() >= MOST_TICKET_TYPES {
            return Err(Rejection::TooManyTicketTypes);
        }
        let own = offer.capacity.take().map(|capacity| self.own_quota(id, &offer.name, capacity));
        if own.is_some() && self.quotas.len() >= MOST_QUOTAS {
            return Err(Rejection::TooManyQuotas);
        }
        let announced = !self.is_draft();
        let supply = Some(own.as_ref().map_or(Capacity::limited(0), |quota| quota.capacity));
        let ticket_type = TicketType { id, offer };
        let added = Fact::TicketTypeAdded { ticket_type, announced, supply };
        let quota = own.map(|quota| Fact::QuotaSet { quota, announced });
        Ok([added].into_iter().chain(quota).collect())
    }

    pub(super) fn change_ticket_type(
        &self,
        id: Uuid,
        mut offer: Offer,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let before = &self.ticket_type(id).ok_or(Rejection::TicketTypeUnknown)?.offer;
        self.changeable(now)?;
        self.check_offer(id, &offer)?;
        if self.sales_were_open && offer.name != before.name {
            return Err(Rejection::TicketTypeNameFixed);
        }
        if !self.is_draft() && offer.sections != before.sections {
            return Err(Rejection::FixedByPublishing { fields: vec!["sections"] });
        }
        let announced = !self.is_draft();
        let mut quotas = self.quotas.clone();
        let mut facts = Vec::new();
        let renamed = (offer.name != before.name).then_some(before.name.as_str());
        if let Some(quota) = self.own_quota_changed(id, renamed, &offer) {
            quotas.retain(|kept| kept.quota_id != quota.quota_id);
            quotas.push(quota.clone());
            if quotas.len() > MOST_QUOTAS {
                return Err(Rejection::TooManyQuotas);
            }
            facts.push(Fact::QuotaSet { quota, announced });
        }
        offer.capacity = None;
        if offer != *before {
            let (price, tax) = (before.price, before.tax.clone());
            let only_the_price = *before == Offer { price, tax, ..offer.clone() };
            let announced = announced && !only_the_price;
            let supply = Some(supply(&quotas, id));
            let ticket_type = TicketType { id, offer };
            facts.insert(0, Fact::TicketTypeChanged { ticket_type, announced, supply });
        }
        Ok(facts)
    }

    pub(super) fn remove_ticket_type(&self, id: Uuid) -> Result<Vec<Fact>, Rejection> {
        self.ticket_type(id).ok_or(Rejection::TicketTypeUnknown)?;
        if !self.is_draft() {
            return Err(Rejection::TicketTypeFixed);
        }
        Ok(vec![Fact::TicketTypeRemoved { ticket_type_id: id }])
    }

    pub(super) fn put_quota(&self, quota: Quota, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        self.changeable(now)?;
        let known = self.quota(quota.quota_id);
        if known.is_none() && self.quotas.len() >= MOST_QUOTAS {
            return Err(Rejection::TooManyQuotas);
        }
        let mut named = quota.ticket_type_ids.iter();
        if let Some(id) = named.find(|id| self.ticket_type(**id).is_none()) {
            return Err(Rejection::QuotaOfUnknownType { ticket_type_id: *id });
        }
        if known == Some(&quota) {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::QuotaSet { quota, announced: !self.is_draft() }])
    }

    pub(super) fn remove_quota(&self, id: Uuid, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        self.quota(id).ok_or(Rejection::QuotaUnknown)?;
        self.changeable(now)?;
        Ok(vec![Fact::QuotaRemoved { quota_id: id, announced: !self.is_draft() }])
    }

    pub(crate) fn ticket_type(&self, id: Uuid) -> Option<&TicketType> {
        self.ticket_types.iter().find(|ticket_type| ticket_type.id == id)
    }

    pub(crate) fn quota(&self, id: Uuid) -> Option<&Quota> {
        self.quotas.iter().find(|quota| quota.quota_id == id)
    }

    /// The quota of a ticket type's own, with this capacity: as it is kept, or a new one.
    fn own_quota(&self, id: Uuid, name: &str, capacity: Capacity) -> Quota {
        match self.quota(id) {
            Some(kept) => Quota { capacity, ..kept.clone() },
            None => {
                Quota { quota_id: id, name: name.to_owned(), capacity, ticket_type_ids: vec![id] }
            }
        }
    }

    /// What the offer changes about the quota of the ticket type's own: the capacity, and the name
    /// where it is that of the ticket type.
    fn own_quota_changed(&self, id: Uuid, renamed: Option<&str>, offer: &Offer) -> Option<Quota> {
        let kept = self.quota(id);
        let capacity = offer.capacity.or(kept.map(|kept| kept.capacity))?;
        let mut quota = self.own_quota(id, &offer.name, capacity);
        if renamed == Some(quota.name.as_str()) {
            quota.name.clone_from(&offer.name);
        }
        (kept != Some(&quota)).then_some(quota)
    }

    fn check_offer(&self, id: Uuid, offer: &Offer) -> Result<(), Rejection> {
        let (given, expected) = (offer.price.currency, self.plan.currency);
        if given != expected {
            return Err(Rejection::PriceInOtherCurrency { given, expected });
        }
        offer.check()?;
        let name = offer.name.to_lowercase();
        let mut others = self.ticket_types.iter().filter(|other| other.id != id);
        if others.any(|other| other.offer.name.to_lowercase() == name) {
            return Err(Rejection::TicketTypeNameTaken { name: offer.name.clone() });
        }
        Ok(())
    }

    /// Passes when the event has the sections: publishing has copied them from the venue. Those of a
    /// draft are looked at when it is published.
    fn check_sections(&self, offer: &Offer) -> Result<(), Rejection> {
        if self.is_draft() {
            return Ok(());
        }
        offer.check_sections(&self.sections)
    }

    /// Takes in a fact about ticket types and quotas.
    pub(super) fn evolve_offers(&mut self, fact: &Fact) {
        match fact {
            Fact::TicketTypeAdded { ticket_type, .. } => {
                let kept = self.kept(ticket_type);
                self.ticket_types.push(kept);
            }
            Fact::TicketTypeChanged { ticket_type, .. } => {
                let changed = self.kept(ticket_type);
                let mut all = self.ticket_types.iter_mut();
                if let Some(kept) = all.find(|kept| kept.id == changed.id) {
                    *kept = changed;
                }
            }
            Fact::TicketTypeRemoved { ticket_type_id } => {
                self.ticket_types.retain(|kept| kept.id != *ticket_type_id);
                for quota in &mut self.quotas {
                    quota.ticket_type_ids.retain(|id| id != ticket_type_id);
                }
                self.quotas.retain(|quota| {
                    quota.quota_id != *ticket_type_id || !quota.ticket_type_ids.is_empty()
                });
            }
            Fact::QuotaSet { quota, .. } => self.set_quota(quota.clone()),
            Fact::QuotaRemoved { quota_id, .. } => {
                self.quotas.retain(|kept| kept.quota_id != *quota_id);
            }
            _ => {}
        }
    }

    /// The ticket type as it is kept. Facts of old say its capacity with it: its own quota's.
    fn kept(&mut self, ticket_type: &TicketType) -> TicketType {
        let mut kept = ticket_type.clone();
        if let Some(capacity) = kept.offer.capacity.take() {
            let mut quota = self.own_quota(kept.id, &kept.offer.name, capacity);
            quota.name.clone_from(&kept.offer.name);
            self.set_quota(quota);
        }
        kept
    }

    fn set_quota(&mut self, quota: Quota) {
        let mut all = self.quotas.iter_mut();
        match all.find(|kept| kept.quota_id == quota.quota_id) {
            Some(kept) => *kept = quota,
            None => self.quotas.push(quota),
        }
    }
}

impl Offer {
    /// Passes when all its sections are among `sections`.
    pub(super) fn check_sections(&self, sections: &[String]) -> Result<(), Rejection> {
        match self.sections.iter().find(|section| !sections.contains(section)) {
            Some(section) => Err(Rejection::SectionUnknown { section: section.clone() }),
            None => Ok(()),
        }
    }
}
