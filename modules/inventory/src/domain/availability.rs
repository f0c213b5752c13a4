//! What can be had of an event at one instant.

use std::collections::BTreeSet;

use contracts::catalog::Capacity;
use runtime::Timestamp;
use uuid::Uuid;

use super::{House, Sale, SeatAt, Shelf, Stock, house::Besides, room::Lapsed};

/// What can be had at one instant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Availability {
    pub(crate) is_on_sale: bool,
    pub(crate) ticket_types: Vec<TypeAvailability>,
    pub(crate) quotas: Vec<QuotaAvailability>,
}

/// What can be had of one ticket type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TypeAvailability {
    pub(crate) ticket_type_id: Uuid,
    pub(crate) name: String,
    /// The smallest of its quotas.
    pub(crate) capacity: Capacity,
    /// In every quota and on the seats; `None` where there is no limit.
    pub(crate) free: Option<u32>,
    /// By how many more its most overbooked quota has sold and held than it has places.
    pub(crate) overbooked: u32,
    pub(crate) is_seated: bool,
    /// Whether the instant is within its sales window and the event is on sale.
    pub(crate) is_on_sale: bool,
    pub(crate) sales_from: Option<Timestamp>,
    pub(crate) sales_until: Option<Timestamp>,
}

/// What can be had of one quota.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuotaAvailability {
    pub(crate) quota_id: Uuid,
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    pub(crate) ticket_type_ids: Vec<Uuid>,
    pub(crate) sold: u32,
    pub(crate) held: u32,
    /// `None` where there is no limit.
    pub(crate) free: Option<u32>,
    /// More is sold and held than there is: the capacity was lowered afterwards.
    pub(crate) overbooked: u32,
}

impl Stock {
    /// What can be had at `now`.
    pub(crate) fn availability(&self, now: Timestamp) -> Availability {
        let lapsed = self.lapsed(now);
        let quotas: Vec<QuotaAvailability> = self
            .quotas
            .iter()
            .map(|(id, quota)| {
                let (sold, held) = self.used(quota, &lapsed);
                let gone = sold.saturating_add(held);
                let places = quota.capacity.places();
                QuotaAvailability {
                    quota_id: *id,
                    name: quota.name.clone(),
                    capacity: quota.capacity,
                    ticket_type_ids: quota.ticket_type_ids.clone(),
                    sold,
                    held,
                    free: places.map(|places| places.saturating_sub(gone)),
                    overbooked: places.map_or(0, |places| gone.saturating_sub(places)),
                }
            })
            .collect();
        let is_on_sale = self.sale == Sale::Open;
        let ticket_types = self.shelves.iter().map(|(id, shelf)| {
            let drawn: Vec<_> =
                quotas.iter().filter(|quota| quota.ticket_type_ids.contains(id)).collect();
            let in_quotas = if drawn.is_empty() {
                Some(0)
            } else {
                drawn.iter().filter_map(|quota| quota.free).min()
            };
            TypeAvailability {
                ticket_type_id: *id,
                name: shelf.name.clone(),
                capacity: self.capacity(*id),
                free: least(in_quotas, self.seats_left(shelf, &lapsed)),
                overbooked: drawn.iter().map(|quota| quota.overbooked).max().unwrap_or(0),
                is_seated: shelf.is_seated(),
                is_on_sale: is_on_sale && shelf.check_window(*id, now).is_ok(),
                sales_from: shelf.sales_from,
                sales_until: shelf.sales_until,
            }
        });
        Availability { is_on_sale, ticket_types: ticket_types.collect(), quotas }
    }

    fn seats_left(&self, shelf: &Shelf, lapsed: &Lapsed) -> Option<u32> {
        let freed = || Besides { freed: lapsed.seats().clone(), ..Besides::default() };
        shelf.is_seated().then(|| self.free_seats(shelf, &freed()))
    }

    /// When what can be had changes next by time alone: a hold expires, a sales window opens or
    /// closes.
    pub(crate) fn changes_after(&self, now: Timestamp) -> Option<Timestamp> {
        let expiry = self.expiries.range((now, Uuid::max())..).map(|(expiry, _)| *expiry).next();
        let windows = self.shelves.values().flat_map(|it| [it.sales_from, it.sales_until]);
        windows.flatten().filter(|at| now < *at).chain(expiry).min()
    }

    /// The seats, and those of them that are free although a hold has them: it has expired.
    pub(crate) fn seats(&self, now: Timestamp) -> (&House, BTreeSet<SeatAt>) {
        (&self.house, self.lapsed(now).seats().clone())
    }

    /// The ticket types that are for seats of a section.
    pub(crate) fn types_of_section(&self, section: &str) -> Vec<Uuid> {
        let is_for = |shelf: &Shelf| shelf.sections.iter().any(|name| name == section);
        self.shelves.iter().filter(|(_, shelf)| is_for(shelf)).map(|(id, _)| *id).collect()
    }
}

/// The smaller of two limits, where there is one.
fn least(first: Option<u32>, second: Option<u32>) -> Option<u32> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (first, second) => first.or(second),
    }
}
