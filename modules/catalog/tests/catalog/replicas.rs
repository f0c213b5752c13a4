//! Two nodes on one database: what one changes the other shows, from memory as well. The clock stands
//! still, so that nothing is forgotten for being old.

use jiff::SignedDuration;
use serde_json::Value;
use testkit::{Client, eventually, redis};

use crate::house::{Draft, House, change, names, with};

/// Somebody at each of the nodes.
fn at_each(house: &House, somebody: &Client) -> [Client; 2] {
    let mut urls = house.sandbox.nodes_of("catalog").map(testkit::Node::public_url);
    let [one, other] = [urls.next(), urls.next()].map(|url| somebody.at(url.expect("two nodes")));
    [one, other]
}

/// Waits until every node says that it hears of what the others write.
async fn connected(house: &House) {
    for node in house.sandbox.nodes() {
        let admin = Client::new(node.admin_url());
        eventually("the nodes to hear each other", || async {
            admin.get("/readyz").await.value()["details"]["cache"]["hears_other_replicas"] == true
        })
        .await;
    }
}

async fn shown_name(reader: &Client, event: &Draft) -> Value {
    reader.get(&event.path).await.expect(200).value()["name"].clone()
}

async fn rename(anna: &Client, event: &Draft, name: &str) {
    let etag = anna.get(&event.path).await.expect(200).etag();
    let change = with(change(&event.venue), "name", name);
    let _changed = anna.put(&event.path, &change).if_match(&etag).await.expect(200);
}

#[tokio::test]
async fn what_one_replica_changes_the_other_shows_to_everybody() {
    let house = House::twins(&redis::fresh().await).await;
    connected(&house).await;
    let event = house.on_sale().await;
    let [one, other] = at_each(&house, &house.public());
    let [anna, _] = at_each(&house, &house.anna());
    let list = format!("/v1/events?venue_id={}", event.venue);
    for reader in [&one, &other] {
        eventually("the event to be shown", || async {
            shown_name(reader, &event).await == "Quartet by the river"
                && names(&reader.get(&list).await.expect(200)) == ["Quartet by the river"]
        })
        .await;
    }
    let before = other.get(&event.path).await.expect(200).etag();

    rename(&anna, &event, "Quintet by the river").await;
    assert_eq!(shown_name(&one, &event).await, "Quintet by the river", "at once where it changed");
    assert_eq!(names(&one.get(&list).await.expect(200)), ["Quintet by the river"]);
    eventually("the other replica to hear of it", || async {
        shown_name(&other, &event).await == "Quintet by the river"
            && names(&other.get(&list).await.expect(200)) == ["Quintet by the river"]
    })
    .await;
    assert_ne!(other.get(&event.path).await.expect(200).etag(), before);
}

#[tokio::test]
async fn organizers_read_what_they_wrote_through_any_replica() {
    let house = House::twins(&redis::fresh().await).await;
    let event = house.on_sale().await;
    let [anna, anna_elsewhere] = at_each(&house, &house.anna());
    let [_, other] = at_each(&house, &house.public());
    let list = format!("/v1/events?venue_id={}", event.venue);
    for name in ["Duo", "Trio", "Quartet", "Quintet", "Sextet"] {
        let _remembered = shown_name(&other, &event).await;
        rename(&anna, &event, name).await;
        assert_eq!(shown_name(&anna_elsewhere, &event).await, name);
        assert_eq!(names(&anna_elsewhere.get(&list).await.expect(200)), [name]);
    }
}

#[tokio::test]
async fn without_redis_nothing_is_older_than_the_configuration_allows() {
    let (place, server) = redis::private().await;
    let house = House::twins(&place).await;
    connected(&house).await;
    let event = house.on_sale().await;
    let [anna, _] = at_each(&house, &house.anna());
    let [_, other] = at_each(&house, &house.public());
    server.stop().await;
    for node in house.sandbox.nodes() {
        let admin = Client::new(node.admin_url());
        eventually("the nodes to be degraded, and ready", || async {
            let report = admin.get("/readyz").await.expect(200).value();
            report["degraded"][0].as_str().is_some_and(|it| it.starts_with("Redis at "))
        })
        .await;
    }
    let _remembered = shown_name(&other, &event).await;
    rename(&anna, &event, "Quintet").await;
    house.sandbox.clock().advance(SignedDuration::from_mins(1));
    assert_eq!(shown_name(&other, &event).await, "Quintet");
    server.start().await;
    connected(&house).await;
    rename(&anna, &event, "Sextet").await;
    eventually("the other replica to hear of it again", || async {
        shown_name(&other, &event).await == "Sextet"
    })
    .await;
}
