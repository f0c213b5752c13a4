//! Who may read which notifications.

use serde_json::Value;

use crate::{
    house::{CARA, DAN, House, RIVERSIDE, fulfilled},
    on_both_databases,
};

async fn one_reads_ones_own(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let cara = house.customer(CARA);
    house.notifications(&cara, 1).await;
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    assert_eq!(cara.get(path).await.expect(200).value()["user_id"], CARA.to_string());
    let own = cara.get(&format!("/v1/notifications?user_id={CARA}")).await.expect(200);
    assert_eq!(own.value()["items"].as_array().map(Vec::len), Some(1));
}

async fn others_notifications_do_not_exist(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.notifications(&house.customer(CARA), 1).await;
    let dan = house.customer(DAN);
    house.notifications(&dan, 0).await;
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    let _hidden = dan.get(path).await.expect_problem(404, "not-found");
    let of_cara = format!("/v1/notifications?user_id={CARA}");
    let _refused = dan.get(&of_cara).await.expect_problem(403, "forbidden");
}

async fn an_admin_reads_everybodys(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.notifications(&house.customer(CARA), 1).await;
    let admin = house.admin();
    let page = admin.get(&format!("/v1/notifications?user_id={CARA}")).await.expect(200).value();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    let _seen = admin.get(path).await.expect(200);
}

async fn members_of_the_organizer_read_what_is_sent_about_its_events(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.tell(2, 1, &fulfilled(8, DAN)).await;
    house.in_state(1, "sent").await;
    house.in_state(2, "sent").await;
    let list = format!("/v1/notifications?organizer_id={RIVERSIDE}");
    let count = |page: Value| page["items"].as_array().map(Vec::len);
    for reader in [house.anna(), house.admin()] {
        let page = reader.get(&list).await.expect(200).value();
        assert_eq!(count(page), Some(2));
    }
    let anna = house.anna();
    let order = format!("{list}&order_id={}&state=sent", uuid::Uuid::from_u128(8));
    assert_eq!(count(anna.get(&order).await.expect(200).value()), Some(1));
    let waiting = format!("{list}&state=queued");
    assert_eq!(count(anna.get(&waiting).await.expect(200).value()), Some(0));
    let path = "/v1/notifications/00000000-0000-0000-0000-000000000001";
    let seen = anna.get(path).await.expect(200).text();
    assert!(!seen.contains("example.org") && !seen.contains("Cara"), "no personal data: {seen}");
    let ben = house.ben();
    let _refused = ben.get(&list).await.expect_problem(403, "forbidden");
    let _hidden = ben.get(path).await.expect_problem(404, "not-found");
    let _refused = house.customer(CARA).get(&list).await.expect_problem(403, "forbidden");
    let both = format!("{list}&user_id={CARA}");
    let _refused = anna.get(&both).await.expect_problem(422, "invalid-input");
    let alone = format!("/v1/notifications?order_id={CARA}");
    let _refused = anna.get(&alone).await.expect_problem(422, "invalid-input");
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
    for query in ["user_id=me", "cursor=!", "limit=0", "state=lost"] {
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
        house.tell(id, second, &fulfilled(100 + id, CARA)).await;
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
    members_of_the_organizer_read_what_is_sent_about_its_events,
    whoever_is_not_logged_in_is_refused,
    what_cannot_be_understood_is_refused,
    pages_follow_each_other_newest_first,
}
