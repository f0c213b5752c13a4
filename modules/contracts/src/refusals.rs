//! Refusals that several services give to whoever wants places, in one wording. Each service makes
//! a problem of its own of them; one of the services explains it on the page of problems.

/// A refusal as its page explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Its name in the problem's type.
    pub slug: &'static str,
    /// The HTTP status it comes with.
    pub status: u16,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub what_to_do: &'static str,
}

/// There are too few places left. Members: `ticket_type_id`, `requested`, `left`.
pub const SOLD_OUT: Refusal = Refusal {
    slug: "sold-out",
    status: 409,
    title: "There are not that many places left",
    meaning: "`ticket_type_id` has only `left` places free and `requested` were asked for. Places of \
              a request are held together or not at all: nothing is held, and nothing is to be paid. \
              `order_id` is there only when the order had been accepted before; it has ended then.",
    what_to_do: "Ask for fewer, for another ticket type, or again later, with another \
                 Idempotency-Key: places that others hold and do not pay become free again. \
                 `GET /v1/availability/{event_id}` tells how many there are.",
};

/// Nothing of the event is sold now.
pub const NOT_ON_SALE: Refusal = Refusal {
    slug: "not-on-sale",
    status: 409,
    title: "The event is not on sale",
    meaning: "Sales of the event have not been opened, were closed, or the event was cancelled or is \
              over.",
    what_to_do: "Read the event: `state` and its times tell which of these it is.",
};

/// The ticket type's window of sales has not begun. Members: `ticket_type_id`, `from`.
pub const SALES_NOT_STARTED: Refusal = Refusal {
    slug: "sales-not-started",
    status: 409,
    title: "The ticket type is not sold yet",
    meaning: "The event is on sale, but tickets of the type `ticket_type_id` are sold from `from` on. \
              Nothing is held.",
    what_to_do: "Ask again at `from`, with another Idempotency-Key, or for another ticket type.",
};

/// The ticket type's window of sales is over. Members: `ticket_type_id`, `until`.
pub const SALES_ENDED: Refusal = Refusal {
    slug: "sales-ended",
    status: 409,
    title: "The ticket type is not sold any more",
    meaning: "The event is on sale, but tickets of the type `ticket_type_id` were sold until `until`. \
              Nothing is held.",
    what_to_do: "Ask for another ticket type.",
};

/// Somebody else has one of the seats. Members: `seats`.
pub const SEAT_TAKEN: Refusal = Refusal {
    slug: "seat-taken",
    status: 409,
    title: "A seat is taken",
    meaning: "Others hold or have bought the `seats`. Seats of a request are held together or not at \
              all: nothing is held, and nothing is to be paid.",
    what_to_do: "Choose other seats, or leave the seats out to get the best there are, with another \
                 Idempotency-Key. `GET /v1/availability/{event_id}/seats` tells which are free.",
};

/// There is no such seat, or not for this ticket type. Members: `ticket_type_id`, `seat`.
pub const SEAT_UNKNOWN: Refusal = Refusal {
    slug: "seat-unknown",
    status: 409,
    title: "There is no such seat",
    meaning: "The house has no `seat`, or `ticket_type_id` is for seats in other sections. Nothing is \
              held, and nothing is to be paid.",
    what_to_do: "Choose among the seats that `GET /v1/availability/{event_id}/seats` tells of.",
};

/// Seats were named for general admission. Members: `ticket_type_id`.
pub const NOT_SEATED: Refusal = Refusal {
    slug: "not-seated",
    status: 409,
    title: "The ticket type has no numbered seats",
    meaning: "`ticket_type_id` is for general admission, and seats were named. Nothing is held, and \
              nothing is to be paid.",
    what_to_do: "Leave `seats` out.",
};

/// The ticket type draws on no quota. Members: `ticket_type_id`.
pub const NOT_SELLABLE: Refusal = Refusal {
    slug: "not-sellable",
    status: 409,
    title: "The ticket type has no places",
    meaning: "The ticket type `ticket_type_id` draws on no quota, so there are no places to sell. \
              Nothing is held.",
    what_to_do: "Ask for another ticket type. Its organizer can put the type into a quota.",
};

/// An order must have more of a ticket type, or none. Members: `ticket_type_id`, `minimum`.
pub const BELOW_MINIMUM: Refusal = Refusal {
    slug: "below-minimum",
    status: 409,
    title: "An order must have more of this ticket type",
    meaning: "Tickets of the type `ticket_type_id` are sold `minimum` or more at a time. Nothing is \
              held.",
    what_to_do: "Ask for at least `minimum`, with another Idempotency-Key.",
};

/// An order may not have so many of a ticket type. Members: `ticket_type_id`, `maximum`.
pub const ABOVE_MAXIMUM: Refusal = Refusal {
    slug: "above-maximum",
    status: 409,
    title: "An order may not have so many of this ticket type",
    meaning: "An order may have at most `maximum` tickets of the type `ticket_type_id`. Nothing is \
              held.",
    what_to_do: "Ask for at most `maximum`, with another Idempotency-Key.",
};

/// The holder keeps too many places back at a time. Members: `open`, `most`.
pub const TOO_MANY_HOLDS: Refusal = Refusal {
    slug: "too-many-holds",
    status: 409,
    title: "Too many holds at a time",
    meaning: "The caller has `open` holds of the event that are neither paid nor over, and may have \
              `most` at a time. Nothing is held.",
    what_to_do: "Pay or give back what is held, or wait until it expires; then ask again with another \
                 Idempotency-Key.",
};
