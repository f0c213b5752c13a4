//! `/v1/organizers`.

use serde_json::json;

use crate::{
    house::{ANNA, BEN, CARA, House, names, pointers},
    on_both_databases,
};

on_both_databases!(
    an_organizer_is_created_read_and_changed,
    only_organizers_create_organizers,
    strangers_do_not_change_an_organizer,
    a_stale_change_is_refused,
    a_key_creates_one_organizer,
    organizers_are_listed_by_name_in_pages,
    one_lists_ones_own,
    owners_decide_who_is_a_member,
    the_last_owner_stays,
    a_member_without_the_role_of_organizer_does_nothing,
    all_faults_of_a_body_are_told_together,
);

async fn an_organizer_is_created_read_and_changed(house: House) {
    let body = json!({"name": "  Riverside ", "description": "Since 1987.\nBy the river."});
    let created = house.anna().post("/v1/organizers", &body).await.expect(201);
    let path = format!("/v1/organizers/{}", created.field("id"));
    assert_eq!(created.header("location"), Some(path.as_str()));
    assert_eq!(created.field("name"), "Riverside");

    let read = house.public().get(&path).await.expect(200);
    assert_eq!(read.value(), created.value());
    assert_eq!(read.etag(), created.etag());

    let change = json!({"name": "Riverside Concerts"});
    let changed = house.anna().put(&path, &change).if_match(&read.etag()).await.expect(200);
    assert_ne!(changed.etag(), read.etag());
    let read_again = house.public().get(&path).await.expect(200);
    assert_eq!(read_again.value(), changed.value());
    assert_eq!(read_again.field("description"), "");
}

async fn only_organizers_create_organizers(house: House) {
    let body = json!({"name": "Riverside"});
    let refused = house.cara().post("/v1/organizers", &body).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let refused = house.public().post("/v1/organizers", &body).without_key().await;
    let _problem = refused.expect_problem(401, "unauthenticated");
    let _created = house.admin().post("/v1/organizers", &body).await.expect(201);
}

async fn strangers_do_not_change_an_organizer(house: House) {
    let id = house.organizer(&house.anna()).await;
    let path = format!("/v1/organizers/{id}");
    let etag = house.public().get(&path).await.expect(200).etag();
    let body = json!({"name": "Mine"});

    let refused = house.ben().put(&path, &body).if_match(&etag).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let refused = house.ben().get(&format!("{path}/members")).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let missing = format!("/v1/organizers/{CARA}");
    let refused = house.ben().put(&missing, &body).if_match(&etag).await;
    let _problem = refused.expect_problem(404, "not-found");
    let _changed = house.admin().put(&path, &body).if_match(&etag).await.expect(200);
}

async fn a_stale_change_is_refused(house: House) {
    let id = house.organizer(&house.anna()).await;
    let path = format!("/v1/organizers/{id}");
    let (anna, etag) = (house.anna(), house.public().get(&path).await.expect(200).etag());

    let body = json!({"name": "First"});
    let _changed = anna.put(&path, &body).if_match(&etag).await.expect(200);
    let refused = anna.put(&path, &json!({"name": "Second"})).if_match(&etag).await;
    let _problem = refused.expect_problem(412, "precondition-failed");
    let refused = anna.put(&path, &body).await;
    let _problem = refused.expect_problem(428, "precondition-required");
}

async fn a_key_creates_one_organizer(house: House) {
    let (anna, body) = (house.anna(), json!({"name": "Riverside"}));
    let first = anna.post("/v1/organizers", &body).key("k-1").await.expect(201);
    let second = anna.post("/v1/organizers", &body).key("k-1").await.expect(201);
    assert_eq!(first.value(), second.value());
    assert_eq!(first.etag(), second.etag());
    let other = anna.post("/v1/organizers", &json!({"name": "Other"})).key("k-1").await;
    let _problem = other.expect_problem(422, "idempotency-key-reused");
    let unkeyed = anna.post("/v1/organizers", &body).without_key().await.expect(201);
    assert_ne!(unkeyed.field("id"), first.field("id"));
}

