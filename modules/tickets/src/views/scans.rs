//! Every scan at a door, and the conflicts among them.

use contracts::tickets::ScanKind;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{Change, Database, Json, Sql, StoreError, Tx};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    Door, OrderTickets,
    door::Sight,
    order::Event,
    scan::{Passage, Refusal, RefusalReason},
};

const INSERT_SCANS: Sql = store::sql!(
    "INSERT INTO scans (scan_id, event_id, list_id, content) \
     SELECT scan_id, event_id, list_id, content FROM ",
    rows("$1", scan_id uuid, event_id uuid, list_id uuid, content json),
    " WHERE true ON CONFLICT (scan_id) DO NOTHING",
);

const INSERT_CONFLICTS: Sql = store::sql!(
    "INSERT INTO conflicts (conflict_id, list_id, content) \
     SELECT conflict_id, list_id, content FROM ",
    rows("$1", conflict_id uuid, list_id uuid, content json),
    " WHERE true ON CONFLICT (conflict_id) DO NOTHING",
);

const LIST_SCANS: &str = "SELECT scan_id, content FROM scans \
     WHERE event_id = $1 AND (list_id = $2 OR $2 IS NULL) AND scan_id < $3 \
     ORDER BY scan_id DESC LIMIT $4";

const LIST_CONFLICTS: &str = "SELECT conflict_id, content FROM conflicts \
     WHERE list_id = $1 AND conflict_id < $2 ORDER BY conflict_id DESC LIMIT $3";

pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![INSERT_SCANS, INSERT_CONFLICTS, LIST_SCANS, LIST_CONFLICTS];

/// One look at a code at a door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CheckIn, example = json!({
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "kind": "entry",
    "at": "2027-06-18T17:30:00Z",
    "list_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "entrance": "north",
    "by": "user:01980e4c-8f5c-7b1e-a7c4-51d2f2a5a009",
}))]
pub(crate) struct ScanResource {
    /// The ticket; absent when the code was not ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ticket_id: Option<Uuid>,
    /// Which way the bearer went.
    #[serde(default)]
    kind: ScanKind,
    /// When, by the clock of whoever decided: a device without a network has its own. Never after we
    /// learnt of it.
    at: Timestamp,
    /// When, by the device's clock, where that was ahead of ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    device_at: Option<Timestamp>,
    /// The check-in list; absent in what was scanned before there were lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    list_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    entrance: Option<String>,
    /// Who scanned.
    by: String,
    /// With which device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    device: Option<String>,
    /// Why the bearer was not let in; absent when he was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    refused: Option<RefusalReason>,
    /// Whether a device decided this without a network.
    #[serde(default)]
    offline: bool,
    /// Why the bearer would have been refused, had the device known what we know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    conflict: Option<RefusalReason>,
}

/// A device without a network let somebody in whom it would have refused, had it known what we know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CheckInConflict, example = json!({
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "reason": "already_admitted",
    "admitted": {
        "at": "2027-06-18T17:31:00Z",
        "entrance": "south",
        "by": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a009",
        "device": "south 2",
        "offline": true,
    },
    "other": {
        "at": "2027-06-18T17:30:00Z",
        "entrance": "north",
        "by": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a008",
        "offline": false,
    },
    "reported_at": "2027-06-18T18:05:00Z",
}))]
pub(crate) struct ConflictResource {
    ticket_id: Uuid,
    order_id: Uuid,
    /// What speaks against it.
    reason: RefusalReason,
    /// The entry that was allowed without a network.
    admitted: Side,
    /// The other entry with the same ticket, where that is the reason. Which of the two had the copy,
    /// nobody can tell from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    other: Option<Side>,
    /// When we learnt of it.
    reported_at: Timestamp,
}

/// One entry of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
struct Side {
    /// When, by the clock of whoever decided, and never after we learnt of it.
    at: Timestamp,
    /// When, by the device's clock, where that was ahead of ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    device_at: Option<Timestamp>,
    /// Which door.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    entrance: Option<String>,
    /// The account that scanned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    by: Option<Uuid>,
    /// With which device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    device: Option<String>,
    /// Whether that was decided without a network, too.
    offline: bool,
}

impl From<&Passage> for Side {
    fn from(passage: &Passage) -> Self {
        Self {
            at: passage.at,
            device_at: passage.device_at,
            entrance: passage.entrance.clone(),
            by: passage.by,
            device: passage.device.clone(),
            offline: passage.offline,
        }
    }
}

#[derive(Debug, Serialize)]
struct ScanWritten {
    scan_id: Uuid,
    event_id: Uuid,
    list_id: Option<Uuid>,
    content: ScanResource,
}

#[derive(Debug, Serialize)]
struct ConflictWritten {
    conflict_id: Uuid,
    list_id: Uuid,
    content: ConflictResource,
}

/// A scan as it is taken down.
pub(super) struct Seen {
    scan: ScanWritten,
    conflict: Option<ConflictWritten>,
}

