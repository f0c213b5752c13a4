//! Tickets' public endpoints, one file each. This is their table of contents.

mod accept_transfer;
mod block;
mod change_list;
mod check_in;
mod create_list;
mod get_code;
mod get_keys;
mod get_list;
mod get_offline;
mod get_order_pdf;
mod get_pdf;
mod get_ticket;
mod list_check_ins;
mod list_conflicts;
mod list_lists;
mod list_tickets;
mod offer_transfer;
mod refusals;
mod remove_list;
mod text;
mod transfer_link;
mod unblock;
mod upload_scans;
mod withdraw_transfer;

use std::sync::Arc;

use edge::{Problem, Routes, optionally_idempotent, routes};
use runtime::Context;
use store::{ExecuteError, StoreError};
use uuid::Uuid;

use crate::{
    domain::order::Rejection,
    doors::Post,
    problems,
    service::Service,
    views::tickets::{self, TicketRow},
};

pub(crate) type App = Arc<Service>;

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(routes!(list_tickets::list_tickets))
        .routes(routes!(get_keys::get_ticket_keys))
        .routes(routes!(get_order_pdf::get_order_pdf))
        .routes(routes!(accept_transfer::accept_transfer))
        .routes(routes!(get_ticket::get_ticket))
        .routes(routes!(get_code::get_ticket_code))
        .routes(routes!(get_pdf::get_ticket_pdf))
        .routes(routes!(offer_transfer::offer_transfer, withdraw_transfer::withdraw_transfer))
        .routes(routes!(block::block_ticket))
        .routes(routes!(unblock::unblock_ticket))
        .routes(routes!(check_in::check_in, list_check_ins::list_check_ins))
        .routes(optionally_idempotent(routes!(create_list::create_list, list_lists::list_lists)))
        .routes(routes!(get_list::get_list, change_list::change_list, remove_list::remove_list))
        .routes(routes!(get_offline::get_offline_list))
        .routes(routes!(upload_scans::upload_scans))
        .routes(routes!(list_conflicts::list_conflicts))
}

impl Service {
    async fn ticket(&self, ticket_id: Uuid) -> Result<TicketRow, Problem> {
        tickets::find(&self.database, ticket_id).await?.ok_or_else(Problem::not_found)
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

    /// The ticket, for its holder alone.
    async fn own_ticket(&self, cx: &Context, ticket_id: Uuid) -> Result<TicketRow, Problem> {
        let caller = edge::user(cx)?;
        let row = self.ticket(ticket_id).await?;
        if row.holder_id == caller { Ok(row) } else { Err(Problem::not_found()) }
    }

    /// The ticket, for those who run its event. Its holder sees it and may not do this.
    async fn organized_ticket(&self, cx: &Context, ticket_id: Uuid) -> Result<TicketRow, Problem> {
        let caller = edge::user(cx)?;
        let row = self.ticket(ticket_id).await?;
        if self.acts_for(cx, row.organizer_id).await? {
            return Ok(row);
        }
        if row.holder_id == caller {
            return Err(Problem::new(&edge::problems::FORBIDDEN)
                .detail("only members of the event's organizer may do this"));
        }
        Err(Problem::not_found())
    }

    /// The check-in list, removed ones too, for those who may scan there. To others it does not
    /// exist.
    async fn worked_post(&self, cx: &Context, list_id: Uuid) -> Result<Arc<Post>, Problem> {
        edge::user(cx)?;
        let post = self.post(cx, list_id).await?.ok_or_else(Problem::not_found)?;
        if self.works_at_doors_of(cx, post.rules.organizer_id).await? {
            return Ok(post);
        }
        Err(Problem::not_found())
    }

    /// The check-in list as it is this moment, for those who run the event. Those who may only scan
    /// there see it and may not change it.
    async fn own_post(&self, cx: &Context, list_id: Uuid) -> Result<Arc<Post>, Problem> {
        self.forget_post(list_id);
        let post = self.worked_post(cx, list_id).await?;
        if post.is_removed {
            return Err(Problem::not_found());
        }
        if self.acts_for(cx, post.rules.organizer_id).await? {
            return Ok(post);
        }
        Err(Problem::new(&edge::problems::FORBIDDEN).detail(
            "only members of the organizer with the role organizer may change check-in lists",
        ))
    }
}

/// Why a ticket did not change hands, or was not blocked, as its holder or organizer is told.
fn unchanged(error: ExecuteError<Rejection>) -> Problem {
    let rejection = match error {
        ExecuteError::Rejected(rejection) => rejection,
        ExecuteError::Stale { current } => return Problem::stale(current),
        ExecuteError::Store(error) => return StoreError::into(error),
    };
    match rejection {
        Rejection::UnknownTicket(_) | Rejection::NotHolder => Problem::not_found(),
        Rejection::Voided(voiding) => refusals::voided(&voiding),
        Rejection::Blocked(blocking) => refusals::blocked(&blocking),
        Rejection::AlreadyAdmitted(entry) => refusals::already_admitted(&entry),
        Rejection::NoOffer => Problem::new(&problems::TRANSFER_GONE),
        Rejection::OfferExpired(at) => {
            Problem::new(&problems::TRANSFER_EXPIRED).with("expired_at", at)
        }
        Rejection::OwnTicket => Problem::new(&problems::OWN_TICKET),
        Rejection::NoPositions | Rejection::TooManyPositions => {
            Problem::internal("a ticket was changed, and positions were refused")
        }
    }
}
