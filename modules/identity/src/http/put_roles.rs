//! `PUT /v1/users/{id}/roles`

use std::sync::Arc;

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use garde::Validate;
use runtime::{Context, Role};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Account, Admin};
use crate::{domain::account::Roles, problems::OWN_ADMIN_ROLE, service::Service};

/// What an account may do from now on.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRoles {
    /// All roles the account is to have; those that are missing are taken away.
    #[garde(length(min = 1))]
    #[schema(value_type = Vec<Role>, min_items = 1, example = json!(["customer", "organizer"]))]
    roles: Roles,
}

edge::problem_responses! {
    pub(crate) RolesProblems: OWN_ADMIN_ROLE
}

/// Change an account's roles
///
/// For admins. This is how somebody becomes an organizer. The account gets its new roles with its
/// next access token: at its next login or refresh, or at the latest when the present token expires.
#[utoipa::path(
    put, path = "/v1/users/{id}/roles", request_body = NewRoles, security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account."), IfMatchHeader),
    responses((status = 200, description = "The account as it is now.", body = Account,
               headers(("ETag" = String, description = "The account's version."))), RolesProblems),
)]
pub(crate) async fn put_roles(
    State(service): State<Arc<Service>>,
    cx: Context,
    Admin(by): Admin,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Json(new): Json<NewRoles>,
) -> Result<Tagged<Json<Account>>, Problem> {
    let account = service.change_roles(&cx, id, new.roles, by, version).await?;
    let registered = account.state.registered().ok_or_else(Problem::not_found)?;
    Ok(Tagged(account.version, Json(Account::new(id, registered))))
}