async fn organizers_are_listed_by_name_in_pages(house: House) {
    for name in ["Zoo", "amber", "Beach", "beacon"] {
        let body = json!({ "name": name });
        let _created = house.anna().post("/v1/organizers", &body).await.expect(201);
    }
    let public = house.public();
    let first = public.get("/v1/organizers?limit=3").await.expect(200);
    assert_eq!(names(&first), ["amber", "Beach", "beacon"]);
    let cursor = first.field("next_cursor");
    let second = public.get(&format!("/v1/organizers?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!(names(&second), ["Zoo"]);
    assert!(second.value().get("next_cursor").is_none());

    let found = public.get("/v1/organizers?q=BEA").await.expect(200);
    assert_eq!(names(&found), ["Beach", "beacon"]);
    let refused = public.get("/v1/organizers?q=a%00").await;
    let _problem = refused.expect_problem(422, "invalid-input");
    let refused = public.get("/v1/organizers?colour=red").await;
    let _problem = refused.expect_problem(422, "invalid-input");
}

async fn one_lists_ones_own(house: House) {
    let _annas = house.organizer(&house.anna()).await;
    let _created = house.ben().post("/v1/organizers", &json!({"name": "Ben's"})).await.expect(201);
    let own = house.ben().get("/v1/organizers?mine=true").await.expect(200);
    assert_eq!(names(&own), ["Ben's"]);
    let refused = house.public().get("/v1/organizers?mine=true").await;
    let _problem = refused.expect_problem(401, "unauthenticated");
}

async fn owners_decide_who_is_a_member(house: House) {
    let id = house.organizer(&house.anna()).await;
    let members = format!("/v1/organizers/{id}/members");
    let (ben, cara) = (format!("{members}/{BEN}"), format!("{members}/{CARA}"));

    let put = house.anna().put(&ben, &json!({})).await.expect(200);
    assert_eq!(put.field("role"), "member");
    let _same = house.anna().put(&ben, &json!({"role": "member"})).await.expect(200);
    let refused = house.ben().put(&cara, &json!({})).await;
    let _problem = refused.expect_problem(403, "forbidden");

    let list = house.ben().get(&members).await.expect(200).value();
    let users: Vec<_> = list["items"].as_array().expect("a list").iter().collect();
    assert_eq!(users.len(), 2);
    assert_eq!(users[0]["user_id"], json!(ANNA));
    assert_eq!(users[0]["role"], "owner");
    assert_eq!(users[1]["user_id"], json!(BEN));

    let _left = house.ben().delete(&ben).await.expect(204);
    let refused = house.ben().get(&members).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let refused = house.anna().delete(&ben).await;
    let _problem = refused.expect_problem(404, "not-found");
}

async fn the_last_owner_stays(house: House) {
    let id = house.organizer(&house.anna()).await;
    let anna = format!("/v1/organizers/{id}/members/{ANNA}");
    let _problem = house.anna().delete(&anna).await.expect_problem(409, "last-owner");
    let demoted = house.anna().put(&anna, &json!({"role": "member"})).await;
    let _problem = demoted.expect_problem(409, "last-owner");

    let ben = format!("/v1/organizers/{id}/members/{BEN}");
    let _owner = house.anna().put(&ben, &json!({"role": "owner"})).await.expect(200);
    let _left = house.anna().delete(&anna).await.expect(204);
}

async fn all_faults_of_a_body_are_told_together(house: House) {
    let body = json!({"name": "a\u{0}", "description": "x".repeat(10_001)});
    let refused = house.anna().post("/v1/organizers", &body).await;
    let refused = refused.expect_problem(422, "invalid-input");
    assert_eq!(pointers(&refused), ["/description", "/name"]);
    let unknown = json!({"name": "Riverside", "colour": "red"});
    let refused = house.anna().post("/v1/organizers", &unknown).await;
    assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/colour"]);
}

async fn a_member_without_the_role_of_organizer_does_nothing(house: House) {
    let draft = house.draft().await;
    let demoted = house.person(crate::house::ANNA, runtime::Role::Customer);
    let organizer = format!("/v1/organizers/{}", draft.organizer);
    let etag = house.anna().get(&organizer).await.expect(200).etag();
    let change = json!({"name": "Mine", "description": ""});
    let refused = demoted.put(&organizer, &change).if_match(&etag).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let _hidden = demoted.get(&draft.path).await.expect_problem(404, "not-found");
    let venue = format!("/v1/venues/{}", draft.venue);
    let _hidden = demoted.get(&venue).await.expect_problem(404, "not-found");
    let member = format!("{organizer}/members/{}", crate::house::BEN);
    let refused = demoted.put(&member, &json!({"role": "owner"})).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let _seen = house.anna().get(&draft.path).await.expect(200);
}
