//! The ledger of sales: what is written when something is told, and the sums that reports are made
//! of.

use contracts::money::Money;
use iso_currency::Currency;
use runtime::Timestamp;
use serde::Serialize;
use sqlx::FromRow;
use store::{At, Database, Json, Sql, StoreError, Tx};
use uuid::Uuid;

use crate::domain::{
    Amounts, TicketTypeCounts, Total,
    days::{Quarter, quarter_of},
    standing::{Entry, Fact, Standing},
};

/// The statements of this file.
pub(super) const STATEMENTS: &[(&str, Sql)] = store::statements![
    ENTER,
    ENTER_ITEMS,
    OPEN_STANDING,
    FIND_STANDING,
    CHANGE_STANDING,
    TOTALS,
    TICKET_TYPES,
    QUARTERS,
];

const ENTER: &str = "INSERT INTO sales_ledger (fact_id, order_id, event_id, quarter, currency, \
     orders, cancelled_orders, tickets, cancelled_tickets, gross, refunded) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (fact_id) DO NOTHING";

const ENTER_ITEMS: Sql = store::sql!(
    "INSERT INTO sold_items \
     (fact_id, ticket_type_id, event_id, name, tickets, cancelled_tickets) \
     SELECT $2, ticket_type_id, $3, name, tickets, cancelled_tickets FROM ",
    rows("$1", ticket_type_id uuid, name text, tickets bigint, cancelled_tickets bigint),
    " WHERE true ON CONFLICT (fact_id, ticket_type_id) DO NOTHING",
);

const OPEN_STANDING: &str = "INSERT INTO order_standings (order_id, order_code, event_id, \
     organizer_id, buyer_id, confirmed_at, currency, total, tickets, cancelled_tickets, \
     cancelled_cost, given_back, cancelled) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, FALSE) ON CONFLICT (order_id) DO NOTHING";

const FIND_STANDING: &str = "SELECT event_id, currency, total, tickets, cancelled_tickets, \
     cancelled_cost, given_back, cancelled FROM order_standings WHERE order_id = $1";

const CHANGE_STANDING: &str = "UPDATE order_standings SET cancelled_tickets = $2, \
     cancelled_cost = $3, given_back = $4, cancelled = $5 WHERE order_id = $1";

const TOTALS: Sql = store::sql!(
    "SELECT sales_ledger.event_id, currency, CAST(SUM(orders) AS bigint) AS orders, \
     CAST(SUM(cancelled_orders) AS bigint) AS cancelled_orders, \
     CAST(SUM(tickets) AS bigint) AS tickets, \
     CAST(SUM(cancelled_tickets) AS bigint) AS cancelled_tickets, \
     CAST(SUM(gross) AS bigint) AS gross, CAST(SUM(refunded) AS bigint) AS refunded FROM ",
    rows("$1", event_id uuid),
    " CROSS JOIN sales_ledger WHERE sales_ledger.event_id = given.event_id \
     GROUP BY sales_ledger.event_id, currency ORDER BY currency",
);

const TICKET_TYPES: Sql = store::sql!(
    "SELECT sold_items.event_id, ticket_type_id, MIN(name) AS name, \
     CAST(SUM(tickets) AS bigint) AS tickets, \
     CAST(SUM(cancelled_tickets) AS bigint) AS cancelled_tickets FROM ",
    rows("$1", event_id uuid),
    " CROSS JOIN sold_items WHERE sold_items.event_id = given.event_id \
     GROUP BY sold_items.event_id, ticket_type_id ORDER BY ticket_type_id",
);

const QUARTERS: &str = "SELECT quarter, currency, CAST(SUM(orders) AS bigint) AS orders, \
     CAST(SUM(cancelled_orders) AS bigint) AS cancelled_orders, \
     CAST(SUM(tickets) AS bigint) AS tickets, \
     CAST(SUM(cancelled_tickets) AS bigint) AS cancelled_tickets, \
     CAST(SUM(gross) AS bigint) AS gross, CAST(SUM(refunded) AS bigint) AS refunded \
     FROM sales_ledger WHERE event_id = $1 AND quarter >= $2 AND quarter < $3 \
     GROUP BY quarter, currency ORDER BY quarter, currency";

/// An order that was confirmed.
#[derive(Debug, Clone)]
pub(crate) struct SoldOrder<'a> {
    pub(crate) order_id: Uuid,
    pub(crate) order_code: &'a str,
    pub(crate) event_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) buyer_id: Uuid,
    pub(crate) total: Money,
    pub(crate) tickets: i64,
    pub(crate) confirmed_at: Timestamp,
}

/// How many tickets of one type something was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ItemCount {
    pub(crate) ticket_type_id: Uuid,
    pub(crate) name: String,
    pub(crate) tickets: i64,
    pub(crate) cancelled_tickets: i64,
}

/// What was told, and when it happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
}

/// Enters an order that was confirmed.
pub(crate) async fn note_sale(
    tx: &mut Tx,
    telling: Telling,
    order: SoldOrder<'_>,
    items: &[ItemCount],
) -> Result<(), sqlx::Error> {
    let SoldOrder { order_id, event_id, total, tickets, .. } = order;
    let currency = total.currency.code();
    let (_, entry) = Standing::confirmed(total.amount, tickets);
    let telling = Telling { at: order.confirmed_at, ..telling };
    if !enter(tx, telling, order_id, event_id, currency, entry).await? {
        return Ok(());
    }
    store::execute!(
        tx,
        OPEN_STANDING,
        order_id,
        order.order_code,
        event_id,
        order.organizer_id,
        order.buyer_id,
        At(order.confirmed_at),
        currency,
        total.amount,
        tickets,
    )
    .await?;
    enter_items(tx, telling, event_id, items).await
}

