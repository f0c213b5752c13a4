//! Where a hold is found: holds live in the stock of their event, and whoever asks for one by its
//! id does not know the event.

use runtime::async_trait;
use serde::Serialize;
use sqlx::FromRow;
use store::{Change, Database, Json, Sql, StoreError, Tx, View};
use uuid::Uuid;

use crate::domain::{Event, Stock};

const EVENT_OF_HOLD: &str = "SELECT event_id FROM holds WHERE hold_id = $1";

const EVENTS: &str = "SELECT DISTINCT event_id FROM holds";

const INSERT_HOLDS: Sql = store::sql!(
    "INSERT INTO holds (hold_id, event_id) SELECT hold_id, event_id FROM ",
    rows("$1", hold_id uuid, event_id uuid),
    " WHERE true ON CONFLICT (hold_id) DO NOTHING",
);

/// Every statement of this service.
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    store::statements![EVENT_OF_HOLD, EVENTS, INSERT_HOLDS];

#[derive(Debug, FromRow)]
struct EventOfHold {
    event_id: Uuid,
}

#[derive(Debug, Serialize)]
struct NewHold {
    hold_id: Uuid,
    event_id: Uuid,
}

/// Keeps the event of each hold.
pub(crate) struct HoldIndex;

#[async_trait]
impl View<Stock> for HoldIndex {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Stock>]) -> Result<(), sqlx::Error> {
        let new_holds: Vec<NewHold> = changes
            .iter()
            .flat_map(|change| change.events.iter().map(|recorded| (change.id, &recorded.event)))
            .filter_map(|(event_id, event)| match event {
                Event::PlacesHeld { hold_id, .. } => Some(NewHold { hold_id: *hold_id, event_id }),
                _ => None,
            })
            .collect();
        if new_holds.is_empty() {
            return Ok(());
        }
        store::execute!(tx, INSERT_HOLDS, Json(&new_holds)).await?;
        Ok(())
    }
}

/// The event whose stock has the hold; `None` when nobody has it.
pub(crate) async fn event_of_hold(
    database: &Database,
    hold_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let row = store::fetch_optional!(database, EventOfHold, EVENT_OF_HOLD, hold_id).await?;
    Ok(row.map(|row| row.event_id))
}

/// Every event of which places were ever held.
pub(crate) async fn events(database: &Database) -> Result<Vec<Uuid>, StoreError> {
    let rows = store::fetch_all!(database, EventOfHold, EVENTS).await?;
    Ok(rows.into_iter().map(|row| row.event_id).collect())
}

#[cfg(test)]
mod tests {
    use store::DatabaseSettings;

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "inventory", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        store::prepare_all(&database, STATEMENTS).await.expect("every statement is understood");
        crate::SCHEMA.down_on(&database, 2).await.expect("and can be taken back");
        crate::SCHEMA.up_on(&database).await.expect("and be run again");
        database.close().await;
    }

    #[tokio::test]
    async fn sqlite_understands_every_statement() {
        prepare_all_on(DatabaseSettings::default()).await;
    }

    #[tokio::test]
    async fn postgres_understands_every_statement() {
        let url = testkit::postgres::fresh_database().await;
        let url = runtime::Secret::from(url.as_str().to_owned());
        prepare_all_on(DatabaseSettings { url, ..DatabaseSettings::default() }).await;
    }
}
