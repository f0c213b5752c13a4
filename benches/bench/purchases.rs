//! Complete purchases, from the order to the tickets, in the monolith on SQLite: every commit is on
//! disk before it is answered.

use std::time::{Duration, Instant};

use boxoffice::{node, registry};
use serde_json::{Value, json};
use testkit::{Client, Composition, Sandbox, TestClock};

use crate::figures::{Effort, quantile};

const PASSWORD: &str = "correct-horse-battery";
const ADMIN: &str = "admin@example.org";

/// An event on sale.
struct Sale {
    event: String,
    ticket_type: String,
}

async fn open_sale(client: &Client) -> Sale {
    let admin = client.log_in(ADMIN, PASSWORD).await;
    let id = |reply: testkit::Reply| reply.expect(201).field("id");
    let organizer = json!({ "name": "Riverside Concerts" });
    let organizer = id(admin.post("/v1/organizers", &organizer).await);
    let venue = json!({
        "organizer_id": organizer,
        "name": "Boathouse",
        "address": "3 Quay Street, 10115 Berlin",
        "time_zone": "Europe/Berlin",
    });
    let venue = id(admin.post("/v1/venues", &venue).await);
    let event = json!({
        "organizer_id": organizer,
        "venue_id": venue,
        "name": "Quartet by the river",
        "starts_at": "2099-06-18T18:00:00Z",
        "ends_at": "2099-06-18T20:30:00Z",
        "currency": "EUR",
    });
    let event = id(admin.post("/v1/events", &event).await);
    let ticket_type = json!({
        "name": "Stalls",
        "price": { "amount": 2500, "currency": "EUR" },
        "capacity": { "kind": "limited", "places": 1_000_000 },
    });
    let ticket_types = format!("/v1/events/{event}/ticket-types");
    let ticket_type = id(admin.post(&ticket_types, &ticket_type).await);
    for step in ["publish", "open-sales"] {
        let _done = admin.post(&format!("/v1/events/{event}/{step}"), &json!({})).await.expect(200);
    }
    let availability = format!("/v1/availability/{event}");
    testkit::eventually("the event is on sale", || async {
        let reply = client.get(&availability).await;
        reply.status() == 200 && reply.value().get("on_sale") == Some(&Value::Bool(true))
    })
    .await;
    Sale { event, ticket_type }
}

async fn purchase(buyer: &Client, sale: &Sale) -> Duration {
    let begun = Instant::now();
    let order = json!({
        "event_id": sale.event,
        "items": [{ "ticket_type_id": sale.ticket_type, "quantity": 1 }],
    });
    let order = buyer.post("/v1/orders", &order).await.expect(201).field("id");
    let payment = json!({
        "order_id": order,
        "method": { "kind": "card", "number": "4242424242424242" },
    });
    let _payment = buyer.post("/v1/payments", &payment).await.expect(201);
    let reading = buyer.get(&format!("/v1/orders/{order}")).header("prefer", "wait=10");
    let state = reading.await.expect(200).field("state");
    assert_eq!(state, "fulfilled", "the order {order} has its tickets");
    begun.elapsed()
}

/// A line with the rate, and one with how long a purchase takes.
pub async fn measure(effort: Effort) -> Vec<String> {
    let composition = Composition {
        modules: registry::MODULES,
        sections: registry::SECTIONS,
        launch: node::launch,
    };
    let sandbox = Sandbox::builder(composition)
        .clock(TestClock::running())
        .setting("identity.first_admin_email", ADMIN)
        .setting("identity.first_admin_password", PASSWORD)
        .start()
        .await;
    let client = sandbox.client();
    let sale = open_sale(&client).await;
    let mut buyers = Vec::new();
    for number in 0..effort.buyers {
        buyers.push(client.register(&format!("buyer{number}@example.org"), PASSWORD).await);
    }

    let begun = Instant::now();
    let work = buyers.iter().map(|buyer| async {
        let mut times = Vec::new();
        for _ in 0..effort.purchases {
            times.push(purchase(buyer, &sale).await);
        }
        times
    });
    let mut times: Vec<Duration> = futures_util::future::join_all(work).await.concat();
    let elapsed = begun.elapsed();
    times.sort_unstable();
    sandbox.stop().await;

    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let rate = times.len() as f64 / elapsed.as_secs_f64();
    vec![
        format!(
            "purchases, monolith on SQLite    {rate:>8.0}/s   {} buyers at once",
            effort.buyers
        ),
        format!(
            "a purchase                       {:>10.1?} p50   {:.1?} p99",
            quantile(&times, 0.5),
            quantile(&times, 0.99)
        ),
    ]
}
