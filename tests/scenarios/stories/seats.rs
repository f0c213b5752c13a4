//! Numbered seats, quotas and windows, from the programme to the ticket.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    house::House,
    people::{Person, text},
};

/// An event with numbered seats, on sale: its organizer, its id and its ticket type's.
struct Evening {
    organizer: Person,
    event: String,
    ticket_type: String,
}

impl House {
    /// An event in `currency`, with two rows of four seats, and whatever else `terms` say of its
    /// ticket type.
    async fn evening(&self, currency: &str, terms: Value) -> Evening {
        let organizer = self.organizer().await;
        let name = json!({ "name": "Riverside Theatre" });
        let organizer_id = organizer.post("/v1/organizers", &name).await.expect(201).field("id");
        let venue = json!({
            "organizer_id": organizer_id,
            "name": "Theatre",
            "address": "5 Quay Street, Tokyo",
            "time_zone": "Asia/Tokyo",
        });
        let venue = organizer.post("/v1/venues", &venue).await.expect(201);
        let seating = json!({"sections": [{"name": "Stalls", "rows": [
            {"name": "A", "seats": ["1", "2", "3", "4"]},
            {"name": "B", "seats": ["1", "2", "3", "4"]},
        ]}]});
        let path = format!("/v1/venues/{}/seating", venue.field("id"));
        let _put = organizer.put(&path, &seating).if_match(&venue.etag()).await.expect(200);
        let event = json!({
            "organizer_id": organizer_id,
            "venue_id": venue.field("id"),
            "name": "The tempest",
            "starts_at": "2099-06-18T18:00:00+09:00",
            "ends_at": "2099-06-18T20:30:00+09:00",
            "currency": currency,
        });
        let event = organizer.post("/v1/events", &event).await.expect(201).field("id");
        let mut seat = json!({
            "name": "Stalls",
            "price": { "amount": 3500, "currency": currency },
            "capacity": { "kind": "unlimited" },
            "sections": ["Stalls"],
        });
        for (field, value) in terms.as_object().into_iter().flatten() {
            seat[field] = value.clone();
        }
        let types = format!("/v1/events/{event}/ticket-types");
        let ticket_type = organizer.post(&types, &seat).await.expect(201).field("id");
        for step in ["publish", "open-sales"] {
            let path = format!("/v1/events/{event}/{step}");
            let _event = organizer.post(&path, &json!({})).await.expect(200);
        }
        let evening = Evening { organizer, event, ticket_type };
        eventually("the event to be on sale", || async {
            let reply = self.client().get(&evening.availability()).await;
            reply.status() == 200 && reply.value()["on_sale"] == json!(true)
        })
        .await;
        evening
    }
}

impl Evening {
    fn availability(&self) -> String {
        format!("/v1/availability/{}", self.event)
    }

    fn wish(&self, quantity: u32, seats: &Value) -> Value {
        let item =
            json!({ "ticket_type_id": self.ticket_type, "quantity": quantity, "seats": seats });
        json!({ "event_id": self.event, "items": [item] })
    }
}

fn seat(row: &str, number: &str) -> Value {
    json!({ "section": "Stalls", "row": row, "number": number })
}

pub async fn seats_are_chosen_held_and_bought(house: &House) {
    let evening = house.evening("JPY", json!({})).await;
    let (ann, bob) = (house.somebody().await, house.somebody().await);
    let chosen = ann.post("/v1/holds", &evening.wish(2, &json!([]))).await.expect(201);
    let seats = &chosen.value()["items"][0]["seats"];
    assert_eq!(*seats, json!([seat("A", "2"), seat("A", "3")]), "side by side in the front");
    let taken = bob.post("/v1/holds", &evening.wish(1, &json!([seat("A", "2")]))).await;
    let taken = taken.expect_problem(409, "seat-taken");
    assert_eq!(taken.value()["seats"], json!([seat("A", "2")]));

    let order = json!({ "event_id": evening.event, "hold_id": chosen.field("id") });
    let order = ann.post("/v1/orders", &order).await.expect(201);
    assert_eq!(order.value()["total"], json!({ "amount": 7000, "currency": "JPY" }));
    let order = order.field("id");
    let _paid = ann.pay(&order, crate::people::card::GOOD).await.expect(201);
    let _fulfilled = ann.order_in(&order, "fulfilled").await;
    let tickets = ann.tickets(&order).await;
    assert_eq!(tickets.len(), 2);
    let path = format!("{}/seats", evening.availability());
    let plan = bob.get(&path).await.expect(200).value();
    let free = &plan["sections"][0]["rows"][0]["free"];
    assert_eq!(*free, json!(["1", "4"]), "{plan}");
}

