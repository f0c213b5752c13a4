//! Why a ticket does not let its bearer in, as the door is told.

use edge::Problem;
use uuid::Uuid;

use crate::{
    domain::{
        OrderTickets,
        list::Rules,
        order::{Blocking, Issue, Ticket, Voiding},
        scan::{Passage, Refusal, RefusalReason, Scan},
    },
    problems,
    service::Service,
};

edge::problem_responses! {
    /// Why the bearer is not let in.
    pub(super) RefusalProblems:
        problems::UNKNOWN_CODE,
        problems::TICKET_VOIDED,
        problems::TICKET_TRANSFERRED,
        problems::OTHER_EVENT,
        problems::OTHER_LIST,
        problems::TICKET_BLOCKED,
        problems::TICKET_UNPAID,
        problems::NOT_YET_VALID,
        problems::NO_LONGER_VALID,
        problems::ALREADY_ADMITTED,
}

/// The problem of a refused scan, with what the door needs to know.
pub(super) fn problem(
    tickets: &OrderTickets,
    scan: &Scan,
    refusal: &Refusal,
    rules: &Rules,
) -> Problem {
    let found = tickets.issue.as_ref().zip(tickets.ticket(scan.ticket_id));
    let Some((issue, ticket)) = found else { return unknown("of no ticket") };
    match refusal.reason {
        RefusalReason::Unknown => unknown("of no ticket"),
        RefusalReason::Voided => match &ticket.voided {
            Some(voiding) => voided(voiding),
            None => Problem::new(&problems::TICKET_VOIDED),
        },
        RefusalReason::Transferred => Problem::new(&problems::TICKET_TRANSFERRED)
            .with("transferred_at", ticket.transfer.as_ref().map(|transfer| transfer.at)),
        RefusalReason::OtherEvent => other_event(issue),
        RefusalReason::OtherList => Problem::new(&problems::OTHER_LIST)
            .with("ticket_type_name", &ticket.position.ticket_type_name)
            .with("list_name", &rules.terms.name),
        RefusalReason::Blocked | RefusalReason::Unpaid => match &ticket.blocked {
            Some(blocking) => blocked(blocking),
            None => Problem::new(&problems::TICKET_BLOCKED),
        },
        RefusalReason::NotYetValid => {
            Problem::new(&problems::NOT_YET_VALID).with("valid_from", later(ticket, rules))
        }
        RefusalReason::NoLongerValid => {
            Problem::new(&problems::NO_LONGER_VALID).with("valid_until", earlier(ticket, rules))
        }
        RefusalReason::AlreadyAdmitted => match &refusal.before {
            Some(before) => already_admitted(before),
            None => Problem::new(&problems::ALREADY_ADMITTED),
        },
    }
}

impl Service {
    /// The problem with a ticket that is void.
    pub(super) async fn worthless(&self, order_id: Uuid, ticket_id: Uuid) -> Problem {
        let order = match self.tickets.load(order_id).await {
            Ok(order) => order,
            Err(error) => return error.into(),
        };
        let voiding = order.as_ref().and_then(|it| it.state.ticket(ticket_id)?.voided.as_ref());
        voiding.map_or_else(|| Problem::new(&problems::TICKET_VOIDED), voided)
    }
}

pub(super) fn voided(voiding: &Voiding) -> Problem {
    Problem::new(&problems::TICKET_VOIDED)
        .with("voided_at", voiding.at)
        .with("reason", &voiding.reason)
}

pub(super) fn blocked(blocking: &Blocking) -> Problem {
    let kind = if blocking.unpaid { &problems::TICKET_UNPAID } else { &problems::TICKET_BLOCKED };
    Problem::new(kind).with("blocked_at", blocking.at).with("reason", &blocking.reason)
}

pub(super) fn already_admitted(before: &Passage) -> Problem {
    Problem::new(&problems::ALREADY_ADMITTED)
        .with("admitted_at", before.at)
        .with("entrance", &before.entrance)
}

pub(super) fn unknown(detail: &str) -> Problem {
    Problem::new(&problems::UNKNOWN_CODE).detail(format!("the code is {detail}"))
}

fn other_event(issue: &Issue) -> Problem {
    Problem::new(&problems::OTHER_EVENT)
        .with("event_id", issue.event_id)
        .with("event_name", &issue.event_name)
}

/// From when both the ticket and the list admit.
fn later(ticket: &Ticket, rules: &Rules) -> Option<runtime::Timestamp> {
    ticket.position.valid_from.into_iter().chain(rules.terms.valid_from).max()
}

/// Until when both the ticket and the list admit.
fn earlier(ticket: &Ticket, rules: &Rules) -> Option<runtime::Timestamp> {
    ticket.position.valid_until.into_iter().chain(rules.terms.valid_until).min()
}
