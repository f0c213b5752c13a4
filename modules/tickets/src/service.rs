//! Implements the contract, and what the endpoints share: codes, and who may see what.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::{
    catalog::{Catalog, CatalogError, FindMembership},
    tickets::{
        FindTickets, IssueTickets, IssuedTickets, OrderTickets as TicketLines, PrintTickets,
        PrintedTickets, TicketCode, TicketError, TicketLine, TicketState, Tickets, VoidTickets,
        VoidedTickets,
    },
};
use edge::Problem;
use runtime::{Clock, Context, Fault, Ids, Random, Role, async_trait};
use store::{Database, Events, ExecuteError, Loaded, StoreError};
use uuid::Uuid;

use crate::{
    code::{Claim, Codes},
    domain::{
        CheckInList, Door, OrderTickets,
        order::{Command, Issue, MOST_TICKETS, Rejection, Ticket},
    },
    doors::{Lately, Post},
    paper::{self, Sheet},
    press::{PressFault, Presses},
    views::tickets::TicketResource,
};

/// Everything tickets works with.
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) tickets: Events<OrderTickets>,
    pub(crate) lists: Events<CheckInList>,
    pub(crate) doors: Events<Door>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) codes: Codes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) presses: Presses,
    /// By the list's id.
    pub(crate) posts: Lately<Uuid, Arc<Post>>,
    /// Who may scan: by the organizer and the account.
    pub(crate) scanners: Lately<(Uuid, Uuid), ()>,
}

