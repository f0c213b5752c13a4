//! Two nodes on one database: what one of them does the other shows, from memory as well.

use contracts::catalog::{Capacity, CatalogEvent, TicketTypeCapacity};
use serde_json::Value;
use testkit::{Client, eventually, redis};

use crate::house::{EVENT, House, SEAT, availability};

/// Somebody at each of the nodes.
fn at_each(house: &House, somebody: &Client) -> [Client; 2] {
    let mut urls = house.sandbox.nodes_of("inventory").map(testkit::Node::public_url);
    let [one, other] = [urls.next(), urls.next()].map(|url| somebody.at(url.expect("two nodes")));
    [one, other]
}

/// Ten places are on sale, and the nodes hear of what the others write.
async fn on_sale() -> House {
    let house = House::twins(&redis::fresh().await).await;
    for node in house.sandbox.nodes() {
        let admin = Client::new(node.admin_url());
        eventually("the nodes to hear each other", || async {
            admin.get("/readyz").await.value()["details"]["cache"]["hears_other_replicas"] == true
        })
        .await;
    }
    house.on_sale(10).await;
    house
}

async fn free(reader: &Client) -> Value {
    reader.get(&availability()).await.expect(200).value()["ticket_types"][0]["free"].clone()
}

async fn becomes(reader: &Client, places: u32) {
    eventually(format!("{places} places to be free"), || async {
        let free = free(reader).await;
        if free == places { Ok(()) } else { Err(free) }
    })
    .await;
}

#[tokio::test]
async fn what_is_held_at_one_replica_is_not_shown_as_free_at_the_other() {
    let house = on_sale().await;
    let [one, other] = at_each(&house, &house.public());
    let [cara, cara_elsewhere] = at_each(&house, &house.cara());
    let turns = [(&cara, &one, &other), (&cara_elsewhere, &other, &one)];
    for (left, (buyer, here, there)) in [8, 6, 4, 2].into_iter().zip(turns.into_iter().cycle()) {
        let _remembered = (free(here).await, free(there).await);
        let _held = house.hold(buyer, 2).await.expect(201);
        assert_eq!(free(here).await, left, "at once where it was held");
        becomes(there, left).await;
    }
}

#[tokio::test]
async fn what_the_programme_changes_every_replica_shows() {
    let house = on_sale().await;
    let readers = at_each(&house, &house.public());
    for places in [8, 6, 4] {
        for reader in &readers {
            let _remembered = free(reader).await;
        }
        let stalls = TicketTypeCapacity::of_its_own(SEAT, "Stalls", Capacity::limited(places));
        let changed = CatalogEvent::CapacityChanged { event_id: EVENT, ticket_type: stalls };
        house.announce(&changed).await;
        for reader in &readers {
            becomes(reader, places).await;
        }
    }
}
