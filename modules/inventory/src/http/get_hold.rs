//! `GET /v1/holds/{hold_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{App, HoldResource};

/// Read a hold
///
/// For its holder. An expired hold is shown as such, and may still be bought while its places are
/// free.
#[utoipa::path(
    get,
    path = "/v1/holds/{hold_id}",
    params(("hold_id" = Uuid, Path)),
    responses((status = 200, description = "The hold", body = HoldResource)),
    security(("bearer" = [])),
)]
pub(super) async fn get_hold(
    State(app): State<App>,
    cx: Context,
    Path(hold_id): Path<Uuid>,
) -> Result<Json<HoldResource>, Problem> {
    let hold = app.own_hold(&cx, hold_id).await?;
    Ok(Json(hold.into()))
}
