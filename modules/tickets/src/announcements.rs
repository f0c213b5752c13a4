//! What other services are told of tickets, out of what happened to them.

use contracts::tickets::{ScanKind, TicketEvent};
use store::Recorded;
use uuid::Uuid;

use crate::domain::{order::Event, scan::Passage};

/// The integration event that a domain event is to others; some are none.
pub(crate) fn announce(recorded: &Recorded<Event>) -> Option<TicketEvent> {
    tell(recorded.stream, recorded.event.clone())
}

fn tell(order_id: Uuid, event: Event) -> Option<TicketEvent> {
    match event {
        Event::Issued { issue, tickets } => Some(TicketEvent::TicketsIssued {
            order_id,
            event_id: issue.event_id,
            holder_id: issue.holder_id,
            ticket_ids: tickets.into_iter().map(|ticket| ticket.id).collect(),
        }),
        Event::Voided { event_id, ticket_ids, .. } => {
            Some(TicketEvent::TicketsVoided { order_id, event_id: event_id?, ticket_ids })
        }
        Event::Admitted { ticket_id, event_id, admission, conflict, door_event_id } => {
            let disowned = conflict.map(|it| it.reason).filter(|reason| reason.disowns());
            if let Some(reason) = disowned {
                return Some(TicketEvent::TicketScanned {
                    order_id,
                    ticket_id,
                    event_id,
                    list_id: list_of(&admission, door_event_id.unwrap_or(event_id)),
                    kind: ScanKind::Entry,
                    result: reason.as_str().to_owned(),
                    at: admission.at,
                });
            }
            Some(TicketEvent::TicketAdmitted {
                order_id,
                ticket_id,
                event_id,
                admitted_at: admission.at,
                list_id: list_of(&admission, event_id),
            })
        }
        Event::Left { ticket_id, event_id, exit, door_event_id, .. } => {
            Some(TicketEvent::TicketScanned {
                order_id,
                ticket_id,
                event_id,
                list_id: list_of(&exit, door_event_id.unwrap_or(event_id)),
                kind: ScanKind::Exit,
                result: "ok".to_owned(),
                at: exit.at,
            })
        }
        Event::ScanRefused { scan, refusal, event_id, door_event_id } => {
            let event_id = event_id?;
            Some(TicketEvent::TicketScanned {
                order_id,
                ticket_id: scan.ticket_id,
                event_id,
                list_id: list_of(&scan.passage, door_event_id.unwrap_or(event_id)),
                kind: scan.kind,
                result: refusal.reason.as_str().to_owned(),
                at: scan.passage.at,
            })
        }
        Event::Transferred { ticket_id, event_id, transfer, .. } => {
            let (from, to) = (transfer.from, transfer.to);
            Some(TicketEvent::TicketTransferred { order_id, ticket_id, event_id, from, to })
        }
        Event::Blocked { .. }
        | Event::Unblocked { .. }
        | Event::TransferOffered { .. }
        | Event::TransferWithdrawn { .. } => None,
    }
}

/// Before there were lists every event had one, with the event's id.
fn list_of(passage: &Passage, event_id: Uuid) -> Uuid {
    passage.list_id.unwrap_or(event_id)
}

#[cfg(test)]
mod tests {
    use runtime::Timestamp;

    use super::*;
    use crate::domain::scan::{Refusal, RefusalReason};

    fn admitted(reason: Option<RefusalReason>) -> Option<TicketEvent> {
        let admission = Passage {
            at: Timestamp::UNIX_EPOCH,
            device_at: None,
            entrance: None,
            nonce: None,
            list_id: None,
            by: None,
            device: None,
            offline: true,
        };
        let event = Event::Admitted {
            ticket_id: Uuid::from_u128(1),
            event_id: Uuid::from_u128(2),
            admission,
            conflict: reason.map(Refusal::from),
            door_event_id: None,
        };
        tell(Uuid::from_u128(3), event)
    }

    #[test]
    fn nobody_is_told_of_an_admission_that_was_none_of_the_holders() {
        for reason in [RefusalReason::Voided, RefusalReason::OtherEvent, RefusalReason::Transferred]
        {
            let told = admitted(Some(reason));
            let Some(TicketEvent::TicketScanned { kind, result, .. }) = told else {
                panic!("it counts as an admission: {told:?}");
            };
            assert_eq!((kind, result.as_str()), (ScanKind::Entry, reason.as_str()));
        }
        for reason in [None, Some(RefusalReason::AlreadyAdmitted), Some(RefusalReason::Blocked)] {
            let told = admitted(reason);
            assert!(matches!(told, Some(TicketEvent::TicketAdmitted { .. })), "{told:?}");
        }
    }
}
