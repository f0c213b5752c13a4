//! Orders that nobody pays in time, and money that comes too late.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use testkit::{Node, eventually};

use crate::{
    books::Books,
    gate::Point,
    house::House,
    people::{Person, Sale, card},
};

/// Longer than places are held.
const TOO_LONG: Duration = Duration::from_secs(15 * 60 + 1);

pub async fn an_order_that_nobody_pays_expires_and_frees_its_places(house: &House) {
    let sale = house.sale(5).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 3).await;
    let hold = json!({ "event_id": sale.event, "items": sale.items(2) });
    let hold = buyer.post("/v1/holds", &hold).await.expect(201).field("id");
    assert_eq!(house.free(&sale).await, 0);

    house.pass(TOO_LONG);
    assert_eq!(house.free(&sale).await, 5);
    buyer.order_in(&order, "expired").await;
    let hold = buyer.get(&format!("/v1/holds/{hold}")).await.expect(200);
    assert_eq!(hold.field("state"), "expired", "{hold}");
    let _refused = buyer.pay(&order, card::GOOD).await.expect_problem(409, "payment-closed");
    assert_eq!(house.books().await, Books { charges: 0, refunds: 0 });
    assert!(buyer.tickets(&order).await.is_empty());
    house.somebody().await.buy(&sale, 5).await;
}

pub async fn an_order_expires_though_its_service_was_away_when_it_was_time(house: &House) {
    let sale = house.sale(5).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 3).await;
    join_all(house.sandbox.nodes_of("orders").map(Node::crash)).await;
    house.pass(TOO_LONG);
    join_all(house.sandbox.nodes_of("orders").map(Node::restart)).await;
    buyer.order_in(&order, "expired").await;
    assert_eq!(house.free(&sale).await, 5);
}

/// Those that must stand still while money is late; a further replica would go on in their place.
const HELD: [&str; 2] = ["payments", "orders"];

fn further_replicas(house: &House) -> impl Iterator<Item = &Node> {
    HELD.into_iter().flat_map(|service| house.sandbox.nodes_of(service).skip(1))
}

/// Lets those who were held go on, and their replicas with them.
async fn go_on(house: &House) {
    house.gate.open();
    join_all(further_replicas(house).map(Node::restart)).await;
}

/// Pays with a card whose provider takes the money and does not say so, until after the order has
/// expired. Then the order waits: its end is recorded, and the payment is not asked about yet.
async fn pay_too_late(house: &House, buyer: &Person, order: &str) {
    house.gate.close_at(Point { service: "payments", event: "attempt_pending" });
    let wait = async {
        house.gate.holds().await;
        house.gate.close_at(Point { service: "orders", event: "called_off" });
        house.pass(TOO_LONG);
        house.gate.holds().await;
    };
    tokio::select! {
        answer = buyer.pay(order, card::SILENT) => panic!("payments is held, yet said {answer}"),
        () = wait => {}
    }
}

async fn buy_too_late(house: &House) -> (Sale, Person, String) {
    let sale = house.sale(2).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 2).await;
    join_all(further_replicas(house).map(Node::stop)).await;
    pay_too_late(house, &buyer, &order).await;
    (sale, buyer, order)
}

pub async fn money_that_comes_too_late_buys_tickets_while_there_is_room(house: &House) {
    let (sale, buyer, order) = buy_too_late(house).await;
    go_on(house).await;
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(buyer.tickets(&order).await.len(), 2);
    assert_eq!(house.free(&sale).await, 0);
    assert_eq!(house.books().await, Books { charges: 1, refunds: 0 });
}

pub async fn money_that_comes_too_late_goes_back_when_the_places_are_gone(house: &House) {
    let (sale, buyer, order) = buy_too_late(house).await;
    let other = house.somebody().await;
    let hold = json!({ "event_id": sale.event, "items": sale.items(1) });
    let _hold = other.post("/v1/holds", &hold).await.expect(201);
    go_on(house).await;

    let ended = buyer.order_in(&order, "cancelled").await;
    assert_eq!(ended["cause"], "paid_too_late", "{ended}");
    eventually("the money to be back", || async {
        house.books().await == Books { charges: 1, refunds: 1 }
    })
    .await;
    assert_eq!(buyer.payment_of(&order).await["status"], "refunded");
    assert!(buyer.tickets(&order).await.is_empty());
    assert_eq!(house.free(&sale).await, 1, "the other's place stays the other's");
}

pub async fn a_charge_whose_answer_is_lost_is_found_and_counts_once(house: &House) {
    let sale = house.sale(2).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 1).await;
    let pending = buyer.pay(&order, card::SILENT).await.expect(201);
    assert_eq!(pending.field("status"), "pending", "{pending}");
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(house.books().await, Books { charges: 1, refunds: 0 });
}
