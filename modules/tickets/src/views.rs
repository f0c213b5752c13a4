//! What readers see: tickets, scans at doors, check-in lists, and the conflicts among scans.

pub(crate) mod lists;
pub(crate) mod scans;
pub(crate) mod tickets;

use runtime::async_trait;
use store::{Change, Tx, View};

use crate::domain::{CheckInList, Door, OrderTickets};

/// Every statement of this service.
pub(crate) const STATEMENTS: &[&[(&str, store::Sql)]] =
    &[tickets::STATEMENTS, scans::STATEMENTS, lists::STATEMENTS];

/// Keeps the tables of tickets, scans and conflicts.
pub(crate) struct TicketTables;

#[async_trait]
impl View<OrderTickets> for TicketTables {
    async fn apply(
        &self,
        tx: &mut Tx,
        changes: &[Change<'_, OrderTickets>],
    ) -> Result<(), sqlx::Error> {
        tickets::write(tx, changes).await?;
        let seen: Vec<scans::Seen> = changes.iter().flat_map(scans::of_tickets).collect();
        scans::write(tx, &seen).await
    }
}

/// Keeps the scans of codes that are not ours.
pub(crate) struct DoorTables;

#[async_trait]
impl View<Door> for DoorTables {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Door>]) -> Result<(), sqlx::Error> {
        let seen: Vec<scans::Seen> = changes.iter().flat_map(scans::of_door).collect();
        scans::write(tx, &seen).await
    }
}

/// Keeps the table of check-in lists.
pub(crate) struct ListTable;

#[async_trait]
impl View<CheckInList> for ListTable {
    async fn apply(
        &self,
        tx: &mut Tx,
        changes: &[Change<'_, CheckInList>],
    ) -> Result<(), sqlx::Error> {
        lists::write(tx, changes).await
    }
}

#[cfg(test)]
mod tests {
    use store::{Database, DatabaseSettings};

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "tickets", directory.path()).await;
        let database = database.expect("the database answers");
        let applied = crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        for statements in STATEMENTS {
            store::prepare_all(&database, statements).await.expect("every one is understood");
        }
        let steps = u32::try_from(applied.len()).expect("a few");
        crate::SCHEMA.down_on(&database, steps).await.expect("and can be taken back");
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
