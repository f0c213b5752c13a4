//! `GET /v1/admin/<service>/dead-letters/{dead_letter_id}`.

use axum::extract::State;
use runtime::Context;
use uuid::Uuid;

use super::{Desk, resource::DeadLetterDetails};
use crate::{Json, Path, Problem};

/// Show an event that this service could not take in
///
/// For admins: the event with its envelope, what went wrong, and how many later events wait behind
/// it. One that has taken effect does not exist any more; one that was discarded is kept. Where the id
/// is that of the event, the problem names its dead letters in `dead_letters`.
#[utoipa::path(
    get,
    path = "/dead-letters/{dead_letter_id}",
    params(("dead_letter_id" = Uuid, Path)),
    responses((status = 200, description = "The dead letter", body = DeadLetterDetails)),
    security(("bearer" = [])),
)]
pub(super) async fn get_dead_letter(
    State(desk): State<Desk>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Json<DeadLetterDetails>, Problem> {
    Desk::admin(&cx)?;
    match desk.letters.show(id).await? {
        Some(letter) => Ok(Json(letter.into())),
        None => Err(desk.unknown(id).await),
    }
}
