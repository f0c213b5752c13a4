//! Who changed what: what the trail keeps, and who may read it.

use serde_json::json;
use uuid::Uuid;

use crate::{
    house::{Change, House},
    on_both_databases,
};

const ANNA: &str = "user:00000000-0000-0000-0000-00000000000a";
const ORDERS: &str = "service:orders";

async fn five_changes(house: &House) {
    let changes = [
        (1, 0, 70, "opened", ORDERS, "r-1"),
        (2, 1, 70, "received", ANNA, "r-1"),
        (3, 2, 71, "opened", ORDERS, "r-2"),
        (4, 2, 71, "received", ANNA, "r-2"),
        (5, 9, 70, "refunded", ANNA, "r-3"),
    ];
    for (id, second, thing, what, actor, request) in changes {
        house.trail(Change { id, second, thing, what, actor, request }).await;
    }
}

async fn every_change_is_kept_once_and_listed_newest_first(house: House) {
    five_changes(&house).await;
    five_changes(&house).await;
    assert_eq!(house.audit("", 5).await, [5, 4, 3, 2, 1]);
    let newest = house.admin().get("/v1/audit?limit=1").await.expect(200).value();
    let expected = json!({
        "id": Uuid::from_u128(5),
        "recorded_at": "2027-03-01T12:00:09Z",
        "service": "payments",
        "aggregate": "payment",
        "aggregate_id": Uuid::from_u128(70),
        "version": 5,
        "type": "refunded",
        "actor": ANNA,
        "correlation_id": "r-3",
        "reason": "because",
    });
    assert_eq!(newest["items"], json!([expected]));
}

async fn conditions_narrow_it_down_alone_and_together(house: House) {
    five_changes(&house).await;
    house.audit("", 5).await;
    let thing = format!("&aggregate_id={}", Uuid::from_u128(70));
    for (filter, expected) in [
        (format!("&actor={ANNA}"), vec![5, 4, 2]),
        (thing.clone(), vec![5, 2, 1]),
        (format!("{thing}&actor={ORDERS}"), vec![1]),
        ("&type=opened".to_owned(), vec![3, 1]),
        ("&correlation_id=r-2".to_owned(), vec![4, 3]),
        (format!("&correlation_id=r-2&actor={ANNA}"), vec![4]),
        ("&service=payments&aggregate=payment".to_owned(), vec![5, 4, 3, 2, 1]),
        ("&service=orders".to_owned(), vec![]),
        ("&from=2027-03-01T12:00:02Z".to_owned(), vec![5, 4, 3]),
        ("&until=2027-03-01T12:00:02Z".to_owned(), vec![2, 1]),
        (format!("{thing}&until=2027-03-01T12:00:09Z"), vec![2, 1]),
    ] {
        assert_eq!(house.audit(&filter, expected.len()).await, expected, "{filter}");
    }
}

async fn only_admins_read_the_trail(house: House) {
    let path = "/v1/audit";
    let _refused = house.anna().get(path).await.expect_problem(403, "forbidden");
    let _refused = house.public().get(path).await.expect_problem(401, "unauthenticated");
    let _allowed = house.admin().get(path).await.expect(200);
}

async fn what_cannot_be_understood_is_refused(house: House) {
    let admin = house.admin();
    let long = format!("actor={}", "x".repeat(201));
    for query in ["from=today", "aggregate_id=7", "cursor=!", "colour=red", "type=%00", &long] {
        let refused = admin.get(&format!("/v1/audit?{query}")).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
}

on_both_databases! {
    every_change_is_kept_once_and_listed_newest_first,
    conditions_narrow_it_down_alone_and_together,
    only_admins_read_the_trail,
    what_cannot_be_understood_is_refused,
}
