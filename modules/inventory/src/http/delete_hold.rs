//! `DELETE /v1/holds/{hold_id}`: gives places back.

use axum::{extract::State, http::StatusCode};
use edge::{Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::{domain::Command, problems};

edge::problem_responses! {
    /// What giving places back may be refused with.
    pub(super) DeleteProblems: problems::HOLD_BELONGS_TO_ORDER
}

/// Give places back
///
/// For the holder. The places are free for others at once. Repeating it is harmless.
#[utoipa::path(
    delete,
    path = "/v1/holds/{hold_id}",
    params(("hold_id" = Uuid, Path)),
    responses((status = 204, description = "The places are free"), DeleteProblems),
    security(("bearer" = [])),
)]
pub(super) async fn delete_hold(
    State(app): State<App>,
    cx: Context,
    Path(hold_id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let hold = app.own_hold(&cx, hold_id).await?;
    let command = Command::GiveBack { hold_id };
    let execution = app.service.stocks.execute(&cx, hold.event_id, command).read(|_| ());
    app.service.execute(hold.event_id, execution).await?;
    Ok(StatusCode::NO_CONTENT)
}