/// Writes what doors have seen.
pub(super) async fn write(tx: &mut Tx, seen: &[Seen]) -> Result<(), sqlx::Error> {
    let scans: Vec<&ScanWritten> = seen.iter().map(|seen| &seen.scan).collect();
    if !scans.is_empty() {
        store::execute!(tx, INSERT_SCANS, Json(&scans)).await?;
    }
    let conflicts: Vec<_> = seen.iter().filter_map(|seen| seen.conflict.as_ref()).collect();
    if !conflicts.is_empty() {
        store::execute!(tx, INSERT_CONFLICTS, Json(&conflicts)).await?;
    }
    Ok(())
}

/// What doors saw of the tickets of an order.
pub(super) fn of_tickets(change: &Change<'_, OrderTickets>) -> Vec<Seen> {
    let Some(issue) = &change.state.issue else { return Vec::new() };
    let seen = change.events.iter().filter_map(|recorded| {
        let (event_id, by) = (issue.event_id, recorded.actor.clone());
        let (id, recorded_at) = (recorded.id, recorded.recorded_at);
        match &recorded.event {
            Event::Admitted { ticket_id, admission, conflict, door_event_id, .. } => {
                let at_event = door_event_id.unwrap_or(event_id);
                let reason = conflict.as_ref().map(|conflict| conflict.reason);
                let shown = show(Some(*ticket_id), ScanKind::Entry, admission, by);
                let content = ScanResource { conflict: reason, ..shown };
                let of = |conflict: &Refusal| ConflictWritten {
                    conflict_id: id,
                    list_id: admission.list_id.unwrap_or(at_event),
                    content: ConflictResource {
                        ticket_id: *ticket_id,
                        order_id: change.id,
                        reason: conflict.reason,
                        admitted: admission.into(),
                        other: conflict.before.as_ref().map(Side::from),
                        reported_at: recorded_at,
                    },
                };
                let scan = written(id, at_event, admission, content);
                Some(Seen { scan, conflict: conflict.as_ref().map(of) })
            }
            Event::Left { ticket_id, exit, door_event_id, .. } => {
                let content = show(Some(*ticket_id), ScanKind::Exit, exit, by);
                let at_event = door_event_id.unwrap_or(event_id);
                Some(Seen { scan: written(id, at_event, exit, content), conflict: None })
            }
            Event::ScanRefused { scan, refusal, door_event_id, .. } => {
                let shown = show(Some(scan.ticket_id), scan.kind, &scan.passage, by);
                let content = ScanResource { refused: Some(refusal.reason), ..shown };
                let at_event = door_event_id.unwrap_or(event_id);
                Some(Seen { scan: written(id, at_event, &scan.passage, content), conflict: None })
            }
            _ => None,
        }
    });
    seen.collect()
}

/// What a door saw that belongs to no ticket.
pub(super) fn of_door(change: &Change<'_, Door>) -> Vec<Seen> {
    let seen = change.events.iter().map(|recorded| {
        let Sight::UnknownCodeShown { event_id, passage } = &recorded.event;
        let shown = show(None, ScanKind::Entry, passage, recorded.actor.clone());
        let content = ScanResource { refused: Some(RefusalReason::Unknown), ..shown };
        Seen { scan: written(recorded.id, *event_id, passage, content), conflict: None }
    });
    seen.collect()
}

fn show(ticket_id: Option<Uuid>, kind: ScanKind, passage: &Passage, by: String) -> ScanResource {
    ScanResource {
        ticket_id,
        kind,
        at: passage.at,
        device_at: passage.device_at,
        list_id: passage.list_id,
        entrance: passage.entrance.clone(),
        by,
        device: passage.device.clone(),
        refused: None,
        offline: passage.offline,
        conflict: None,
    }
}

fn written(scan_id: Uuid, event_id: Uuid, passage: &Passage, content: ScanResource) -> ScanWritten {
    ScanWritten { scan_id, event_id, list_id: passage.list_id, content }
}

/// A scan of a list.
#[derive(Debug, FromRow)]
pub(crate) struct ScanRow {
    pub(crate) scan_id: Uuid,
    pub(crate) content: Json<ScanResource>,
}

/// A conflict of a list.
#[derive(Debug, FromRow)]
pub(crate) struct ConflictRow {
    pub(crate) conflict_id: Uuid,
    pub(crate) content: Json<ConflictResource>,
}

/// Up to `limit` scans at the doors of an event, newest first, from the one after `after`; only
/// those of `list_id` when it is given.
pub(crate) async fn list(
    database: &Database,
    event_id: Uuid,
    list_id: Option<Uuid>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ScanRow>, StoreError> {
    let after = after.unwrap_or(Uuid::max());
    let rows = store::fetch_all!(database, ScanRow, LIST_SCANS, event_id, list_id, after, limit);
    Ok(rows.await?)
}

/// Up to `limit` conflicts of a check-in list, newest first, from the one after `after`.
pub(crate) async fn conflicts(
    database: &Database,
    list_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ConflictRow>, StoreError> {
    let after = after.unwrap_or(Uuid::max());
    Ok(store::fetch_all!(database, ConflictRow, LIST_CONFLICTS, list_id, after, limit).await?)
}
