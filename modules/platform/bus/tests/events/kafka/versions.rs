//! Topics hold what older builds wrote, and what newer ones write while an update is under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bus::Relay;
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};
use runtime::CancellationToken;
use serde_json::Value;
use store::DeadLetterState;
use testkit::{eventually, kafka};
use tokio::task::JoinSet;

use super::{client, settings, topic};
use crate::{
    support::{on_both, random, uuid},
    versions::{PRICE_SET, Today, Tomorrow, Written, price},
};

const DESCRIPTION: &str = include_str!("../../../../../../docs/events/asyncapi.json");

fn headers(message: &BorrowedMessage<'_>) -> BTreeMap<String, String> {
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    let headers = message.headers().unwrap().iter();
    headers.map(|header| (header.key.to_owned(), text(header.value))).collect()
}

on_both! {
    async fn older_versions_in_a_topic_are_taken_in_and_newer_ones_wait_for_an_update(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let ([first, _, _], [_, second, _]) = (price(1, 5), price(1, 6));
        let ([_, _, third], [_, fourth, _]) = (price(2, 7), price(2, 8));
        let written = Written(vec![(1, 1, first), (1, 2, second), (2, 3, third), (2, 2, fourth)]);
        let shop = town.shop().await;
        let committer = shop.tills.committer();
        let (database, ids) = (committer.database(), committer.ids().clone());
        let source = Arc::new(written);
        let relay = Relay::new(database, "sales", &[PRICE_SET], source, &settings, ids, random());
        let mut relays = JoinSet::new();
        relays.spawn(relay.run(CancellationToken::new()));

        let mut office = town.office().await;
        office.read_prices_from_topic::<Today>(&settings);
        office.has_booked(1, [5, 6]).await;
        let letter = eventually("a dead letter with another one behind it", || async {
            let letters = office.dead_letters().await;
            let dead = letters.into_iter().find(|it| it.state == DeadLetterState::Dead);
            dead.filter(|it| it.waiting == 1).ok_or("none")
        })
        .await;
        assert_eq!(letter.attempts, 1);
        let error = letter.error.as_deref().unwrap();
        assert!(error.contains("sales.price_set has version 3"), "{error}");
        office.kill().await;

        let mut updated = town.office().await;
        updated.letters.retry(letter.id).await.unwrap();
        updated.read_prices_from_topic::<Tomorrow>(&settings);
        updated.has_booked(2, [7, 8]).await;
        updated.has_booked(1, [5, 6]).await;
    }

    async fn messages_have_the_headers_that_are_described(town: Town) {
        let place = kafka::fresh().await;
        let mut shop = town.shop().await;
        shop.publish(&settings(&place));
        shop.sell(1, 1).await;
        let mut config = client(&place);
        config.set("group.id", &place.prefix).set("auto.offset.reset", "earliest");
        let reader: BaseConsumer = config.create().unwrap();
        reader.subscribe(&[&topic(&place)]).unwrap();
        let headers = eventually("a message", || async {
            let polled = reader.poll(Duration::from_millis(10));
            polled.and_then(Result::ok).map(|message| headers(&message)).ok_or("none")
        })
        .await;
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let described = &description["components"]["schemas"]["Headers"]["properties"];
        let described: BTreeSet<&String> = described.as_object().unwrap().keys().collect();
        assert_eq!(headers.keys().collect::<BTreeSet<_>>(), described);

        let sale = shop.tills.history(uuid(1)).await.unwrap().swap_remove(0);
        let log = store::own_log(shop.tills.committer().database(), uuid(0)).await.unwrap();
        let expected = [
            ("correlation_id", sale.correlation_id),
            ("id", sale.id.to_string()),
            ("log", log.to_string()),
            ("position", format!("{}.{}", sale.position.txn, sale.position.seq)),
            ("previous", "0.0".to_owned()),
            ("producer", concat!("sales/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("schema_version", "1".to_owned()),
            ("traceparent", sale.traceparent),
            ("type", "sales.sale_made".to_owned()),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(headers, BTreeMap::from(expected));
    }
}
