//! Reporting's public endpoints, one file each. This is their table of contents, with what they
//! share.

mod get_customer;
mod get_event_days;
mod get_event_sales;
mod list_audit;
mod list_event_orders;
mod list_sales;

use std::sync::Arc;

use contracts::{
    catalog::{Catalog, CatalogError, FindMembership, FindSaleTerms, SaleTerms},
    money::Money,
    orders::OrderEvent,
    tickets::TicketEvent,
};
use edge::{Problem, Routes, routes};
use runtime::{Context, IntegrationEvents, Role, Timestamp};
use serde::{Deserialize, Serialize};
use store::Database;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ADMISSIONS, SALES,
    domain::Sales,
    views::{self, Books, Progress, ReportedEvent, orders::ReportedOrder},
};

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<dyn Catalog>,
}

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(routes!(get_event_sales::get_event_sales))
        .routes(routes!(get_event_days::get_event_sales_by_day))
        .routes(routes!(list_event_orders::list_event_orders))
        .routes(routes!(list_sales::list_sales))
        .routes(routes!(get_customer::get_customer_history))
        .routes(routes!(list_audit::list_audit))
}

/// The sales of one event.
#[derive(Debug, Serialize, ToSchema)]
struct EventSales {
    event_id: Uuid,
    event_name: String,
    organizer_id: Uuid,
    #[serde(flatten)]
    sales: Sales,
}

impl EventSales {
    fn new(event: ReportedEvent, books: &Books) -> Self {
        let ReportedEvent { event_id, organizer_id, name } = event;
        let types = books.ticket_types(event_id);
        let sales = Sales::of(&books.totals(event_id), types, books.admitted(event_id));
        Self { event_id, event_name: name, organizer_id, sales }
    }
}

/// In which form a report is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportForm)]
enum Form {
    Json,
    /// A table for spreadsheets, with amounts in the currency's own unit.
    Csv,
}

/// An order that was confirmed, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "order_code": "K7MPX2QA",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "customer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "confirmed_at": "2027-05-02T10:01:00Z",
    "state": "partly_cancelled",
    "tickets": 3,
    "cancelled_tickets": 1,
    "gross": {"amount": 7500, "currency": "EUR"},
    "refunded": {"amount": 2500, "currency": "EUR"},
    "net": {"amount": 5000, "currency": "EUR"},
}))]
struct OrderStanding {
    order_id: Uuid,
    /// The order's code, which people read to each other.
    order_code: String,
    event_id: Uuid,
    event_name: String,
    organizer_id: Uuid,
    /// The account that bought.
    customer_id: Uuid,
    confirmed_at: Timestamp,
    state: StandingState,
    /// Tickets that were bought, cancelled ones too.
    tickets: i64,
    cancelled_tickets: i64,
    /// What was paid.
    gross: Money,
    /// What went back, or is on its way back.
    refunded: Money,
    /// The difference.
    net: Money,
}

/// What became of an order after it was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StandingState {
    /// All of its tickets stand.
    Confirmed,
    /// Some of its tickets were cancelled.
    PartlyCancelled,
    /// It was cancelled.
    Cancelled,
}

impl StandingState {
    const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::PartlyCancelled => "partly_cancelled",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<ReportedOrder> for OrderStanding {
    fn from(order: ReportedOrder) -> Self {
        let standing = order.standing;
        let state = match (standing.cancelled, standing.cancelled_tickets) {
            (true, _) => StandingState::Cancelled,
            (false, 0) => StandingState::Confirmed,
            (false, _) => StandingState::PartlyCancelled,
        };
        let net = order.total.amount - order.refunded.amount;
        Self {
            order_id: order.order_id,
            order_code: order.order_code,
            event_id: order.event_id,
            event_name: order.event_name,
            organizer_id: order.organizer_id,
            customer_id: order.buyer_id,
            confirmed_at: order.confirmed_at,
            state,
            tickets: standing.tickets,
            cancelled_tickets: standing.cancelled_tickets,
            gross: order.total,
            refunded: order.refunded,
            net: Money::new(net, order.total.currency),
        }
    }
}

/// How far a report goes in what one service has told. Reports are built from what others tell a
/// moment after it happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportSource)]
struct Source {
    /// The service that told.
    #[schema(example = "orders")]
    publisher: &'static str,
    /// When the newest event happened that is in the report; absent before the first. Over Kafka, older
    /// ones about other orders may have yet to arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// How long that event took to get here, in seconds; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    /// Where in the service's log the report stands: all up to there is in it.
    position: i64,
    /// How many events are missing from the report, since they could not be taken in. Those that have
    /// yet to arrive are not among them.
    missing: u64,
}

impl Source {
    fn new(publisher: &'static str, progress: Progress) -> Self {
        let Progress { position, newest, aside } = progress;
        let lag = |(as_of, taken_at): (Timestamp, Timestamp)| {
            taken_at.duration_since(as_of).as_secs_f64().max(0.0)
        };
        Self {
            publisher,
            as_of: newest.map(|(as_of, _)| as_of),
            lag_seconds: newest.map(lag),
            position: position.seq,
            missing: aside,
        }
    }
}

impl App {
    /// How far reports go. Read before the report, which then has at least that.
    async fn sources(&self) -> Result<Vec<Source>, Problem> {
        let mut sources = Vec::new();
        let read = [(SALES, OrderEvent::PUBLISHER), (ADMISSIONS, TicketEvent::PUBLISHER)];
        for (consumer, publisher) in read {
            let progress = views::progress(&self.database, consumer, publisher).await?;
            sources.push(Source::new(publisher, progress));
        }
        Ok(sources)
    }

    /// The event, whether something of it was sold or not.
    async fn event(&self, cx: &Context, event_id: Uuid) -> Result<ReportedEvent, Problem> {
        if let Some(event) = views::find_event(&self.database, event_id).await? {
            return Ok(event);
        }
        let terms = self.terms(cx, event_id).await?;
        Ok(ReportedEvent { event_id, organizer_id: terms.organizer_id, name: terms.event_name })
    }

    /// What catalog knows of the event.
    async fn terms(&self, cx: &Context, event_id: Uuid) -> Result<SaleTerms, Problem> {
        let terms = self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await;
        terms.map_err(from_catalog)
    }

    /// Refuses callers who do not act for the organizer.
    async fn require_member(&self, cx: &Context, organizer_id: Uuid) -> Result<(), Problem> {
        edge::user(cx)?;
        if self.acts_for(cx, organizer_id).await? {
            return Ok(());
        }
        Err(Problem::new(&edge::problems::FORBIDDEN)
            .detail("only members of the organizer with the role of organizer may see its sales"))
    }

    /// Whether the caller is an admin, or an organizer by role and a member of this one: who has lost
    /// either sees nothing of it any more.
    async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        if !cx.principal().has_role(Role::Organizer) {
            return Ok(false);
        }
        let asked = self.catalog.membership(cx, FindMembership { organizer_id, user_id }).await;
        Ok(asked.map_err(from_catalog)?.is_member)
    }
}

/// What a call to catalog failed with.
fn from_catalog(error: CatalogError) -> Problem {
    match error {
        CatalogError::EventUnknown { .. } => Problem::not_found(),
        CatalogError::Fault(fault) => fault.into(),
        CatalogError::Unrecognised(_) => Problem::internal(error),
    }
}
