//! `POST /v1/orders/access`: a guest comes back.

use axum::extract::State;
use contracts::identity::AdmitGuest;
use edge::{Json, Problem};
use garde::Validate;
use runtime::{Context, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{code, problems, saga::Purchases, views};

/// What opens a guest's order.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "K7MPX3QA", "secret": "Q4KXT7NHPW3CGDMA6RJEY9FQ4KXT"}))]
pub(super) struct OpenOrder {
    /// The order's code, however it was typed in.
    #[garde(length(bytes, min = 1, max = 64))]
    #[schema(min_length = 1, max_length = 64)]
    code: String,
    /// The order's secret.
    #[garde(length(bytes, min = 1, max = 64))]
    #[schema(min_length = 1, max_length = 64)]
    secret: String,
}

/// What a guest speaks with.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedOrder {
    /// The order.
    order_id: Uuid,
    /// Goes into `Authorization: Bearer …`: pays the order, reads it and gets its tickets.
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// When the token stops being good.
    access_token_expires_at: Timestamp,
}

edge::problem_responses! {
    /// What opening an order may be refused with.
    pub(super) OpenProblems: problems::ORDER_ACCESS_REFUSED
}

/// Open a guest's order
///
/// Gives whoever ordered without an account another access token, for the order's code and secret.
#[utoipa::path(
    post,
    path = "/v1/orders/access",
    request_body = OpenOrder,
    responses((status = 200, description = "A token for the order", body = OpenedOrder), OpenProblems),
)]
pub(super) async fn open_order(
    State(app): State<App>,
    cx: Context,
    Json(OpenOrder { code, secret }): Json<OpenOrder>,
) -> Result<Json<OpenedOrder>, Problem> {
    let order_id = app.guests_order(&code::normalise(&code), &code::normalise(&secret)).await?;
    let admitted = app.identity.admit_guest(&cx, AdmitGuest { guest_id: order_id }).await;
    let access = admitted.map_err(problems::from_identity)?;
    tracing::info!(order = %order_id, "a guest has opened an order");
    Ok(Json(OpenedOrder {
        order_id,
        access_token: access.access_token.expose().to_owned(),
        token_type: "Bearer",
        access_token_expires_at: access.expires_at,
    }))
}

impl Purchases {
    /// The guest's order with this code and secret. Codes are unique for each organizer only.
    async fn guests_order(&self, code: &str, secret: &str) -> Result<Uuid, Problem> {
        for order_id in views::with_code(&self.database, code).await? {
            let order = self.orders.load(order_id).await?.ok_or_else(Problem::not_found)?;
            let access = order.state.access.as_ref().filter(|access| access.guest.is_some());
            if access.is_some_and(|access| code::is_same(&access.secret, secret)) {
                return Ok(order_id);
            }
        }
        Err(Problem::new(&problems::ORDER_ACCESS_REFUSED))
    }
}
