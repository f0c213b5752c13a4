//! Orders beside what their entries in the ledger add up to, for the standing check.

use sqlx::FromRow;
use store::{Database, Sql, StoreError};
use uuid::Uuid;

use crate::domain::standing::{Entry, Standing};

/// The statements of this file.
pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![ORDERS_AFTER, ENTRIES_WITHOUT_ORDER];

/// One statement, so that order and entries are of one moment.
const ORDERS_AFTER: &str = "SELECT standing.order_id, standing.total, standing.tickets, \
     standing.cancelled_tickets, standing.cancelled_cost, standing.given_back, standing.cancelled, \
     CAST(COALESCE(SUM(entry.orders), 0) AS bigint) AS entered_orders, \
     CAST(COALESCE(SUM(entry.cancelled_orders), 0) AS bigint) AS entered_cancelled_orders, \
     CAST(COALESCE(SUM(entry.tickets), 0) AS bigint) AS entered_tickets, \
     CAST(COALESCE(SUM(entry.cancelled_tickets), 0) AS bigint) AS entered_cancelled_tickets, \
     CAST(COALESCE(SUM(entry.gross), 0) AS bigint) AS entered_gross, \
     CAST(COALESCE(SUM(entry.refunded), 0) AS bigint) AS entered_refunded, \
     CAST(COALESCE(SUM((SELECT SUM(item.tickets) FROM sold_items AS item \
     WHERE item.fact_id = entry.fact_id)), 0) AS bigint) AS items_tickets \
     FROM (SELECT * FROM order_standings WHERE order_id > $1 ORDER BY order_id LIMIT $2) \
     AS standing LEFT JOIN sales_ledger AS entry ON entry.order_id = standing.order_id \
     GROUP BY standing.order_id, standing.total, standing.tickets, standing.cancelled_tickets, \
     standing.cancelled_cost, standing.given_back, standing.cancelled ORDER BY standing.order_id";

const ENTRIES_WITHOUT_ORDER: &str = "SELECT DISTINCT entry.order_id FROM sales_ledger AS entry \
     WHERE NOT EXISTS (SELECT 1 FROM order_standings AS standing \
     WHERE standing.order_id = entry.order_id) LIMIT $1";

/// An order as it is kept, and what its entries add up to. Money in minor units.
#[derive(Debug, Clone)]
pub(crate) struct OrderSums {
    pub(crate) order_id: Uuid,
    pub(crate) standing: Standing,
    pub(crate) entries: Entry,
    /// The tickets of its entries by type, all types together.
    pub(crate) items_tickets: i64,
}

#[derive(Debug, FromRow)]
struct Row {
    order_id: Uuid,
    total: i64,
    tickets: i64,
    cancelled_tickets: i64,
    cancelled_cost: i64,
    given_back: i64,
    cancelled: bool,
    entered_orders: i64,
    entered_cancelled_orders: i64,
    entered_tickets: i64,
    entered_cancelled_tickets: i64,
    entered_gross: i64,
    entered_refunded: i64,
    items_tickets: i64,
}

impl From<Row> for OrderSums {
    fn from(row: Row) -> Self {
        Self {
            order_id: row.order_id,
            standing: Standing {
                total: row.total,
                tickets: row.tickets,
                cancelled_tickets: row.cancelled_tickets,
                cancelled_cost: row.cancelled_cost,
                given_back: row.given_back,
                cancelled: row.cancelled,
            },
            entries: Entry {
                orders: row.entered_orders,
                cancelled_orders: row.entered_cancelled_orders,
                tickets: row.entered_tickets,
                cancelled_tickets: row.entered_cancelled_tickets,
                gross: row.entered_gross,
                refunded: row.entered_refunded,
            },
            items_tickets: row.items_tickets,
        }
    }
}

/// Up to `limit` orders with an id behind `after`, in the order of their ids.
pub(crate) async fn of_orders_after(
    database: &Database,
    after: Uuid,
    limit: i64,
) -> Result<Vec<OrderSums>, StoreError> {
    let rows = store::fetch_all!(database, Row, ORDERS_AFTER, after, limit).await?;
    Ok(rows.into_iter().map(OrderSums::from).collect())
}

/// Up to `limit` orders that the ledger has entries of, and that are not kept.
pub(crate) async fn entries_without_order(
    database: &Database,
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let rows = store::fetch_all!(database, (Uuid,), ENTRIES_WITHOUT_ORDER, limit).await?;
    Ok(rows.into_iter().map(|(order_id,)| order_id).collect())
}
