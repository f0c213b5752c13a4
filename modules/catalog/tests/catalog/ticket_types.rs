//! `/v1/events/{event_id}/ticket-types`.

use serde_json::json;

use crate::{
    house::{BEN, House, pointers, seat, with},
    on_both_databases,
};

on_both_databases!(
    a_ticket_type_is_added_read_changed_and_deleted,
    a_ticket_type_is_a_part_of_its_event,
    prices_are_in_the_events_currency,
    tickets_may_be_free_and_unlimited,
    names_are_taken_once_and_fixed_by_sales,
    nothing_is_deleted_once_the_event_is_published,
    strangers_change_nothing,
    a_key_adds_one_ticket_type,
);

async fn a_ticket_type_is_added_read_changed_and_deleted(house: House) {
    let draft = house.draft().await;
    let (anna, types) = (house.anna(), format!("{}/ticket-types", draft.path));
    let balcony = with(seat(), "name", "Balcony");
    let added = anna.post(&types, &balcony).await.expect(201);
    let path = format!("{types}/{}", added.field("id"));
    assert_eq!(added.header("location"), Some(path.as_str()));
    let read = anna.get(&path).await.expect(200);
    assert_eq!((read.value(), read.etag()), (added.value(), added.etag()));

    let smaller = with(balcony, "capacity", json!({"kind": "limited", "places": 0}));
    let _problem = anna.put(&path, &smaller).await.expect_problem(428, "precondition-required");
    let changed = anna.put(&path, &smaller).if_match(&read.etag()).await.expect(200);
    assert_eq!(changed.value()["capacity"]["places"], 0);
    let refused = anna.put(&path, &smaller).if_match(&read.etag()).await;
    let _problem = refused.expect_problem(412, "precondition-failed");

    let _gone = anna.delete(&path).if_match(&changed.etag()).await.expect(204);
    let _problem = anna.get(&path).await.expect_problem(404, "not-found");
    let etag = anna.get(&draft.path).await.expect(200).etag();
    let refused = anna.delete(&path).if_match(&etag).await;
    let _problem = refused.expect_problem(404, "not-found");
}

async fn a_ticket_type_is_a_part_of_its_event(house: House) {
    let draft = house.draft().await;
    let seat = house.anna().get(&format!("{}/ticket-types/{}", draft.path, draft.seat)).await;
    let seat = seat.expect(200);
    let event = house.anna().get(&draft.path).await.expect(200);
    assert_eq!(event.etag(), seat.etag());
    assert_eq!(event.value()["ticket_types"], json!([seat.value()]));
    let unknown = house.anna().get(&format!("{}/ticket-types/{BEN}", draft.path)).await;
    let _problem = unknown.expect_problem(404, "not-found");
}

async fn prices_are_in_the_events_currency(house: House) {
    let draft = house.draft().await;
    let (anna, types) = (house.anna(), format!("{}/ticket-types", draft.path));
    let balcony = with(seat(), "name", "Balcony");
    let in_yen = with(balcony.clone(), "price", json!({"amount": 1, "currency": "JPY"}));
    let refused = anna.post(&types, &in_yen).await;
    assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/price/currency"]);
    for amount in [-1_i64, 1_000_000_000_001] {
        let price = json!({"amount": amount, "currency": "EUR"});
        let refused = anna.post(&types, &with(balcony.clone(), "price", price)).await;
        assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/price"]);
    }
    let mut change = crate::house::change(&draft.venue);
    change["currency"] = "CHF".into();
    let etag = anna.get(&draft.path).await.expect(200).etag();
    let refused = anna.put(&draft.path, &change).if_match(&etag).await;
    let _problem = refused.expect_problem(409, "currency-in-use");
}

async fn tickets_may_be_free_and_unlimited(house: House) {
    let draft = house.draft().await;
    let lawn = json!({
        "name": "Lawn",
        "price": {"amount": 0, "currency": "EUR"},
        "capacity": {"kind": "unlimited"},
    });
    let types = format!("{}/ticket-types", draft.path);
    let added = house.anna().post(&types, &lawn).await.expect(201);
    assert_eq!(added.value()["capacity"], json!({"kind": "unlimited"}));
    assert_eq!(added.value()["price"]["amount"], 0);
}

async fn names_are_taken_once_and_fixed_by_sales(house: House) {
    let event = house.on_sale().await;
    let (anna, types) = (house.anna(), format!("{}/ticket-types", event.path));
    let refused = anna.post(&types, &with(seat(), "name", "STALLS")).await;
    let _problem = refused.expect_problem(409, "ticket-type-name-taken");

    let path = format!("{types}/{}", event.seat);
    let etag = anna.get(&path).await.expect(200).etag();
    let refused = anna.put(&path, &with(seat(), "name", "Chairs")).if_match(&etag).await;
    let _problem = refused.expect_problem(409, "ticket-type-name-fixed");
    let dearer = with(seat(), "price", json!({"amount": 3000, "currency": "EUR"}));
    let changed = anna.put(&path, &dearer).if_match(&etag).await.expect(200);
    assert_eq!(changed.value()["price"]["amount"], 3000);
}

async fn nothing_is_deleted_once_the_event_is_published(house: House) {
    let event = house.published().await;
    let path = format!("{}/ticket-types/{}", event.path, event.seat);
    let etag = house.public().get(&path).await.expect(200).etag();
    let refused = house.anna().delete(&path).if_match(&etag).await;
    let _problem = refused.expect_problem(409, "event-is-published");
}

async fn strangers_change_nothing(house: House) {
    let event = house.published().await;
    let types = format!("{}/ticket-types", event.path);
    let path = format!("{types}/{}", event.seat);
    let etag = house.public().get(&path).await.expect(200).etag();
    let ben = house.ben();
    let _problem = ben.post(&types, &seat()).await.expect_problem(403, "forbidden");
    let refused = ben.put(&path, &seat()).if_match(&etag).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let refused = ben.delete(&path).if_match(&etag).await;
    let _problem = refused.expect_problem(403, "forbidden");
}

async fn a_key_adds_one_ticket_type(house: House) {
    let draft = house.draft().await;
    let (anna, types) = (house.anna(), format!("{}/ticket-types", draft.path));
    let balcony = with(seat(), "name", "Balcony");
    let first = anna.post(&types, &balcony).key("k-1").await.expect(201);
    let second = anna.post(&types, &balcony).key("k-1").await.expect(201);
    assert_eq!(first.value(), second.value());
    let refused = anna.post(&types, &balcony).key("k-2").await;
    let _problem = refused.expect_problem(409, "ticket-type-name-taken");
    let again = anna.post(&types, &balcony).key("k-2").await;
    let _problem = again.expect_problem(409, "ticket-type-name-taken");
}
