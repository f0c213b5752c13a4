//! Events that are larger than what brokers take: nothing waits for them, and whoever wants one asks
//! the publisher for it.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use store::{DeadLetter, DeadLetterState};
use testkit::{
    eventually,
    kafka::{self, KafkaPlace},
};

use super::{PARTITIONS, client, settings, topic};
use crate::support::{Clerk, ENDLESS, LENGTHY, Office, TillCommand, Town, context, on_both, uuid};

/// A topic whose brokers take less than a producer would send.
async fn narrow_topic(place: &KafkaPlace) {
    let admin: AdminClient<DefaultClientContext> = client(place).create().unwrap();
    let (name, count) = (topic(place), i32::try_from(PARTITIONS).unwrap());
    let narrow = NewTopic::new(&name, count, TopicReplication::Fixed(1));
    let narrow = narrow.set("max.message.bytes", "4096");
    admin.create_topics([&narrow], &AdminOptions::new()).await.unwrap();
}

async fn dead_letter(office: &Office) -> DeadLetter {
    eventually("a dead letter behind which one event waits", || async {
        let letters = office.dead_letters().await;
        let dead = letters.iter().find(|it| it.state == DeadLetterState::Dead && it.waiting == 1);
        dead.cloned().ok_or_else(|| format!("{letters:?}"))
    })
    .await
}

async fn is_asked_for(town: Town, place: KafkaPlace, number: u64) {
    let settings = settings(&place);
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    // All is there at once, so that it is published together.
    shop.sell(1, 2).await;
    shop.sell(2, 20).await;
    let large = TillCommand::SellAs(number);
    shop.tills.execute(&context(), uuid(1), large).await.unwrap();
    shop.sell(1, 1).await;
    shop.sell(2, 20).await;
    shop.publish(&settings);
    office.read_topic_of(shop.feed(), &settings, &Clerk::default());

    office.has_booked(2, 1..=40).await;
    office.has_booked(1, 1..=2).await;
    let letter = dead_letter(&office).await;
    assert_eq!(letter.event_type, "sales.sale_made");
    assert!(letter.event["payload"].is_null(), "{letter:?}");
    assert!(letter.error.as_deref().unwrap().contains("larger than the brokers take"));
    office.letters.retry(letter.id).await.unwrap();
    office.has_booked(1, [1, 2, number, number + 1]).await;
    shop.sell(1, 1).await;
    office.has_booked(1, [1, 2, number, number + 1, number + 2]).await;
}

on_both! {
    async fn what_no_message_can_hold_is_told_of_and_can_be_asked_for(town: Town) {
        is_asked_for(town, kafka::fresh().await, ENDLESS).await;
    }

    async fn what_brokers_refuse_is_told_of_and_can_be_asked_for(town: Town) {
        let place = kafka::fresh().await;
        narrow_topic(&place).await;
        is_asked_for(town, place, LENGTHY).await;
    }
}
