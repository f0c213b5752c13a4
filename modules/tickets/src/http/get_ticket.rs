//! `GET /v1/tickets/{ticket_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::views::tickets::TicketResource;

/// Read a ticket
///
/// For its holder and members of its organizer. Its code is at `/v1/tickets/{ticket_id}/code`.
#[utoipa::path(
    get,
    path = "/v1/tickets/{ticket_id}",
    params(("ticket_id" = Uuid, Path)),
    responses((status = 200, description = "The ticket", body = TicketResource)),
    security(("bearer" = [])),
)]
pub(super) async fn get_ticket(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
) -> Result<Json<TicketResource>, Problem> {
    Ok(Json(app.visible_ticket(&cx, ticket_id).await?.content.0.shown))
}
