//! `POST /v1/tickets/{ticket_id}/transfer`: the holder makes a link by which somebody else can have
//! the ticket.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use edge::{Json, Path, Problem};
use runtime::{Context, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, transfer_link::TransferLink, unchanged};
use crate::{
    domain::order::{Command, Offer},
    problems,
};

/// How long a link can be accepted.
const LASTS: Duration = Duration::from_hours(7 * 24);

/// A link by which somebody else can have a ticket.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TicketTransfer, example = json!({
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "token": "BXT1.AZgOTI9cex6nxFHS8qXgAQGYDkyPXHsep8RR0vKl8AE…",
    "expires_at": "2027-05-09T10:01:00Z",
}))]
pub(super) struct TransferResource {
    ticket_id: Uuid,
    /// What the receiver sends to `POST /v1/tickets/transfers/accept`. A secret, shown only once:
    /// whoever has it can take the ticket.
    token: String,
    /// Until when it can be accepted.
    expires_at: Timestamp,
}

edge::problem_responses! {
    /// Why a ticket cannot be passed on.
    pub(super) OfferProblems:
        problems::TICKET_VOIDED,
        problems::TICKET_BLOCKED,
        problems::TICKET_UNPAID,
        problems::ALREADY_ADMITTED,
}

/// Pass a ticket on
///
/// For its holder, who sends the token to whoever is to have the ticket. Nothing has changed until that
/// person accepts it: then the ticket is his, with a code of its own, and the code it had is revoked in
/// the same step. A new link replaces the one before; `DELETE` withdraws it.
#[utoipa::path(
    post,
    path = "/v1/tickets/{ticket_id}/transfer",
    params(("ticket_id" = Uuid, Path)),
    responses(
        (status = 201, description = "The link", body = TransferResource),
        OfferProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn offer_transfer(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
) -> Result<(StatusCode, Json<TransferResource>), Problem> {
    let by = edge::user(&cx)?;
    let order_id = app.own_ticket(&cx, ticket_id).await?.order_id;
    let (link, token) = TransferLink::draw(order_id, ticket_id, app.random.as_ref());
    let offered_at = app.clock.now();
    let expires_at = offered_at + LASTS;
    let offer = Offer { digest: link.digest, offered_at, expires_at };
    let command = Command::OfferTransfer { ticket_id, by, offer };
    app.tickets.execute(&cx, order_id, command).read(|_| ()).await.map_err(unchanged)?;
    Ok((StatusCode::CREATED, Json(TransferResource { ticket_id, token, expires_at })))
}
