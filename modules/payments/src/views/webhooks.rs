//! The webhooks that were taken in: each of them once.

use runtime::Timestamp;
use sqlx::FromRow;
use store::{At, Database, StoreError};
use uuid::Uuid;

pub(crate) const NOTE: &str = "INSERT INTO payment_webhooks \
     (provider, event_id, kind, order_id, taken_at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (provider, event_id) DO NOTHING";
const FIND: &str = "SELECT event_id FROM payment_webhooks WHERE provider = $1 AND event_id = $2";
pub(crate) const FORGET: &str = "DELETE FROM payment_webhooks WHERE (provider, event_id) IN \
     (SELECT provider, event_id FROM payment_webhooks WHERE taken_at < $1 LIMIT $2)";

/// Every statement of this file.
pub(crate) const STATEMENTS: &[(&str, store::Sql)] = store::statements![NOTE, FIND, FORGET];

/// A webhook on its way into the table.
#[derive(Debug, Clone)]
pub(crate) struct NotedWebhook {
    pub(crate) provider: &'static str,
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) taken_at: Timestamp,
}

#[derive(Debug, FromRow)]
struct EventRow {
    #[expect(dead_code, reason = "that there is a row says it all")]
    event_id: String,
}

/// Whether the webhook was taken in before.
pub(crate) async fn is_known(
    database: &Database,
    provider: &str,
    event_id: &str,
) -> Result<bool, StoreError> {
    let row = store::fetch_optional!(database, EventRow, FIND, provider, event_id).await?;
    Ok(row.is_some())
}

impl NotedWebhook {
    /// Notes that it was taken in.
    pub(crate) async fn write(&self, tx: &mut store::Tx) -> Result<(), sqlx::Error> {
        let Self { provider, event_id, kind, order_id, taken_at } = self;
        let at = At(*taken_at);
        store::execute!(tx, NOTE, *provider, event_id.as_str(), kind.as_str(), *order_id, at,)
            .await?;
        Ok(())
    }
}
