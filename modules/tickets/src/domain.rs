//! The tickets of one order: issued together, void together, admitted one by one. Pure.
//!
//! One aggregate an order: its tickets exist in one commit, and a check-in touches nothing that
//! another order's tickets wait for.

use contracts::tickets::{IssueTickets, TicketPosition};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use utoipa::ToSchema;
use uuid::Uuid;

/// The most tickets that one order can have.
pub(crate) const MOST_TICKETS: usize = 2_000;

/// The tickets of one order. The stream's id is the order's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderTickets {
    pub(crate) issue: Option<Issue>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) voided: Option<Voiding>,
}

/// What the tickets are for, as it was when they were issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Issue {
    pub(crate) holder_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) venue_name: String,
    pub(crate) time_zone: String,
    pub(crate) issued_at: Timestamp,
}

/// One ticket: it lets one person in, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) id: Uuid,
    pub(crate) position: TicketPosition,
    /// Which of the codes that the ticket ever had is the good one.
    pub(crate) serial: u32,
    pub(crate) admission: Option<Admission>,
}

/// Somebody was let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Admission {
    /// When.
    pub(crate) at: Timestamp,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) entrance: Option<String>,
    /// The scan's own mark, by which a repeated upload is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(ignore)]
    pub(crate) nonce: Option<String>,
}

/// When and why tickets became worthless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Voiding {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}

/// One look at a code at a door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scan {
    pub(crate) ticket_id: Uuid,
    pub(crate) serial: u32,
    pub(crate) entrance: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) at: Timestamp,
}

/// What the tickets of an order are told.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// `ids` has one for each position; they are used when the tickets do not exist yet.
    Issue {
        request: IssueTickets,
        ids: Vec<Uuid>,
        at: Timestamp,
    },
    Void {
        reason: String,
        at: Timestamp,
    },
    Admit(Scan),
    RecordRefusal {
        scan: Scan,
        reason: RefusalReason,
    },
}

/// What happened to the tickets of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Issued {
        issue: Issue,
        tickets: Vec<Ticket>,
    },
    /// With the event and the tickets, for whoever is told of it; without where none existed.
    Voided {
        voiding: Voiding,
        event_id: Option<Uuid>,
        ticket_ids: Vec<Uuid>,
    },
    Admitted {
        ticket_id: Uuid,
        event_id: Uuid,
        admission: Admission,
    },
    ScanRefused {
        scan: Scan,
        reason: RefusalReason,
    },
}

/// Why a ticket did not let its bearer in, as the door is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalReason {
    /// No such ticket, or a code that was replaced by another.
    Unknown,
    /// The ticket is worthless.
    Voided,
    /// The ticket is for another event.
    OtherEvent,
    /// Somebody was let in with it before.
    AlreadyAdmitted,
}

/// Why the tickets of an order did not do what they were told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rejection {
    NoPositions,
    TooManyPositions,
    UnknownTicket,
    Voided(Voiding),
    AlreadyAdmitted(Admission),
}

impl OrderTickets {
    /// The ticket, if it is one of this order's.
    pub(crate) fn ticket(&self, id: Uuid) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.id == id)
    }

    fn issue(
        &self,
        request: IssueTickets,
        ids: Vec<Uuid>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        if let Some(voiding) = &self.voided {
            return Err(Rejection::Voided(voiding.clone()));
        }
        if self.issue.is_some() {
            return Ok(Vec::new());
        }
        if request.positions.is_empty() {
            return Err(Rejection::NoPositions);
        }
        if request.positions.len() > MOST_TICKETS || ids.len() < request.positions.len() {
            return Err(Rejection::TooManyPositions);
        }
        let tickets = request
            .positions
            .into_iter()
            .zip(ids)
            .map(|(position, id)| Ticket { id, position, serial: 1, admission: None })
            .collect();
        let issue = Issue {
            holder_id: request.holder_id,
            organizer_id: request.organizer_id,
            event_id: request.event_id,
            event_name: request.event_name,
            starts_at: request.starts_at,
            venue_name: request.venue_name,
            time_zone: request.time_zone,
            issued_at: at,
        };
        Ok(vec![Event::Issued { issue, tickets }])
    }

    fn admit(&self, scan: Scan) -> Result<Vec<Event>, Rejection> {
        let ticket = self.ticket(scan.ticket_id).filter(|ticket| ticket.serial == scan.serial);
        let (Some(ticket), Some(issue)) = (ticket, &self.issue) else {
            return Err(Rejection::UnknownTicket);
        };
        // Scanners that number their scans have the same marks at several doors.
        let is_same_scan = |admission: &Admission| {
            scan.nonce.is_some()
                && admission.nonce == scan.nonce
                && admission.entrance == scan.entrance
        };
        match &ticket.admission {
            Some(admission) if is_same_scan(admission) => Ok(Vec::new()),
            _ if let Some(voiding) = &self.voided => Err(Rejection::Voided(voiding.clone())),
            Some(admission) => Err(Rejection::AlreadyAdmitted(admission.clone())),
            None => {
                let Scan { ticket_id, entrance, nonce, at, .. } = scan;
                let admission = Admission { at, entrance, nonce };
                Ok(vec![Event::Admitted { ticket_id, event_id: issue.event_id, admission }])
            }
        }
    }
}

impl Aggregate for OrderTickets {
    const NAME: &'static str = "order_tickets";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Issue { request, ids, at } => self.issue(request, ids, at),
            Command::Void { .. } if self.voided.is_some() => Ok(Vec::new()),
            Command::Void { reason, at } => Ok(vec![Event::Voided {
                voiding: Voiding { at, reason },
                event_id: self.issue.as_ref().map(|issue| issue.event_id),
                ticket_ids: self.tickets.iter().map(|ticket| ticket.id).collect(),
            }]),
            Command::Admit(scan) => self.admit(scan),
            Command::RecordRefusal { scan, reason } => {
                Ok(vec![Event::ScanRefused { scan, reason }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Issued { issue, tickets } => {
                self.issue = Some(issue.clone());
                self.tickets.clone_from(tickets);
            }
            Event::Voided { voiding, .. } => self.voided = Some(voiding.clone()),
            Event::Admitted { ticket_id, admission, .. } => {
                if let Some(ticket) = self.tickets.iter_mut().find(|ticket| ticket.id == *ticket_id)
                {
                    ticket.admission = Some(admission.clone());
                }
            }
            Event::ScanRefused { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
