//! A shop of real server processes, with events on sale and people who may buy.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};
use testkit::{Client, Sandbox};

use super::{
    premises::Premises,
    wire::{Connection, Reply},
};

const PASSWORD: &str = "correct-horse-battery";
const ADMIN: &str = "admin@example.org";
/// Accounts that all buyers share, four of a hundred each: no more may wait for orders as one caller.
/// Each costs two password hashes to make.
const ACCOUNTS: usize = 32;

/// An event on sale.
#[derive(Debug, Clone)]
pub struct Sale {
    pub event: String,
    pub ticket_type: String,
}

/// Server processes with a shop in them.
pub struct Shop {
    sandbox: Sandbox,
    /// Where visitors come in, one here and the next there.
    hosts: Vec<String>,
    admin: Client,
    admin_token: Arc<str>,
    organizer: String,
    venue: String,
    tokens: Vec<Arc<str>>,
    keys: Arc<AtomicU64>,
}

/// Somebody with a connection of their own.
pub struct Visitor {
    connection: Connection,
    authorization: Arc<str>,
    keys: Arc<AtomicU64>,
}

fn id(reply: testkit::Reply) -> String {
    reply.expect(201).field("id")
}

impl Shop {
    /// Starts the processes and makes the accounts.
    pub async fn open(premises: &Premises) -> Self {
        let sandbox = premises
            .builder()
            .await
            .setting("identity.first_admin_email", ADMIN)
            .setting("identity.first_admin_password", PASSWORD)
            // Visitors place many orders and pay none of them.
            .setting("inventory.open_holds_per_customer", "0")
            .start()
            .await;
        let client = sandbox.client();
        let admin = client.log_in(ADMIN, PASSWORD).await;
        let organizer = id(admin.post("/v1/organizers", &json!({ "name": "Concerts" })).await);
        let venue = json!({
            "organizer_id": organizer,
            "name": "Boathouse",
            "address": "3 Quay Street, 10115 Berlin",
            "time_zone": "Europe/Berlin",
        });
        let venue = id(admin.post("/v1/venues", &venue).await);
        let hosts = sandbox.public_urls();
        let hosts = hosts.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect();
        let keys = Arc::new(AtomicU64::new(1));
        let mut shop = Self {
            sandbox,
            hosts,
            admin,
            admin_token: "".into(),
            organizer,
            venue,
            tokens: Vec::new(),
            keys,
        };
        shop.admin_token = shop.token_of(ADMIN).await;
        for number in 0..ACCOUNTS {
            let email = format!("buyer{number}@example.org");
            let account = json!({ "email": email, "password": PASSWORD, "name": "A buyer" });
            let _account = client.post("/v1/auth/register", &account).await.expect(201);
            let token = shop.token_of(&email).await;
            shop.tokens.push(token);
        }
        shop
    }

    async fn token_of(&self, email: &str) -> Arc<str> {
        let credentials = json!({ "email": email, "password": PASSWORD });
        let reply = self.sandbox.client().post("/v1/auth/login", &credentials).await.expect(200);
        let token: String = reply.field("access_token");
        format!("authorization: Bearer {token}\r\n").into()
    }

    /// Puts events with `places` each on sale, and waits until all can be bought.
    pub async fn put_on_sale(&self, count: usize, places: u32) -> Vec<Sale> {
        let mut sales = Vec::with_capacity(count);
        for _ in 0..count {
            sales.push(self.put_one_on_sale(places).await);
        }
        for sale in &sales {
            let availability = format!("/v1/availability/{}", sale.event);
            testkit::eventually("the event to be on sale", || async {
                let reply = self.admin.get(&availability).await;
                reply.status() == 200 && reply.value().get("on_sale") == Some(&Value::Bool(true))
            })
            .await;
        }
        sales
    }

    async fn put_one_on_sale(&self, places: u32) -> Sale {
        let admin = &self.admin;
        let event = json!({
            "organizer_id": self.organizer,
            "venue_id": self.venue,
            "name": "Quartet by the river",
            "starts_at": "2099-06-18T18:00:00Z",
            "ends_at": "2099-06-18T20:30:00Z",
            "currency": "EUR",
        });
        let event = id(admin.post("/v1/events", &event).await);
        let ticket_type = json!({
            "name": "Stalls",
            "price": { "amount": 2500, "currency": "EUR" },
            "capacity": { "kind": "limited", "places": places },
        });
        let ticket_types = format!("/v1/events/{event}/ticket-types");
        let ticket_type = id(admin.post(&ticket_types, &ticket_type).await);
        for step in ["publish", "open-sales"] {
            let path = format!("/v1/events/{event}/{step}");
            let _done = admin.post(&path, &json!({})).await.expect(200);
        }
        Sale { event, ticket_type }
    }

