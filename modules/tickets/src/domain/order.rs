//! The tickets of one order: issued together, each with a life of its own from then on: passed on,
//! blocked, scanned, made worthless.
//!
//! One aggregate an order: its tickets exist in one commit, and a check-in touches nothing that
//! another order's tickets wait for.

mod command;
mod event;
mod scanning;
mod transfer;

use contracts::tickets::{IssueTickets, ScanKind, TicketPosition, TicketState};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

pub(crate) use self::{
    command::{Command, Rejection},
    event::Event,
    scanning::Verdict,
};
use super::scan::{Passage, Refusal, RefusalReason, RefusedScan, Scan};

/// The most tickets that one order can have.
pub(crate) const MOST_TICKETS: usize = 2_000;

/// How many refusals of one ticket are remembered to recognise repeated uploads. Everybody who was
/// let through is remembered without a limit.
const REMEMBERED_REFUSALS: usize = 32;

/// The tickets of one order. The stream's id is the order's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderTickets {
    pub(crate) issue: Option<Issue>,
    pub(crate) tickets: Vec<Ticket>,
    /// Set once all were voided; then the order gets no others.
    pub(crate) voided: Option<Voiding>,
}

/// What the tickets are for, as it was when they were issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Issue {
    /// Who they were issued to.
    pub(crate) holder_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) venue_name: String,
    pub(crate) time_zone: String,
    pub(crate) issued_at: Timestamp,
}

/// One ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) id: Uuid,
    pub(crate) position: TicketPosition,
    /// Which of the codes that the ticket ever had is the good one. All lower ones are revoked.
    pub(crate) serial: u32,
    /// Who holds it, once it was passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) holder_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) voided: Option<Voiding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blocked: Option<Blocking>,
    /// The transfer that waits for somebody to accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offer: Option<Offer>,
    /// The transfer that was accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transfer: Option<Transfer>,
    /// Who was let through with it, in the order of the times; not all of them
    /// [count](Passed::counts).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) passed: Vec<Passed>,
    /// The latest scans that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<RefusedScan>,
}

/// Somebody was let through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Passed {
    pub(crate) kind: ScanKind,
    #[serde(flatten)]
    pub(crate) passage: Passage,
    /// What spoke against it, where a device did not know. On the way out only a revoked code does, and
    /// keeps nobody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conflict: Option<RefusalReason>,
}

impl Passed {
    /// Whether it tells where the ticket's holder is.
    pub(crate) fn counts(&self) -> bool {
        !self.conflict.is_some_and(RefusalReason::disowns)
    }
}

/// When and why tickets became worthless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Voiding {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
}

/// When and why a ticket was blocked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blocking {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
    /// Whether it is about money: the door then says so.
    pub(crate) unpaid: bool,
}

/// A transfer that waits for somebody to accept it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// The SHA-256 of the secret in the link, in base64url.
    pub(crate) digest: String,
    pub(crate) offered_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// A transfer that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) from: Uuid,
    pub(crate) to: Uuid,
    pub(crate) at: Timestamp,
    /// Which offer was accepted.
    pub(crate) digest: String,
}

impl Ticket {
    fn new(id: Uuid, position: TicketPosition) -> Self {
        Self {
            id,
            position,
            serial: 1,
            holder_id: None,
            voided: None,
            blocked: None,
            offer: None,
            transfer: None,
            passed: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> TicketState {
        if self.voided.is_some() {
            TicketState::Voided
        } else if self.blocked.is_some() {
            TicketState::Blocked
        } else if self.first_entry().is_some() {
            TicketState::Admitted
        } else {
            TicketState::Valid
        }
    }

    /// The first time that its holder was let in.
    pub(crate) fn first_entry(&self) -> Option<&Passage> {
        let is_entry = |passed: &&Passed| passed.kind == ScanKind::Entry && passed.counts();
        let entry = self.passed.iter().find(is_entry);
        entry.map(|passed| &passed.passage)
    }

    fn pass(&mut self, kind: ScanKind, passage: &Passage, conflict: Option<RefusalReason>) {
        let later = self.passed.partition_point(|passed| passed.passage.at <= passage.at);
        self.passed.insert(later, Passed { kind, passage: passage.clone(), conflict });
    }

    fn refuse(&mut self, scan: &Scan, refusal: &Refusal) {
        if self.refused.len() >= REMEMBERED_REFUSALS {
            self.refused.remove(0);
        }
        self.refused.push(RefusedScan { scan: scan.clone(), refusal: refusal.clone() });
    }
}

impl OrderTickets {
    /// The ticket, if it is one of this order's.
    pub(crate) fn ticket(&self, id: Uuid) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.id == id)
    }

    /// Who holds the ticket.
    pub(crate) fn holder_of(&self, ticket: &Ticket) -> Option<Uuid> {
        ticket.holder_id.or(self.issue.as_ref().map(|issue| issue.holder_id))
    }

