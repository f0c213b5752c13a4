//! What is sold: ticket types with the limits of their sale, and the quotas they draw on.

use contracts::{catalog::Capacity, inventory::Places};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Rejection;

/// One ticket type: what limits its sale, and how many are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) name: String,
    pub(crate) sales_from: Option<Timestamp>,
    /// This instant not included.
    pub(crate) sales_until: Option<Timestamp>,
    /// 0: no limit.
    pub(crate) min_per_order: u32,
    /// 0: no limit.
    pub(crate) max_per_order: u32,
    /// The sections whose seats it is for; none: general admission.
    pub(crate) sections: Vec<String>,
    #[serde(skip)]
    pub(crate) sold: u32,
    /// Held, including what has expired and was not recorded as such yet.
    #[serde(skip)]
    pub(crate) held: u32,
}

/// A share of the places that ticket types draw on. What of it is gone is counted at the types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    pub(crate) ticket_type_ids: Vec<Uuid>,
    /// What counted against it when it was last changed: so much may, even where it has fewer places
    /// now.
    #[serde(default)]
    pub(crate) tolerated: u32,
}

impl Shelf {
    pub(super) fn is_seated(&self) -> bool {
        !self.sections.is_empty()
    }

    /// Passes within the sales window.
    pub(super) fn check_window(
        &self,
        ticket_type_id: Uuid,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        if let Some(from) = self.sales_from.filter(|from| now < *from) {
            return Err(Rejection::SalesNotStarted { ticket_type_id, from });
        }
        if let Some(until) = self.sales_until.filter(|until| *until <= now) {
            return Err(Rejection::SalesEnded { ticket_type_id, until });
        }
        Ok(())
    }

    /// Passes when an order may have so many.
    pub(super) fn check_limits(&self, wanted: &Places) -> Result<(), Rejection> {
        let (ticket_type_id, quantity) = (wanted.ticket_type_id, wanted.quantity);
        let (minimum, maximum) = (self.min_per_order, self.max_per_order);
        if quantity < minimum {
            return Err(Rejection::BelowMinimum { ticket_type_id, minimum });
        }
        if maximum > 0 && quantity > maximum {
            return Err(Rejection::AboveMaximum { ticket_type_id, maximum });
        }
        Ok(())
    }
}
