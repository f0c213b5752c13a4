//! `POST /v1/admin/<service>/dead-letters/{dead_letter_id}/discard`.

use axum::extract::State;
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::LetterError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Desk, resource::DeadLetterResource};
use crate::{Json, Path, Problem, problems};

crate::problem_responses! {
    /// What discarding may be refused with.
    pub(super) DiscardProblems: problems::DEAD_LETTER_WAITS
}

/// Why to throw it away.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the order was corrected by hand, see ticket 4711"}))]
pub(super) struct DiscardDeadLetter {
    /// Why: for whoever asks later. No personal data.
    #[garde(length(chars, min = 1, max = 500), custom(super::line))]
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Discard an event that this service could not take in
///
/// For admins: it never takes effect, and those that wait behind it follow. It is kept with the
/// reason, and can be listed with `state=discarded`; it cannot be brought back. What was discarded
/// before stays as it is: then the answer says who did it, and why. One that waits behind another
/// cannot be discarded before it.
#[utoipa::path(
    post,
    path = "/dead-letters/{dead_letter_id}/discard",
    params(("dead_letter_id" = Uuid, Path)),
    request_body = DiscardDeadLetter,
    responses(
        (status = 200, description = "What is kept of it", body = DeadLetterResource),
        DiscardProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn discard_dead_letter(
    State(desk): State<Desk>,
    cx: Context,
    Path(id): Path<Uuid>,
    Json(DiscardDeadLetter { reason }): Json<DiscardDeadLetter>,
) -> Result<Json<DeadLetterResource>, Problem> {
    let by = Desk::admin(&cx)?;
    match desk.letters.discard(id, reason.trim(), &by).await {
        Ok(letter) => {
            let (service, consumer) = (desk.service, &letter.consumer);
            tracing::info!(service, consumer, dead_letter = %id, by, "a dead letter is discarded");
            Ok(Json(letter.into()))
        }
        Err(LetterError::Discarded(before)) => Ok(Json((*before).into())),
        Err(error) => Err(desk.refusal(id, error).await),
    }
}
