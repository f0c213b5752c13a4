//! `GET /v1/events`

use axum::{extract::State, response::Response};
use edge::{Listing, Page, Problem, Query, Shown};
use garde::Validate;
use runtime::{Context, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use super::EventResource;
use crate::{
    domain::event::EventState,
    http::{App, text},
    shown::may_change,
    views::events::{EventRow, Wanted, Whose, list},
};

/// Which events to list.
#[derive(Debug, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EventFilter {
    /// Only those of this organizer. Its members see their drafts, too.
    #[garde(skip)]
    organizer_id: Option<Uuid>,
    /// Only those at this venue.
    #[garde(skip)]
    venue_id: Option<Uuid>,
    /// Only those that stand there.
    #[garde(skip)]
    #[param(inline)]
    state: Option<EventState>,
    /// Only those that begin at this instant or later.
    #[garde(skip)]
    starts_after: Option<Timestamp>,
    /// Only those that begin before this instant.
    #[garde(skip)]
    starts_before: Option<Timestamp>,
    /// Only those whose name begins with this, in any case.
    #[garde(length(chars, max = 200), inner(custom(text::prefix)))]
    #[param(max_length = 200)]
    q: Option<String>,
}

/// List events
///
/// Ordered by when they begin. Everybody sees what is published; with `organizer_id`, members of
/// that organizer see its drafts, too. Organizers read the programme as it is; to others, what another
/// replica of the service has changed may be as old as `cache.staleness` allows: half a second by default.
#[utoipa::path(
    get,
    path = "/v1/events",
    params(EventFilter, Page),
    responses((status = 200, description = "A page of events", body = Listing<EventResource>)),
    security((), ("bearer" = [])),
)]
pub(in crate::http) async fn list_events(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<EventFilter>,
    page: Page,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let after = page.after()?;
    let may_remember = !may_change(&cx) && is_asked_by_many(&filter, after.is_none());
    let key = if may_remember { Some(key_of(&filter, &page)?) } else { None };
    let known = key.map(|key| (key, app.shown.lists.find(key)));
    if let Some(list) = known.as_ref().and_then(|(_, known)| known.trusted_at(now)) {
        return Ok(list.clone().untagged());
    }
    let whose = match (filter.organizer_id, filter.venue_id) {
        (Some(id), venue) => Whose::OfOrganizer { id, drafts: app.acts_for(&cx, id).await?, venue },
        (None, Some(venue)) => Whose::AtVenue(venue),
        (None, None) => Whose::Everybodys,
    };
    let wanted = Wanted {
        whose,
        state: filter.state,
        starts_from: filter.starts_after,
        starts_before: filter.starts_before,
        name_prefix: filter.q.as_deref(),
        after,
        limit: page.fetch(),
        now,
    };
    let rows = list(&app.database, wanted).await?;
    let changes_at =
        rows.iter().map(|row| Timestamp::from(row.ends_at)).filter(|at| *at > now).min();
    let listing = Listing::of(rows, &page, EventRow::key).map(|row| EventResource::of(row, now));
    let list = Shown::of(&listing, 0, 0, now, changes_at)?;
    if let Some((key, known)) = known
        && !listing.items.is_empty()
    {
        app.shown.keep_list(key, &known, &list);
    }
    Ok(list.untagged())
}

/// Whether many may ask for the same, so that the list is worth a place among the few that are
/// remembered. What somebody typed, times and later pages are not: whoever makes them up would empty
/// it.
fn is_asked_by_many(filter: &EventFilter, is_first_page: bool) -> bool {
    let has_times = filter.starts_after.is_some() || filter.starts_before.is_some();
    is_first_page && !has_times && filter.q.is_none()
}

/// What a list is remembered under: the same for all who ask for the same.
fn key_of(filter: &EventFilter, page: &Page) -> Result<Uuid, Problem> {
    let asked = serde_json::to_vec(&(filter, page)).map_err(Problem::internal)?;
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_URL, &asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_made_up_takes_no_place_from_what_many_ask_for() {
        let filter = |asked: serde_json::Value| -> EventFilter {
            serde_json::from_value(asked).expect("it is a filter")
        };
        let venue = filter(serde_json::json!({ "venue_id": Uuid::from_u128(1) }));
        assert!(is_asked_by_many(&venue, true));
        assert!(!is_asked_by_many(&venue, false));
        let noon = "2026-11-21T12:00:00Z";
        for (name, made_up) in [("q", "Quar"), ("starts_after", noon), ("starts_before", noon)] {
            assert!(!is_asked_by_many(&filter(serde_json::json!({ name: made_up })), true));
        }
    }
}
