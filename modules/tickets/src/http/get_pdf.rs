//! `GET /v1/tickets/{ticket_id}/pdf`: the ticket on paper.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use contracts::tickets::TicketState;
use edge::{Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::{
    paper::{self, Sheet},
    press::PressFault,
    problems,
    service::Service,
    views::tickets::TicketContent,
};

edge::problem_responses! {
    /// Why a ticket is not printed.
    pub(super) PrintProblems: problems::TICKET_VOIDED
}

/// Print a ticket
///
/// A PDF document of one page, with the ticket's code. For its holder alone: whoever has the code gets
/// in.
#[utoipa::path(
    get,
    path = "/v1/tickets/{ticket_id}/pdf",
    params(("ticket_id" = Uuid, Path)),
    responses(
        (status = 200, description = "The ticket", body = Vec<u8>, content_type = "application/pdf"),
        PrintProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn get_ticket_pdf(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
) -> Result<Response, Problem> {
    let TicketContent { shown, serial, .. } = app.own_ticket(&cx, ticket_id).await?.content.0;
    if shown.state == TicketState::Voided {
        return Err(app.worthless(shown.order_id, ticket_id).await);
    }
    let sheet = app.sheet(&shown, serial);
    app.printed_on_paper(&cx, vec![sheet], &format!("ticket-{ticket_id}.pdf")).await
}

impl Service {
    /// The pages as a document that a browser shows, and saves under this name. Refused when the press
    /// does not come free in time.
    pub(super) async fn printed_on_paper(
        &self,
        cx: &Context,
        sheets: Vec<Sheet>,
        name: &str,
    ) -> Result<Response, Problem> {
        let caller = edge::user(cx)?;
        let print = move || paper::document(&sheets);
        let pdf = match self.presses.for_account(caller, cx.deadline(), print).await {
            Ok(pdf) => pdf.map_err(Problem::internal)?,
            Err(fault @ PressFault::Busy) => return Err(Problem::unavailable(fault)),
            Err(fault @ PressFault::Broken(_)) => return Err(Problem::internal(fault)),
        };
        let disposition = format!("inline; filename=\"{name}\"");
        let disposition = HeaderValue::try_from(disposition).map_err(Problem::internal)?;
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/pdf")),
            (header::CONTENT_DISPOSITION, disposition),
            (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        ];
        Ok((headers, pdf).into_response())
    }
}
