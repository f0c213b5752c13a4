//! `/v1/check-in-lists`: who may have which.

use serde_json::{Value, json};

use crate::{
    house::{BALCONY, EVENT, House, OTHER_EVENT, STALLS},
    on_both_databases,
};

on_both_databases! {
    an_event_has_a_list_from_the_beginning_which_admits_everybody_once,
    a_list_is_added_changed_and_removed,
    the_default_list_can_be_changed_and_not_removed,
    lists_are_for_those_who_work_there,
    a_list_that_makes_no_sense_is_refused_with_everything_that_is_wrong,
    lists_come_in_pages_the_default_first,
}

fn balcony() -> Value {
    json!({"name": "Balcony", "ticket_type_ids": [BALCONY], "allows_reentry": true})
}

async fn an_event_has_a_list_from_the_beginning_which_admits_everybody_once(house: House) {
    let path = format!("/v1/check-in-lists/{EVENT}");
    let list = house.emil().get(&path).await.expect(200);
    assert_eq!(
        list.value(),
        json!({
            "id": EVENT, "event_id": EVENT, "is_default": true, "name": "All tickets",
            "ticket_type_ids": [], "allows_reentry": false,
        })
    );
    let (_ticket, code) = house.ticket().await;
    let admitted = house.scan(&code).await.expect(201);
    assert_eq!(admitted.field("list_id"), EVENT.to_string());
}

async fn a_list_is_added_changed_and_removed(house: House) {
    let mut new = balcony();
    new["event_id"] = json!(EVENT);
    let added = house.anna().post("/v1/check-in-lists", &new).key("once").await.expect(201);
    let again = house.anna().post("/v1/check-in-lists", &new).key("once").await.expect(201);
    assert_eq!(added.value(), again.value());
    let path = format!("/v1/check-in-lists/{}", added.field("id"));
    assert_eq!(added.header("location"), Some(path.as_str()));

    let (_ticket, code) = house.ticket().await;
    let scan = json!({"code": code, "list_id": added.field("id")});
    let refused = house.emil().post("/v1/check-ins", &scan).await;
    let _refused = refused.expect_problem(409, "ticket-for-other-list");

    let everybody = json!({"name": "Both", "ticket_type_ids": [BALCONY, STALLS]});
    let unseen = house.anna().put(&path, &everybody).await;
    let _refused = unseen.expect_problem(428, "precondition-required");
    let changed = house.anna().put(&path, &everybody).if_match(&added.etag()).await.expect(200);
    assert_eq!(changed.field("name"), "Both");
    let stale = house.anna().put(&path, &balcony()).if_match(&added.etag()).await;
    let _refused = stale.expect_problem(412, "precondition-failed");
    let _admitted = house.emil().post("/v1/check-ins", &scan).await.expect(201);

    let _gone = house.anna().delete(&path).if_match(&changed.etag()).await.expect(204);
    let _hidden = house.emil().get(&path).await.expect_problem(404, "not-found");
    let refused = house.emil().post("/v1/check-ins", &scan).await;
    let _refused = refused.expect_problem(422, "invalid-input");
}

async fn the_default_list_can_be_changed_and_not_removed(house: House) {
    let path = format!("/v1/check-in-lists/{EVENT}");
    let list = house.anna().get(&path).await.expect(200);
    let changed = house.anna().put(&path, &balcony()).if_match(&list.etag()).await.expect(200);
    assert_eq!(changed.value()["is_default"], true);
    let (_ticket, code) = house.ticket().await;
    let _refused = house.scan(&code).await.expect_problem(409, "ticket-for-other-list");
    let removed = house.anna().delete(&path).if_match(&changed.etag()).await;
    let _refused = removed.expect_problem(409, "default-check-in-list");
}

async fn lists_are_for_those_who_work_there(house: House) {
    let id = house.list(balcony()).await;
    let path = format!("/v1/check-in-lists/{id}");
    let parts = ["", "/offline", "/conflicts"].map(|part| format!("{path}{part}"));
    let of_event = format!("/v1/check-in-lists?event_id={EVENT}");
    let mut new = balcony();
    new["event_id"] = json!(EVENT);
    let scans = json!({"scans": [{"code": "x", "at": "2027-06-18T17:30:00Z", "nonce": "1"}]});
    for stranger in [house.ben(), house.cara(), house.dan(), house.fred()] {
        for hidden in parts.iter().chain([&of_event]) {
            let _hidden = stranger.get(hidden).await.expect_problem(404, "not-found");
        }
        let change = stranger.put(&path, &balcony()).if_match("\"1\"").await;
        let _hidden = change.expect_problem(404, "not-found");
        let _hidden =
            stranger.delete(&path).if_match("\"1\"").await.expect_problem(404, "not-found");
        let upload = stranger.post(&format!("{path}/scans"), &scans).await;
        let _hidden = upload.expect_problem(404, "not-found");
        let add = stranger.post("/v1/check-in-lists", &new).await;
        let _refused = add.expect_problem(403, "forbidden");
    }
    for worker in [house.emil(), house.anna(), house.admin()] {
        for seen in parts.iter().chain([&of_event]) {
            let _seen = worker.get(seen).await.expect(200);
        }
    }
    let change = house.emil().put(&path, &balcony()).if_match("\"1\"").await;
    let _refused = change.expect_problem(403, "forbidden");
    let remove = house.emil().delete(&path).if_match("\"1\"").await;
    let _refused = remove.expect_problem(403, "forbidden");
    let _anonymous = house.public().get(&path).await.expect_problem(401, "unauthenticated");
}

async fn a_list_that_makes_no_sense_is_refused_with_everything_that_is_wrong(house: House) {
    let wrong = json!({
        "event_id": EVENT,
        "name": "Balcony",
        "ticket_type_ids": [BALCONY, OTHER_EVENT, BALCONY],
        "valid_from": "2027-06-18T22:00:00Z",
        "valid_until": "2027-06-18T16:00:00Z",
    });
    let refused = house.anna().post("/v1/check-in-lists", &wrong).await;
    let refused = refused.expect_problem(422, "invalid-input").value();
    let faults = refused["errors"].as_array().cloned().unwrap_or_default();
    let pointers: Vec<_> = faults.iter().map(|fault| fault["pointer"].clone()).collect();
    assert_eq!(pointers, ["/valid_until", "/ticket_type_ids/1", "/ticket_type_ids/2"]);
    let list = house.list(balcony()).await;
    let wrong_fields =
        [("name", json!("\n")), ("event_id", json!(STALLS)), ("event_id", json!(list))];
    for (field, value) in wrong_fields {
        let mut wrong = balcony();
        wrong["event_id"] = json!(EVENT);
        wrong[field] = value;
        let refused = house.anna().post("/v1/check-in-lists", &wrong).await;
        let refused = refused.expect_problem(422, "invalid-input").value();
        assert_eq!(refused["errors"][0]["pointer"], format!("/{field}"));
    }
}

async fn lists_come_in_pages_the_default_first(house: House) {
    let mut added = vec![EVENT.to_string()];
    for day in 1..=4 {
        added.push(house.list(json!({"name": format!("Day {day}")})).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/check-in-lists?event_id={EVENT}&limit=2{cursor}");
        let page = house.emil().get(&path).await.expect(200).value();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        seen.extend(items.iter().filter_map(|list| list["id"].as_str().map(str::to_owned)));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    added.sort();
    seen[1..].sort();
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!(sorted, added);
    assert_eq!(seen[0], EVENT.to_string());
}
