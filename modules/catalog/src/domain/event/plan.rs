//! What an organizer says about an event, and where the event stands.

use contracts::money::TaxRounding;
use iso_currency::Currency;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Rejection;

/// What the organizer says about an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) venue_id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) currency: Currency,
    /// How the taxes of its orders are rounded.
    #[serde(default, skip_serializing_if = "is_per_line")]
    pub(crate) tax_rounding: TaxRounding,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field like this")]
fn is_per_line(rounding: &TaxRounding) -> bool {
    *rounding == TaxRounding::PerLine
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
    pub(super) fn check(&self) -> Result<(), Rejection> {
        if self.ends_at <= self.starts_at {
            return Err(Rejection::EndsBeforeItStarts);
        }
        Ok(())
    }

    /// What differs from `other` although publishing has fixed it.
    pub(super) fn fixed_differences(&self, other: &Self) -> Vec<&'static str> {
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
