//! The problems that are tickets' own. Each tells whoever stands at the door what to do.

use edge::ProblemType;

/// Every problem tickets can answer with beside the edge's.
pub(crate) static ALL: &[&ProblemType] =
    &[&UNKNOWN_CODE, &TICKET_VOIDED, &OTHER_EVENT, &ALREADY_ADMITTED];

pub(crate) static UNKNOWN_CODE: ProblemType = ProblemType {
    slug: "unknown-ticket-code",
    status: 422,
    title: "This is no ticket code of ours",
    meaning: "The code was not signed by this installation, was damaged, or was replaced by another.",
    what_to_do: "Do not let the bearer in. If it was typed, scan it; if it was scanned, look the order \
                 up by its code.",
};

pub(crate) static TICKET_VOIDED: ProblemType = ProblemType {
    slug: "ticket-voided",
    status: 409,
    title: "The ticket is worthless",
    meaning: "The order was cancelled or its money was given back. `voided_at` and `reason` say when \
              and why.",
    what_to_do: "Do not let the bearer in.",
};

pub(crate) static OTHER_EVENT: ProblemType = ProblemType {
    slug: "ticket-for-other-event",
    status: 409,
    title: "The ticket is for another event",
    meaning: "The ticket is genuine, but `event_name` is not what this door is for.",
    what_to_do: "Send the bearer to the event that the ticket is for.",
};

pub(crate) static ALREADY_ADMITTED: ProblemType = ProblemType {
    slug: "already-admitted",
    status: 409,
    title: "Somebody was let in with this ticket before",
    meaning: "A ticket lets one person in, once. `admitted_at` and `entrance` say when and where that \
              was.",
    what_to_do: "Do not let the bearer in: one of the two has a copy. Compare the names on the order.",
};
