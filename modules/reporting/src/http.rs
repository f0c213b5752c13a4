//! Reporting's public endpoints, one file each. This is their table of contents, with what they
//! share.

mod get_event_sales;
mod list_sales;

use std::sync::Arc;

use contracts::{
    catalog::{Catalog, CatalogError, FindMembership, FindSaleTerms},
    orders::OrderEvent,
    tickets::TicketEvent,
};
use edge::{Problem, Routes, routes};
use runtime::{Context, IntegrationEvents, Role, Timestamp};
use serde::Serialize;
use store::Database;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::Sales,
    views::{self, Books, Progress, ReportedEvent},
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
        .routes(routes!(list_sales::list_sales))
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
        let sales = Sales::of(&books.totals(event_id), books.admitted(event_id));
        Self { event_id, event_name: name, organizer_id, sales }
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
    /// When the newest event happened that is in the report; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// How long that event took to get here, in seconds; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    /// Where in the service's log the report stands.
    position: i64,
    /// How many events are missing from the report, since they could not be taken in.
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
        for publisher in [OrderEvent::PUBLISHER, TicketEvent::PUBLISHER] {
            let progress = views::progress(&self.database, publisher).await?;
            sources.push(Source::new(publisher, progress));
        }
        Ok(sources)
    }

    /// The event, whether something of it was sold or not.
    async fn event(&self, cx: &Context, event_id: Uuid) -> Result<ReportedEvent, Problem> {
        if let Some(event) = views::find_event(&self.database, event_id).await? {
            return Ok(event);
        }
        let terms = self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await;
        let terms = terms.map_err(from_catalog)?;
        Ok(ReportedEvent { event_id, organizer_id: terms.organizer_id, name: terms.event_name })
    }

    /// Whether the caller is an admin or a member of the organizer.
    async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
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
