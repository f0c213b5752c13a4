//! `POST /v1/tickets/{ticket_id}/unblock`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::{domain::order::Command, views::tickets::TicketResource};

/// Unblock a ticket
///
/// It is as good as before. For members of its organizer. Doing it twice changes nothing.
#[utoipa::path(
    post,
    path = "/v1/tickets/{ticket_id}/unblock",
    params(("ticket_id" = Uuid, Path)),
    responses((status = 200, description = "The ticket", body = TicketResource)),
    security(("bearer" = [])),
)]
pub(super) async fn unblock_ticket(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
) -> Result<Json<TicketResource>, Problem> {
    let order_id = app.organized_ticket(&cx, ticket_id).await?.order_id;
    let command = Command::Unblock { ticket_id, at: app.clock.now() };
    app.tell_ticket(&cx, order_id, ticket_id, command).await
}
