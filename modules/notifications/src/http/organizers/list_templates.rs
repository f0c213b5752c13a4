//! `GET /v1/notifications/organizers/{organizer_id}/templates`.

use axum::extract::State;
use edge::{Json, Listing, Path, Problem, Tagged};
use runtime::Context;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{domain::notice::Kind, http::App, templates::Template};

/// A template, without what it says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailTemplateSummary, example = json!({
    "kind": "order_confirmation",
    "built_in": true,
    "subject": "Your tickets for {{ event.name }} (order {{ order.code }})",
}))]
pub(in crate::http) struct TemplateSummary {
    kind: Kind,
    /// Whether these are the words that Boxoffice comes with.
    built_in: bool,
    subject: String,
}

/// List an organizer's mail templates
///
/// For members of the organizer: one for each kind of mail, its own or the built-in one.
#[utoipa::path(
    get,
    path = "/v1/notifications/organizers/{organizer_id}/templates",
    params(("organizer_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "All of them",
        body = Listing<TemplateSummary>,
        headers(("etag" = String, description = "Their version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn list_mail_templates(
    State(app): State<App>,
    cx: Context,
    Path(organizer_id): Path<Uuid>,
) -> Result<Tagged<Json<Listing<TemplateSummary>>>, Problem> {
    let stationery = app.stationery(&cx, organizer_id).await?;
    let summaries = Kind::ALL.into_iter().map(|kind| {
        let own = stationery.state.templates.get(&kind);
        let subject = own.map(|template| template.subject.clone());
        let built_in = subject.is_none();
        let subject = subject.unwrap_or_else(|| Template::built_in(kind).subject);
        TemplateSummary { kind, built_in, subject }
    });
    let listing = Listing { items: summaries.collect(), next_cursor: None };
    Ok(Tagged(stationery.version, Json(listing)))
}
