//! Implements the contract, and what the endpoints share: codes, and who may see what.

use std::sync::Arc;

use contracts::{
    catalog::{Catalog, CatalogError, FindMembership},
    tickets::{IssueTickets, IssuedTickets, TicketError, Tickets, VoidTickets, VoidedTickets},
};
use edge::Problem;
use runtime::{Clock, Context, Fault, Ids, Role, async_trait};
use store::{Database, Events, ExecuteError, Loaded};
use uuid::Uuid;

use crate::{
    code::Codes,
    domain::{Command, MOST_TICKETS, OrderTickets, Rejection},
};

/// Everything tickets works with.
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) tickets: Events<OrderTickets>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) codes: Codes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
}

impl Service {
    async fn change(
        &self,
        cx: &Context,
        method: &'static str,
        order_id: Uuid,
        command: Command,
    ) -> Result<Vec<Uuid>, TicketError> {
        let ids = |after: &Loaded<OrderTickets>| {
            after.state.tickets.iter().map(|ticket| ticket.id).collect()
        };
        let executed = self.tickets.execute(cx, order_id, command).read(ids).await;
        executed.map_err(|error| match error {
            ExecuteError::Rejected(rejection) => in_contract(&rejection, order_id),
            ExecuteError::Stale { current } => {
                let reason = format!("no version was asked for, but {current} was found");
                Fault::Failed { service: "tickets", method, reason }.into()
            }
            ExecuteError::Store(error) => error.into_fault("tickets", method).into(),
        })
    }

    /// Whether the caller is an admin or a member of the organizer.
    pub(crate) async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        if !cx.principal().has_role(Role::Organizer) {
            return Ok(false);
        }
        match self.catalog.membership(cx, FindMembership { organizer_id, user_id }).await {
            Ok(membership) => Ok(membership.is_member),
            Err(CatalogError::Fault(fault)) => Err(fault.into()),
            Err(error) => Err(Problem::internal(error)),
        }
    }

    /// Whether the caller may work at the doors of the organizer's events.
    pub(crate) async fn works_at_doors_of(
        &self,
        cx: &Context,
        organizer_id: Uuid,
    ) -> Result<bool, Problem> {
        edge::user(cx)?;
        Ok(cx.principal().has_role(Role::Staff) || self.acts_for(cx, organizer_id).await?)
    }
}

#[async_trait]
impl Tickets for Service {
    async fn issue(
        &self,
        cx: &Context,
        request: IssueTickets,
    ) -> Result<IssuedTickets, TicketError> {
        let order_id = request.order_id;
        let wanted = request.positions.len().min(MOST_TICKETS);
        let ids = std::iter::repeat_with(|| self.ids.next()).take(wanted).collect();
        let command = Command::Issue { request, ids, at: self.clock.now() };
        Ok(IssuedTickets { ticket_ids: self.change(cx, "issue", order_id, command).await? })
    }

    async fn void(&self, cx: &Context, request: VoidTickets) -> Result<VoidedTickets, TicketError> {
        let command = Command::Void { reason: request.reason, at: self.clock.now() };
        Ok(VoidedTickets { ticket_ids: self.change(cx, "void", request.order_id, command).await? })
    }
}

fn in_contract(rejection: &Rejection, order_id: Uuid) -> TicketError {
    match rejection {
        Rejection::Voided(_) => TicketError::Voided { order_id },
        Rejection::TooManyPositions => {
            TicketError::Invalid { reason: format!("more than {MOST_TICKETS} positions") }
        }
        Rejection::NoPositions | Rejection::UnknownTicket | Rejection::AlreadyAdmitted(_) => {
            TicketError::Invalid { reason: "no positions".to_owned() }
        }
    }
}