    fn known(&self, id: Uuid) -> Result<(&Issue, &Ticket), Rejection> {
        let unknown = || Rejection::UnknownTicket(id);
        Ok((self.issue.as_ref().ok_or_else(unknown)?, self.ticket(id).ok_or_else(unknown)?))
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
        let positions = request.positions.into_iter().zip(ids);
        let tickets = positions.map(|(position, id)| Ticket::new(id, position)).collect();
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

    fn void(&self, which: &[Uuid], voiding: Voiding) -> Result<Vec<Event>, Rejection> {
        let whole = which.is_empty();
        if let Some(unknown) = which.iter().find(|id| self.ticket(**id).is_none()) {
            return Err(Rejection::UnknownTicket(*unknown));
        }
        let wanted = |ticket: &&Ticket| whole || which.contains(&ticket.id);
        let good = self.tickets.iter().filter(wanted).filter(|ticket| ticket.voided.is_none());
        let ticket_ids: Vec<Uuid> = good.map(|ticket| ticket.id).collect();
        let is_done = ticket_ids.is_empty() && (!whole || self.voided.is_some());
        if is_done {
            return Ok(Vec::new());
        }
        let event_id = self.issue.as_ref().map(|issue| issue.event_id);
        Ok(vec![Event::Voided { voiding, event_id, ticket_ids, whole }])
    }

    fn block(&self, ticket_id: Uuid, blocking: Blocking) -> Result<Vec<Event>, Rejection> {
        let (_, ticket) = self.known(ticket_id)?;
        if let Some(voiding) = &ticket.voided {
            return Err(Rejection::Voided(voiding.clone()));
        }
        let is_so = |present: &Blocking| {
            present.reason == blocking.reason && present.unpaid == blocking.unpaid
        };
        if ticket.blocked.as_ref().is_some_and(is_so) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Blocked { ticket_id, blocking }])
    }

    fn unblock(&self, ticket_id: Uuid, at: Timestamp) -> Result<Vec<Event>, Rejection> {
        let (_, ticket) = self.known(ticket_id)?;
        if ticket.blocked.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Unblocked { ticket_id, at }])
    }

    fn change(&mut self, ticket_id: Uuid, change: impl FnOnce(&mut Ticket)) {
        if let Some(ticket) = self.tickets.iter_mut().find(|ticket| ticket.id == ticket_id) {
            change(ticket);
        }
    }

    fn take_void(&mut self, voiding: &Voiding, ticket_ids: &[Uuid], whole: bool) {
        for ticket in &mut self.tickets {
            if ticket.voided.is_none() && (whole || ticket_ids.contains(&ticket.id)) {
                ticket.voided = Some(voiding.clone());
                ticket.offer = None;
            }
        }
        if whole {
            self.voided = Some(voiding.clone());
        }
    }
}

impl Aggregate for OrderTickets {
    const NAME: &'static str = "order_tickets";
    const STATE_SCHEMA: u16 = 2;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Issue { request, ids, at } => self.issue(request, ids, at),
            Command::Void { ticket_ids, reason, at } => {
                self.void(&ticket_ids, Voiding { at, reason })
            }
            Command::Scan { scan, rules } => self.scan(scan, &rules),
            Command::NoteRefusal { scan, refusal, rules } => {
                self.note_refusal(scan, refusal, &rules)
            }
            Command::Block { ticket_id, blocking } => self.block(ticket_id, blocking),
            Command::Unblock { ticket_id, at } => self.unblock(ticket_id, at),
            Command::OfferTransfer { ticket_id, by, offer } => {
                self.offer_transfer(ticket_id, by, offer)
            }
            Command::WithdrawTransfer { ticket_id, by, at } => {
                self.withdraw_transfer(ticket_id, by, at)
            }
            Command::AcceptTransfer { ticket_id, to, digest, at } => {
                self.accept_transfer(ticket_id, to, digest, at)
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Issued { issue, tickets } => {
                self.issue = Some(issue.clone());
                self.tickets.clone_from(tickets);
            }
            Event::Voided { voiding, ticket_ids, whole, .. } => {
                self.take_void(voiding, ticket_ids, *whole);
            }
            Event::Admitted { ticket_id, admission, conflict, .. } => {
                let conflict = conflict.as_ref().map(|conflict| conflict.reason);
                self.change(*ticket_id, |ticket| {
                    ticket.pass(ScanKind::Entry, admission, conflict);
                });
            }
            Event::Left { ticket_id, exit, revoked, .. } => {
                let conflict = revoked.then_some(RefusalReason::Transferred);
                self.change(*ticket_id, |ticket| ticket.pass(ScanKind::Exit, exit, conflict));
            }
            Event::ScanRefused { scan, refusal, .. } => {
                self.change(scan.ticket_id, |ticket| ticket.refuse(scan, refusal));
            }
            Event::Blocked { ticket_id, blocking } => self.change(*ticket_id, |ticket| {
                ticket.blocked = Some(blocking.clone());
                ticket.offer = None;
            }),
            Event::Unblocked { ticket_id, .. } => {
                self.change(*ticket_id, |ticket| ticket.blocked = None);
            }
            Event::TransferOffered { ticket_id, offer } => {
                self.change(*ticket_id, |ticket| ticket.offer = Some(offer.clone()));
            }
            Event::TransferWithdrawn { ticket_id, .. } => {
                self.change(*ticket_id, |ticket| ticket.offer = None);
            }
            Event::Transferred { ticket_id, transfer, serial, .. } => {
                self.change(*ticket_id, |ticket| {
                    ticket.holder_id = Some(transfer.to);
                    ticket.transfer = Some(transfer.clone());
                    ticket.serial = *serial;
                    ticket.offer = None;
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
