//! Venues.

use runtime::async_trait;
use serde::Serialize;
use store::{Change, Database, Json, Sql, StoreError, Tx, View};
use uuid::Uuid;

use crate::domain::Venue;

const PUT: Sql = store::sql!(
    "INSERT INTO venue_view (id, version, organizer_id, name, address, time_zone) \
     SELECT id, version, organizer_id, name, address, time_zone FROM ",
    rows(
        "$1", id uuid, version bigint, organizer_id uuid, name text, address text, time_zone text
    ),
    " WHERE true ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
     name = excluded.name, address = excluded.address, time_zone = excluded.time_zone",
);

const FIND: &str = "SELECT id, version, organizer_id, name, address, time_zone FROM venue_view \
     WHERE id = $1";
const LIST: &str = "SELECT id, version, organizer_id, name, address, time_zone FROM venue_view \
     WHERE id > $1 ORDER BY id LIMIT $2";
const LIST_OF_ORGANIZER: &str = "SELECT id, version, organizer_id, name, address, time_zone FROM venue_view \
     WHERE id > $1 AND organizer_id = $3 ORDER BY id LIMIT $2";
const LIST_OF_USER: &str = "SELECT id, version, organizer_id, name, address, time_zone FROM venue_view \
     WHERE id > $1 \
     AND organizer_id IN (SELECT organizer_id FROM organizer_member WHERE user_id = $3) \
     ORDER BY id LIMIT $2";

pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![PUT, FIND, LIST, LIST_OF_ORGANIZER, LIST_OF_USER];

/// A venue as its organizer sees it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct VenueRow {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) organizer_id: Uuid,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) time_zone: String,
}

pub(crate) async fn find(database: &Database, id: Uuid) -> Result<Option<VenueRow>, StoreError> {
    Ok(store::fetch_optional!(database, VenueRow, FIND, id).await?)
}

/// Whose venues to list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Everybodys,
    OfOrganizer(Uuid),
    /// Of all the organizers that an account belongs to.
    OfUser(Uuid),
}

pub(crate) async fn list(
    database: &Database,
    whose: Whose,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<VenueRow>, StoreError> {
    let after = after.unwrap_or_default();
    let rows = match whose {
        Whose::Everybodys => store::fetch_all!(database, VenueRow, LIST, after, limit).await,
        Whose::OfOrganizer(id) => {
            store::fetch_all!(database, VenueRow, LIST_OF_ORGANIZER, after, limit, id).await
        }
        Whose::OfUser(id) => {
            store::fetch_all!(database, VenueRow, LIST_OF_USER, after, limit, id).await
        }
    };
    Ok(rows?)
}

/// Keeps venues.
pub(crate) struct VenueView;

#[derive(Serialize)]
struct Put<'a> {
    id: Uuid,
    version: u64,
    organizer_id: Uuid,
    name: &'a str,
    address: &'a str,
    time_zone: &'a str,
}

#[async_trait]
impl View<Venue> for VenueView {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Venue>]) -> Result<(), sqlx::Error> {
        let venues: Vec<_> = changes.iter().filter_map(venue).collect();
        store::execute!(tx, PUT, Json(&venues)).await?;
        Ok(())
    }
}

fn venue<'a>(change: &'a Change<'_, Venue>) -> Option<Put<'a>> {
    let Venue { organizer_id, place, .. } = change.state;
    Some(Put {
        id: change.id,
        version: change.version,
        organizer_id: (*organizer_id)?,
        name: &place.name,
        address: &place.address,
        time_zone: place.time_zone.as_str(),
    })
}
