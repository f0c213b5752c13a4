//! `DELETE /v1/tickets/{ticket_id}/transfer`: the holder keeps the ticket after all.

use axum::{extract::State, http::StatusCode};
use edge::{Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{App, unchanged};
use crate::domain::order::Command;

/// Withdraw a transfer
///
/// For the ticket's holder. The link that was sent is worth nothing from now on. Doing it twice, or
/// where no transfer waits, changes nothing.
#[utoipa::path(
    delete,
    path = "/v1/tickets/{ticket_id}/transfer",
    params(("ticket_id" = Uuid, Path)),
    responses((status = 204, description = "No transfer waits")),
    security(("bearer" = [])),
)]
pub(super) async fn withdraw_transfer(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let by = edge::user(&cx)?;
    let order_id = app.own_ticket(&cx, ticket_id).await?.order_id;
    let command = Command::WithdrawTransfer { ticket_id, by, at: app.clock.now() };
    app.tickets.execute(&cx, order_id, command).read(|_| ()).await.map_err(unchanged)?;
    Ok(StatusCode::NO_CONTENT)
}
