//! Migrations that fill in what older rows lack, on tables with rows.

use crate::base::{Base, Place, schema};

struct Told<'t> {
    stream: u128,
    version: i64,
    kind: &'t str,
    payload: &'t str,
}

impl Base {
    /// Writes events of one category, as an earlier release did.
    async fn tell(&mut self, category: &str, events: &[Told<'_>]) {
        for Told { stream, version, kind, payload } in events {
            let id = self.id(stream * 1_000 + u128::from(version.unsigned_abs()));
            let (stream, at) = (self.id(*stream), self.at(*version));
            self.execute(&format!(
                "INSERT INTO events (id, category, stream, version, type, schema_version, payload, \
                 recorded_at, actor, correlation_id, traceparent) VALUES ({id}, '{category}', \
                 {stream}, {version}, '{kind}', 1, '{payload}', {at}, 'system', 'request', '')"
            ))
            .await;
        }
    }

    async fn is_there(&mut self, rows: &str) -> bool {
        !self.texts(&format!("SELECT 'yes' FROM {rows}")).await.is_empty()
    }
}

async fn both() -> [Place; 2] {
    [Place::sqlite(), Place::postgres().await]
}

async fn finish(place: &Place, service: &str) {
    schema(service).up(&place.config).await.expect("the migrations run");
}

#[tokio::test]
async fn orders_of_guests_get_the_address_that_they_were_placed_with() {
    for place in both().await {
        place.migrate_to("orders", 2).await;
        let mut base = place.connect("orders").await;
        for order in 1..=3 {
            let (id, at) = (base.id(order), base.at(1));
            base.execute(&format!(
                "INSERT INTO orders (order_id, order_code, buyer_id, organizer_id, event_id, state, \
                 placed_at, version, content) VALUES ({id}, 'CODE{order}', {id}, {id}, {id}, \
                 'placed', {at}, 2, '{{}}')"
            ))
            .await;
        }
        let guest = r#"{"access": {"guest": {"email": "ada@example.org"}}}"#;
        let told = |stream, version, payload| Told { stream, version, kind: "placed", payload };
        base.tell(
            "order",
            &[
                told(1, 1, guest),
                told(1, 2, r#"{"access": {"guest": {"email": "later@example.org"}}}"#),
                told(2, 1, r#"{"access": "account"}"#),
                told(3, 1, "{}"),
            ],
        )
        .await;
        finish(&place, "orders").await;
        let emails = base.texts("SELECT guest_email FROM orders ORDER BY order_code").await;
        assert_eq!(emails, [Some("ada@example.org".to_owned()), None, None]);
    }
}

#[tokio::test]
async fn stocks_with_holds_that_no_order_took_wake_to_forget_them() {
    for place in both().await {
        place.migrate_to("inventory", 1).await;
        let mut base = place.connect("inventory").await;
        let held =
            |stream, version, payload| Told { stream, version, kind: "places_held", payload };
        let taken = r#"{"hold_id": "h2"}"#;
        base.tell(
            "stock",
            &[
                held(1, 1, r#"{"hold_id": "h1"}"#),
                held(1, 2, r#"{"hold_id": "h1b"}"#),
                held(2, 1, r#"{"hold_id": "h2"}"#),
                Told { stream: 2, version: 2, kind: "hold_taken", payload: taken },
                held(3, 1, r#"{"hold_id": "h3", "order_id": "o3"}"#),
                held(4, 1, r#"{"hold_id": "h4"}"#),
            ],
        )
        .await;
        let (armed, soon) = (base.id(4), base.at(5));
        base.execute(&format!(
            "INSERT INTO timers (category, stream, due) VALUES ('stock', {armed}, {soon})"
        ))
        .await;
        finish(&place, "inventory").await;
        let due = |base: &Base, stream| {
            let (stream, later) = (base.id(stream), base.at(60));
            format!("timers WHERE category = 'stock' AND stream = {stream} AND due > {later}")
        };
        for (stream, is_due) in [(1, true), (2, false), (3, false), (4, false)] {
            let rows = due(&base, stream);
            assert_eq!(base.is_there(&rows).await, is_due, "stock {stream}");
        }
        assert!(base.is_there(&format!("timers WHERE due = {soon}")).await, "one that was armed");
    }
}

#[tokio::test]
async fn ticket_types_get_quotas_of_the_capacity_that_they_had() {
    for place in both().await {
        place.migrate_to("catalog", 1).await;
        let mut base = place.connect("catalog").await;
        let types = r#"[{"id": "a", "name": "Stalls", "capacity": {"kind": "limited", "places": 100}},
                        {"id": "b", "name": "Circle", "capacity": {"kind": "unlimited"}}]"#;
        for (event, types) in [(1, types), (2, "[]")] {
            let (id, from, to) = (base.id(event), base.at(1), base.at(2));
            base.execute(&format!(
                "INSERT INTO event_view (id, version, organizer_id, venue_id, name, name_key, \
                 description, phase, starts_at, ends_at, currency, ticket_types) VALUES ({id}, 1, \
                 {id}, {id}, 'Quartet {event}', 'quartet', '', 'draft', {from}, {to}, 'EUR', \
                 '{types}')"
            ))
            .await;
        }
        finish(&place, "catalog").await;
        let mut column = async |name: &str| {
            let texts = base
                .texts(&format!("SELECT CAST({name} AS text) FROM event_view ORDER BY name"))
                .await;
            let json = texts.into_iter().flatten().map(|text| serde_json::from_str(&text));
            json.collect::<Result<Vec<serde_json::Value>, _>>().expect("it is JSON")
        };
        let limited = serde_json::json!({"kind": "limited", "places": 100});
        assert_eq!(
            column("quotas").await,
            [
                serde_json::json!([
                    {"quota_id": "a", "name": "Stalls", "capacity": limited, "ticket_type_ids": ["a"]},
                    {"quota_id": "b", "name": "Circle", "capacity": {"kind": "unlimited"},
                     "ticket_type_ids": ["b"]},
                ]),
                serde_json::json!([])
            ]
        );
        assert_eq!(
            column("ticket_types").await,
            [
                serde_json::json!([{"id": "a", "name": "Stalls"}, {"id": "b", "name": "Circle"}]),
                serde_json::json!([])
            ]
        );
    }
}

#[tokio::test]
async fn what_was_queued_before_there_was_mail_is_told_to_nobody() {
    for place in both().await {
        place.migrate_to("notifications", 1).await;
        let mut base = place.connect("notifications").await;
        let (id, at) = (base.id(1), base.at(1));
        base.execute(&format!(
            "INSERT INTO notifications (notification_id, user_id, state, queued_at, message) \
             VALUES ({id}, {id}, 'queued', {at}, '{{}}')"
        ))
        .await;
        finish(&place, "notifications").await;
        assert!(!base.is_there("notifications").await);
    }
}

#[tokio::test]
async fn every_step_goes_back_and_forth_on_both() {
    for place in both().await {
        for (module, schema) in crate::base::schemas() {
            place.migrate_to(module.name, 0).await;
            let steps = schema.status(&place.config).await.expect("the database answers");
            assert!(steps.iter().all(|step| step.applied == (step.set == "store")), "{steps:?}");
            schema.up(&place.config).await.expect("the migrations run again");
        }
    }
}
