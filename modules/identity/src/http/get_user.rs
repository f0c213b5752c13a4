//! `GET /v1/users/{id}`

use std::sync::Arc;

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::{Account, tagged};
use crate::service::Service;

/// Get an account
///
/// Everybody may see their own, an admin may see all. To others it does not exist.
#[utoipa::path(
    get, path = "/v1/users/{id}", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account.")),
    responses((status = 200, description = "The account.", body = Account,
               headers(("ETag" = String, description = "The account's version.")))),
)]
pub(crate) async fn get_user(
    State(service): State<Arc<Service>>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Tagged<Json<Account>>, Problem> {
    edge::owner(&cx, id)?;
    Ok(tagged(service.account(id).await?))
}