/// Enters what happened to an order that was confirmed; of others there is nothing to report.
pub(crate) async fn note_fact(
    tx: &mut Tx,
    telling: Telling,
    order_id: Uuid,
    fact: Fact,
    items: &[ItemCount],
) -> Result<(), sqlx::Error> {
    let Some(row) = store::fetch_optional!(tx, StandingRow, FIND_STANDING, order_id).await? else {
        return Ok(());
    };
    let mut standing = row.standing();
    let entry = standing.apply(fact);
    if !enter(tx, telling, order_id, row.event_id, &row.currency, entry).await? {
        return Ok(());
    }
    store::execute!(
        tx,
        CHANGE_STANDING,
        order_id,
        standing.cancelled_tickets,
        standing.cancelled_cost,
        standing.given_back,
        standing.cancelled,
    )
    .await?;
    enter_items(tx, telling, row.event_id, items).await
}

/// Whether it was not there already.
async fn enter(
    tx: &mut Tx,
    telling: Telling,
    order_id: Uuid,
    event_id: Uuid,
    currency: &str,
    entry: Entry,
) -> Result<bool, sqlx::Error> {
    let entered = store::execute!(
        tx,
        ENTER,
        telling.id,
        order_id,
        event_id,
        quarter_of(telling.at),
        currency,
        entry.orders,
        entry.cancelled_orders,
        entry.tickets,
        entry.cancelled_tickets,
        entry.gross,
        entry.refunded,
    );
    Ok(entered.await? > 0)
}

async fn enter_items(
    tx: &mut Tx,
    telling: Telling,
    event_id: Uuid,
    items: &[ItemCount],
) -> Result<(), sqlx::Error> {
    if !items.is_empty() {
        store::execute!(tx, ENTER_ITEMS, Json(items), telling.id, event_id).await?;
    }
    Ok(())
}

#[derive(Debug, FromRow)]
struct StandingRow {
    event_id: Uuid,
    currency: String,
    total: i64,
    tickets: i64,
    cancelled_tickets: i64,
    cancelled_cost: i64,
    given_back: i64,
    cancelled: bool,
}

impl StandingRow {
    fn standing(&self) -> Standing {
        Standing {
            total: self.total,
            tickets: self.tickets,
            cancelled_tickets: self.cancelled_tickets,
            cancelled_cost: self.cancelled_cost,
            given_back: self.given_back,
            cancelled: self.cancelled,
        }
    }
}

/// Events to be summed up.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub(super) event_id: Uuid,
}

#[derive(Debug, FromRow)]
struct TotalRow {
    event_id: Uuid,
    currency: String,
    orders: i64,
    cancelled_orders: i64,
    tickets: i64,
    cancelled_tickets: i64,
    gross: i64,
    refunded: i64,
}

impl TotalRow {
    fn read(self) -> Result<(Uuid, Total), StoreError> {
        let currency = currency(&self.currency)?;
        let confirmed = Amounts { orders: self.orders, tickets: self.tickets, money: self.gross };
        let cancelled = Amounts {
            orders: self.cancelled_orders,
            tickets: self.cancelled_tickets,
            money: self.refunded,
        };
        Ok((self.event_id, Total { currency, confirmed, cancelled }))
    }
}

/// The totals of these events, by event and currency.
pub(super) async fn totals(
    database: &Database,
    asked: &[Asked],
) -> Result<Vec<(Uuid, Total)>, StoreError> {
    let rows = store::fetch_all!(database, TotalRow, TOTALS, Json(asked)).await?;
    rows.into_iter().map(TotalRow::read).collect()
}

#[derive(Debug, FromRow)]
struct TicketTypeRow {
    event_id: Uuid,
    ticket_type_id: Uuid,
    name: String,
    tickets: i64,
    cancelled_tickets: i64,
}

/// The tickets of these events by type.
pub(super) async fn ticket_types(
    database: &Database,
    asked: &[Asked],
) -> Result<Vec<(Uuid, TicketTypeCounts)>, StoreError> {
    let rows = store::fetch_all!(database, TicketTypeRow, TICKET_TYPES, Json(asked)).await?;
    let counts = rows.into_iter().map(|row| {
        let TicketTypeRow { event_id, ticket_type_id, name, tickets, cancelled_tickets } = row;
        let sold = tickets - cancelled_tickets;
        (event_id, TicketTypeCounts { ticket_type_id, name, sold, cancelled: cancelled_tickets })
    });
    Ok(counts.collect())
}

#[derive(Debug, FromRow)]
struct QuarterRow {
    quarter: i64,
    currency: String,
    orders: i64,
    cancelled_orders: i64,
    tickets: i64,
    cancelled_tickets: i64,
    gross: i64,
    refunded: i64,
}

/// What was sold of an event in each quarter of an hour, from the quarter `from` to the one before
/// `until`.
pub(crate) async fn quarters(
    database: &Database,
    event_id: Uuid,
    from: i64,
    until: i64,
) -> Result<Vec<Quarter>, StoreError> {
    let rows = store::fetch_all!(database, QuarterRow, QUARTERS, event_id, from, until).await?;
    rows.into_iter()
        .map(|row| {
            let sums = Entry {
                orders: row.orders,
                cancelled_orders: row.cancelled_orders,
                tickets: row.tickets,
                cancelled_tickets: row.cancelled_tickets,
                gross: row.gross,
                refunded: row.refunded,
            };
            Ok(Quarter { number: row.quarter, currency: currency(&row.currency)?, sums })
        })
        .collect()
}

/// The currency that is stored under this code.
pub(super) fn currency(code: &str) -> Result<Currency, StoreError> {
    Currency::from_code(code)
        .ok_or_else(|| StoreError::Corrupt(format!("{code} is stored as a currency")))
}
