//! Messages that are no events, or none of this build's: no partition stops for them.

use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::json;
use store::{DeadLetter, DeadLetterState};
use testkit::{
    eventually,
    kafka::{self, KafkaPlace},
};

use super::{client, settings, topic};
use crate::support::{Clerk, Office, on_both, uuid};

/// Puts a message into each partition of the topic.
async fn put(place: &KafkaPlace, value: &str, headers: &[(&str, &str)]) {
    let producer: FutureProducer = client(place).create().unwrap();
    let key = uuid(1).to_string();
    for partition in 0..3 {
        let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header { key, value: Some(*value) })
        });
        let topic = topic(place);
        let record = FutureRecord::to(&topic).partition(partition).key(&key).payload(value);
        producer.send(record.headers(headers), std::time::Duration::from_secs(10)).await.unwrap();
    }
}

async fn dead_letters(office: &Office, count: usize) -> Vec<DeadLetter> {
    eventually(format!("{count} dead letters"), || async {
        let letters = office.dead_letters().await;
        let dead = letters.iter().filter(|it| it.state == DeadLetterState::Dead).count();
        if dead == count { Ok(letters) } else { Err(format!("{letters:?}")) }
    })
    .await
}

on_both! {
    async fn what_is_no_event_is_a_dead_letter_and_holds_back_nothing(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=2).await;
        put(&place, "no JSON at all", &[]).await;
        let envelope = json!({
            "id": uuid(9), "type": "sales.sale_made", "schema_version": 1, "key": uuid(1),
            "time": "2026-11-21T12:00:00Z", "correlation_id": "c", "traceparent": "t",
            "payload": { "type": "sale_made", "till_id": uuid(1), "number": 99 },
        });
        put(&place, &envelope.to_string(), &[("position", "nonsense")]).await;
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=4).await;
        let letters = dead_letters(&office, 6).await;
        let first = letters.first().unwrap();
        assert!(first.error.as_deref().unwrap().contains("is no event"), "{first:?}");
        assert_eq!(first.event["payload"]["value_base64"], "bm8gSlNPTiBhdCBhbGw=");
        assert_eq!(first.event["payload"]["key"], uuid(1).to_string());
        // Nobody waits behind them, and they take no effect later either.
        for letter in letters {
            assert_eq!(letter.waiting, 0);
            office.letters.retry(letter.id).await.unwrap();
        }
        dead_letters(&office, 6).await;
        assert_eq!(office.booked(1).await, [1, 2, 3, 4]);
    }

    async fn an_event_of_a_type_that_this_build_does_not_know_is_stepped_over(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=1).await;
        let envelope = json!({
            "id": uuid(9), "type": "sales.till_sold", "schema_version": 1, "key": uuid(1),
            "time": "2026-11-21T12:00:00Z", "correlation_id": "c", "traceparent": "t",
            "payload": { "type": "till_sold" },
        });
        // As a newer relay would publish it, in between.
        let headers = [("position", "0.2"), ("previous", "0.0")];
        put(&place, &envelope.to_string(), &headers).await;
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=3).await;
        assert_eq!(office.dead_letters().await.len(), 0);
    }
}
