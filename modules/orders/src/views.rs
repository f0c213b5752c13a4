//! Orders as lists and their readers see them, written with every change.

use contracts::orders::OrderState;
use runtime::{Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Change, Database, Json, Sql, StoreError, Tx, View};
use uuid::Uuid;

use crate::{
    domain::{Cause, Order},
    resource::OrderResource,
};

const UPSERT: Sql = store::sql!(
    "INSERT INTO orders \
     (order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, cause, \
     overpaid, refund_stuck, guest_email, content) \
     SELECT order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, \
     cause, overpaid, refund_stuck, guest_email, content FROM ",
    rows(
        "$1",
        order_id uuid,
        order_code text,
        buyer_id uuid,
        organizer_id uuid,
        event_id uuid,
        state text,
        placed_at instant,
        version bigint,
        cause text,
        overpaid bigint,
        refund_stuck bigint,
        guest_email text,
        content json
    ),
    " WHERE true ON CONFLICT (order_id) DO UPDATE SET \
     state = excluded.state, version = excluded.version, cause = excluded.cause, \
     overpaid = excluded.overpaid, refund_stuck = excluded.refund_stuck, \
     content = excluded.content",
);

/// Lists the orders whose column `$whose` is `$1`, newest first.
macro_rules! list_orders {
    ($whose:literal) => {
        concat!(
            "SELECT order_id, placed_at, content FROM orders WHERE ",
            $whose,
            " = $1 AND (event_id = $2 OR $2 IS NULL) AND (state = $3 OR $3 IS NULL) \
             AND overpaid >= $7 AND (order_code = $8 OR $8 IS NULL) \
             AND (placed_at, order_id) < ($4, $5) \
             ORDER BY placed_at DESC, order_id DESC LIMIT $6"
        )
    };
}

const LIST_OF_BUYER: &str = list_orders!("buyer_id");
const LIST_OF_ORGANIZER: &str = list_orders!("organizer_id");

const BY_CODE: &str = "SELECT order_id FROM orders WHERE order_code = $1";
const ALL_AFTER: &str =
    "SELECT order_id, content FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $2";
const ORGANIZER_OF_EVENT: &str = "SELECT organizer_id FROM orders WHERE event_id = $1 LIMIT 1";
const LIVE_OF_EVENT: &str = "SELECT order_id FROM orders WHERE event_id = $1 AND order_id > $2 \
     AND state NOT IN ('calling_off', 'cancelled', 'expired') ORDER BY order_id LIMIT $3";
const COUNT_UNDER_WAY: &str = "SELECT count(*) FROM orders WHERE event_id = $1 \
     AND state = 'calling_off' AND refund_stuck = 0";
const COUNT_UNDONE: &str = "SELECT count(*), \
     coalesce(sum(CASE WHEN state = 'cancelled' AND overpaid = 0 THEN 1 ELSE 0 END), 0), \
     coalesce(sum(CASE WHEN refund_stuck <> 0 THEN 1 ELSE 0 END), 0) \
     FROM orders WHERE event_id = $1 AND cause = 'event_cancelled'";

/// Those that take places or cost nothing: a free order counts whatever became of it.
const COUNT_OF_GUEST: &str = "SELECT count(*) FROM orders WHERE event_id = $1 AND guest_email = $2 \
     AND (state IN ('placed', 'held') \
     OR CAST(content -> 'total' ->> 'amount' AS bigint) = 0)";

/// Every statement of this service.
pub(crate) const STATEMENTS: &[(&str, Sql)] = store::statements![
    UPSERT,
    LIST_OF_BUYER,
    LIST_OF_ORGANIZER,
    BY_CODE,
    ALL_AFTER,
    ORGANIZER_OF_EVENT,
    LIVE_OF_EVENT,
    COUNT_UNDER_WAY,
    COUNT_UNDONE,
    COUNT_OF_GUEST,
];

#[derive(Debug, Serialize)]
struct Written {
    order_id: Uuid,
    order_code: String,
    buyer_id: Uuid,
    organizer_id: Uuid,
    event_id: Uuid,
    state: OrderState,
    placed_at: At,
    version: u64,
    cause: Option<Cause>,
    overpaid: i64,
    refund_stuck: i64,
    guest_email: Option<String>,
    content: OrderResource,
}

/// Keeps the table of orders.
pub(crate) struct OrderList;

