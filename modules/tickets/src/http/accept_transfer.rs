//! `POST /v1/tickets/transfers/accept`: the receiver of a link takes the ticket.

use axum::extract::State;
use edge::{Json, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::{ExecuteError, Loaded};
use utoipa::ToSchema;

use super::{App, offer_transfer::OfferProblems, transfer_link::TransferLink, unchanged};
use crate::{
    domain::{
        OrderTickets,
        order::{Command, Rejection},
    },
    problems,
    views::tickets::TicketResource,
};

/// The link that was sent.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "BXT1.AZgOTI9cex6nxFHS8qXgAQGYDkyPXHsep8RR0vKl8AE"}))]
pub(super) struct Acceptance {
    /// The token in it.
    #[garde(length(max = 200))]
    #[schema(max_length = 200)]
    token: String,
}

edge::problem_responses! {
    /// Why a link gives no ticket.
    pub(super) AcceptProblems:
        problems::TRANSFER_GONE,
        problems::TRANSFER_EXPIRED,
        problems::OWN_TICKET,
}

/// Accept a ticket
///
/// The ticket is the caller's from now on. It has a code of its own; the code that its former holder
/// had is refused at the door. Doing it twice changes nothing.
#[utoipa::path(
    post,
    path = "/v1/tickets/transfers/accept",
    request_body = Acceptance,
    responses(
        (status = 200, description = "The ticket", body = TicketResource),
        OfferProblems,
        AcceptProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn accept_transfer(
    State(app): State<App>,
    cx: Context,
    Json(Acceptance { token }): Json<Acceptance>,
) -> Result<Json<TicketResource>, Problem> {
    let to = edge::user(&cx)?;
    let gone = || Problem::new(&problems::TRANSFER_GONE);
    let link = TransferLink::read(&token).ok_or_else(gone)?;
    let (order_id, ticket_id, digest) = (link.order_id, link.ticket_id, link.digest);
    let command = Command::AcceptTransfer { ticket_id, to, digest, at: app.clock.now() };
    let ticket = move |after: &Loaded<OrderTickets>| {
        let found = after.state.issue.as_ref().zip(after.state.ticket(ticket_id));
        found.map(|(issue, ticket)| TicketResource::of(order_id, issue, ticket))
    };
    match app.tickets.execute(&cx, order_id, command).read(ticket).await {
        Ok(accepted) => accepted.map(Json).ok_or_else(gone),
        // A link to a ticket that does not exist is as good as any other that was made up.
        Err(ExecuteError::Rejected(Rejection::UnknownTicket(_))) => Err(gone()),
        Err(error) => Err(unchanged(error)),
    }
}
