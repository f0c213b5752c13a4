//! The services that notifications asks: each knows every order, and says the same of all.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{
    catalog::{Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms},
    orders::{
        Contact, FindContact, FindOrder, ListOrders, OrderError, OrderPage, OrderSummary, Orders,
    },
    tickets::{
        FindTickets, IssueTickets, IssuedTickets, OrderTickets, PrintTickets, PrintedTickets,
        TicketCode, TicketError, Tickets, VoidTickets, VoidedTickets,
    },
};
use runtime::{Context, Module, Provided, async_trait};
use serde_json::json;
use uuid::Uuid;

use crate::house::{ANNA, RIVERSIDE};

/// An order whose buyer has no account any more.
pub(crate) const ORPHAN: u128 = 0x0_0F;
/// An order whose buyer has an address that is none.
pub(crate) const NOWHERE: u128 = 0x40_4E;
/// An order whose buyer has a name that advertises something.
pub(crate) const BILLBOARD: u128 = 0x0_B0A2D;
/// What people are called who are told something.
pub(crate) const ADDRESS: &str = "cara@example.org";

/// An orders that knows every order.
pub(crate) struct EveryOrder;

#[async_trait]
impl Orders for EveryOrder {
    async fn contact(&self, _cx: &Context, request: FindContact) -> Result<Contact, OrderError> {
        let order_id = request.order_id;
        if order_id == Uuid::from_u128(ORPHAN) {
            return Err(OrderError::BuyerGone { order_id });
        }
        let is_billboard = order_id == Uuid::from_u128(BILLBOARD);
        let is_nowhere = order_id == Uuid::from_u128(NOWHERE);
        Ok(Contact {
            order_id,
            order_code: "K7MPX2QA".to_owned(),
            name: if is_billboard { "Win at example.org" } else { "Cara" }.to_owned(),
            email: if is_nowhere { "cara at home" } else { ADDRESS }.to_owned(),
            locale: None,
            secret: Some("open-sesame".to_owned()),
            guest: true,
        })
    }

    async fn find_order(
        &self,
        _cx: &Context,
        request: FindOrder,
    ) -> Result<OrderSummary, OrderError> {
        let position = |number: u32| {
            json!({
                "position": number,
                "ticket_type_id": Uuid::from_u128(0x5EA7),
                "name": "Stalls",
                "price": {"amount": 2500, "currency": "EUR"},
                "tax": {"amount": 0, "currency": "EUR"},
                "seat": {"section": "Stalls", "row": "A", "number": number.to_string()},
                "cancelled": false,
            })
        };
        let euros = |amount: u32| json!({"amount": amount, "currency": "EUR"});
        let order = json!({
            "order_id": request.order_id,
            "order_code": "K7MPX2QA",
            "state": "fulfilled",
            "buyer_id": Uuid::from_u128(0xC),
            "guest": true,
            "organizer_id": RIVERSIDE,
            "event_id": Uuid::from_u128(0xE),
            "event_name": "Quartet & friends",
            "total": euros(5_000),
            "received": euros(5_000),
            "refunded": euros(0),
            "overpaid": euros(0),
            "positions": [position(1), position(2)],
            "placed_at": "2027-03-01T12:00:00Z",
        });
        Ok(serde_json::from_value(order).expect("an order as the contract has it"))
    }

    async fn list_orders(
        &self,
        _cx: &Context,
        _request: ListOrders,
    ) -> Result<OrderPage, OrderError> {
        Ok(OrderPage { orders: Vec::new() })
    }
}

struct Printer;

#[async_trait]
impl Tickets for Printer {
    async fn issue(
        &self,
        _cx: &Context,
        _request: IssueTickets,
    ) -> Result<IssuedTickets, TicketError> {
        Ok(IssuedTickets { ticket_ids: Vec::new() })
    }

    async fn void(
        &self,
        _cx: &Context,
        _request: VoidTickets,
    ) -> Result<VoidedTickets, TicketError> {
        Ok(VoidedTickets { ticket_ids: Vec::new() })
    }

    async fn find(
        &self,
        _cx: &Context,
        _request: FindTickets,
    ) -> Result<OrderTickets, TicketError> {
        Ok(OrderTickets { tickets: Vec::new() })
    }

    async fn print(
        &self,
        _cx: &Context,
        _request: PrintTickets,
    ) -> Result<PrintedTickets, TicketError> {
        let code = |number: u128| TicketCode {
            ticket_id: Uuid::from_u128(number),
            label: format!("Stalls, row A, seat {number}"),
            code: format!("BX1.CODE-{number}"),
        };
        let pdf_base64 = STANDARD.encode(b"%PDF-1.7 two pages");
        Ok(PrintedTickets { pdf_base64, codes: vec![code(1), code(2)] })
    }
}

struct Programme;

#[async_trait]
impl Catalog for Programme {
    async fn sale_terms(
        &self,
        _cx: &Context,
        request: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError> {
        let terms = json!({
            "event_id": request.event_id,
            "organizer_id": RIVERSIDE,
            "event_name": "Quartet & friends",
            "starts_at": "2027-06-18T18:00:00Z",
            "time_zone": "Europe/Berlin",
            "venue_name": "Boathouse",
            "on_sale": true,
            "ticket_types": [],
        });
        Ok(serde_json::from_value(terms).expect("terms as the contract has them"))
    }

    async fn membership(
        &self,
        _cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError> {
        let is_member = (request.organizer_id, request.user_id) == (RIVERSIDE, ANNA);
        Ok(Membership { is_member })
    }
}

pub(crate) static CATALOG: Module = Module {
    name: "catalog",
    about: "the programme",
    prefixes: &[],
    provides: &[Provided::of::<dyn Catalog>()],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| {
        boot.provide::<dyn Catalog>(Arc::new(Programme));
        Box::pin(async { Ok(()) })
    },
};

pub(crate) static TICKETS: Module = Module {
    name: "tickets",
    about: "prints",
    prefixes: &[],
    provides: &[Provided::of::<dyn Tickets>()],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| {
        boot.provide::<dyn Tickets>(Arc::new(Printer));
        Box::pin(async { Ok(()) })
    },
};
