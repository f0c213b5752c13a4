//! The problems that are catalog's own, and which rejection becomes which.

use edge::{Problem, ProblemType};

use crate::domain::{event, organizer, venue};

/// Every problem catalog can answer with beside the edge's.
pub(crate) static ALL: &[&ProblemType] = &[
    &LAST_OWNER,
    &TOO_MANY_MEMBERS,
    &EVENT_IS_DRAFT,
    &EVENT_IS_PUBLISHED,
    &FIXED_BY_PUBLISHING,
    &EVENT_IS_CANCELLED,
    &EVENT_HAS_ENDED,
    &EVENT_INCOMPLETE,
    &EVENT_STARTS_IN_THE_PAST,
    &SALES_NEVER_OPENED,
    &CURRENCY_IN_USE,
    &TICKET_TYPE_NAME_TAKEN,
    &TICKET_TYPE_NAME_FIXED,
    &TOO_MANY_TICKET_TYPES,
    &TOO_MANY_QUOTAS,
    &SECTION_UNKNOWN,
    &TIME_ZONE_IN_USE,
];

pub(crate) static LAST_OWNER: ProblemType = ProblemType {
    slug: "last-owner",
    status: 409,
    title: "An organizer needs an owner",
    meaning: "The account is the organizer's only owner, and would be none any more. Nothing was \
              changed.",
    what_to_do: "Make another member an owner first.",
};

pub(crate) static TOO_MANY_MEMBERS: ProblemType = ProblemType {
    slug: "too-many-members",
    status: 409,
    title: "The organizer has as many members as it can have",
    meaning: "An organizer has at most 100 members. Nothing was changed.",
    what_to_do: "Remove a member first.",
};

pub(crate) static EVENT_IS_DRAFT: ProblemType = ProblemType {
    slug: "event-is-draft",
    status: 409,
    title: "The event is a draft",
    meaning: "This can be done only with an event that is published. Nothing was changed.",
    what_to_do: "Publish the event with `POST /v1/events/{event_id}/publish`; a draft that is not \
                 wanted any more is deleted rather than cancelled.",
};

pub(crate) static EVENT_IS_PUBLISHED: ProblemType = ProblemType {
    slug: "event-is-published",
    status: 409,
    title: "The event is not a draft any more",
    meaning: "Events and ticket types can be deleted only while the event is a draft. Nothing was \
              changed.",
    what_to_do: "Cancel the event with `POST /v1/events/{event_id}/cancel`; give a ticket type that \
                 is not wanted any more a capacity of 0 places.",
};

pub(crate) static FIXED_BY_PUBLISHING: ProblemType = ProblemType {
    slug: "fixed-by-publishing",
    status: 409,
    title: "Publishing has fixed this",
    meaning: "Once an event is published, only its name, its description, its end and \
              the rounding of its taxes can be changed, and of its ticket types not the sections, \
              since people rely on the rest. `fields` names what the request would have \
              changed. Nothing was changed.",
    what_to_do: "Send the fields that are fixed as they are. If venue or start must change, cancel \
                 the event and publish another.",
};

pub(crate) static EVENT_IS_CANCELLED: ProblemType = ProblemType {
    slug: "event-is-cancelled",
    status: 409,
    title: "The event is cancelled",
    meaning: "Nothing about a cancelled event can be changed. Nothing was changed.",
    what_to_do: "Create another event if it takes place after all.",
};

pub(crate) static EVENT_HAS_ENDED: ProblemType = ProblemType {
    slug: "event-has-ended",
    status: 409,
    title: "The event is over",
    meaning: "The event's end has passed, and it can neither be changed nor sold any more. Nothing \
              was changed.",
    what_to_do: "Nothing, unless the event did not take place: then it can still be cancelled.",
};

pub(crate) static EVENT_INCOMPLETE: ProblemType = ProblemType {
    slug: "event-incomplete",
    status: 409,
    title: "The event has no ticket types",
    meaning: "An event can be published once it has a ticket type. Nothing was changed.",
    what_to_do: "Add one with `POST /v1/events/{event_id}/ticket-types`.",
};

pub(crate) static EVENT_STARTS_IN_THE_PAST: ProblemType = ProblemType {
    slug: "event-starts-in-the-past",
    status: 409,
    title: "The event would have started already",
    meaning: "An event can be published only before it starts. Nothing was changed.",
    what_to_do: "Put `starts_at` and `ends_at` into the future with `PUT /v1/events/{event_id}`.",
};

pub(crate) static SALES_NEVER_OPENED: ProblemType = ProblemType {
    slug: "sales-never-opened",
    status: 409,
    title: "Sales of the event were never opened",
    meaning: "Only sales that were opened can be closed. Nothing was changed.",
    what_to_do: "Nothing: no tickets are for sale.",
};

pub(crate) static CURRENCY_IN_USE: ProblemType = ProblemType {
    slug: "currency-in-use",
    status: 409,
    title: "There are prices in the event's currency",
    meaning: "An event has one currency, and its ticket types have prices in it. Nothing was \
              changed.",
    what_to_do: "Keep the currency, or delete the ticket types first and add them again after.",
};

pub(crate) static TICKET_TYPE_NAME_TAKEN: ProblemType = ProblemType {
    slug: "ticket-type-name-taken",
    status: 409,
    title: "Another ticket type has this name",
    meaning: "The ticket types of an event have different names, whatever their case, so that \
              buyers can tell them apart. Nothing was changed.",
    what_to_do: "Choose another name.",
};

