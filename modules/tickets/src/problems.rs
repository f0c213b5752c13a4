//! The problems that are tickets' own. Each tells whoever stands at the door what to do.

use edge::ProblemType;

/// Every problem tickets can answer with beside the edge's.
pub(crate) static ALL: &[&ProblemType] = &[
    &UNKNOWN_CODE,
    &TICKET_VOIDED,
    &TICKET_TRANSFERRED,
    &OTHER_EVENT,
    &OTHER_LIST,
    &TICKET_BLOCKED,
    &TICKET_UNPAID,
    &NOT_YET_VALID,
    &NO_LONGER_VALID,
    &ALREADY_ADMITTED,
    &TRANSFER_GONE,
    &TRANSFER_EXPIRED,
    &OWN_TICKET,
    &DEFAULT_LIST,
];

pub(crate) static UNKNOWN_CODE: ProblemType = ProblemType {
    slug: "unknown-ticket-code",
    status: 422,
    title: "This is no ticket code of ours",
    meaning: "The code was not signed by this installation, or was damaged, or its ticket is for an \
              event of another organizer than the check-in list.",
    what_to_do: "Do not let the bearer in. If it was typed, scan it; if it was scanned, look the order \
                 up by its code.",
};

pub(crate) static TICKET_VOIDED: ProblemType = ProblemType {
    slug: "ticket-voided",
    status: 409,
    title: "The ticket is worthless",
    meaning: "The ticket or its order was cancelled, or its money was given back. `voided_at` and \
              `reason` say when and why.",
    what_to_do: "Do not let the bearer in.",
};

pub(crate) static TICKET_TRANSFERRED: ProblemType = ProblemType {
    slug: "ticket-transferred",
    status: 409,
    title: "The ticket was passed on, and this code revoked",
    meaning: "The code was good once. At `transferred_at` the ticket went to somebody else, who got a \
              code of his own.",
    what_to_do: "Do not let the bearer in, unless he shows the new code.",
};

pub(crate) static OTHER_EVENT: ProblemType = ProblemType {
    slug: "ticket-for-other-event",
    status: 409,
    title: "The ticket is for another event",
    meaning: "The ticket is genuine, but `event_name` is not what this door is for.",
    what_to_do: "Send the bearer to the event that the ticket is for.",
};

pub(crate) static OTHER_LIST: ProblemType = ProblemType {
    slug: "ticket-for-other-list",
    status: 409,
    title: "The ticket is for another entrance or another day",
    meaning: "The ticket is genuine and for this event, but the check-in list does not admit tickets of \
              the type `ticket_type_name`.",
    what_to_do: "Send the bearer to the entrance that admits his kind of ticket.",
};

pub(crate) static TICKET_BLOCKED: ProblemType = ProblemType {
    slug: "ticket-blocked",
    status: 409,
    title: "The ticket is blocked",
    meaning: "The organizer has blocked the ticket. `blocked_at` and `reason` say when and why.",
    what_to_do: "Do not let the bearer in; ask the organizer, who can unblock it.",
};

pub(crate) static TICKET_UNPAID: ProblemType = ProblemType {
    slug: "ticket-unpaid",
    status: 409,
    title: "The ticket is not paid",
    meaning: "The ticket's money did not come, or was taken back, and the organizer has blocked it until \
              that is settled. `blocked_at` and `reason` say when and why.",
    what_to_do: "Do not let the bearer in; send him to the box office.",
};

pub(crate) static NOT_YET_VALID: ProblemType = ProblemType {
    slug: "ticket-not-yet-valid",
    status: 409,
    title: "It is too early for this ticket",
    meaning: "The ticket, or the check-in list, admits from `valid_from` on.",
    what_to_do: "Ask the bearer to come back then.",
};

pub(crate) static NO_LONGER_VALID: ProblemType = ProblemType {
    slug: "ticket-no-longer-valid",
    status: 409,
    title: "It is too late for this ticket",
    meaning: "The ticket, or the check-in list, has admitted until `valid_until`.",
    what_to_do: "Do not let the bearer in.",
};

pub(crate) static ALREADY_ADMITTED: ProblemType = ProblemType {
    slug: "already-admitted",
    status: 409,
    title: "Somebody was let in with this ticket before",
    meaning: "A ticket lets one person in, once on each check-in list; where the list allows re-entry, \
              once more after each scan on the way out. `admitted_at` and `entrance` say when and where \
              that was.",
    what_to_do: "Do not let the bearer in: one of the two has a copy. Compare the names on the order.",
};

pub(crate) static TRANSFER_GONE: ProblemType = ProblemType {
    slug: "transfer-gone",
    status: 410,
    title: "The ticket is no longer offered by this link",
    meaning: "The transfer was withdrawn, replaced by a newer one, or accepted by somebody else; or the \
              link is damaged.",
    what_to_do: "Ask whoever sent the link for a new one.",
};

pub(crate) static TRANSFER_EXPIRED: ProblemType = ProblemType {
    slug: "transfer-expired",
    status: 410,
    title: "The link has expired",
    meaning: "A transfer can be accepted for some days, here until `expired_at`.",
    what_to_do: "Ask whoever sent the link for a new one.",
};

pub(crate) static OWN_TICKET: ProblemType = ProblemType {
    slug: "own-ticket",
    status: 409,
    title: "You hold this ticket already",
    meaning: "A transfer is accepted by somebody else than its sender.",
    what_to_do: "Send the link to the person who is to have the ticket, who accepts it after logging in.",
};

pub(crate) static DEFAULT_LIST: ProblemType = ProblemType {
    slug: "default-check-in-list",
    status: 409,
    title: "An event's default check-in list cannot be removed",
    meaning: "Scans that name no list belong to the default list, so there is always one.",
    what_to_do: "Change what it admits, or leave it unused.",
};
