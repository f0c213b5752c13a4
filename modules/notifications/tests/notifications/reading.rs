//! Who may read which notifications.

use serde_json::Value;

use crate::{
    house::{CARA, DAN, House, confirmed},
    on_both_databases,
};

async fn one_reads_ones_own(house: House) {
    house.tell(1, 0, &confirmed(7, CARA)).await;
    let cara = house.customer(CARA);
    house.notifications(&cara, 1).await;
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    assert_eq!(cara.get(path).await.expect(200).value()["user_id"], CARA.to_string());
    let own = cara.get(&format!("/v1/notifications?user_id={CARA}")).await.expect(200);
    assert_eq!(own.value()["items"].as_array().map(Vec::len), Some(1));
}

async fn others_notifications_do_not_exist(house: House) {
    house.tell(1, 0, &confirmed(7, CARA)).await;
    house.notifications(&house.customer(CARA), 1).await;
    let dan = house.customer(DAN);
    house.notifications(&dan, 0).await;
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    let _hidden = dan.get(path).await.expect_problem(404, "not-found");
    let of_cara = format!("/v1/notifications?user_id={CARA}");
    let _refused = dan.get(&of_cara).await.expect_problem(403, "forbidden");
}

async fn an_admin_reads_everybodys(house: House) {
    house.tell(1, 0, &confirmed(7, CARA)).await;
    house.notifications(&house.customer(CARA), 1).await;
    let admin = house.admin();
    let page = admin.get(&format!("/v1/notifications?user_id={CARA}")).await.expect(200).value();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    let _seen = admin.get(path).await.expect(200);
}

async fn whoever_is_not_logged_in_is_refused(house: House) {
    let public = house.public();
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    for path in ["/v1/notifications", path] {
        let _refused = public.get(path).await.expect_problem(401, "unauthenticated");
    }
}

async fn what_cannot_be_understood_is_refused(house: House) {
    let cara = house.customer(CARA);
    for query in ["user_id=me", "cursor=!", "limit=0", "state=sent"] {
        let path = format!("/v1/notifications?{query}");
        let _refused = cara.get(&path).await.expect_problem(422, "invalid-input");
    }
    let refused = cara.get("/v1/notifications/last").await;
    let _refused = refused.expect_problem(422, "invalid-input");
    let unknown = cara.get("/v1/notifications/00000000-0000-0000-0000-000000000009").await;
    let _unknown = unknown.expect_problem(404, "not-found");
}

async fn pages_follow_each_other_newest_first(house: House) {
    for id in 1..=5 {
        let second = i64::try_from(id / 2).expect("it is small");
        house.tell(id, second, &confirmed(100 + id, CARA)).await;
    }
    let cara = house.customer(CARA);
    house.notifications(&cara, 5).await;
    let mut ids = Vec::new();
    let mut path = "/v1/notifications?limit=2".to_owned();
    loop {
        let page = cara.get(&path).await.expect(200).value();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        ids.extend(items.iter().filter_map(|it| it["id"].as_str()?.chars().last()));
        let Value::String(cursor) = &page["next_cursor"] else { break };
        path = format!("/v1/notifications?limit=2&cursor={cursor}");
    }
    assert_eq!(String::from_iter(ids), "54321");
}

on_both_databases! {
    one_reads_ones_own,
    others_notifications_do_not_exist,
    an_admin_reads_everybodys,
    whoever_is_not_logged_in_is_refused,
    what_cannot_be_understood_is_refused,
    pages_follow_each_other_newest_first,
}
