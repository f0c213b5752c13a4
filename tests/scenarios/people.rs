//! Who appears in the stories, and what they do: organizers put events on sale, buyers order and
//! pay.

use std::{
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use testkit::{Client, Reply, eventually};

use crate::house::House;

/// The first admin.
pub const ADMIN: &str = "admin@example.org";
/// Everybody's.
pub const PASSWORD: &str = "correct-horse-battery";

/// Test cards of the sandbox provider.
pub mod card {
    /// Pays.
    pub const GOOD: &str = "4242424242424242";
    /// Is declined.
    pub const DECLINED: &str = "4000000000000002";
    /// Has no money.
    pub const EMPTY: &str = "4000000000009995";
    /// Pays, but the provider's answer is lost.
    pub const SILENT: &str = "4000000000000341";
    /// Needs a second step.
    pub const TWO_STEPS: &str = "4000000000003220";
}

/// Somebody who is logged in.
pub struct Person {
    client: Client,
    /// The account.
    pub id: String,
    email: String,
}

impl Deref for Person {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// An event on sale, with one ticket type.
pub struct Sale {
    /// Whoever sells it.
    pub organizer: Person,
    /// The organizer's id.
    pub organizer_id: String,
    /// The event.
    pub event: String,
    /// What is sold of it.
    pub ticket_type: String,
}

/// How many people come in at the same time.
const AT_A_TIME: usize = 8;

impl House {
    /// Somebody new.
    pub async fn somebody(&self) -> Person {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let email = format!("person{}@example.org", NEXT.fetch_add(1, Ordering::Relaxed));
        let client = self.client().register(&email, PASSWORD).await;
        let id = client.get("/v1/auth/me").await.expect(200).field("id");
        Person { client, id, email }
    }

    /// So many new people, a few at a time: more passwords may not wait to be hashed for one network.
    pub async fn crowd(&self, size: usize) -> Vec<Person> {
        let arriving = stream::iter(0..size).map(|_| self.somebody());
        arriving.buffered(AT_A_TIME).collect().await
    }

    /// Somebody who may run events.
    pub async fn organizer(&self) -> Person {
        self.with_role("organizer").await
    }

    /// Somebody who checks tickets in for the organizers that want it.
    pub async fn staff(&self) -> Person {
        self.with_role("staff").await
    }

    async fn with_role(&self, role: &str) -> Person {
        let person = self.somebody().await;
        let admin = self.client().log_in(ADMIN, PASSWORD).await;
        let account = format!("/v1/users/{}", person.id);
        let etag = admin.get(&account).await.expect(200).etag();
        let roles = json!({ "roles": ["customer", role] });
        let _account =
            admin.put(&format!("{account}/roles"), &roles).if_match(&etag).await.expect(200);
        // Roles are in the token.
        let client = self.client().log_in(&person.email, PASSWORD).await;
        Person { client, ..person }
    }

    /// An event of a new organizer, on sale with `places` places at 25 euros.
    pub async fn sale(&self, places: u32) -> Sale {
        self.sale_at(places, 2500).await
    }

    /// An event of a new organizer, on sale with `places` places at so many cents.
    pub async fn sale_at(&self, places: u32, cents: u32) -> Sale {
        let organizer = self.organizer().await;
        let id = |reply: Reply| reply.expect(201).field("id");
        let name = json!({ "name": "Riverside Concerts" });
        let organizer_id = id(organizer.post("/v1/organizers", &name).await);
        let venue = json!({
            "organizer_id": organizer_id,
            "name": "Boathouse",
            "address": "3 Quay Street, 10115 Berlin",
            "time_zone": "Europe/Berlin",
        });
        let venue = id(organizer.post("/v1/venues", &venue).await);
        let event = json!({
            "organizer_id": organizer_id,
            "venue_id": venue,
            "name": "Quartet by the river",
            "starts_at": "2099-06-18T18:00:00Z",
            "ends_at": "2099-06-18T20:30:00Z",
            "currency": "EUR",
        });
        let event = id(organizer.post("/v1/events", &event).await);
        let ticket_type = json!({
            "name": "Stalls",
            "price": { "amount": cents, "currency": "EUR" },
            "capacity": { "kind": "limited", "places": places },
        });
        let ticket_types = format!("/v1/events/{event}/ticket-types");
        let ticket_type = id(organizer.post(&ticket_types, &ticket_type).await);
        for step in ["publish", "open-sales"] {
            let path = format!("/v1/events/{event}/{step}");
            let _event = organizer.post(&path, &json!({})).await.expect(200);
        }
        let availability = format!("/v1/availability/{event}");
        eventually("the event to be on sale", || async {
            let reply = self.client().get(&availability).await;
            reply.status() == 200 && reply.value()["on_sale"] == json!(true)
        })
        .await;
        Sale { organizer, organizer_id, event, ticket_type }
    }

    /// How many places of the event can be held now.
    pub async fn free(&self, sale: &Sale) -> u64 {
        let availability = self.client().get(&format!("/v1/availability/{}", sale.event)).await;
        let availability = availability.expect(200).value();
        let [stalls] = availability["ticket_types"].as_array().expect("a list").as_slice() else {
            panic!("the event has one ticket type: {availability}");
        };
        assert_eq!(stalls["overbooked"], 0, "{availability}");
        stalls["free"].as_u64().expect("a number")
    }
}

impl Sale {
    /// An order for so many tickets, as it is sent.
    pub fn order(&self, quantity: u32) -> Value {
        json!({ "event_id": self.event, "items": self.items(quantity) })
    }

    /// So many places, as orders and holds name them.
    pub fn items(&self, quantity: u32) -> Value {
        json!([{ "ticket_type_id": self.ticket_type, "quantity": quantity }])
    }
}

/// A payment by card, as it is sent.
pub fn payment(order: &str, card: &str) -> Value {
    json!({ "order_id": order, "method": { "kind": "card", "number": card } })
}

impl Person {
    /// Orders so many tickets: the order's id, its places held.
    pub async fn order(&self, sale: &Sale, quantity: u32) -> String {
        let order = self.post("/v1/orders", &sale.order(quantity)).await.expect(201);
        assert_eq!(order.field("state"), "held", "{order}");
        order.field("id")
    }

    /// Tries to pay the order with the card.
    pub async fn pay(&self, order: &str, card: &str) -> Reply {
        self.post("/v1/payments", &payment(order, card)).await
    }

    /// Orders so many tickets, pays, and has them: the order's id.
    pub async fn buy(&self, sale: &Sale, quantity: u32) -> String {
        let order = self.order(sale, quantity).await;
        let payment = self.pay(&order, card::GOOD).await.expect(201);
        assert_eq!(payment.field("status"), "settled", "{payment}");
        self.order_in(&order, "fulfilled").await;
        order
    }

    /// Waits until the order is in the state: the order.
    pub async fn order_in(&self, order: &str, state: &str) -> Value {
        let path = format!("/v1/orders/{order}");
        eventually(format!("the order to be {state}"), || async {
            let reply = self.get(&path).await;
            let order = reply.clone().expect(200).value();
            if order["state"] == state { Ok(order) } else { Err(reply) }
        })
        .await
    }

    /// Everything of a list.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.expect(200).value();
        list["items"].as_array().expect("a list has items").clone()
    }

    /// The tickets of an order.
    pub async fn tickets(&self, order: &str) -> Vec<Value> {
        self.list(&format!("/v1/tickets?order_id={order}")).await
    }

    /// The payment of an order.
    pub async fn payment_of(&self, order: &str) -> Value {
        let order = self.get(&format!("/v1/orders/{order}")).await.expect(200);
        let path = format!("/v1/payments/{}", order.field("payment_id"));
        self.get(&path).await.expect(200).value()
    }
}

/// A text field, such as an id.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {value}"))
}
