//! Orders as they stand: of one event, and of one customer.

use contracts::money::Money;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Database, StoreError};
use uuid::Uuid;

use super::{LATEST, ledger::currency};
use crate::domain::standing::Standing;

/// The statements of this file.
pub(super) const STATEMENTS: &[(&str, store::Sql)] = store::statements![
    LIST_OF_EVENT,
    LIST_OF_CUSTOMER,
    LIST_OF_CUSTOMER_AT,
    SUM_OF_CUSTOMER,
    SUM_OF_CUSTOMER_AT,
];

/// Columns that every list of orders has.
macro_rules! list {
    ($filter:literal) => {
        concat!(
            "SELECT o.order_id, o.order_code, o.event_id, e.name AS event_name, o.organizer_id, ",
            "o.buyer_id, o.confirmed_at, o.currency, o.total, o.tickets, o.cancelled_tickets, ",
            "o.cancelled_cost, o.given_back, o.cancelled FROM order_standings o ",
            "JOIN reported_events e ON e.event_id = o.event_id WHERE ",
            $filter,
            " AND (o.confirmed_at, o.order_id) < ($2, $3) ",
            "ORDER BY o.confirmed_at DESC, o.order_id DESC LIMIT $4"
        )
    };
}

macro_rules! sum {
    ($filter:literal) => {
        concat!(
            "SELECT currency, COUNT(*) AS orders, ",
            "COUNT(CASE WHEN cancelled THEN 1 END) AS cancelled_orders, ",
            "CAST(SUM(tickets) AS bigint) AS tickets, ",
            "CAST(SUM(cancelled_tickets) AS bigint) AS cancelled_tickets, ",
            "CAST(SUM(total) AS bigint) AS gross, ",
            "CAST(SUM(CASE WHEN cancelled_cost > given_back THEN ",
            "CASE WHEN cancelled_cost < total THEN cancelled_cost ELSE total END ELSE ",
            "CASE WHEN given_back < total THEN given_back ELSE total END END) AS bigint) ",
            "AS refunded FROM order_standings WHERE ",
            $filter,
            " GROUP BY currency ORDER BY currency"
        )
    };
}

const LIST_OF_EVENT: &str = list!("o.event_id = $1");
const LIST_OF_CUSTOMER: &str = list!("o.buyer_id = $1");
const LIST_OF_CUSTOMER_AT: &str = list!("o.buyer_id = $1 AND o.organizer_id = $5");
const SUM_OF_CUSTOMER: &str = sum!("buyer_id = $1");
const SUM_OF_CUSTOMER_AT: &str = sum!("buyer_id = $1 AND organizer_id = $2");

