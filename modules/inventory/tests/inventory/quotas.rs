//! Several quotas for a ticket type, and several ticket types in a quota.

use contracts::catalog::{Capacity, CatalogEvent, Quota, TicketTypeCapacity};
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use crate::{
    house::{EVENT, House, SEAT},
    on_both_databases,
};

on_both_databases! {
    every_quota_of_a_type_must_have_room,
    quotas_come_and_go_while_tickets_are_sold,
}

const CHILD: Uuid = Uuid::from_u128(0xC417D);
const ROOM: Uuid = Uuid::from_u128(0x4003);

fn typed(id: Uuid, name: &str) -> TicketTypeCapacity {
    let of_its_own = TicketTypeCapacity::of_its_own(id, name, Capacity::limited(0));
    TicketTypeCapacity { quotas_told: true, ..of_its_own }
}

fn quota(quota_id: Uuid, places: u32, ticket_type_ids: &[Uuid]) -> Quota {
    let (name, capacity) = ("Room".to_owned(), Capacity::limited(places));
    Quota { quota_id, name, capacity, ticket_type_ids: ticket_type_ids.into() }
}

async fn on_sale(house: &House, quotas: Vec<Quota>) {
    let types = vec![typed(SEAT, "Adults"), typed(CHILD, "Children")];
    house.published_with(types, quotas, Vec::new()).await;
    house.opened().await;
}

fn wish(items: &[(Uuid, u32)]) -> Value {
    let item = |(id, quantity): &(Uuid, u32)| json!({"ticket_type_id": id, "quantity": quantity});
    json!({"event_id": EVENT, "items": items.iter().map(item).collect::<Vec<_>>()})
}

async fn every_quota_of_a_type_must_have_room(house: House) {
    let quotas = vec![quota(ROOM, 5, &[SEAT, CHILD]), quota(CHILD, 2, &[CHILD])];
    on_sale(&house, quotas).await;
    let cara = house.cara();
    let _held = cara.post("/v1/holds", &wish(&[(SEAT, 2), (CHILD, 2)])).await.expect(201);
    let refused = cara.post("/v1/holds", &wish(&[(CHILD, 1)])).await;
    let refused = refused.expect_problem(409, "sold-out").value();
    assert_eq!((&refused["ticket_type_id"], &refused["left"]), (&json!(CHILD), &json!(0)));
    let shown = house.availability().await;
    assert_eq!(shown["ticket_types"][0]["free"], 1, "{shown}");
    assert_eq!(shown["quotas"].as_array().map(Vec::len), Some(2));
    let _last = cara.post("/v1/holds", &wish(&[(SEAT, 1)])).await.expect(201);
    let _none = cara.post("/v1/holds", &wish(&[(SEAT, 1)])).await.expect_problem(409, "sold-out");
}

async fn quotas_come_and_go_while_tickets_are_sold(house: House) {
    on_sale(&house, vec![quota(ROOM, 5, &[SEAT])]).await;
    let cara = house.cara();
    let nowhere = cara.post("/v1/holds", &wish(&[(CHILD, 1)])).await;
    let nowhere = nowhere.expect_problem(409, "not-sellable");
    assert_eq!(nowhere.field("ticket_type_id"), CHILD.to_string());
    let _held = cara.post("/v1/holds", &wish(&[(SEAT, 4)])).await.expect(201);

    let smaller = quota(ROOM, 3, &[SEAT, CHILD]);
    house.announce(&CatalogEvent::QuotaChanged { event_id: EVENT, quota: smaller }).await;
    eventually("the quota to be overbooked", || async {
        let shown = house.availability().await;
        let is_overbooked = shown["quotas"][0]["overbooked"] == 1
            && shown["ticket_types"][0]["free"] == 0
            && shown["ticket_types"][1]["overbooked"] == 1;
        if is_overbooked { Ok(()) } else { Err(shown) }
    })
    .await;
    let _none = cara.post("/v1/holds", &wish(&[(CHILD, 1)])).await.expect_problem(409, "sold-out");
    house.announce(&CatalogEvent::QuotaRemoved { event_id: EVENT, quota_id: ROOM }).await;
    eventually("the quota to be gone", || async {
        house.availability().await["quotas"] == json!([])
    })
    .await;
    let refused = cara.post("/v1/holds", &wish(&[(SEAT, 1)])).await;
    let _problem = refused.expect_problem(409, "not-sellable");
    house.sandbox.check().await;
}
