//! Messages that are no events, or none of this build's: no partition stops for them.

use metrics_exporter_prometheus::PrometheusBuilder;
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::json;
use store::{DeadLetter, DeadLetterState, Position, RelayLog};
use testkit::{
    eventually,
    kafka::{self, KafkaPlace},
};

use super::{PARTITIONS, client, settings, topic};
use crate::{
    measures::{becomes, value},
    support::{Clerk, Office, Shop, on_both, uuid},
};

/// Puts a message into each partition of the topic.
async fn put(place: &KafkaPlace, value: &str, headers: &[(&str, &str)]) {
    put_into(place, 0..3, value, headers).await;
}

pub(super) async fn put_into(
    place: &KafkaPlace,
    partitions: impl IntoIterator<Item = i32>,
    value: &str,
    headers: &[(&str, &str)],
) {
    let producer: FutureProducer = client(place).create().unwrap();
    let key = uuid(1).to_string();
    for partition in partitions {
        let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header { key, value: Some(*value) })
        });
        let topic = topic(place);
        let record = FutureRecord::to(&topic).partition(partition).key(&key).payload(value);
        producer.send(record.headers(headers), std::time::Duration::from_secs(10)).await.unwrap();
    }
}

/// The partition of the first till.
pub(super) fn own_partition() -> Option<i32> {
    i32::try_from(store::partition_of(uuid(1), PARTITIONS)).ok()
}

async fn log_of(shop: &Shop) -> String {
    let database = shop.tills.committer().database();
    store::own_log(database, uuid(0)).await.unwrap().to_string()
}

/// Puts a message where a newer build's relay would, which publishes what this one does not.
async fn put_behind_the_first_sale(place: &KafkaPlace, shop: &Shop, value: &str) {
    let history = shop.tills.history(uuid(1)).await.unwrap();
    let log = log_of(shop).await;
    let [previous, position] = [0, 1].map(|index| {
        let Position { txn, seq } = history[index].position;
        format!("{txn}.{seq}")
    });
    let headers = [("log", log.as_str()), ("position", &position), ("previous", &previous)];
    put_into(place, own_partition(), value, &headers).await;
}

/// As the publisher's relay would tell of sale 99.
fn sale_99() -> String {
    let envelope = json!({
        "id": uuid(9), "type": "sales.sale_made", "schema_version": 1, "key": uuid(1),
        "time": "2026-11-21T12:00:00Z", "correlation_id": "c", "traceparent": "t",
        "payload": { "type": "sale_made", "till_id": uuid(1), "number": 99 },
    });
    envelope.to_string()
}

pub(super) async fn dead_letters(office: &Office, count: usize) -> Vec<DeadLetter> {
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
        put(&place, &sale_99(), &[("position", "nonsense")]).await;
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

    async fn any_number_of_strange_messages_is_put_aside_and_holds_back_nothing(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        let clerk = Clerk::default();
        shop.publish(&settings);
        shop.sell(1, 1).await;
        // All are there before anybody reads, so that they are taken together.
        for _ in 0..4 {
            put_into(&place, own_partition(), "no JSON at all", &[("id", "twice")]).await;
        }
        shop.sell(1, 1).await;
        eventually("the sales to be published", || async {
            let log = RelayLog::new(topic(&place), PARTITIONS);
            let reached = log.read(shop.tills.committer().database()).await.unwrap().reached;
            if reached.seq >= 3 { Ok(()) } else { Err(format!("{reached:?}")) }
        })
        .await;
        clerk.with(|mood| mood.is_helpless = true);
        office.read_topic(&settings, &clerk);
        // What is put aside stays so while what comes with it is tried again and again.
        eventually("some attempts", || async {
            if clerk.calls() > 5 { Ok(()) } else { Err(format!("{}", clerk.calls())) }
        })
        .await;
        clerk.with(|mood| mood.is_helpless = false);
        office.has_booked(1, 1..=2).await;
        dead_letters(&office, 4).await;
    }

    async fn a_stranger_beside_an_event_that_has_to_wait_is_put_aside_once(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        let clerk = Clerk::default();
        shop.publish(&settings);
        office.read_topic(&settings, &clerk);
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=1).await;
        clerk.with(|mood| mood.is_helpless = true);
        put_into(&place, own_partition(), "no JSON at all", &[]).await;
        shop.sell(1, 1).await;
        eventually("some attempts", || async {
            if clerk.calls() > 5 { Ok(()) } else { Err(format!("{}", clerk.calls())) }
        })
        .await;
        clerk.with(|mood| mood.is_helpless = false);
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=3).await;
        dead_letters(&office, 1).await;
    }

    async fn what_is_from_another_log_never_takes_effect_and_hides_nothing(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=1).await;
        let (own, other) = (log_of(&shop).await, uuid(77).to_string());
        let headers = |log| [("log", log), ("position", "9.9000000"), ("previous", "0.0")];
        put_into(&place, own_partition(), &sale_99(), &headers(&other)).await;
        // Nor what its own relay would have put elsewhere.
        let others = (0..3).filter(|number| Some(*number) != own_partition());
        put_into(&place, others, &sale_99(), &headers(&own)).await;
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=3).await;
        for letter in dead_letters(&office, 3).await {
            office.letters.retry(letter.id).await.unwrap();
        }
        dead_letters(&office, 3).await;
        assert_eq!(office.booked(1).await, [1, 2, 3]);
    }

    async fn an_event_of_a_type_that_this_build_does_not_know_is_stepped_over_and_counted(
        town: Town,
    ) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        let (recorder, clerk) = (PrometheusBuilder::new().build_recorder(), Clerk::default());
        shop.publish(&settings);
        metrics::with_local_recorder(&recorder, || office.read_topic(&settings, &clerk));
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=1).await;
        assert_eq!(value(&recorder, "bus_events_total", Some("unknown")), Some(0.0));
        let envelope = json!({
            "id": uuid(9), "type": "sales.till_sold", "schema_version": 1, "key": uuid(1),
            "time": "2026-11-21T12:00:00Z", "correlation_id": "c", "traceparent": "t",
            "payload": { "type": "till_sold" },
        });
        put_behind_the_first_sale(&place, &shop, &envelope.to_string()).await;
        shop.sell(1, 2).await;
        office.has_booked(1, 1..=3).await;
        becomes(&recorder, "bus_events_total", Some("unknown"), 1.0).await;
        assert_eq!(office.dead_letters().await.len(), 0);
    }

    async fn an_event_that_arrives_broken_holds_back_its_key_until_somebody_decides(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=1).await;
        put_behind_the_first_sale(&place, &shop, "{").await;
        shop.sell(1, 2).await;
        let is_beside = |till: &u128| {
            i32::try_from(store::partition_of(uuid(*till), PARTITIONS)).ok() == own_partition()
        };
        let neighbour = (2..100).find(is_beside).unwrap();
        shop.sell(neighbour, 1).await;
        office.has_booked(neighbour, 1..=1).await;
        let broken = dead_letters(&office, 1).await.remove(0);
        let error = broken.error.as_deref().unwrap();
        assert!(error.contains("its value is no envelope"), "{error}");
        assert_eq!((broken.key, broken.waiting), (uuid(1), 2));
        // It is as broken as before.
        office.letters.retry(broken.id).await.unwrap();
        dead_letters(&office, 1).await;
        assert_eq!(office.booked(1).await, [1]);
        office.letters.discard(broken.id, "broken on the way", "the manager").await.unwrap();
        office.has_booked(1, 1..=3).await;
    }
}
