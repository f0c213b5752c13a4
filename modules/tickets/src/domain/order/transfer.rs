//! Passing a ticket on. Its holder makes a link; whoever accepts it gets the ticket with a new code,
//! and in the same step the old code is revoked. Until then nothing has changed.

use runtime::Timestamp;
use uuid::Uuid;

use super::{Event, Offer, OrderTickets, Rejection, Ticket, Transfer};

impl OrderTickets {
    pub(super) fn offer_transfer(
        &self,
        ticket_id: Uuid,
        by: Uuid,
        offer: Offer,
    ) -> Result<Vec<Event>, Rejection> {
        let ticket = self.held_by(ticket_id, by)?;
        may_change_hands(ticket)?;
        Ok(vec![Event::TransferOffered { ticket_id, offer }])
    }

    pub(super) fn withdraw_transfer(
        &self,
        ticket_id: Uuid,
        by: Uuid,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let ticket = self.held_by(ticket_id, by)?;
        if ticket.offer.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::TransferWithdrawn { ticket_id, at }])
    }

    pub(super) fn accept_transfer(
        &self,
        ticket_id: Uuid,
        to: Uuid,
        digest: String,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let (issue, ticket) = self.known(ticket_id)?;
        let is_done = |done: &Transfer| done.digest == digest && done.to == to;
        if ticket.transfer.as_ref().is_some_and(is_done) {
            return Ok(Vec::new());
        }
        let offer = ticket.offer.as_ref().filter(|offer| offer.digest == digest);
        let offer = offer.ok_or(Rejection::NoOffer)?;
        may_change_hands(ticket)?;
        if at >= offer.expires_at {
            return Err(Rejection::OfferExpired(offer.expires_at));
        }
        let from = ticket.holder_id.unwrap_or(issue.holder_id);
        if from == to {
            return Err(Rejection::OwnTicket);
        }
        let serial = ticket.serial.saturating_add(1);
        let transfer = Transfer { from, to, at, digest };
        Ok(vec![Event::Transferred { ticket_id, event_id: issue.event_id, transfer, serial }])
    }

    fn held_by(&self, ticket_id: Uuid, by: Uuid) -> Result<&Ticket, Rejection> {
        let (_, ticket) = self.known(ticket_id)?;
        if self.holder_of(ticket) != Some(by) {
            return Err(Rejection::NotHolder);
        }
        Ok(ticket)
    }
}

fn may_change_hands(ticket: &Ticket) -> Result<(), Rejection> {
    if let Some(voiding) = &ticket.voided {
        return Err(Rejection::Voided(voiding.clone()));
    }
    if let Some(blocking) = &ticket.blocked {
        return Err(Rejection::Blocked(blocking.clone()));
    }
    if let Some(entry) = ticket.first_entry() {
        return Err(Rejection::AlreadyAdmitted(Box::new(entry.clone())));
    }
    Ok(())
}