#[async_trait]
impl View<Order> for OrderList {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Order>]) -> Result<(), sqlx::Error> {
        let rows: Vec<Written> = changes
            .iter()
            .filter_map(|change| {
                let content = OrderResource::of(change.id, change.state)?;
                Some(Written {
                    order_id: change.id,
                    order_code: content.code.clone(),
                    buyer_id: content.buyer_id,
                    organizer_id: content.organizer_id,
                    event_id: content.event_id,
                    state: content.state,
                    placed_at: At(content.placed_at),
                    version: change.version,
                    cause: content.cause,
                    overpaid: content.overpaid.map_or(0, |money| money.amount),
                    refund_stuck: i64::from(change.state.refund_is_stuck()),
                    guest_email: change.state.guest().map(|guest| guest.email.clone()),
                    content,
                })
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        store::execute!(tx, UPSERT, Json(&rows)).await?;
        Ok(())
    }
}

/// An order of a list.
#[derive(Debug, FromRow)]
pub(crate) struct OrderRow {
    pub(crate) order_id: Uuid,
    pub(crate) placed_at: At,
    pub(crate) content: Json<OrderResource>,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderKey {
    placed_at: Timestamp,
    order_id: Uuid,
}

impl OrderRow {
    pub(crate) fn key(&self) -> OrderKey {
        OrderKey { placed_at: self.placed_at.0, order_id: self.order_id }
    }
}

/// Whose orders a list shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Buyer(Uuid),
    Organizer(Uuid),
}

/// Which of them.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) state: Option<OrderState>,
    pub(crate) code: Option<String>,
    /// Only those with money that has to go back.
    pub(crate) is_overpaid: bool,
}

/// Later than any order is placed, and an instant that both databases can keep.
const LATEST: Timestamp = Timestamp::constant(253_000_000_000, 0);

/// Up to `limit` orders, newest first, from the one after `after`.
pub(crate) async fn list(
    database: &Database,
    whose: Whose,
    filter: Filter,
    after: Option<OrderKey>,
    limit: i64,
) -> Result<Vec<OrderRow>, StoreError> {
    let (statement, id) = match whose {
        Whose::Buyer(id) => (LIST_OF_BUYER, id),
        Whose::Organizer(id) => (LIST_OF_ORGANIZER, id),
    };
    let newest = OrderKey { placed_at: LATEST, order_id: Uuid::max() };
    let OrderKey { placed_at, order_id } = after.unwrap_or(newest);
    let state = filter.state.map(OrderState::name);
    let rows = store::fetch_all!(
        database,
        OrderRow,
        statement,
        id,
        filter.event_id,
        state,
        At(placed_at),
        order_id,
        limit,
        i64::from(filter.is_overpaid),
        filter.code,
    );
    Ok(rows.await?)
}

/// The orders with this code, of all organizers.
pub(crate) async fn with_code(database: &Database, code: &str) -> Result<Vec<Uuid>, StoreError> {
    let rows = store::fetch_all!(database, (Uuid,), BY_CODE, code).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Up to `limit` orders by their ids, from the one after `after`.
pub(crate) async fn all_after(
    database: &Database,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<OrderResource>, StoreError> {
    let after = after.unwrap_or_default();
    let rows =
        store::fetch_all!(database, (Uuid, Json<OrderResource>), ALL_AFTER, after, limit).await?;
    Ok(rows.into_iter().map(|(_, content)| content.0).collect())
}

/// Who runs an event, if it has orders.
pub(crate) async fn organizer_of(
    database: &Database,
    event_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let row = store::fetch_optional!(database, (Uuid,), ORGANIZER_OF_EVENT, event_id).await?;
    Ok(row.map(|(id,)| id))
}

/// Up to `limit` orders of the event that are not being undone, by their ids, from the one after
/// `after`.
pub(crate) async fn live_orders(
    database: &Database,
    event_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let after = after.unwrap_or_default();
    let rows = store::fetch_all!(database, (Uuid,), LIVE_OF_EVENT, event_id, after, limit).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// How many orders of the event are being undone, and are not stuck at that.
pub(crate) async fn count_under_way(
    database: &Database,
    event_id: Uuid,
) -> Result<u64, StoreError> {
    let (count,) = store::fetch_one!(database, (i64,), COUNT_UNDER_WAY, event_id).await?;
    Ok(count.unsigned_abs())
}

/// How many orders were undone because the event was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undone {
    pub(crate) total: u64,
    /// Those with nothing left to undo.
    pub(crate) done: u64,
    /// Those whose money the provider would not give back.
    pub(crate) failed: u64,
}

/// How far undoing the orders of an event has come.
pub(crate) async fn count_undone(
    database: &Database,
    event_id: Uuid,
) -> Result<Undone, StoreError> {
    let counted = store::fetch_one!(database, (i64, i64, i64), COUNT_UNDONE, event_id).await?;
    let (total, done, failed) = counted;
    let [total, done, failed] = [total, done, failed].map(i64::unsigned_abs);
    Ok(Undone { total, done, failed })
}

/// How many orders of the event guests have placed with the address that wait for their money or are
/// free.
pub(crate) async fn count_of_guest(
    database: &Database,
    event_id: Uuid,
    email: &str,
) -> Result<u64, StoreError> {
    let counted = store::fetch_one!(database, (i64,), COUNT_OF_GUEST, event_id, email).await?;
    Ok(counted.0.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use store::DatabaseSettings;

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "orders", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        store::prepare_all(&database, STATEMENTS).await.expect("every statement is understood");
        crate::SCHEMA.down_on(&database, 3).await.expect("and can be taken back");
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