impl Service {
    async fn change(
        &self,
        cx: &Context,
        method: &'static str,
        order_id: Uuid,
        command: Command,
        wanted: fn(&Ticket) -> bool,
    ) -> Result<Vec<Uuid>, TicketError> {
        let ids = move |after: &Loaded<OrderTickets>| {
            let tickets = after.state.tickets.iter().filter(|ticket| wanted(ticket));
            tickets.map(|ticket| ticket.id).collect()
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

    async fn order(
        &self,
        method: &'static str,
        order_id: Uuid,
    ) -> Result<OrderTickets, TicketError> {
        let loaded = self.tickets.load(order_id).await;
        let loaded = loaded
            .map_err(|error: StoreError| TicketError::from(error.into_fault("tickets", method)))?;
        Ok(loaded.map(|loaded| loaded.state).unwrap_or_default())
    }

    /// Whether the caller is an admin or a member of the organizer who may run its events.
    pub(crate) async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        if !cx.principal().has_role(Role::Organizer) {
            return Ok(false);
        }
        self.is_member(cx, organizer_id, user_id).await
    }

    pub(crate) async fn is_member(
        &self,
        cx: &Context,
        organizer_id: Uuid,
        user_id: Uuid,
    ) -> Result<bool, Problem> {
        match self.catalog.membership(cx, FindMembership { organizer_id, user_id }).await {
            Ok(membership) => Ok(membership.is_member),
            Err(CatalogError::Fault(fault)) => Err(fault.into()),
            Err(error) => Err(Problem::internal(error)),
        }
    }

    /// The good code of a ticket.
    pub(crate) fn code_of(&self, ticket: &TicketResource, serial: u32) -> String {
        self.codes.write(&Claim {
            ticket_id: ticket.id,
            order_id: ticket.order_id,
            event_id: ticket.event_id,
            ticket_type_id: Some(ticket.ticket_type_id),
            serial,
            valid_from: ticket.valid_from,
            valid_until: ticket.valid_until,
        })
    }

    /// The ticket as it is printed.
    pub(crate) fn sheet(&self, ticket: &TicketResource, serial: u32) -> Sheet {
        Sheet {
            event_name: ticket.event_name.clone(),
            venue_name: ticket.venue_name.clone(),
            starts_at: ticket.starts_at,
            time_zone: ticket.time_zone.clone(),
            ticket_type_name: ticket.ticket_type_name.clone(),
            seat: ticket.seat.clone(),
            ticket_id: ticket.id,
            code: self.code_of(ticket, serial),
        }
    }

    fn printed(&self, order_id: Uuid, issue: &Issue, ticket: &Ticket) -> (TicketCode, Sheet) {
        let shown = TicketResource::of(order_id, issue, ticket);
        let sheet = self.sheet(&shown, ticket.serial);
        let label = match &sheet.seat {
            Some(seat) => format!("{}, {seat}", sheet.ticket_type_name),
            None => sheet.ticket_type_name.clone(),
        };
        (TicketCode { ticket_id: ticket.id, label, code: sheet.code.clone() }, sheet)
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
        let ticket_ids = self.change(cx, "issue", order_id, command, |_| true).await?;
        Ok(IssuedTickets { ticket_ids })
    }

    async fn void(&self, cx: &Context, request: VoidTickets) -> Result<VoidedTickets, TicketError> {
        let VoidTickets { order_id, reason, ticket_ids } = request;
        let command = Command::Void { ticket_ids, reason, at: self.clock.now() };
        let is_void = |ticket: &Ticket| ticket.voided.is_some();
        let ticket_ids = self.change(cx, "void", order_id, command, is_void).await?;
        Ok(VoidedTickets { ticket_ids })
    }

    async fn find(&self, _cx: &Context, request: FindTickets) -> Result<TicketLines, TicketError> {
        let order = self.order("find", request.order_id).await?;
        let lines = order.tickets.iter().map(|ticket| TicketLine {
            ticket_id: ticket.id,
            position: ticket.position.position,
            ticket_type_name: ticket.position.ticket_type_name.clone(),
            seat: ticket.position.seat.clone(),
            state: ticket.state(),
        });
        Ok(TicketLines { tickets: lines.collect() })
    }

    async fn print(
        &self,
        cx: &Context,
        request: PrintTickets,
    ) -> Result<PrintedTickets, TicketError> {
        let order_id = request.order_id;
        let order = self.order("print", order_id).await?;
        let Some(issue) = &order.issue else {
            return Ok(PrintedTickets { pdf_base64: String::new(), codes: Vec::new() });
        };
        let is_good = |ticket: &&Ticket| {
            let state = ticket.state();
            let is_held = order.holder_of(ticket) == Some(issue.holder_id);
            is_held && matches!(state, TicketState::Valid | TicketState::Admitted)
        };
        let good = order.tickets.iter().filter(is_good);
        let (codes, sheets): (Vec<_>, Vec<_>) =
            good.map(|ticket| self.printed(order_id, issue, ticket)).unzip();
        if sheets.is_empty() {
            return Ok(PrintedTickets { pdf_base64: String::new(), codes });
        }
        let printing = self.presses.for_mail(cx.deadline(), move || paper::document(&sheets));
        let pdf = printing.await.map_err(|fault| unprinted(&fault))?;
        let pdf = pdf.map_err(|fault| not_printable(fault.to_string()))?;
        Ok(PrintedTickets { pdf_base64: STANDARD.encode(pdf), codes })
    }
}

fn unprinted(fault: &PressFault) -> TicketError {
    let reason = fault.to_string();
    match fault {
        PressFault::Busy => Fault::NotSent { service: "tickets", method: "print", reason }.into(),
        PressFault::Broken(_) => not_printable(reason),
    }
}

fn not_printable(reason: String) -> TicketError {
    Fault::Failed { service: "tickets", method: "print", reason }.into()
}

fn in_contract(rejection: &Rejection, order_id: Uuid) -> TicketError {
    match rejection {
        Rejection::Voided(_) => TicketError::Voided { order_id },
        Rejection::UnknownTicket(ticket_id) => {
            TicketError::TicketUnknown { order_id, ticket_id: *ticket_id }
        }
        Rejection::TooManyPositions => {
            TicketError::Invalid { reason: format!("more than {MOST_TICKETS} positions") }
        }
        Rejection::NoPositions
        | Rejection::Blocked(_)
        | Rejection::AlreadyAdmitted(_)
        | Rejection::NotHolder
        | Rejection::NoOffer
        | Rejection::OfferExpired(_)
        | Rejection::OwnTicket => TicketError::Invalid { reason: "no positions".to_owned() },
    }
}
