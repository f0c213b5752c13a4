//! What catalog tells other services, in their process and in another.

use serde_json::json;
use testkit::{Shape, Storage};

use crate::house::{ANNA, BEN, House};

async fn in_both_shapes() -> [House; 2] {
    [House::open(Storage::Sqlite).await, House::shaped(Storage::Sqlite, Shape::Split).await]
}

#[tokio::test]
async fn terms_are_those_of_the_moment() {
    for house in in_both_shapes().await {
        let event = house.published().await;
        let terms = format!("terms/{}", event.id);
        let expected = json!({
            "event_id": event.id,
            "organizer_id": event.organizer,
            "event_name": "Quartet by the river",
            "starts_at": "2027-06-18T18:00:00Z",
            "time_zone": "Europe/Berlin",
            "venue_name": "Boathouse",
            "on_sale": false,
            "tax_rounding": "per_line",
            "ticket_types": [{
                "ticket_type_id": event.seat,
                "name": "Stalls",
                "price": {"amount": 2500, "currency": "EUR"},
                "tax": {"rate_basis_points": 0},
                "min_per_order": 0,
                "max_per_order": 0,
                "seated": false,
                "on_sale": false,
            }],
        });
        assert_eq!(house.ask(&terms).await, json!({ "Ok": expected }));

        let _opened = house.act(&event, "open-sales").await.expect(200);
        assert_eq!(house.ask(&terms).await["Ok"]["on_sale"], true);
        house.sandbox.clock().set("2027-06-18T20:30:00Z".parse().expect("an instant"));
        assert_eq!(house.ask(&terms).await["Ok"]["on_sale"], false);
    }
}

#[tokio::test]
async fn a_draft_has_no_terms() {
    for house in in_both_shapes().await {
        let draft = house.draft().await;
        for id in [draft.id, ANNA.to_string()] {
            let error = json!({"code": "event_unknown", "event_id": id});
            assert_eq!(house.ask(&format!("terms/{id}")).await, json!({ "Err": error }));
        }
    }
}

#[tokio::test]
async fn a_cancelled_event_has_terms_and_is_not_on_sale() {
    for house in in_both_shapes().await {
        let event = house.on_sale().await;
        let _cancelled = house.act(&event, "cancel").await.expect(200);
        let terms = house.ask(&format!("terms/{}", event.id)).await;
        assert_eq!(terms["Ok"]["on_sale"], false);
    }
}

#[tokio::test]
async fn membership_is_as_the_organizer_decides() {
    for house in in_both_shapes().await {
        let organizer = house.organizer(&house.anna()).await;
        for (account, is_member) in [(ANNA, true), (BEN, false)] {
            let answer = house.ask(&format!("membership/{organizer}/{account}")).await;
            assert_eq!(answer, json!({"Ok": {"is_member": is_member}}));
        }
    }
}
