//! How a scan is judged. What a door decided on its own while it had no network is history: it is
//! taken down as it was, with what would have spoken against it.

use contracts::tickets::ScanKind;
use uuid::Uuid;

use super::{Event, Issue, OrderTickets, Passed, Rejection, Ticket};
use crate::domain::{
    list::Rules,
    scan::{Passage, Refusal, RefusalReason, Scan},
};

/// What came of a scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict<'a> {
    LetThrough {
        passage: &'a Passage,
        /// What spoke against it, where a device did not know.
        conflict: Option<RefusalReason>,
    },
    Refused(&'a Refusal),
}

impl OrderTickets {
    /// What came of the scan, once it was decided on.
    pub(crate) fn verdict(&self, scan: &Scan) -> Option<Verdict<'_>> {
        self.ticket(scan.ticket_id)?.verdict(scan)
    }

    pub(super) fn scan(&self, scan: Scan, rules: &Rules) -> Result<Vec<Event>, Rejection> {
        let (issue, ticket) = self.shown(&scan, rules)?;
        if ticket.verdict(&scan).is_some() {
            return Ok(Vec::new());
        }
        let (ticket_id, event_id) = (scan.ticket_id, issue.event_id);
        let door_event_id = elsewhere(event_id, rules);
        if scan.kind == ScanKind::Exit {
            let (exit, revoked) = (scan.passage, scan.serial < ticket.serial);
            return Ok(vec![Event::Left { ticket_id, event_id, exit, revoked, door_event_id }]);
        }
        let refusal = ticket.refusal(event_id, &scan, rules);
        Ok(vec![match refusal {
            Some(refusal) if !scan.passage.offline => refused(scan, refusal, event_id, rules),
            conflict => {
                let admission = scan.passage;
                Event::Admitted { ticket_id, event_id, admission, conflict, door_event_id }
            }
        }])
    }

    pub(super) fn note_refusal(
        &self,
        scan: Scan,
        refusal: Refusal,
        rules: &Rules,
    ) -> Result<Vec<Event>, Rejection> {
        let (issue, ticket) = self.shown(&scan, rules)?;
        if ticket.verdict(&scan).is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![refused(scan, refusal, issue.event_id, rules)])
    }

    /// The ticket whose code is shown. At the doors of another organizer there is no such ticket: who
    /// stands there learns nothing of it, and writes nothing into it.
    fn shown(&self, scan: &Scan, rules: &Rules) -> Result<(&Issue, &Ticket), Rejection> {
        let (issue, ticket) = self.known(scan.ticket_id)?;
        if issue.organizer_id != rules.organizer_id || scan.serial > ticket.serial {
            return Err(Rejection::UnknownTicket(scan.ticket_id));
        }
        Ok((issue, ticket))
    }
}

fn refused(scan: Scan, refusal: Refusal, event_id: Uuid, rules: &Rules) -> Event {
    let door_event_id = elsewhere(event_id, rules);
    Event::ScanRefused { scan, refusal, event_id: Some(event_id), door_event_id }
}

/// The event of the door, where the ticket is for another.
fn elsewhere(event_id: Uuid, rules: &Rules) -> Option<Uuid> {
    (rules.event_id != event_id).then_some(rules.event_id)
}

impl Ticket {
    fn verdict(&self, scan: &Scan) -> Option<Verdict<'_>> {
        let mut passed = self.passed.iter();
        let same = passed.find(|passed| scan.is_repeat_of(passed.kind, &passed.passage));
        if let Some(same) = same {
            let is_entry = same.kind == ScanKind::Entry;
            let conflict = same.conflict.filter(|_| is_entry);
            return Some(Verdict::LetThrough { passage: &same.passage, conflict });
        }
        let mut refused = self.refused.iter().rev();
        let same = refused.find(|refused| {
            refused.scan.serial == scan.serial
                && scan.is_repeat_of(refused.scan.kind, &refused.scan.passage)
        });
        same.map(|refused| Verdict::Refused(&refused.refusal))
    }

    /// Why its bearer is not let in, if so. What lasts comes before what may pass.
    fn refusal(&self, event_id: Uuid, scan: &Scan, rules: &Rules) -> Option<Refusal> {
        if event_id != rules.event_id {
            return Some(RefusalReason::OtherEvent.into());
        }
        if self.voided.is_some() {
            return Some(RefusalReason::Voided.into());
        }
        if scan.serial < self.serial {
            return Some(RefusalReason::Transferred.into());
        }
        if !rules.terms.admits_type(self.position.ticket_type_id) {
            return Some(RefusalReason::OtherList.into());
        }
        if let Some(blocking) = &self.blocked {
            let reason =
                if blocking.unpaid { RefusalReason::Unpaid } else { RefusalReason::Blocked };
            return Some(reason.into());
        }
        let at = scan.passage.at;
        if self.position.valid_from.is_some_and(|from| at < from) {
            return Some(RefusalReason::NotYetValid.into());
        }
        if self.position.valid_until.is_some_and(|until| at >= until) {
            return Some(RefusalReason::NoLongerValid.into());
        }
        if let Some(reason) = rules.terms.refusal(self.position.ticket_type_id, at) {
            return Some(reason.into());
        }
        let before = self.entry_in_the_way(event_id, scan, rules)?.clone();
        Some(Refusal { reason: RefusalReason::AlreadyAdmitted, before: Some(before) })
    }

    /// The entry on the same list after which there is no other. With re-entry it is the one that no
    /// exit lies between, before or after: uploads come in any order.
    fn entry_in_the_way(&self, event_id: Uuid, scan: &Scan, rules: &Rules) -> Option<&Passage> {
        let is_here =
            |passed: &&Passed| passed.passage.list_id.unwrap_or(event_id) == rules.list_id;
        let is_entry = |passed: &&Passed| passed.kind == ScanKind::Entry;
        let mut here = self.passed.iter().filter(|passed| passed.counts()).filter(is_here);
        if !rules.terms.allows_reentry {
            return here.find(is_entry).map(|passed| &passed.passage);
        }
        let at = scan.passage.at;
        let before = here.clone().rfind(|passed| passed.passage.at <= at).filter(is_entry);
        let after = || here.find(|passed| passed.passage.at > at).filter(is_entry);
        before.or_else(after).map(|passed| &passed.passage)
    }
}
