//! `PUT /v1/notifications/organizers/{organizer_id}/sender`.

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SenderResource;
use crate::{domain::stationery::Command, http::App};

/// The name beside the sender's address.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MailSenderInput, example = json!({"name": "Riverside Concerts"}))]
pub(in crate::http) struct SenderInput {
    /// One line; the installation's name when absent.
    #[garde(inner(length(chars, min = 1, max = 100), custom(line)))]
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
}

fn line<C>(name: &str, _: &C) -> garde::Result {
    if name.trim().is_empty() {
        return Err(garde::Error::new("is blank"));
    }
    if name.chars().any(char::is_control) {
        return Err(garde::Error::new("has control characters"));
    }
    Ok(())
}

/// Change an organizer's sender name
///
/// For members of the organizer: the name beside the address that its mail comes from. The address
/// is the installation's.
#[utoipa::path(
    put,
    path = "/v1/notifications/organizers/{organizer_id}/sender",
    params(("organizer_id" = Uuid, Path), IfMatchHeader),
    request_body = SenderInput,
    responses((
        status = 200,
        description = "The name as it is now",
        body = SenderResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn put_mail_sender(
    State(app): State<App>,
    cx: Context,
    Path(organizer_id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Json(input): Json<SenderInput>,
) -> Result<Tagged<Json<SenderResource>>, Problem> {
    let name = input.name.map(|name| name.trim().to_owned());
    let command = Command::NameSender { name };
    let changed = app.change_stationery(&cx, organizer_id, version, command).await?;
    Ok(app.sender(&changed))
}
