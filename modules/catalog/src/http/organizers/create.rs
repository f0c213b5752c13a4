//! `POST /v1/organizers`

use axum::extract::State;
use edge::{Answered, IdempotencyKey, Json, Problem};
use runtime::{Context, Role};

use super::{OrganizerInput, OrganizerResource};
use crate::{
    domain::organizer::Command,
    http::{App, created},
};

/// Create an organizer
///
/// The caller becomes its first owner. Needs the role `organizer`.
#[utoipa::path(
    post,
    path = "/v1/organizers",
    request_body = OrganizerInput,
    responses((
        status = 201,
        description = "The organizer",
        body = OrganizerResource,
        headers(
            ("location" = String, description = "Where it is."),
            ("etag" = String, description = "Its version, for `If-Match`."),
        ),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn create_organizer(
    State(app): State<App>,
    cx: Context,
    key: Option<IdempotencyKey>,
    Json(input): Json<OrganizerInput>,
) -> Result<Answered, Problem> {
    let owner = edge::require(&cx, Role::Organizer)?;
    let OrganizerInput { name, description } = input.trimmed();
    let (id, now) = (app.ids.next(), app.clock.now());
    let organizer = OrganizerResource { id, name: name.clone(), description: description.clone() };
    let execution =
        app.organizers.execute(&cx, id, Command::Found { name, description, owner, now });
    created(execution, key, move |version| {
        edge::created(format!("/v1/organizers/{id}"), version, &organizer)
    })
    .await
}
