//! The words in which organizers write.

use serde_json::{Value, json};
use testkit::Storage;

use crate::{
    house::{CARA, House, RIVERSIDE, fulfilled},
    on_both_databases,
    smtp::{MailServer, Mood},
};

fn words(at: &str) -> String {
    format!("/v1/notifications/organizers/{RIVERSIDE}/{at}")
}

fn own() -> Value {
    json!({
        "subject": "Come to {{ event.name }}",
        "text": "Dear {{ buyer.name }}, {{ order.code }}",
        "html": "<h1>{{ event.name }}</h1>",
    })
}

async fn an_organizer_begins_with_the_built_in_words(house: House) {
    let anna = house.anna();
    let list = anna.get(&words("templates")).await.expect(200);
    assert_eq!(list.etag(), "\"0\"");
    let list = list.value();
    let items = list["items"].as_array().expect("a list");
    assert_eq!(items.len(), 6);
    assert!(items.iter().all(|it| it["built_in"] == true), "{list}");
    let one = anna.get(&words("templates/refund")).await.expect(200).value();
    assert!(one["text"].as_str().is_some_and(|text| text.contains("{{ amount }}")), "{one}");
    let names: Vec<&Value> =
        one["variables"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert!(names.contains(&&json!("order.code")), "{one}");
}

async fn a_template_is_changed_previewed_and_reset(house: House) {
    let anna = house.anna();
    let path = words("templates/order_confirmation");
    let preview = anna.post(&format!("{path}/preview"), &own()).await.expect(200).value();
    assert_eq!(preview["subject"], "Come to Quartet & friends <by the river>");
    assert_eq!(preview["html"], "<h1>Quartet &amp; friends &lt;by the river&gt;</h1>");
    let untouched = anna.get(&path).await.expect(200);
    assert_eq!(untouched.value()["built_in"], true, "a preview keeps nothing");

    let changed = anna.put(&path, &own()).if_match(&untouched.etag()).await.expect(200);
    assert_eq!(changed.value()["built_in"], false);
    let stale = anna.put(&path, &own()).if_match(&untouched.etag()).await;
    let _stale = stale.expect_problem(412, "precondition-failed");
    let blind = anna.put(&path, &own()).await;
    let _blind = blind.expect_problem(428, "precondition-required");
    let reset = anna.delete(&path).if_match(&changed.etag()).await.expect(200).value();
    assert_eq!(reset["built_in"], true);
    assert_eq!(reset["subject"], untouched.value()["subject"]);
}

async fn everything_that_is_wrong_with_a_template_is_reported_and_nothing_kept(house: House) {
    let anna = house.anna();
    let path = words("templates/order_confirmation");
    let wrong = json!({
        "subject": "{{ order.cod }}",
        "text": "line 1\n{{ secrets }}\n{% include \"/etc/passwd\" %}",
        "html": "{{ \"x\" * 100000000 }}{{ event",
    });
    for refused in [
        anna.put(&path, &wrong).if_match("\"0\"").await,
        anna.post(&format!("{path}/preview"), &wrong).await,
    ] {
        let refused = refused.expect_problem(422, "invalid-input").value();
        let errors = refused["errors"].as_array().expect("faults");
        let places: Vec<&str> = errors.iter().filter_map(|it| it["pointer"].as_str()).collect();
        assert!(["/subject", "/text", "/html"].iter().all(|it| places.contains(it)), "{refused}");
    }
    let kept = anna.get(&path).await.expect(200);
    assert_eq!(kept.value()["built_in"], true);
    let unknown = anna.get(&words("templates/birthday")).await;
    let _unknown = unknown.expect_problem(422, "invalid-input");
    let long = json!({"subject": "s", "text": "x".repeat(15_001), "html": "h"});
    let long = anna.put(&path, &long).if_match("\"0\"").await;
    let _long = long.expect_problem(422, "invalid-input");
}

async fn a_sender_has_a_name_of_one_line(house: House) {
    let anna = house.anna();
    let before = anna.get(&words("sender")).await.expect(200);
    assert_eq!(before.value(), json!({"name": "Boxoffice", "built_in": true}));
    let name = json!({"name": " Riverside Concerts "});
    let after = anna.put(&words("sender"), &name).if_match(&before.etag()).await.expect(200);
    assert_eq!(after.value(), json!({"name": "Riverside Concerts", "built_in": false}));
    for bad in [" ", "a\r\nBcc: x@example.org", &"x".repeat(101)] {
        let bad = json!({"name": bad});
        let refused = anna.put(&words("sender"), &bad).if_match(&after.etag()).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
    let back = anna.put(&words("sender"), &json!({})).if_match(&after.etag()).await.expect(200);
    assert_eq!(back.value()["built_in"], true);
}

async fn strangers_see_and_change_nothing(house: House) {
    let path = words("templates/refund");
    for stranger in [house.ben(), house.customer(CARA)] {
        let _refused = stranger.get(&words("templates")).await.expect_problem(403, "forbidden");
        let _refused = stranger.get(&path).await.expect_problem(403, "forbidden");
        let _refused = stranger.get(&words("sender")).await.expect_problem(403, "forbidden");
        let put = stranger.put(&path, &own()).if_match("\"0\"").await;
        let _refused = put.expect_problem(403, "forbidden");
        let delete = stranger.delete(&path).if_match("\"0\"").await;
        let _refused = delete.expect_problem(403, "forbidden");
        let preview = stranger.post(&format!("{path}/preview"), &own()).await;
        let _refused = preview.expect_problem(403, "forbidden");
        let sender = stranger.put(&words("sender"), &json!({})).if_match("\"0\"").await;
        let _refused = sender.expect_problem(403, "forbidden");
    }
    let nobody = house.public().get(&path).await;
    let _refused = nobody.expect_problem(401, "unauthenticated");
    let _seen = house.admin().get(&path).await.expect(200);
}

on_both_databases! {
    an_organizer_begins_with_the_built_in_words,
    a_template_is_changed_previewed_and_reset,
    everything_that_is_wrong_with_a_template_is_reported_and_nothing_kept,
    a_sender_has_a_name_of_one_line,
    strangers_see_and_change_nothing,
}

#[tokio::test]
async fn mail_is_written_in_the_organizers_words_and_name() {
    let server = MailServer::open(Mood::Good).await;
    let house = House::mailing(Storage::Sqlite, &server).await;
    let anna = house.anna();
    let path = words("templates/order_confirmation");
    let changed = anna.put(&path, &own()).if_match("\"0\"").await.expect(200);
    let name = json!({"name": "Riverside Concerts"});
    let _named = anna.put(&words("sender"), &name).if_match(&changed.etag()).await.expect(200);
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let mail = server.mails(1).await.remove(0);
    assert!(mail.contains("From: \"Riverside Concerts\" <tickets@boxoffice.internal>"), "{mail}");
    assert!(mail.contains("Subject: Come to Quartet & friends"), "{mail}");
    assert!(mail.contains("Dear Cara, K7MPX2QA"), "{mail}");
    assert!(mail.contains("tickets-K7MPX2QA.pdf"), "the tickets come with it: {mail}");
}