pub(crate) static TICKET_TYPE_NAME_FIXED: ProblemType = ProblemType {
    slug: "ticket-type-name-fixed",
    status: 409,
    title: "The ticket type's name cannot be changed any more",
    meaning: "Sales of the event were opened, and buyers may have tickets with the name. Nothing \
              was changed.",
    what_to_do: "Keep the name; price and capacity may change. For something else, add another \
                 ticket type.",
};

pub(crate) static TOO_MANY_TICKET_TYPES: ProblemType = ProblemType {
    slug: "too-many-ticket-types",
    status: 409,
    title: "The event has as many ticket types as it can have",
    meaning: "An event has at most 100 ticket types. Nothing was changed.",
    what_to_do: "Change one that exists instead.",
};

pub(crate) static TOO_MANY_QUOTAS: ProblemType = ProblemType {
    slug: "too-many-quotas",
    status: 409,
    title: "The event has as many quotas as it can have",
    meaning: "An event has at most 200 quotas, those of the ticket types' own among them. Nothing \
              was changed.",
    what_to_do: "Change one that exists instead, or delete one.",
};

pub(crate) static SECTION_UNKNOWN: ProblemType = ProblemType {
    slug: "section-unknown",
    status: 409,
    title: "The event's seating has no such section",
    meaning: "A ticket type is for seats in `section`, and the seating has none of this name: the \
              venue's when the event is published, and the event's own afterwards. Nothing was \
              changed.",
    what_to_do: "Describe the section with `PUT /v1/venues/{venue_id}/seating` before the event is \
                 published, or name another in the ticket type.",
};

pub(crate) static TIME_ZONE_IN_USE: ProblemType = ProblemType {
    slug: "time-zone-in-use",
    status: 409,
    title: "Published events go by the venue's clock",
    meaning: "Events that are published and not over take place at the venue, and what was sold, \
              printed and mailed says when they begin by its clock. Nothing was changed.",
    what_to_do: "Send the time zone as it is. If it is wrong, cancel the events, or add another venue \
                 for those to come.",
};

impl From<organizer::Rejection> for Problem {
    fn from(rejection: organizer::Rejection) -> Self {
        use organizer::Rejection;
        let kind = match rejection {
            Rejection::Unknown | Rejection::MemberUnknown => &edge::problems::NOT_FOUND,
            // Identifiers are ours, and new.
            Rejection::Exists => return Self::internal(rejection),
            Rejection::NotAMember | Rejection::NotAnOwner => &edge::problems::FORBIDDEN,
            Rejection::LastOwner => &LAST_OWNER,
            Rejection::TooManyMembers => &TOO_MANY_MEMBERS,
        };
        Self::new(kind).detail(rejection.to_string())
    }
}

impl From<venue::Rejection> for Problem {
    fn from(rejection: venue::Rejection) -> Self {
        match rejection {
            venue::Rejection::Unknown => Self::not_found().detail(rejection.to_string()),
            // Identifiers are ours, and new.
            venue::Rejection::Exists => Self::internal(rejection),
        }
    }
}

impl From<event::Rejection> for Problem {
    fn from(rejection: event::Rejection) -> Self {
        use event::Rejection;
        let words = rejection.to_string();
        let kind = match rejection {
            Rejection::EndsBeforeItStarts | Rejection::EndsInThePast => {
                return Self::invalid_field("/ends_at", words);
            }
            Rejection::PriceInOtherCurrency { .. } => {
                return Self::invalid_field("/price/currency", words);
            }
            Rejection::SaleEndsBeforeItBegins => {
                return Self::invalid_field("/sales_until", words);
            }
            Rejection::MaximumBelowMinimum => return Self::invalid_field("/max_per_order", words),
            Rejection::QuotaOfUnknownType { .. } => {
                return Self::invalid_field("/ticket_type_ids", words);
            }
            Rejection::SectionUnknown { section } => {
                return Self::new(&SECTION_UNKNOWN).detail(words).with("section", section);
            }
            Rejection::PriceOutOfRange => return Self::invalid_field("/price/amount", words),
            Rejection::FixedByPublishing { fields } => {
                return Self::new(&FIXED_BY_PUBLISHING).detail(words).with("fields", fields);
            }
            Rejection::Unknown | Rejection::TicketTypeUnknown | Rejection::QuotaUnknown => {
                &edge::problems::NOT_FOUND
            }
            // Identifiers are ours, and new.
            Rejection::Exists => return Self::internal(words),
            Rejection::StartsInThePast { .. } => &EVENT_STARTS_IN_THE_PAST,
            Rejection::CurrencyInUse { .. } => &CURRENCY_IN_USE,
            Rejection::NotADraft | Rejection::TicketTypeFixed => &EVENT_IS_PUBLISHED,
            Rejection::NotPublished | Rejection::NothingToCancel => &EVENT_IS_DRAFT,
            Rejection::SalesNeverOpened => &SALES_NEVER_OPENED,
            Rejection::Cancelled => &EVENT_IS_CANCELLED,
            Rejection::Ended => &EVENT_HAS_ENDED,
            Rejection::NoTicketTypes => &EVENT_INCOMPLETE,
            Rejection::TooManyTicketTypes => &TOO_MANY_TICKET_TYPES,
            Rejection::TooManyQuotas => &TOO_MANY_QUOTAS,
            Rejection::TicketTypeNameTaken { .. } => &TICKET_TYPE_NAME_TAKEN,
            Rejection::TicketTypeNameFixed => &TICKET_TYPE_NAME_FIXED,
        };
        Self::new(kind).detail(words)
    }
}
