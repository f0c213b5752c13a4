//! `/v1/venues/{venue_id}/seating`: the numbered seats of a venue, in sections and rows. It shares the
//! venue's `ETag`.

use std::collections::HashSet;

use axum::extract::State;
use contracts::seating::{SeatRow, SeatSection};
use edge::{FieldFault, IfMatch, Json, Path, Problem, RequestPart, Tagged, openapi::IfMatchHeader};
use garde::Validate;
use runtime::Context;
use serde::{Deserialize, Serialize};
use store::Loaded;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, text};
use crate::domain::{Venue, venue::Command};

const MOST_SECTIONS: usize = 100;
const MOST_ROWS: usize = 500;
const MOST_SEATS_OF_A_ROW: usize = 500;
/// So many seats fit into one venue.
const MOST_SEATS: usize = 100_000;
const LONGEST_NAME: usize = 50;

/// The numbered seats of a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "sections": [{
        "name": "Stalls",
        "rows": [
            {"name": "A", "seats": ["1", "2", "3", "4"]},
            {"name": "B", "seats": ["1", "2", "3", "4", "5"]},
        ],
    }],
}))]
pub(in crate::http) struct Seating {
    /// The sections; none where there are no numbered seats. At most 100, each with at most 500 rows
    /// of at most 500 seats, and 100,000 seats altogether.
    #[garde(length(max = MOST_SECTIONS))]
    #[schema(max_items = 100)]
    sections: Vec<SeatSection>,
}

impl Seating {
    /// The seating with names without white space around them; a problem that tells all faults.
    fn checked(self) -> Result<Vec<SeatSection>, Problem> {
        let mut faults = Faults::default();
        let mut seats = 0;
        let mut sections = Vec::with_capacity(self.sections.len());
        let mut names = HashSet::new();
        for (at, section) in self.sections.into_iter().enumerate() {
            let place = format!("/sections/{at}");
            let name = faults.name(&format!("{place}/name"), &section.name, &mut names);
            faults.at_most(&format!("{place}/rows"), section.rows.len(), MOST_ROWS);
            let mut row_names = HashSet::new();
            let mut rows = Vec::with_capacity(section.rows.len());
            for (row_at, row) in section.rows.iter().enumerate() {
                let row_place = format!("{place}/rows/{row_at}");
                seats += row.seats.len();
                rows.push(faults.row(&row_place, row, &mut row_names));
            }
            sections.push(SeatSection { name, rows });
        }
        faults.at_most("/sections", seats, MOST_SEATS);
        if faults.0.is_empty() { Ok(sections) } else { Err(Problem::invalid(faults.0)) }
    }
}

/// What is wrong with a seating.
#[derive(Default)]
struct Faults(Vec<FieldFault>);

impl Faults {
    /// Enough to see what is wrong, also where everything is.
    const MOST: usize = 50;

    fn add(&mut self, pointer: &str, words: impl Into<String>) {
        if self.0.len() < Self::MOST {
            self.0.push(FieldFault::new(RequestPart::Body, pointer, words.into()));
        }
    }

    fn at_most(&mut self, pointer: &str, number: usize, most: usize) {
        if number > most {
            self.add(pointer, format!("has {number} and may have {most}"));
        }
    }

    fn row(&mut self, place: &str, row: &SeatRow, names: &mut HashSet<String>) -> SeatRow {
        let name = self.name(&format!("{place}/name"), &row.name, names);
        self.at_most(&format!("{place}/seats"), row.seats.len(), MOST_SEATS_OF_A_ROW);
        let mut numbers = HashSet::new();
        let seats = row.seats.iter().enumerate();
        let seats =
            seats.map(|(at, seat)| self.name(&format!("{place}/seats/{at}"), seat, &mut numbers));
        SeatRow { name, seats: seats.collect() }
    }

    /// The name, which must be one line and none of `others`.
    fn name(&mut self, pointer: &str, name: &str, others: &mut HashSet<String>) -> String {
        let name = text::trimmed(name);
        if let Err(fault) = text::line(&name, &()) {
            self.add(pointer, fault.to_string());
        } else if name.chars().count() > LONGEST_NAME {
            self.add(pointer, format!("has more than {LONGEST_NAME} characters"));
        } else if !others.insert(name.clone()) {
            self.add(pointer, "is there before: names beside each other differ");
        }
        name
    }
}

/// Read the seating of a venue
///
/// To others than the members of its organizer it does not exist. The seats of an event that is
/// published are told by `GET /v1/availability/{event_id}/seats`.
#[utoipa::path(
    get,
    path = "/v1/venues/{venue_id}/seating",
    params(("venue_id" = Uuid, Path, description = "The venue.")),
    responses((
        status = 200,
        description = "The seating, with the venue's ETag",
        body = Seating,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn get_seating(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Tagged<Json<Seating>>, Problem> {
    app.own_venue(&cx, id).await?;
    let look = |venue: &Loaded<Venue>| {
        Tagged(venue.version, Json(Seating { sections: venue.state.seating.clone() }))
    };
    app.venues.read(id, look).await?.ok_or_else(Problem::not_found)
}

/// Describe the seating of a venue
///
/// Replaces all of it. Only members of the organizer may do this. Events that are published already
/// keep the seating that they were published with. `If-Match` takes the venue's `ETag`.
#[utoipa::path(
    put,
    path = "/v1/venues/{venue_id}/seating",
    params(("venue_id" = Uuid, Path, description = "The venue."), IfMatchHeader),
    request_body = Seating,
    responses((
        status = 200,
        description = "The seating as it is now, with the venue's ETag",
        body = Seating,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn put_seating(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Json(input): Json<Seating>,
) -> Result<Tagged<Json<Seating>>, Problem> {
    app.own_venue(&cx, id).await?;
    let sections = input.checked()?;
    let command = Command::SetSeating { seating: sections.clone() };
    let execution = app.venues.execute(&cx, id, command).expect_version(version);
    let outcome = execution.read(|venue| venue.version).await;
    // Events are tagged with the version of their venue.
    app.shown.anything_changed();
    Ok(Tagged(outcome?, Json(Seating { sections })))
}
