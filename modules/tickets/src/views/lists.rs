//! Check-in lists.

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{Change, Database, Json, Sql, StoreError, Tx};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    CheckInList,
    list::{Rules, Terms},
};

const UPSERT_LISTS: Sql = store::sql!(
    "INSERT INTO check_in_lists (list_id, event_id, content) \
     SELECT list_id, event_id, content FROM ",
    rows("$1", list_id uuid, event_id uuid, content json),
    " WHERE true ON CONFLICT (list_id) DO UPDATE SET content = excluded.content",
);

const DELETE_LISTS: Sql = store::sql!(
    "DELETE FROM check_in_lists WHERE list_id IN (SELECT list_id FROM ",
    rows("$1", list_id uuid),
    ")",
);

/// The default list is beside the others, whether it was changed or not.
const LIST_OF_EVENT: &str = "SELECT list_id, content FROM check_in_lists \
     WHERE event_id = $1 AND list_id <> event_id AND list_id > $2 ORDER BY list_id LIMIT $3";

pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![UPSERT_LISTS, DELETE_LISTS, LIST_OF_EVENT];

/// A check-in list: which tickets an entrance lets in, when, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CheckInList, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5b001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "is_default": false,
    "name": "Balcony, Friday",
    "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
    "valid_from": "2027-06-18T16:00:00Z",
    "valid_until": "2027-06-18T22:00:00Z",
    "allows_reentry": true,
}))]
pub(crate) struct ListResource {
    pub(crate) id: Uuid,
    pub(crate) event_id: Uuid,
    /// Whether scans that name no list belong to this one.
    pub(crate) is_default: bool,
    pub(crate) name: String,
    /// Which tickets it admits; all when empty.
    pub(crate) ticket_type_ids: Vec<Uuid>,
    /// From when it admits; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) valid_from: Option<Timestamp>,
    /// Until when it admits; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) valid_until: Option<Timestamp>,
    /// Whether whoever has left, and was scanned on the way out, may come in again.
    pub(crate) allows_reentry: bool,
}

impl ListResource {
    pub(crate) fn of(id: Uuid, event_id: Uuid, terms: &Terms) -> Self {
        let Terms { name, ticket_type_ids, valid_from, valid_until, allows_reentry } =
            terms.clone();
        let is_default = id == event_id;
        Self {
            id,
            event_id,
            is_default,
            name,
            ticket_type_ids,
            valid_from,
            valid_until,
            allows_reentry,
        }
    }
}

impl From<&Rules> for ListResource {
    fn from(rules: &Rules) -> Self {
        Self::of(rules.list_id, rules.event_id, &rules.terms)
    }
}

#[derive(Debug, Serialize)]
struct ListWritten {
    list_id: Uuid,
    event_id: Uuid,
    content: ListResource,
}

#[derive(Debug, Serialize)]
struct ListGone {
    list_id: Uuid,
}

pub(super) async fn write(
    tx: &mut Tx,
    changes: &[Change<'_, CheckInList>],
) -> Result<(), sqlx::Error> {
    let (gone, kept): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.state.is_removed);
    let of = |change: &&Change<'_, CheckInList>| {
        let list = change.state.kept.as_ref()?;
        let content = ListResource::of(change.id, list.event_id, &list.terms);
        Some(ListWritten { list_id: change.id, event_id: list.event_id, content })
    };
    let kept: Vec<ListWritten> = kept.iter().filter_map(of).collect();
    if !kept.is_empty() {
        store::execute!(tx, UPSERT_LISTS, Json(&kept)).await?;
    }
    let gone: Vec<ListGone> = gone.iter().map(|change| ListGone { list_id: change.id }).collect();
    if !gone.is_empty() {
        store::execute!(tx, DELETE_LISTS, Json(&gone)).await?;
    }
    Ok(())
}

/// A check-in list of an event.
#[derive(Debug, FromRow)]
pub(crate) struct ListRow {
    pub(crate) list_id: Uuid,
    pub(crate) content: Json<ListResource>,
}

/// Up to `limit` lists of an event beside its default, from the one after `after`.
pub(crate) async fn of_event(
    database: &Database,
    event_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ListRow>, StoreError> {
    let after = after.unwrap_or(Uuid::nil());
    Ok(store::fetch_all!(database, ListRow, LIST_OF_EVENT, event_id, after, limit).await?)
}
