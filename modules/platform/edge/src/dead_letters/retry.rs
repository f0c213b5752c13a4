//! `POST /v1/admin/<service>/dead-letters/{dead_letter_id}/retry`.

use axum::{extract::State, http::StatusCode};
use runtime::Context;
use uuid::Uuid;

use super::{Desk, is_foreign, resource::DeadLetterResource};
use crate::{Json, Path, Problem, problems};

crate::problem_responses! {
    /// What retrying may be refused with.
    pub(super) RetryProblems:
        problems::DEAD_LETTER_WAITS,
        problems::DEAD_LETTER_DISCARDED,
        problems::DEAD_LETTER_FOREIGN,
}

/// Retry an event that this service could not take in
///
/// For admins: it is tried within a second, as often as a new event is. Once it has taken effect it
/// does not exist any more, and those that wait behind it follow in order. Should it fail again, it is
/// dead again. Repeating this is harmless. What is no event of the publisher's log never takes effect,
/// and is refused.
#[utoipa::path(
    post,
    path = "/dead-letters/{dead_letter_id}/retry",
    params(("dead_letter_id" = Uuid, Path)),
    responses(
        (status = 202, description = "It will be tried", body = DeadLetterResource),
        RetryProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn retry_dead_letter(
    State(desk): State<Desk>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<DeadLetterResource>), Problem> {
    let by = Desk::admin(&cx)?;
    let found = desk.letters.show(id).await?;
    if found.is_some_and(|it| it.discarded.is_none() && is_foreign(&it)) {
        return Err(Problem::new(&problems::DEAD_LETTER_FOREIGN));
    }
    let letter = match desk.letters.retry(id).await {
        Ok(letter) => letter,
        Err(error) => return Err(desk.refusal(id, error).await),
    };
    let (service, consumer) = (desk.service, &letter.consumer);
    tracing::info!(service, consumer, dead_letter = %id, by, "a dead letter is to be retried");
    Ok((StatusCode::ACCEPTED, Json(letter.into())))
}