    /// So many people with an account and a connection each.
    pub async fn buyers(&self, count: usize) -> Vec<Visitor> {
        let mut buyers = Vec::with_capacity(count);
        for (number, token) in self.tokens.iter().cycle().take(count).enumerate() {
            buyers.push(self.visitor(number, Arc::clone(token)).await);
        }
        buyers
    }

    /// So many people of the house.
    pub async fn staff(&self, count: usize) -> Vec<Visitor> {
        let mut staff = Vec::with_capacity(count);
        for number in 0..count {
            staff.push(self.visitor(number, Arc::clone(&self.admin_token)).await);
        }
        staff
    }

    /// So many people without an account.
    pub async fn passers_by(&self, count: usize) -> Vec<Visitor> {
        let mut people = Vec::with_capacity(count);
        for number in 0..count {
            people.push(self.visitor(number, "".into()).await);
        }
        people
    }

    async fn visitor(&self, number: usize, authorization: Arc<str>) -> Visitor {
        let host = &self.hosts[number % self.hosts.len()];
        let connection = Connection::open(host).await.expect("the server listens");
        Visitor { connection, authorization, keys: Arc::clone(&self.keys) }
    }

    /// The number of places that are free and sold, of an event with one ticket type.
    pub async fn free(&self, sale: &Sale) -> i64 {
        let reply = self.admin.get(&format!("/v1/availability/{}", sale.event)).await.expect(200);
        reply.value()["ticket_types"][0]["free"].as_i64().unwrap_or(-1)
    }

    /// What the processes have used and hold.
    pub async fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for node in self.sandbox.nodes() {
            let metrics = Client::new(node.admin_url()).get("/metrics").await.expect(200).text();
            usage.processor_seconds += metric(&metrics, "process_cpu_seconds_total");
            usage.resident_bytes += metric(&metrics, "process_resident_memory_bytes");
        }
        usage
    }

    /// Stops the processes.
    pub async fn close(self) {
        self.sandbox.stop().await;
    }
}

/// What processes have used and hold, all together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub processor_seconds: f64,
    pub resident_bytes: f64,
}

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

impl Visitor {
    /// Reads.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn get(&mut self, path: &str) -> Reply {
        let headers = Arc::clone(&self.authorization);
        self.connection.send("GET", path, &headers, "").await.expect("the server answers")
    }

    /// Reads an order once it has come to its end.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn await_order(&mut self, order: &str) -> Reply {
        let headers = format!("{}prefer: wait=10\r\n", self.authorization);
        let path = format!("/v1/orders/{order}");
        self.connection.send("GET", &path, &headers, "").await.expect("the server answers")
    }

    /// Posts with an idempotency key that nobody has used.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn post(&mut self, path: &str, body: &Value) -> Reply {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let headers = format!(
            "{}idempotency-key: bench-{key}\r\ncontent-type: application/json\r\n",
            self.authorization
        );
        let body = body.to_string();
        self.connection.send("POST", path, &headers, &body).await.expect("the server answers")
    }

    /// Places an order for `quantity` tickets; `None` when there are no more.
    ///
    /// # Panics
    /// When it is refused for another reason.
    pub async fn order(&mut self, sale: &Sale, quantity: u32) -> Option<String> {
        let order = json!({
            "event_id": sale.event,
            "items": [{ "ticket_type_id": sale.ticket_type, "quantity": quantity }],
        });
        let reply = self.post("/v1/orders", &order).await;
        if reply.status == 409 && reply.text().contains("sold-out") {
            return None;
        }
        assert_eq!(reply.status, 201, "an order: {}", reply.text());
        reply.json()["id"].as_str().map(str::to_owned)
    }

    /// Pays the order and waits for its tickets, whose ids are the answer.
    ///
    /// # Panics
    /// When one of both fails.
    pub async fn pay(&mut self, order: &str) -> Vec<String> {
        let payment = json!({
            "order_id": order,
            "method": { "kind": "card", "number": "4242424242424242" },
        });
        let reply = self.post("/v1/payments", &payment).await;
        assert_eq!(reply.status, 201, "a payment: {}", reply.text());
        let order = self.await_order(order).await.json();
        assert_eq!(order["state"], "fulfilled", "{order}");
        let tickets = order["ticket_ids"].as_array().cloned().unwrap_or_default();
        tickets.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect()
    }
}
