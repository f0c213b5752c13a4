//! `GET /v1/reports/events/{event_id}/sales/days`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use edge::{FieldFault, Json, Path, Problem, Query, RequestPart};
use futures_util::stream;
use garde::Validate;
use jiff::{civil::Date, tz::TimeZone};
use runtime::Context;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{App, Form, Source};
use crate::{
    csv::{self, Line},
    domain::days::{DaySales, days_of, first_quarter},
    views::ledger,
};

/// Which days to report, and in which form.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DayFilter {
    /// The first day, at the venue; otherwise the first on which something was sold.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = Date, example = "2027-06-01")]
    from: Option<Date>,
    /// The last day, at the venue; otherwise today.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = Date, example = "2027-06-30")]
    to: Option<Date>,
    /// JSON when absent.
    #[garde(skip)]
    format: Option<Form>,
}

/// What was sold of an event, day by day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "time_zone": "Europe/Berlin",
    "days": [{
        "date": "2027-05-02",
        "orders": {"sold": 12, "cancelled": 1},
        "tickets": {"sold": 30, "cancelled": 2},
        "revenue": [{
            "gross": {"amount": 75_000, "currency": "EUR"},
            "refunded": {"amount": 5000, "currency": "EUR"},
            "net": {"amount": 70_000, "currency": "EUR"},
        }],
    }],
    "sources": [{
        "publisher": "orders",
        "as_of": "2027-05-02T17:45:00Z",
        "lag_seconds": 0.012,
        "position": 1812,
        "missing": 0,
    }],
}))]
pub(super) struct EventDaysReport {
    event_id: Uuid,
    event_name: String,
    organizer_id: Uuid,
    /// The IANA time zone of the venue, by whose clocks days begin and end.
    time_zone: String,
    /// The days on which something was sold or cancelled, the first one first.
    days: Vec<DaySales>,
    sources: Vec<Source>,
}

/// Report the sales of an event by day
///
/// For members of its organizer. Days are the venue's, from midnight to midnight there. What is
/// cancelled or given back counts on the day on which that happens. As JSON, or as CSV with one line
/// for each day and currency.
#[utoipa::path(
    get,
    path = "/v1/reports/events/{event_id}/sales/days",
    params(("event_id" = Uuid, Path), DayFilter),
    responses((status = 200, description = "The days", content(
        (EventDaysReport = "application/json"), (String = "text/csv"),
    ))),
    security(("bearer" = [])),
)]
pub(super) async fn get_event_sales_by_day(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
    Query(filter): Query<DayFilter>,
) -> Result<Response, Problem> {
    edge::user(&cx)?;
    let terms = app.terms(&cx, event_id).await?;
    if !app.acts_for(&cx, terms.organizer_id).await? {
        return Err(Problem::not_found());
    }
    let zone = runtime::time_zone(&terms.time_zone)
        .ok_or_else(|| Problem::internal(format!("no time zone {:?}", terms.time_zone)))?;
    let (from, until) = filter.quarters(&zone)?;
    let sources = app.sources().await?;
    let quarters = ledger::quarters(&app.database, event_id, from, until).await?;
    let days = days_of(&quarters, &zone);
    if filter.format == Some(Form::Csv) {
        let lines = stream::iter(lines(&days).into_iter().map(Ok::<_, std::io::Error>));
        return Ok(csv::table(&format!("sales-{event_id}"), lines));
    }
    let report = EventDaysReport {
        event_id,
        event_name: terms.event_name,
        organizer_id: terms.organizer_id,
        time_zone: terms.time_zone,
        days,
        sources,
    };
    Ok(Json(report).into_response())
}

impl DayFilter {
    /// The first quarter of an hour that is wanted, and the one after the last.
    fn quarters(&self, zone: &TimeZone) -> Result<(i64, i64), Problem> {
        let fault = |name: &str| {
            let detail = "no day that can be reported on";
            Problem::invalid([FieldFault::new(RequestPart::Query, name, detail)])
        };
        let from = match self.from {
            None => i64::MIN,
            Some(day) => first_quarter(day, zone).ok_or_else(|| fault("/from"))?,
        };
        let until = match self.to {
            None => i64::MAX,
            Some(day) => {
                let next = day.tomorrow().ok().and_then(|next| first_quarter(next, zone));
                next.ok_or_else(|| fault("/to"))?
            }
        };
        Ok((from, until))
    }
}

fn lines(days: &[DaySales]) -> Vec<String> {
    const NAMES: [&str; 9] = [
        "date",
        "currency",
        "gross",
        "refunded",
        "net",
        "orders_sold",
        "orders_cancelled",
        "tickets_sold",
        "tickets_cancelled",
    ];
    let mut lines = vec![Line::of(&NAMES).finish()];
    for day in days {
        for (index, revenue) in day.revenue.iter().enumerate() {
            // Counts are of all currencies together; they stand in one line, so that a column adds up.
            let count = |number: i64| if index == 0 { number } else { 0 };
            let line = Line::default()
                .text(&day.date.to_string())
                .text(revenue.gross.currency.code())
                .money(revenue.gross)
                .money(revenue.refunded)
                .money(revenue.net)
                .number(count(day.orders.sold))
                .number(count(day.orders.cancelled))
                .number(count(day.tickets.sold))
                .number(count(day.tickets.cancelled));
            lines.push(line.finish());
        }
    }
    lines
}
