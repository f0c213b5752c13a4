//! A service dies at every step of giving something back, and of selling to a guest, right after it
//! has recorded the step. It comes back, and everything has happened once.

use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use testkit::{Client, eventually, within};

use crate::{
    books::Books,
    gate::Point,
    house::House,
    people::{Person, Sale, card, payment},
};

/// How long requests are repeated.
const PATIENCE: Duration = Duration::from_mins(1);

/// The steps of giving one position back.
const STEPS_OF_RETURNING: [Point; 8] = [
    Point { service: "orders", event: "positions_cancelled" },
    Point { service: "tickets", event: "voided" },
    Point { service: "orders", event: "position_tickets_voided" },
    Point { service: "inventory", event: "places_released" },
    Point { service: "orders", event: "position_places_released" },
    Point { service: "payments", event: "refund_begun" },
    Point { service: "payments", event: "refund_done" },
    Point { service: "orders", event: "positions_refunded" },
];

/// The steps of undoing the orders of an event.
const STEPS_OF_CANCELLING: [Point; 7] = [
    Point { service: "catalog", event: "cancelled" },
    Point { service: "orders", event: "begun" },
    Point { service: "orders", event: "called_off" },
    Point { service: "orders", event: "advanced" },
    Point { service: "tickets", event: "voided" },
    Point { service: "payments", event: "refund_done" },
    Point { service: "orders", event: "ended" },
];

/// The steps of selling to a guest at which somebody may die.
const STEPS_OF_A_GUEST: [Point; 6] = [
    Point { service: "inventory", event: "places_held" },
    Point { service: "orders", event: "placed" },
    Point { service: "payments", event: "opened" },
    Point { service: "payments", event: "settled" },
    Point { service: "orders", event: "payment_received" },
    Point { service: "orders", event: "tickets_issued" },
];

/// Sends it until it is answered with success.
async fn post_stubbornly(client: &Client, path: &str, body: &Value, key: &str) -> Value {
    within(PATIENCE, format!("{path} to be answered"), || async {
        match client.post(path, body).key(key).send().await {
            Ok(reply) if reply.status().is_success() => Ok(reply.value()),
            Ok(reply) => Err(reply.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
}

async fn read(client: &Client, order: &str) -> Result<Value, String> {
    match client.get(&format!("/v1/orders/{order}")).send().await {
        Ok(reply) if reply.status() == 200 => Ok(reply.value()),
        Ok(reply) => Err(reply.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits until the order is in the state and nothing of its money has to go back.
async fn is_even_in(client: &Client, order: &str, state: &str) -> Value {
    within(PATIENCE, format!("the order to be {state} and even"), || async {
        let found = read(client, order).await?;
        let is_even = found["overpaid"].is_null();
        if is_even && found["state"] == state { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}

async fn valid(buyer: &Person, order: &str) -> usize {
    let tickets = buyer.tickets(order).await;
    tickets.iter().filter(|ticket| ticket["state"] == "valid").count()
}

pub async fn giving_a_ticket_back_goes_on_after_a_crash_at_any_step(house: &House) {
    let sale = house.sale(100).await;
    let buyer = house.somebody().await;
    let wish = json!({ "positions": [2], "reason": "one of them is ill" });
    for (taken, point) in (1_i64..).zip(STEPS_OF_RETURNING) {
        let order = buyer.buy(&sale, 2).await;
        house.gate.close_at(point);
        let cancel = format!("/v1/orders/{order}/cancel");
        let cancelling = async {
            let _begun = post_stubbornly(&sale.organizer, &cancel, &wish, "unused").await;
            is_even_in(&buyer, &order, "fulfilled").await
        };
        let (order_then, ()) = join(cancelling, house.crash_whoever_is_held()).await;
        assert_eq!(order_then["refunded"]["amount"], 2500, "{point:?}: {order_then}");
        let books = Books { charges: taken, refunds: taken };
        assert_eq!(house.books().await, books, "{point:?}");
        assert_eq!(valid(&buyer, &order).await, 1, "{point:?}");
        let places = 100 - taken.unsigned_abs();
        eventually("one place to be free", || async { house.free(&sale).await == places }).await;
    }
}

pub async fn undoing_an_event_goes_on_after_a_crash_at_any_step(house: &House) {
    let mut books = Books { charges: 0, refunds: 0 };
    for point in STEPS_OF_CANCELLING {
        let sale: Sale = house.sale(20).await;
        let buyer = house.somebody().await;
        let orders = [buyer.buy(&sale, 2).await, buyer.buy(&sale, 1).await];
        let unpaid = buyer.order(&sale, 1).await;
        house.gate.close_at(point);
        let cancel = format!("/v1/events/{}/cancel", sale.event);
        let why = json!({ "reason": "The soloist is ill." });
        let cancelling = post_stubbornly(&sale.organizer, &cancel, &why, "unused");
        let (_event, ()) = join(cancelling, house.crash_whoever_is_held()).await;
        for order in &orders {
            let ended = is_even_in(&buyer, order, "cancelled").await;
            assert_eq!(ended["cause"], "event_cancelled", "{point:?}: {ended}");
            assert_eq!(valid(&buyer, order).await, 0, "{point:?}");
        }
        let unpaid = is_even_in(&buyer, &unpaid, "cancelled").await;
        assert_eq!(unpaid["cause"], "event_cancelled", "{point:?}: {unpaid}");
        books = Books { charges: books.charges + 2, refunds: books.refunds + 2 };
        assert_eq!(house.books().await, books, "{point:?}");
        let path = format!("/v1/orders/event-cancellations/{}", sale.event);
        within(PATIENCE, "the job to be done", || async {
            house.pass(Duration::from_secs(5));
            let reply = sale.organizer.get(&path).await.expect(200);
            let done = &reply.value()["orders"]["done"];
            if reply.value()["state"] == "done" && *done == 3 { Ok(()) } else { Err(reply) }
        })
        .await;
    }
}

pub async fn a_guests_purchase_goes_on_after_a_crash_at_any_step(house: &House) {
    let sale = house.sale(100).await;
    for (sold, point) in (1_i64..).zip(STEPS_OF_A_GUEST) {
        let mut wish = sale.order(1);
        wish["guest"] = json!({ "email": "gwen@example.org", "name": "Gwen" });
        let key = format!("a-guest-orders-for-the-{sold}-time");
        house.gate.close_at(point);
        let buying = async {
            let placed = post_stubbornly(&house.client(), "/v1/orders", &wish, &key).await;
            let token = placed["access_token"].as_str().expect("a token").to_owned();
            let guest = house.client().with_token(token);
            let order = placed["id"].as_str().expect("an id").to_owned();
            within(PATIENCE, "the order to be held", || async {
                let found = read(&guest, &order).await?;
                if found["state"] == "placed" { Err(found.to_string()) } else { Ok(()) }
            })
            .await;
            let body = payment(&order, card::GOOD);
            let paid = format!("{key}-and-pays");
            let _paid = post_stubbornly(&guest, "/v1/payments", &body, &paid).await;
            is_even_in(&guest, &order, "fulfilled").await
        };
        let (bought, ()) = join(buying, house.crash_whoever_is_held()).await;
        assert_eq!(bought["positions"].as_array().map(Vec::len), Some(1), "{point:?}: {bought}");
        assert_eq!(house.books().await, Books { charges: sold, refunds: 0 }, "{point:?}");
        assert_eq!(house.free(&sale).await, 100 - sold.unsigned_abs(), "{point:?}");
    }
}
