//! What an event is told, what happened to it, and why it would not do what it was told.

use contracts::{
    catalog::{Capacity, Quota},
    seating::SeatSection,
};
use iso_currency::Currency;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{HIGHEST_PRICE, MOST_QUOTAS, MOST_TICKET_TYPES, Offer, Plan, TicketType};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Draft {
        organizer_id: Uuid,
        plan: Plan,
    },
    Change {
        plan: Plan,
        now: Timestamp,
    },
    Discard,
    Publish {
        setting: Setting,
        now: Timestamp,
    },
    OpenSales {
        now: Timestamp,
    },
    CloseSales,
    Cancel {
        reason: String,
    },
    AddTicketType {
        id: Uuid,
        offer: Offer,
        now: Timestamp,
    },
    ChangeTicketType {
        id: Uuid,
        offer: Offer,
        now: Timestamp,
    },
    RemoveTicketType {
        id: Uuid,
    },
    /// Adds the quota, or replaces the one with its id.
    PutQuota {
        quota: Quota,
        now: Timestamp,
    },
    RemoveQuota {
        id: Uuid,
        now: Timestamp,
    },
}

/// What an event takes over from its venue when it is published.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Setting {
    pub(crate) venue_name: String,
    pub(crate) time_zone: String,
    pub(crate) seating: Vec<SeatSection>,
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
        /// `None` where each ticket type still had its capacity to itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quotas: Option<Vec<Quota>>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seating: Vec<SeatSection>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        venue_name: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        time_zone: String,
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
        /// The capacity of the smallest of its quotas. `None` where it still had its capacity to
        /// itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        supply: Option<Capacity>,
    },
    TicketTypeChanged {
        ticket_type: TicketType,
        /// Whether other services are to hear of it: the event is published and not only price
        /// and tax are others.
        announced: bool,
        /// As in [`Fact::TicketTypeAdded`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        supply: Option<Capacity>,
    },
    TicketTypeRemoved {
        ticket_type_id: Uuid,
    },
    QuotaSet {
        quota: Quota,
        /// Whether other services are to hear of it: the event is published.
        announced: bool,
    },
    QuotaRemoved {
        quota_id: Uuid,
        /// Whether other services are to hear of it: the event is published.
        announced: bool,
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
        "{} cannot be changed once the event is published, only name, description, ends_at and tax_rounding: \
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
    #[error("the sale would end before it begins: put sales_until after sales_from")]
    SaleEndsBeforeItBegins,
    #[error(
        "an order would need more than it may have: put max_per_order at min_per_order or above"
    )]
    MaximumBelowMinimum,
    #[error("the seating of the event has no section {section:?}")]
    SectionUnknown { section: String },
    #[error("the event has no quota with this id")]
    QuotaUnknown,
    #[error("an event has at most {MOST_QUOTAS} quotas")]
    TooManyQuotas,
    #[error("the event has no ticket type {ticket_type_id}")]
    QuotaOfUnknownType { ticket_type_id: Uuid },
}
