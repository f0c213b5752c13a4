//! `POST /v1/tickets/{ticket_id}/block`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::Loaded;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, text, unchanged};
use crate::{
    domain::{
        OrderTickets,
        order::{Blocking, Command},
    },
    problems,
    service::Service,
    views::tickets::TicketResource,
};

/// Why a ticket is blocked.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the card's owner disputes the charge", "unpaid": true}))]
pub(super) struct BlockInput {
    /// Why, for whoever stands at the door.
    #[garde(length(chars, min = 1, max = 200), custom(text::line))]
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// Whether the ticket's money did not come, or was taken back. The door then sends the bearer to the
    /// box office.
    #[garde(skip)]
    #[serde(default)]
    unpaid: bool,
}

edge::problem_responses! {
    /// Why a ticket is not blocked.
    pub(super) BlockProblems: problems::TICKET_VOIDED
}

/// Block a ticket
///
/// It lets nobody in until it is unblocked, and cannot be passed on; a transfer that waits is withdrawn.
/// For members of its organizer. Doing it twice changes nothing; another reason replaces the first.
#[utoipa::path(
    post,
    path = "/v1/tickets/{ticket_id}/block",
    params(("ticket_id" = Uuid, Path)),
    request_body = BlockInput,
    responses(
        (status = 200, description = "The ticket", body = TicketResource),
        BlockProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn block_ticket(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
    Json(BlockInput { reason, unpaid }): Json<BlockInput>,
) -> Result<Json<TicketResource>, Problem> {
    let order_id = app.organized_ticket(&cx, ticket_id).await?.order_id;
    let blocking = Blocking { at: app.clock.now(), reason: reason.trim().to_owned(), unpaid };
    app.tell_ticket(&cx, order_id, ticket_id, Command::Block { ticket_id, blocking }).await
}

impl Service {
    /// Gives a ticket's order a command, and shows the ticket as it then is.
    pub(super) async fn tell_ticket(
        &self,
        cx: &Context,
        order_id: Uuid,
        ticket_id: Uuid,
        command: Command,
    ) -> Result<Json<TicketResource>, Problem> {
        let ticket = move |after: &Loaded<OrderTickets>| {
            let found = after.state.issue.as_ref().zip(after.state.ticket(ticket_id));
            found.map(|(issue, ticket)| TicketResource::of(order_id, issue, ticket))
        };
        let told = self.tickets.execute(cx, order_id, command).read(ticket).await;
        told.map_err(unchanged)?.map(Json).ok_or_else(Problem::not_found)
    }
}
