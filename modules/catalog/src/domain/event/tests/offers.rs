//! Ticket types with their windows, limits and seats, and the quotas they draw on.

use contracts::seating::{SeatRow, SeatSection};

use super::*;

#[test]
fn a_capacity_makes_a_quota_of_the_ticket_types_own() {
    let mut event = after([draft(), add(SEAT, offer("Seat", 2500, 100))]);
    let quotas = |event: &Event| event.show().map(|show| show.quotas.clone()).unwrap_or_default();
    let hundred = own_quota(SEAT, "Seat", Capacity::limited(100));
    assert_eq!(quotas(&event), std::slice::from_ref(&hundred));

    let without = Offer { capacity: None, ..offer("Seat", 2600, 0) };
    give(&mut event, change_type(SEAT, without)).expect("another price");
    assert_eq!(quotas(&event), [hundred], "the quota is left alone");
    give(&mut event, change_type(SEAT, offer("Chair", 2600, 90))).expect("another name and size");
    assert_eq!(quotas(&event), [own_quota(SEAT, "Chair", Capacity::limited(90))]);
    give(&mut event, Command::RemoveTicketType { id: SEAT }).expect("it is a draft");
    assert_eq!(quotas(&event), []);
}

#[test]
fn several_types_draw_on_one_quota_and_one_type_on_several() {
    let mut event = after([
        draft(),
        add(SEAT, offer("Seat", 2500, 100)),
        add(BALCONY, Offer { capacity: None, ..offer("Balcony", 2000, 0) }),
    ]);
    let room = Quota {
        quota_id: Uuid::from_u128(50),
        name: "Room".to_owned(),
        capacity: Capacity::limited(80),
        ticket_type_ids: vec![SEAT, BALCONY],
    };
    let put = |quota: &Quota| Command::PutQuota { quota: quota.clone(), now: hour(TODAY) };
    let supplies = |event: &Event| {
        let quotas = event.show().map(|show| show.quotas.clone()).unwrap_or_default();
        (supply(&quotas, SEAT), supply(&quotas, BALCONY))
    };
    assert_eq!(supplies(&event), (Capacity::limited(100), Capacity::limited(0)));
    assert_eq!(give(&mut event, put(&room)).map(|facts| facts.len()), Ok(1));
    assert_eq!(give(&mut event, put(&room)), Ok(Vec::new()), "put again");
    assert_eq!(supplies(&event), (Capacity::limited(80), Capacity::limited(80)));

    let of_nobody = Quota { ticket_type_ids: vec![VENUE], ..room.clone() };
    let refused = give(&mut event, put(&of_nobody));
    assert_eq!(refused, Err(Rejection::QuotaOfUnknownType { ticket_type_id: VENUE }));
    let remove = Command::RemoveQuota { id: room.quota_id, now: hour(TODAY) };
    assert_eq!(give(&mut event, remove.clone()).map(|facts| facts.len()), Ok(1));
    assert_eq!(give(&mut event, remove), Err(Rejection::QuotaUnknown));
}

#[test]
fn a_type_for_seats_needs_its_section_when_the_event_is_published_and_keeps_it() {
    let seated =
        |section: &str| Offer { sections: vec![section.to_owned()], ..offer("Seat", 2500, 100) };
    let rows = vec![SeatRow { name: "A".to_owned(), seats: vec!["1".to_owned()] }];
    let seating = vec![SeatSection { name: "Stalls".to_owned(), rows }];
    let setting = Setting { seating: seating.clone(), ..Setting::default() };
    let publish_there = || Command::Publish { setting: setting.clone(), now: hour(TODAY) };
    let unknown = Rejection::SectionUnknown { section: "Circle".to_owned() };

    let mut event = after([draft(), add(SEAT, seated("Circle"))]);
    assert_eq!(give(&mut event, publish_there()), Err(unknown.clone()));
    give(&mut event, change_type(SEAT, seated("Stalls"))).expect("it is a draft");
    let facts = give(&mut event, publish_there()).expect("the venue has the section");
    assert!(matches!(&facts[..], [Fact::Published { seating: told, .. }] if *told == seating));

    let balcony = Offer { name: "Balcony".to_owned(), ..seated("Circle") };
    assert_eq!(give(&mut event, add(BALCONY, balcony)), Err(unknown));
    let elsewhere = give(&mut event, change_type(SEAT, seated("Circle")));
    assert_eq!(elsewhere, Err(Rejection::FixedByPublishing { fields: vec!["sections"] }));
}

#[test]
fn a_window_ends_after_it_begins_and_a_maximum_is_not_below_the_minimum() {
    let mut event = after([draft()]);
    let window = |from, until| Offer {
        sales_from: Some(hour(from)),
        sales_until: Some(hour(until)),
        ..offer("Seat", 2500, 100)
    };
    let refused = give(&mut event, add(SEAT, window(20, 20)));
    assert_eq!(refused, Err(Rejection::SaleEndsBeforeItBegins));
    let limits = Offer { min_per_order: 4, max_per_order: 3, ..offer("Seat", 2500, 100) };
    assert_eq!(give(&mut event, add(SEAT, limits)), Err(Rejection::MaximumBelowMinimum));

    let offer = window(20, 30);
    let inside: Vec<_> = [19, 20, 29, 30].map(|at| offer.is_in_window(hour(at))).into();
    assert_eq!(inside, [false, true, true, false]);
}
