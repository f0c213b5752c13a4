//! `GET /v1/users`

use std::sync::Arc;

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{Account, Admin};
use crate::{domain::account::EmailAddress, service::Service};

/// Which accounts.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only the account with this address.
    #[garde(email, length(bytes, max = 254))]
    #[param(format = Email, max_length = 254, example = "ada@example.org")]
    email: Option<String>,
}

/// List accounts
///
/// In the order in which they were registered. For admins.
#[utoipa::path(
    get, path = "/v1/users", params(Page, Filter), security(("bearer" = [])),
    responses((status = 200, description = "A page of accounts.", body = Listing<Account>)),
)]
pub(crate) async fn list_users(
    State(service): State<Arc<Service>>,
    _admin: Admin,
    page: Page,
    Query(filter): Query<Filter>,
) -> Result<Json<Listing<Account>>, Problem> {
    let email = filter.email.as_deref().map(EmailAddress::normalise);
    let after = page.after::<Uuid>()?;
    let rows = service.list_accounts(after, email.as_ref(), page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |row| row.id).map(Account::from)))
}
