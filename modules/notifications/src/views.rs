//! Notifications, as they wait to be sent and as their readers see them.

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Database, Json, StoreError, Tx};
use uuid::Uuid;

use crate::domain::{Message, Notice, NotificationState};

const QUEUE: &str = "INSERT INTO notifications \
     (notification_id, user_id, state, queued_at, message) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (notification_id) DO NOTHING";

const FIND: &str = "SELECT notification_id, user_id, state, queued_at, message FROM notifications \
     WHERE notification_id = $1";

const LIST: &str = "SELECT notification_id, user_id, state, queued_at, message FROM notifications \
     WHERE user_id = $1 AND (queued_at, notification_id) < ($2, $3) \
     ORDER BY queued_at DESC, notification_id DESC LIMIT $4";

/// A notification.
#[derive(Debug, FromRow)]
pub(crate) struct NotificationRow {
    pub(crate) notification_id: Uuid,
    pub(crate) user_id: Uuid,
    #[sqlx(try_from = "String")]
    pub(crate) state: NotificationState,
    pub(crate) queued_at: At,
    pub(crate) message: Json<Message>,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotificationKey {
    queued_at: Timestamp,
    notification_id: Uuid,
}

impl NotificationRow {
    pub(crate) fn key(&self) -> NotificationKey {
        NotificationKey { queued_at: self.queued_at.0, notification_id: self.notification_id }
    }
}

/// Later than anything happens, and an instant that both databases can keep.
const LATEST: Timestamp = Timestamp::constant(253_000_000_000, 0);

/// Queues what follows from the event `event`, once however often it is asked.
pub(crate) async fn queue(
    tx: &mut Tx,
    event: Uuid,
    notice: &Notice,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let state = NotificationState::Queued.name();
    let message = Json(&notice.message);
    store::execute!(tx, QUEUE, event, notice.user_id, state, At(at), message).await?;
    Ok(())
}

/// One notification; `None` when there is none with this id.
pub(crate) async fn find(
    database: &Database,
    id: Uuid,
) -> Result<Option<NotificationRow>, StoreError> {
    Ok(store::fetch_optional!(database, NotificationRow, FIND, id).await?)
}

/// Up to `limit` notifications of the account, newest first, from the one after `after`.
pub(crate) async fn list(
    database: &Database,
    user_id: Uuid,
    after: Option<NotificationKey>,
    limit: i64,
) -> Result<Vec<NotificationRow>, StoreError> {
    let newest = NotificationKey { queued_at: LATEST, notification_id: Uuid::max() };
    let NotificationKey { queued_at, notification_id } = after.unwrap_or(newest);
    let rows = store::fetch_all!(
        database,
        NotificationRow,
        LIST,
        user_id,
        At(queued_at),
        notification_id,
        limit,
    );
    Ok(rows.await?)
}

#[cfg(test)]
mod tests {
    use store::{DatabaseSettings, Sql};

    use super::*;

    const STATEMENTS: &[(&str, Sql)] = store::statements![QUEUE, FIND, LIST];

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "notifications", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        store::prepare_all(&database, STATEMENTS).await.expect("every statement is understood");
        crate::SCHEMA.down_on(&database, 1).await.expect("and can be taken back");
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
