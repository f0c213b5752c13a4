//! `POST /v1/notifications/organizers/{organizer_id}/templates/{kind}/preview`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{TemplateInput, refused};
use crate::{
    domain::notice::Kind,
    http::App,
    templates::{Rendered, Variables},
};

/// A mail as a template makes it of a made-up order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailPreview, example = json!({
    "subject": "Your tickets for Quartet by the river",
    "text": "Hello Cara,\n\nyour order K7MPX2QA is paid.\n",
    "html": "<p>Hello Cara,</p><p>your order K7MPX2QA is paid.</p>",
}))]
pub(in crate::http) struct Preview {
    subject: String,
    text: String,
    /// To be shown where it can run nothing: it is the organizer's own.
    html: String,
}

/// Preview a mail template
///
/// For members of the organizer: what a mail looks like in these words, for a made-up order.
/// Nothing is kept or sent. Everything that is wrong with the template is reported together.
#[utoipa::path(
    post,
    path = "/v1/notifications/organizers/{organizer_id}/templates/{kind}/preview",
    params(("organizer_id" = Uuid, Path), ("kind" = Kind, Path)),
    request_body = TemplateInput,
    responses((status = 200, description = "The mail", body = Preview)),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn preview_mail_template(
    State(app): State<App>,
    cx: Context,
    Path((organizer_id, _kind)): Path<(Uuid, Kind)>,
    Json(input): Json<TemplateInput>,
) -> Result<Json<Preview>, Problem> {
    let stationery = app.stationery(&cx, organizer_id).await?;
    let template = input.checked()?;
    let mut variables = Variables::sample();
    let own = stationery.state.sender_name;
    variables.organizer.name = own.unwrap_or_else(|| app.sender_name.to_string());
    let Rendered { subject, text, html } = template.render(&variables).map_err(refused)?;
    Ok(Json(Preview { subject, text, html }))
}
