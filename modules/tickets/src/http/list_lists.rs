//! `GET /v1/check-in-lists`.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::views::lists::{self, ListResource};

/// Which lists to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListFilter {
    /// The event.
    #[garde(skip)]
    event_id: Uuid,
}

edge::problem_responses! {
    /// What listing may be refused with.
    pub(super) ListProblems: edge::problems::NOT_FOUND
}

/// List check-in lists
///
/// Those of an event, its default list first, for those who may scan there.
#[utoipa::path(
    get,
    path = "/v1/check-in-lists",
    params(ListFilter, Page),
    responses(
        (status = 200, description = "A page of lists", body = Listing<ListResource>),
        ListProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list_lists(
    State(app): State<App>,
    cx: Context,
    Query(ListFilter { event_id }): Query<ListFilter>,
    page: Page,
) -> Result<Json<Listing<ListResource>>, Problem> {
    edge::user(&cx)?;
    app.forget_post(event_id);
    let default = app.worked_post(&cx, event_id).await?;
    if default.rules.event_id != event_id {
        return Err(Problem::not_found());
    }
    // The default list sorts before all others: its id counts as nil.
    let after: Option<Uuid> = page.after()?;
    let rows = lists::of_event(&app.database, event_id, after, page.fetch()).await?;
    let others = rows.into_iter().map(|row| (row.list_id, row.content.0));
    let first = after.is_none().then(|| (Uuid::nil(), default.rules.as_ref().into()));
    let all = first.into_iter().chain(others).collect();
    Ok(Json(Listing::of(all, &page, |(id, _)| *id).map(|(_, list)| list)))
}
