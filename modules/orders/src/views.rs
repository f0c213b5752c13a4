//! Orders as lists and their readers see them, written with every change.

use contracts::{money::Money, orders::OrderedItem};
use runtime::{Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Change, Database, Json, Sql, StoreError, Tx, View};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{Cause, Order, OrderState};

const UPSERT: Sql = store::sql!(
    "INSERT INTO orders \
     (order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, content) \
     SELECT order_id, order_code, buyer_id, organizer_id, event_id, state, placed_at, version, content \
     FROM ",
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
        content json
    ),
    " WHERE true ON CONFLICT (order_id) DO UPDATE SET \
     state = excluded.state, version = excluded.version, content = excluded.content",
);

/// Lists the orders whose column `$whose` is `$1`, newest first.
macro_rules! list_orders {
    ($whose:literal) => {
        concat!(
            "SELECT order_id, placed_at, content FROM orders WHERE ",
            $whose,
            " = $1 AND (event_id = $2 OR $2 IS NULL) AND (state = $3 OR $3 IS NULL) \
             AND (placed_at, order_id) < ($4, $5) \
             ORDER BY placed_at DESC, order_id DESC LIMIT $6"
        )
    };
}

const LIST_OF_BUYER: &str = list_orders!("buyer_id");
const LIST_OF_ORGANIZER: &str = list_orders!("organizer_id");

/// Every statement of this service, for the test that prepares them.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    store::statements![UPSERT, LIST_OF_BUYER, LIST_OF_ORGANIZER];

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Order, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "code": "K7MPX2QA",
    "state": "held",
    "buyer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "items": [{
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "quantity": 2,
        "unit_price": {"amount": 2500, "currency": "EUR"},
    }],
    "total": {"amount": 5000, "currency": "EUR"},
    "placed_at": "2027-05-02T10:00:00Z",
    "expires_at": "2027-05-02T10:15:00Z",
    "payment_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e101",
    "ticket_ids": [],
}))]
pub(crate) struct OrderResource {
    pub(crate) id: Uuid,
    /// Short enough to be read aloud. Not a secret, and no proof of anything.
    pub(crate) code: String,
    pub(crate) state: OrderState,
    /// Why it ended or is being called off; only when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) cause: Option<Cause>,
    pub(crate) buyer_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    /// With names and prices as they were when the order was placed.
    pub(crate) items: Vec<OrderedItem>,
    pub(crate) total: Money,
    pub(crate) placed_at: Timestamp,
    /// Until when the places are held; absent until they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
    /// The payment that waits for the buyer; absent until it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) payment_id: Option<Uuid>,
    /// The tickets, once they exist.
    pub(crate) ticket_ids: Vec<Uuid>,
}

impl OrderResource {
    /// The order as its readers see it; `None` before it is placed.
    pub(crate) fn of(id: Uuid, order: &Order) -> Option<Self> {
        let terms = order.terms.as_ref()?;
        Some(Self {
            id,
            code: terms.order_code.clone(),
            state: order.state,
            cause: order.cause,
            buyer_id: terms.buyer_id,
            organizer_id: terms.organizer_id,
            event_id: terms.event_id,
            event_name: terms.event_name.clone(),
            items: terms.items.clone(),
            total: terms.total,
            placed_at: order.placed_at?,
            expires_at: order.expires_at,
            payment_id: order.payment_id,
            ticket_ids: order.ticket_ids.clone(),
        })
    }
}

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
                    content,
                })
            })
            .collect();
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) state: Option<OrderState>,
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
    );
    Ok(rows.await?)
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
