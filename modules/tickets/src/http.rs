//! Tickets' public endpoints, one file each. This is their table of contents.

mod check_in;
mod get_code;
mod get_keys;
mod get_ticket;
mod list_check_ins;
mod list_tickets;

use std::sync::Arc;

use edge::{Problem, Routes, optionally_idempotent, routes};
use runtime::Context;
use uuid::Uuid;

use crate::{
    service::Service,
    views::{self, TicketRow},
};

pub(crate) type App = Arc<Service>;

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(routes!(list_tickets::list_tickets))
        .routes(routes!(get_keys::get_ticket_keys))
        .routes(routes!(get_ticket::get_ticket))
        .routes(routes!(get_code::get_ticket_code))
        .routes(optionally_idempotent(routes!(check_in::check_in, list_check_ins::list_check_ins)))
}

impl Service {
    async fn ticket(&self, ticket_id: Uuid) -> Result<TicketRow, Problem> {
        views::find(&self.database, ticket_id).await?.ok_or_else(Problem::not_found)
    }

    /// The ticket, for its holder, members of its organizer, and admins. To others it does not exist.
    async fn visible_ticket(&self, cx: &Context, ticket_id: Uuid) -> Result<TicketRow, Problem> {
        let caller = edge::user(cx)?;
        let row = self.ticket(ticket_id).await?;
        if row.holder_id == caller || self.acts_for(cx, row.organizer_id).await? {
            return Ok(row);
        }
        Err(Problem::not_found())
    }
}
