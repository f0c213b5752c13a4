//! The terms of a sale: windows, limits, taxes, currencies; also on the night when clocks change.

use serde_json::{Value, json};

use crate::{
    house::{House, pointers, seat, with},
    on_both_databases,
};

on_both_databases!(
    a_ticket_type_says_when_how_many_and_with_which_tax_it_is_sold,
    windows_and_limits_that_make_no_sense_are_refused,
    a_window_is_open_at_its_instants_whatever_clocks_show,
    currencies_have_none_two_or_three_decimals,
    the_rounding_of_taxes_is_the_events,
);

fn early_bird() -> Value {
    json!({
        "name": "Early bird",
        "price": {"amount": 1900, "currency": "EUR"},
        "capacity": {"kind": "limited", "places": 20},
        "tax": {"rate_basis_points": 700, "name": "VAT"},
        "sales_from": "2027-03-01T09:00:00Z",
        "sales_until": "2027-04-01T00:00:00+02:00",
        "min_per_order": 2,
        "max_per_order": 6,
    })
}

async fn a_ticket_type_says_when_how_many_and_with_which_tax_it_is_sold(house: House) {
    let draft = house.draft().await;
    let types = format!("{}/ticket-types", draft.path);
    let added = house.anna().post(&types, &early_bird()).await.expect(201).value();
    assert_eq!(added["sales_until"], "2027-03-31T22:00:00Z");
    assert_eq!((&added["min_per_order"], &added["max_per_order"]), (&json!(2), &json!(6)));
    assert_eq!(added["tax"], json!({"rate_basis_points": 700, "name": "VAT"}));
    let _published = house.act(&draft, "publish").await.expect(200);
    let terms = house.ask(&format!("terms/{}", draft.id)).await["Ok"].clone();
    let told = &terms["ticket_types"][1];
    for field in ["tax", "sales_from", "sales_until", "min_per_order", "max_per_order"] {
        assert_eq!(told[field], added[field], "{field}");
    }
    assert_eq!(told["on_sale"], false, "the event is not on sale");
}

async fn windows_and_limits_that_make_no_sense_are_refused(house: House) {
    let draft = house.draft().await;
    let types = format!("{}/ticket-types", draft.path);
    let cases = [
        ("sales_until", json!("2027-03-01T09:00:00Z"), "/sales_until"),
        ("max_per_order", json!(1), "/max_per_order"),
        ("max_per_order", json!(21), "/max_per_order"),
        ("tax", json!({"rate_basis_points": 10_001}), "/tax"),
        ("sales_from", json!("1969-12-31T23:00:00Z"), "/sales_from"),
    ];
    for (field, value, pointer) in cases {
        let refused = house.anna().post(&types, &with(early_bird(), field, value)).await;
        let refused = refused.expect_problem(422, "invalid-input");
        assert_eq!(pointers(&refused), [pointer], "{refused}");
    }
    let vague = with(early_bird(), "sales_from", "2027-03-01T09:00:00");
    let refused = house.anna().post(&types, &vague).await;
    let _problem = refused.expect_problem(422, "invalid-input");
}

/// In Berlin the clocks go from 2 to 3 in the night of 28 March 2027, and from 3 to 2 in that of 25
/// October 2026.
async fn a_window_is_open_at_its_instants_whatever_clocks_show(house: House) {
    let event = house.on_sale().await;
    let anna = house.anna();
    let path = format!("{}/ticket-types/{}", event.path, event.seat);
    let is_open = async |at: &str| {
        house.sandbox.clock().set(at.parse().expect("an instant"));
        house.ask(&format!("terms/{}", event.id)).await["Ok"]["ticket_types"][0]["on_sale"].clone()
    };
    let windows = [
        // An hour on the clock that does not exist: the window is as long as the instants say.
        (
            "2027-03-28T01:30:00+01:00",
            "2027-03-28T03:30:00+02:00",
            [
                ("2027-03-28T00:29:59Z", false),
                ("2027-03-28T00:30:00Z", true),
                ("2027-03-28T01:29:59Z", true),
                ("2027-03-28T01:30:00Z", false),
            ],
        ),
        // From half past two to half past two, by clocks that show it twice: an hour.
        (
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            [
                ("2026-10-25T00:29:59Z", false),
                ("2026-10-25T00:30:00Z", true),
                ("2026-10-25T01:29:59Z", true),
                ("2026-10-25T01:30:00Z", false),
            ],
        ),
        // Told with the offset of another zone.
        (
            "2027-04-01T18:00:00+09:00",
            "2027-04-02T00:00:00-10:00",
            [
                ("2027-04-01T08:59:59Z", false),
                ("2027-04-01T09:00:00Z", true),
                ("2027-04-02T09:59:59Z", true),
                ("2027-04-02T10:00:00Z", false),
            ],
        ),
    ];
    for (from, until, looks) in windows {
        house.sandbox.clock().set("2027-03-01T12:00:00Z".parse().expect("an instant"));
        let etag = anna.get(&path).await.expect(200).etag();
        let window = with(with(seat(), "sales_from", from), "sales_until", until);
        let _changed = anna.put(&path, &window).if_match(&etag).await.expect(200);
        for (at, expected) in looks {
            assert_eq!(is_open(at).await, expected, "{at} within {from} and {until}");
        }
    }
}

async fn currencies_have_none_two_or_three_decimals(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let venue = house.venue(&anna, &organizer).await;
    for (currency, amount) in [("JPY", 3500), ("EUR", 3500), ("KWD", 3500)] {
        let event = with(crate::house::event(&organizer, &venue), "currency", currency);
        let event = anna.post("/v1/events", &event).await.expect(201).field("id");
        let price = json!({"amount": amount, "currency": currency});
        let types = format!("/v1/events/{event}/ticket-types");
        let added = anna.post(&types, &with(seat(), "price", price.clone())).await.expect(201);
        assert_eq!(added.value()["price"], price);
    }
    let gold = with(crate::house::event(&organizer, &venue), "currency", "XAU");
    let refused = anna.post("/v1/events", &gold).await;
    assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/currency"]);
}

async fn the_rounding_of_taxes_is_the_events(house: House) {
    let event = house.published().await;
    let anna = house.anna();
    let read = anna.get(&event.path).await.expect(200);
    assert_eq!(read.value()["tax_rounding"], "per_line");
    let change = with(crate::house::change(&event.venue), "tax_rounding", "per_order");
    let changed = anna.put(&event.path, &change).if_match(&read.etag()).await.expect(200);
    assert_eq!(changed.value()["tax_rounding"], "per_order");
    let terms = house.ask(&format!("terms/{}", event.id)).await;
    assert_eq!(terms["Ok"]["tax_rounding"], "per_order");
}