pub async fn a_quota_below_what_is_sold_is_overbooked_and_sells_nothing(house: &House) {
    let evening = house.evening("KWD", json!({})).await;
    let buyer = house.somebody().await;
    let _held = buyer.post("/v1/holds", &evening.wish(3, &json!([]))).await.expect(201);
    let room = json!({
        "name": "Fire regulations",
        "capacity": { "kind": "limited", "places": 2 },
        "ticket_type_ids": [evening.ticket_type],
    });
    let quotas = format!("/v1/events/{}/quotas", evening.event);
    let quota = evening.organizer.post(&quotas, &room).await.expect(201);
    eventually("the quota to be known", || async {
        let shown = house.client().get(&evening.availability()).await.expect(200).value();
        let overbooked = shown["ticket_types"][0]["overbooked"] == 1;
        if overbooked { Ok(()) } else { Err(shown) }
    })
    .await;
    let refused = buyer.post("/v1/holds", &evening.wish(1, &json!([]))).await;
    let _problem = refused.expect_problem(409, "sold-out");
    let path = format!("{quotas}/{}", quota.field("id"));
    let _gone = evening.organizer.delete(&path).if_match(&quota.etag()).await.expect(204);
    eventually("places to be free again", || async {
        buyer.post("/v1/holds", &evening.wish(1, &json!([]))).await.status() == 201
    })
    .await;
}

pub async fn a_ticket_type_is_sold_within_its_window_and_limits(house: &House) {
    let early = house.evening("EUR", json!({ "sales_from": "2098-03-30T02:30:00+02:00" })).await;
    let buyer = house.somebody().await;
    let refused = buyer.post("/v1/holds", &early.wish(1, &json!([]))).await;
    let refused = refused.expect_problem(409, "sales-not-started");
    assert_eq!(refused.field("from"), "2098-03-30T00:30:00Z");
    let late = house.evening("EUR", json!({ "sales_until": "2001-01-01T00:00:00Z" })).await;
    let refused = buyer.post("/v1/holds", &late.wish(1, &json!([]))).await;
    let _problem = refused.expect_problem(409, "sales-ended");
    let item = json!({ "ticket_type_id": late.ticket_type, "quantity": 1 });
    let order = json!({ "event_id": late.event, "items": [item] });
    let order = buyer.post("/v1/orders", &order).await;
    let _problem = order.expect_problem(409, "sales-ended");
    let pairs = house.evening("EUR", json!({ "min_per_order": 2, "max_per_order": 4 })).await;
    for (quantity, slug) in [(1, "below-minimum"), (5, "above-maximum")] {
        let refused = buyer.post("/v1/holds", &pairs.wish(quantity, &json!([]))).await;
        let refused = refused.expect_problem(409, slug);
        assert_eq!(text(&refused.value(), "ticket_type_id"), pairs.ticket_type);
    }
}

pub async fn what_is_available_is_followed_live(house: &House) {
    let sale = house.sale(10).await;
    let url = house.sandbox.public_url();
    let authority = url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(authority).await.expect("the house has a door");
    let path = format!("/v1/availability/{}/stream", sale.event);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("the request is sent");

    let mut heard = String::new();
    hear(&mut socket, &mut heard, "\"free\":10").await;
    assert!(heard.to_lowercase().contains("content-type: text/event-stream"), "{heard}");
    let buyer = house.somebody().await;
    let hold = json!({ "event_id": sale.event, "items": sale.items(4) });
    let _held = buyer.post("/v1/holds", &hold).await.expect(201);
    hear(&mut socket, &mut heard, "\"free\":6").await;
}

/// Reads on until `words` came.
async fn hear(socket: &mut TcpStream, heard: &mut String, words: &str) {
    let reading = async {
        let mut piece = [0; 4096];
        while !heard.contains(words) {
            let length = socket.read(&mut piece).await.expect("it can be read");
            assert!(length > 0, "the stream has ended");
            heard.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    };
    let came = timeout(Duration::from_secs(20), reading).await.is_ok();
    assert!(came, "{words} did not come");
}
