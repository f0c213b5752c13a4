//! Notifications as their readers see them.

use runtime::{Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Change, Database, Json, Sql, StoreError, Tx, View};
use uuid::Uuid;

use crate::{
    domain::{
        mail::{Mail, MailState},
        notice::Message,
    },
    measures,
};

/// Every statement of this service.
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    store::statements![PUT, FIND, LIST_OF_USER, LIST_OF_ORGANIZER, LIST_OF_ORDER];

const PUT: Sql = store::sql!(
    "INSERT INTO notifications (notification_id, user_id, organizer_id, event_id, order_id, state, \
     queued_at, message, attempts, last_error, next_attempt_at, sent_at) \
     SELECT notification_id, user_id, organizer_id, event_id, order_id, state, queued_at, message, \
     attempts, last_error, next_attempt_at, sent_at FROM ",
    rows("$1",
        notification_id uuid, user_id uuid, organizer_id uuid, event_id uuid, order_id uuid,
        state text, queued_at instant, message json, attempts bigint, last_error text,
        next_attempt_at instant, sent_at instant),
    " WHERE true ON CONFLICT (notification_id) DO UPDATE SET state = excluded.state, \
     attempts = excluded.attempts, last_error = excluded.last_error, \
     next_attempt_at = excluded.next_attempt_at, sent_at = excluded.sent_at",
);

macro_rules! select {
    ($($rest:literal),+) => {
        concat!(
            "SELECT notification_id, user_id, organizer_id, state, queued_at, message, attempts, ",
            "last_error, next_attempt_at, sent_at FROM notifications ",
            $($rest),+
        )
    };
}

macro_rules! list {
    ($filter:literal) => {
        select!(
            "WHERE ",
            $filter,
            " AND (queued_at, notification_id) < ($2, $3) AND ($4 = '' OR state = $4) ",
            "ORDER BY queued_at DESC, notification_id DESC LIMIT $5"
        )
    };
}

const FIND: &str = select!("WHERE notification_id = $1");
const LIST_OF_USER: &str = list!("user_id = $1");
const LIST_OF_ORGANIZER: &str = list!("organizer_id = $1");
const LIST_OF_ORDER: &str = list!("organizer_id = $1 AND order_id = $6");

/// The list of notifications, written with the events.
pub(crate) struct MailList;

#[derive(Serialize)]
struct NewRow<'a> {
    notification_id: Uuid,
    user_id: Uuid,
    organizer_id: Uuid,
    event_id: Uuid,
    order_id: Uuid,
    state: &'static str,
    queued_at: Option<At>,
    message: &'a Message,
    attempts: u32,
    last_error: Option<&'a str>,
    next_attempt_at: Option<At>,
    sent_at: Option<At>,
}

impl<'a> NewRow<'a> {
    fn of(change: &Change<'a, Mail>) -> Option<Self> {
        let mail = change.state;
        let notice = mail.notice.as_ref()?;
        Some(Self {
            notification_id: change.id,
            user_id: notice.user_id,
            organizer_id: notice.organizer_id,
            event_id: notice.message.event_id,
            order_id: notice.message.order_id,
            state: mail.state.name(),
            queued_at: mail.queued_at.map(At),
            message: &notice.message,
            attempts: mail.attempts,
            last_error: mail.last_error.as_deref(),
            next_attempt_at: mail.next_attempt_at.map(At),
            sent_at: mail.sent_at.map(At),
        })
    }
}

#[async_trait]
impl View<Mail> for MailList {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Mail>]) -> Result<(), sqlx::Error> {
        let rows: Vec<NewRow<'_>> = changes.iter().filter_map(NewRow::of).collect();
        store::execute!(tx, PUT, Json(&rows)).await?;
        Ok(())
    }

    fn measure(&self, changes: &[Change<'_, Mail>]) {
        changes.iter().for_each(measures::tell);
    }
}

/// A notification.
#[derive(Debug, FromRow)]
pub(crate) struct NotificationRow {
    pub(crate) notification_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) organizer_id: Uuid,
    #[sqlx(try_from = "String")]
    pub(crate) state: MailState,
    pub(crate) queued_at: At,
    pub(crate) message: Json<Message>,
    pub(crate) attempts: i64,
    pub(crate) last_error: Option<String>,
    pub(crate) next_attempt_at: Option<At>,
    pub(crate) sent_at: Option<At>,
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

/// One notification; `None` when there is none with this id.
pub(crate) async fn find(
    database: &Database,
    id: Uuid,
) -> Result<Option<NotificationRow>, StoreError> {
    Ok(store::fetch_optional!(database, NotificationRow, FIND, id).await?)
}

/// Whose notifications to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that this account is told.
    User(Uuid),
    /// Those about events of this organizer.
    Organizer(Uuid),
    /// Those about one order for an event of this organizer.
    Order { organizer_id: Uuid, order_id: Uuid },
}

/// Up to `limit` notifications, newest first, from the one after `after`; those in `state`, when one
/// is named.
pub(crate) async fn list(
    database: &Database,
    whose: Whose,
    state: Option<MailState>,
    after: Option<NotificationKey>,
    limit: i64,
) -> Result<Vec<NotificationRow>, StoreError> {
    let newest = NotificationKey { queued_at: LATEST, notification_id: Uuid::max() };
    let NotificationKey { queued_at, notification_id: last } = after.unwrap_or(newest);
    let (at, state) = (At(queued_at), state.map_or("", MailState::name));
    let rows = match whose {
        Whose::User(id) => {
            let sql = LIST_OF_USER;
            store::fetch_all!(database, NotificationRow, sql, id, at, last, state, limit).await?
        }
        Whose::Organizer(id) => {
            let sql = LIST_OF_ORGANIZER;
            store::fetch_all!(database, NotificationRow, sql, id, at, last, state, limit).await?
        }
        Whose::Order { organizer_id: id, order_id: order } => {
            let sql = LIST_OF_ORDER;
            store::fetch_all!(database, NotificationRow, sql, id, at, last, state, limit, order)
                .await?
        }
    };
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use store::DatabaseSettings;

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "notifications", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        store::prepare_all(&database, STATEMENTS).await.expect("every statement is understood");
        crate::SCHEMA.down_on(&database, 3).await.expect("and can be taken back");
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
