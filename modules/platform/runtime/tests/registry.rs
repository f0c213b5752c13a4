//! What people read when the list of services, or the choice from it, is wrong.

use std::collections::BTreeMap;

use runtime::{
    Context, ContractError, Fault, LogSettings, Module, Needed, Peer, Plan, Provided, SectionSpec,
    Unrecognised, registry_faults, service,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Nothing {}

#[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
enum AnyError {
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for AnyError {}

#[service("payments")]
trait Payments {
    /// Charges.
    async fn charge(&self, cx: &Context, request: Nothing) -> Result<Nothing, AnyError>;
    /// Refunds.
    async fn refund(&self, cx: &Context, request: Nothing) -> Result<Nothing, AnyError>;
}

#[service("orders")]
trait Orders {
    /// Places.
    async fn place(&self, cx: &Context, request: Nothing) -> Result<Nothing, AnyError>;
}

#[service("stock")]
trait Stock {
    /// Holds.
    async fn hold(&self, cx: &Context, request: Nothing) -> Result<Nothing, AnyError>;
}

const PLAIN: Module = Module {
    name: "plain",
    about: "nothing",
    prefixes: &[],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |_| Box::pin(async { Ok(()) }),
};

static PAYMENTS: Module = Module {
    name: "payments",
    prefixes: &["/v1/payments"],
    provides: &[Provided::of::<dyn Payments>()],
    publishes: &["payments.payment_settled"],
    ..PLAIN
};

static STOCK: Module = Module {
    name: "stock",
    prefixes: &["/v1/availability"],
    provides: &[Provided::of::<dyn Stock>()],
    consumes: &["orders.order_expired"],
    ..PLAIN
};

static ORDERS: Module = Module {
    name: "orders",
    prefixes: &["/v1/orders"],
    provides: &[Provided::of::<dyn Orders>()],
    requires: &[
        Needed::of::<dyn Payments>(&["charge", "refund"]),
        Needed::of::<dyn Stock>(&["hold"]),
    ],
    publishes: &["orders.order_expired"],
    consumes: &["payments.payment_settled"],
    ..PLAIN
};

static GATEWAY: Module = Module { name: "gateway", about: "forwards", ..PLAIN };

static SOUND: &[&Module] = &[&GATEWAY, &ORDERS, &PAYMENTS, &STOCK];

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

fn peers<const N: usize>(of: [(&str, Option<&str>, Option<&str>); N]) -> BTreeMap<String, Peer> {
    of.into_iter()
        .map(|(service, internal, public)| {
            let peer = Peer {
                internal: internal.into_iter().collect(),
                public: public.into_iter().collect(),
            };
            (service.to_owned(), peer)
        })
        .collect()
}

fn order(plan: &Plan) -> Vec<&str> {
    plan.start_order.iter().map(|module| module.name).collect()
}

fn faults(
    modules: &[&'static Module],
    services: &[&str],
    peers: &BTreeMap<String, Peer>,
) -> String {
    Plan::new(modules, &names(services), peers).expect_err("it is refused").to_string()
}

#[test]
fn all_is_every_service_but_the_gateway_each_after_what_it_requires() {
    let plan = Plan::new(SOUND, &names(&["all"]), &BTreeMap::new()).unwrap();
    assert_eq!(order(&plan), ["payments", "stock", "orders"]);
    assert!(!plan.something_is_remote);
    assert!(plan.hosts("orders") && !plan.hosts("gateway"));
}

#[test]
fn the_gateway_beside_everything_it_would_forward_to_needs_no_addresses() {
    let plan = Plan::new(SOUND, &names(&["all", "gateway"]), &BTreeMap::new()).unwrap();
    assert_eq!(order(&plan), ["gateway", "payments", "stock", "orders"]);
    assert!(!plan.something_is_remote);
}

#[test]
fn any_grouping_is_legal_when_the_rest_is_addressed() {
    let elsewhere = peers([
        ("payments", Some("http://payments:8081"), None),
        ("orders", Some("http://orders:8081"), None),
    ]);
    let plan = Plan::new(SOUND, &names(&["orders", "stock"]), &elsewhere).unwrap();
    assert_eq!(order(&plan), ["stock", "orders"]);
    assert!(plan.something_is_remote);
    let alone = Plan::new(SOUND, &names(&["payments"]), &BTreeMap::new()).unwrap();
    assert_eq!(order(&alone), ["payments"]);
}

#[test]
fn a_choice_reports_every_fault_at_once() {
    let wrong = peers([
        ("payments", None, Some("http://payments:8080")),
        ("shipping", Some("http://shipping:8081"), None),
    ]);
    let choice = ["orders", "ordres", "gateway"];
    insta::assert_snapshot!(faults(SOUND, &choice, &wrong), @r#"
    - there is no service "ordres"; choose from all, gateway, orders, payments, stock
    - [peers.shipping] is about no service; choose from gateway, orders, payments, stock
    - orders requires Payments of payments, which is neither hosted here nor addressed; host payments too, or set peers.payments.internal
    - orders requires Stock of stock, which is neither hosted here nor addressed; host stock too, or set peers.stock.internal
    - orders consumes payments.payment_settled of payments, which is neither hosted here nor addressed; host payments too, or set peers.payments.internal
    - gateway forwards /v1/availability to stock, whose public listener is not addressed; set peers.stock.public, or host stock too
    "#);
}

#[test]
fn what_is_consumed_must_be_hosted_or_addressed() {
    insta::assert_snapshot!(faults(SOUND, &["stock"], &BTreeMap::new()), @"- stock consumes orders.order_expired of orders, which is neither hosted here nor addressed; host orders too, or set peers.orders.internal");
}

#[test]
fn a_list_of_modules_reports_every_fault_at_once() {
    static TWIN: Module = Module {
        name: "orders",
        prefixes: &["/v1/orders", "/v1/payments/refunds", "v1/slash/"],
        settings: Some(SectionSpec::of::<LogSettings>()),
        ..PLAIN
    };
    static THIEF: Module = Module {
        name: "thief",
        provides: &[Provided::of::<dyn Payments>()],
        requires: &[
            Needed::of::<dyn Payments>(&["charge", "steal"]),
            Needed::of::<dyn Stock>(&["hold"]),
        ],
        consumes: &["payments.payment_setled"],
        settings: Some(SectionSpec::of::<LogSettings>()),
        ..PLAIN
    };
    insta::assert_snapshot!(registry_faults(&[&ORDERS, &PAYMENTS, &TWIN, &THIEF]).join("\n"), @r#"
    two modules are called orders; give one another name
    orders and thief both read [log]; give each a section of its own
    orders owns "v1/slash/", which is no path prefix; write it like /v1/orders
    orders and orders both own /v1/orders; give it to one of them
    orders owns /v1/payments/refunds, which lies inside /v1/payments of payments; choose prefixes that do not contain each other
    thief provides Payments, which is a contract of payments; provide it there
    Payments is provided by payments and by thief; let only one provide it
    orders requires Stock of stock, which no module provides; add the module that does
    thief wants to call payments.steal, which Payments does not have; it has: charge, refund
    thief requires Stock of stock, which no module provides; add the module that does
    thief consumes payments.payment_setled, which no module publishes; correct the name, or list it under what its service publishes
    "#);
}

#[test]
fn calls_must_not_go_round_in_a_circle() {
    static ROUND_PAYMENTS: Module = Module {
        requires: &[Needed::of::<dyn Stock>(&["hold"])],
        name: "payments",
        provides: &[Provided::of::<dyn Payments>()],
        ..PLAIN
    };
    static ROUND_STOCK: Module = Module {
        requires: &[Needed::of::<dyn Orders>(&["place"])],
        name: "stock",
        provides: &[Provided::of::<dyn Stock>()],
        ..PLAIN
    };
    static ROUND_ORDERS: Module = Module {
        requires: &[Needed::of::<dyn Orders>(&["place"]), Needed::of::<dyn Payments>(&["charge"])],
        name: "orders",
        provides: &[Provided::of::<dyn Orders>()],
        ..PLAIN
    };
    let modules: &[&Module] = &[&ROUND_ORDERS, &ROUND_PAYMENTS, &ROUND_STOCK];
    insta::assert_snapshot!(registry_faults(modules).join("\n"), @r"
    orders -> orders is a cycle of calls; let one of them react to the other's events instead
    orders -> payments -> stock -> orders is a cycle of calls; let one of them react to the other's events instead
    ");
}

#[test]
fn events_may_flow_against_the_calls() {
    assert_eq!(registry_faults(SOUND), Vec::<String>::new());
}
