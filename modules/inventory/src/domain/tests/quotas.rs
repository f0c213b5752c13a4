//! Several quotas for a ticket type, several ticket types in a quota.

use super::*;

const ROOM: Uuid = Uuid::from_u128(50);
const EARLY: Uuid = Uuid::from_u128(51);

fn typed(ticket_type_id: Uuid) -> TicketTypeCapacity {
    TicketTypeCapacity { quotas_told: true, ..limited(ticket_type_id, 0) }
}

fn quota(quota_id: Uuid, capacity: Capacity, ticket_type_ids: &[Uuid]) -> Quota {
    Quota { quota_id, name: "Room".to_owned(), capacity, ticket_type_ids: ticket_type_ids.into() }
}

fn sells(quotas: Vec<Quota>) -> Stock {
    let mut stock = Stock::default();
    let ticket_types = vec![typed(HALL), typed(BALCONY)];
    let programme = Command::SetProgramme { ticket_types, quotas, seating: Vec::new() };
    tell(&mut stock, programme).expect("known");
    tell(&mut stock, Command::OpenSale).expect("opens");
    stock
}

#[test]
fn a_type_is_sold_only_while_every_one_of_its_quotas_has_room() {
    let mut stock = sells(vec![
        quota(ROOM, Capacity::limited(5), &[HALL, BALCONY]),
        quota(EARLY, Capacity::limited(2), &[BALCONY]),
    ]);
    assert_eq!((free(&stock, HALL, minute(0)), free(&stock, BALCONY, minute(0))), (5, 2));
    tell(&mut stock, hold(1, vec![places(BALCONY, 2)], minute(0))).expect("both have room");
    assert_eq!((free(&stock, HALL, minute(0)), free(&stock, BALCONY, minute(0))), (3, 0));
    let early = tell(&mut stock, hold(2, vec![places(BALCONY, 1)], minute(0)));
    assert_eq!(early, Err(Rejection::SoldOut { ticket_type_id: BALCONY, requested: 1, left: 0 }));
    tell(&mut stock, hold(3, vec![places(HALL, 3)], minute(0))).expect("the room has");
    let full = tell(&mut stock, hold(4, vec![places(HALL, 1)], minute(0)));
    assert_eq!(full, Err(Rejection::SoldOut { ticket_type_id: HALL, requested: 1, left: 0 }));
}

#[test]
fn two_types_of_one_hold_share_what_is_left_of_their_quota() {
    let mut stock = sells(vec![quota(ROOM, Capacity::limited(5), &[HALL, BALCONY])]);
    let six = tell(&mut stock, hold(1, vec![places(HALL, 3), places(BALCONY, 3)], minute(0)));
    assert_eq!(six, Err(Rejection::SoldOut { ticket_type_id: BALCONY, requested: 3, left: 2 }));
    tell(&mut stock, hold(2, vec![places(HALL, 3), places(BALCONY, 2)], minute(0))).expect("five");
}

#[test]
fn a_type_in_no_quota_is_not_sold_and_one_in_an_unlimited_quota_always_is() {
    let mut stock = sells(vec![quota(ROOM, Capacity::UNLIMITED, &[HALL])]);
    let nowhere = tell(&mut stock, hold(1, vec![places(BALCONY, 1)], minute(0)));
    assert_eq!(nowhere, Err(Rejection::QuotaMissing { ticket_type_id: BALCONY }));
    assert_eq!(free(&stock, BALCONY, minute(0)), 0);
    tell(&mut stock, hold(2, vec![places(HALL, MOST_PLACES)], minute(0))).expect("no limit");

    let removed = Command::RemoveQuota { quota_id: ROOM };
    assert_eq!(tell(&mut stock, removed.clone()), Ok(1));
    assert_eq!(tell(&mut stock, removed), Ok(0));
    let gone = tell(&mut stock, hold(3, vec![places(HALL, 1)], minute(0)));
    assert_eq!(gone, Err(Rejection::QuotaMissing { ticket_type_id: HALL }));
}

#[test]
fn a_quota_that_shrinks_below_what_is_sold_is_overbooked_and_takes_nothing_back() {
    let mut stock = sells(vec![quota(ROOM, Capacity::limited(5), &[HALL, BALCONY])]);
    tell(&mut stock, hold(1, vec![places(HALL, 4)], minute(0))).expect("held");
    tell(&mut stock, confirm(1, minute(0))).expect("sold");
    let smaller = quota(ROOM, Capacity::limited(3), &[HALL, BALCONY]);
    let change = Command::SetProgramme {
        ticket_types: Vec::new(),
        quotas: vec![smaller],
        seating: Vec::new(),
    };
    assert_eq!(tell(&mut stock, change.clone()), Ok(1));
    assert_eq!(tell(&mut stock, change), Ok(0), "told again");
    let availability = stock.availability(minute(0));
    let room = availability.quotas.first().expect("the quota");
    assert_eq!((room.sold, room.free, room.overbooked), (4, Some(0), 1));
    assert!(availability.ticket_types.iter().all(|it| it.overbooked == 1 && it.free == Some(0)));
    assert_eq!(stock.hold(hold_id(1), minute(0)).map(|it| it.state), Some(HoldState::Confirmed));
}