/// An order as it stands.
#[derive(Debug, Clone)]
pub(crate) struct ReportedOrder {
    pub(crate) order_id: Uuid,
    pub(crate) order_code: String,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    pub(crate) organizer_id: Uuid,
    pub(crate) buyer_id: Uuid,
    pub(crate) confirmed_at: Timestamp,
    pub(crate) total: Money,
    pub(crate) refunded: Money,
    pub(crate) standing: Standing,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderKey {
    confirmed_at: Timestamp,
    order_id: Uuid,
}

impl OrderKey {
    const NEWEST: Self = Self { confirmed_at: LATEST, order_id: Uuid::max() };
}

impl ReportedOrder {
    pub(crate) fn key(&self) -> OrderKey {
        OrderKey { confirmed_at: self.confirmed_at, order_id: self.order_id }
    }
}

#[derive(Debug, FromRow)]
struct OrderRow {
    order_id: Uuid,
    order_code: String,
    event_id: Uuid,
    event_name: String,
    organizer_id: Uuid,
    buyer_id: Uuid,
    confirmed_at: At,
    currency: String,
    total: i64,
    tickets: i64,
    cancelled_tickets: i64,
    cancelled_cost: i64,
    given_back: i64,
    cancelled: bool,
}

impl OrderRow {
    fn read(self) -> Result<ReportedOrder, StoreError> {
        let currency = currency(&self.currency)?;
        let standing = Standing {
            total: self.total,
            tickets: self.tickets,
            cancelled_tickets: self.cancelled_tickets,
            cancelled_cost: self.cancelled_cost,
            given_back: self.given_back,
            cancelled: self.cancelled,
        };
        Ok(ReportedOrder {
            order_id: self.order_id,
            order_code: self.order_code,
            event_id: self.event_id,
            event_name: self.event_name,
            organizer_id: self.organizer_id,
            buyer_id: self.buyer_id,
            confirmed_at: self.confirmed_at.0,
            total: Money::new(self.total, currency),
            refunded: Money::new(standing.refunded(), currency),
            standing,
        })
    }
}

/// Up to `limit` orders of the event, newest first, from the one after `after`.
pub(crate) async fn of_event(
    database: &Database,
    event_id: Uuid,
    after: Option<OrderKey>,
    limit: i64,
) -> Result<Vec<ReportedOrder>, StoreError> {
    let OrderKey { confirmed_at, order_id } = after.unwrap_or(OrderKey::NEWEST);
    let at = At(confirmed_at);
    let rows =
        store::fetch_all!(database, OrderRow, LIST_OF_EVENT, event_id, at, order_id, limit).await?;
    rows.into_iter().map(OrderRow::read).collect()
}

/// Whose orders of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) customer_id: Uuid,
    /// Those for events of this organizer; otherwise all.
    pub(crate) organizer_id: Option<Uuid>,
}

impl History {
    /// Up to `limit` orders, newest first, from the one after `after`.
    pub(crate) async fn orders(
        self,
        database: &Database,
        after: Option<OrderKey>,
        limit: i64,
    ) -> Result<Vec<ReportedOrder>, StoreError> {
        let OrderKey { confirmed_at, order_id } = after.unwrap_or(OrderKey::NEWEST);
        let (at, customer) = (At(confirmed_at), self.customer_id);
        let rows = match self.organizer_id {
            None => {
                let sql = LIST_OF_CUSTOMER;
                store::fetch_all!(database, OrderRow, sql, customer, at, order_id, limit).await?
            }
            Some(organizer) => {
                let sql = LIST_OF_CUSTOMER_AT;
                store::fetch_all!(database, OrderRow, sql, customer, at, order_id, limit, organizer)
                    .await?
            }
        };
        rows.into_iter().map(OrderRow::read).collect()
    }

    /// What all of them add up to, by currency.
    pub(crate) async fn sums(self, database: &Database) -> Result<Vec<CustomerSum>, StoreError> {
        let customer = self.customer_id;
        let rows = match self.organizer_id {
            None => store::fetch_all!(database, SumRow, SUM_OF_CUSTOMER, customer).await?,
            Some(organizer) => {
                store::fetch_all!(database, SumRow, SUM_OF_CUSTOMER_AT, customer, organizer).await?
            }
        };
        rows.into_iter().map(SumRow::read).collect()
    }
}

/// What a customer's orders in one currency add up to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomerSum {
    pub(crate) orders: i64,
    pub(crate) cancelled_orders: i64,
    pub(crate) tickets: i64,
    pub(crate) cancelled_tickets: i64,
    pub(crate) gross: Money,
    pub(crate) refunded: Money,
}

#[derive(Debug, FromRow)]
struct SumRow {
    currency: String,
    orders: i64,
    cancelled_orders: i64,
    tickets: i64,
    cancelled_tickets: i64,
    gross: i64,
    refunded: i64,
}

impl SumRow {
    fn read(self) -> Result<CustomerSum, StoreError> {
        let currency = currency(&self.currency)?;
        Ok(CustomerSum {
            orders: self.orders,
            cancelled_orders: self.cancelled_orders,
            tickets: self.tickets,
            cancelled_tickets: self.cancelled_tickets,
            gross: Money::new(self.gross, currency),
            refunded: Money::new(self.refunded, currency),
        })
    }
}
