//! Numbered seats: named, chosen, given back.

use contracts::seating::{Seat, SeatRow, SeatSection};

use super::*;

fn section(name: &str, rows: &[(&str, u32)]) -> SeatSection {
    let row = |(name, seats): &(&str, u32)| SeatRow {
        name: (*name).to_owned(),
        seats: (1..=*seats).map(|number| number.to_string()).collect(),
    };
    SeatSection { name: name.to_owned(), rows: rows.iter().map(row).collect() }
}

fn seated(ticket_type_id: Uuid, sections: &[&str]) -> TicketTypeCapacity {
    let sections = sections.iter().map(|&name| name.to_owned()).collect();
    let unlimited = TicketTypeCapacity::of_its_own(ticket_type_id, "Seat", Capacity::UNLIMITED);
    TicketTypeCapacity { sections, ..unlimited }
}

pub(super) fn house(ticket_types: Vec<TicketTypeCapacity>, rows: &[(&str, u32)]) -> Stock {
    let mut stock = Stock::default();
    let seating = vec![section("Stalls", rows), section("Circle", &[("A", 2)])];
    let programme = Command::SetProgramme { ticket_types, quotas: Vec::new(), seating };
    tell(&mut stock, programme).expect("known");
    tell(&mut stock, Command::OpenSale).expect("opens");
    stock
}

fn stalls(rows: &[(&str, u32)]) -> Stock {
    house(vec![seated(HALL, &["Stalls"])], rows)
}

pub(super) fn named(ticket_type_id: Uuid, names: &[&str]) -> Places {
    let seat = |name: &&str| {
        let (section, rest) = if let Some(rest) = name.strip_prefix("circle ") {
            ("Circle", rest)
        } else {
            ("Stalls", *name)
        };
        let (row, number) = rest.split_at(1);
        Seat { section: section.into(), row: row.into(), number: number.into() }
    };
    let seats: Vec<Seat> = names.iter().map(seat).collect();
    let quantity = u32::try_from(seats.len()).expect("few");
    Places { ticket_type_id, quantity, seats }
}

/// The seats of a hold, such as `A4 A5`.
fn seats_of(stock: &Stock, number: u128) -> String {
    let hold = stock.hold(hold_id(number), minute(0)).expect("there is such a hold");
    let places = stock.places(&hold);
    let mut seats: Vec<&Seat> = places.iter().flat_map(|it| &it.seats).collect();
    seats.sort();
    let short = |seat: &&Seat| {
        let circle = if seat.section == "Circle" { "circle " } else { "" };
        format!("{circle}{}{}", seat.row, seat.number)
    };
    seats.iter().map(short).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_best_seats_are_side_by_side_near_to_the_front_and_the_middle() {
    let mut stock = stalls(&[("A", 8), ("B", 8), ("C", 8)]);
    let mut best = |number, quantity| {
        let asked = hold(number, vec![places(HALL, quantity)], minute(0));
        tell(&mut stock, asked).expect("there is room");
        seats_of(&stock, number)
    };
    assert_eq!(best(1, 2), "A4 A5", "the middle of the front");
    assert_eq!(best(2, 2), "B4 B5", "a row back is nearer than two seats aside");
    assert_eq!(best(3, 3), "A1 A2 A3", "at the side of the front, as near as the middle of C");
    assert_eq!(best(4, 4), "C3 C4 C5 C6");
    assert_eq!(best(5, 1), "A6");
}

#[test]
fn a_party_that_cannot_sit_together_is_split_into_as_few_and_even_groups_as_can_be() {
    let mut stock = stalls(&[("A", 3), ("B", 3), ("C", 3)]);
    tell(&mut stock, hold(1, vec![places(HALL, 5)], minute(0))).expect("two rows");
    assert_eq!(seats_of(&stock, 1), "A1 A2 A3 B1 B2");
    tell(&mut stock, hold(2, vec![places(HALL, 4)], minute(0))).expect("what is left");
    assert_eq!(seats_of(&stock, 2), "B3 C1 C2 C3");
    let full = tell(&mut stock, hold(3, vec![places(HALL, 1)], minute(0)));
    assert_eq!(full, Err(Rejection::SoldOut { ticket_type_id: HALL, requested: 1, left: 0 }));
}

#[test]
fn sections_are_tried_in_the_order_of_the_ticket_type() {
    let mut stock = house(vec![seated(HALL, &["Circle", "Stalls"])], &[("A", 4)]);
    for (number, quantity, seats) in
        [(1, 2, "circle A1 circle A2"), (2, 2, "A2 A3"), (3, 2, "A1 A4")]
    {
        tell(&mut stock, hold(number, vec![places(HALL, quantity)], minute(0))).expect("room");
        assert_eq!(seats_of(&stock, number), seats);
    }
}

#[test]
fn a_seat_is_had_once_and_what_is_taken_is_named() {
    let mut stock = stalls(&[("A", 4)]);
    tell(&mut stock, hold(1, vec![named(HALL, &["A1", "A2"])], minute(0))).expect("free");
    let second = tell(&mut stock, hold(2, vec![named(HALL, &["A2", "A3"])], minute(0)));
    assert_eq!(second, Err(Rejection::SeatTaken { seats: named(HALL, &["A2"]).seats }));
    assert_eq!(seats_of(&stock, 1), "A1 A2");
    assert_eq!(free(&stock, HALL, minute(0)), 2);
}

#[test]
fn seats_that_are_not_the_types_are_refused() {
    let general = limited(BALCONY, 5);
    let mut stock = house(vec![seated(HALL, &["Stalls"]), general], &[("A", 4)]);
    for wrong in ["A9", "Z1", "circle A1"] {
        let refused = tell(&mut stock, hold(1, vec![named(HALL, &[wrong])], minute(0)));
        let seat = named(HALL, &[wrong]).seats.remove(0);
        assert_eq!(refused, Err(Rejection::SeatUnknown { ticket_type_id: HALL, seat }));
    }
    let general = tell(&mut stock, hold(1, vec![named(BALCONY, &["A1"])], minute(0)));
    assert_eq!(general, Err(Rejection::NotSeated { ticket_type_id: BALCONY }));
    for items in [
        vec![Places { quantity: 3, ..named(HALL, &["A1", "A2"]) }],
        vec![named(HALL, &["A1", "A1"])],
    ] {
        let refused = tell(&mut stock, hold(1, items, minute(0)));
        assert!(matches!(refused, Err(Rejection::Invalid { .. })));
    }
}

#[test]
fn a_seat_is_free_again_when_its_hold_has_expired_recorded_or_not() {
    let mut stock = stalls(&[("A", 2)]);
    tell(&mut stock, hold(1, vec![places(HALL, 2)], minute(0))).expect("held");
    assert!(tell(&mut stock, hold(2, vec![named(HALL, &["A1"])], minute(14))).is_err());
    let events = tell(&mut stock, hold(2, vec![named(HALL, &["A1"])], minute(15)));
    assert_eq!(events, Ok(2), "the expiry is recorded with the new hold");
    assert_eq!(free(&stock, HALL, minute(15)), 1);

    let late = tell(&mut stock, confirm(1, minute(16)));
    assert_eq!(late, Err(Rejection::SeatTaken { seats: named(HALL, &["A1"]).seats }));
    tell(&mut stock, Command::Release { hold_id: hold_id(2) }).expect("given back");
    tell(&mut stock, confirm(1, minute(16))).expect("its seats are free again");
    assert_eq!(free(&stock, HALL, minute(16)), 0);
}

#[test]
fn named_seats_come_before_chosen_ones_of_the_same_hold() {
    let types = vec![seated(HALL, &["Stalls"]), seated(BALCONY, &["Stalls"])];
    let mut stock = house(types, &[("A", 4)]);
    let items = vec![places(BALCONY, 2), named(HALL, &["A2"])];
    tell(&mut stock, hold(1, items, minute(0))).expect("both");
    assert_eq!(seats_of(&stock, 1), "A2 A3 A4");
}

#[test]
fn single_seats_of_a_sale_are_given_back_by_name() {
    let mut stock = stalls(&[("A", 4)]);
    tell(&mut stock, hold(1, vec![named(HALL, &["A1", "A2", "A3"])], minute(0))).expect("held");
    tell(&mut stock, confirm(1, minute(0))).expect("sold");
    let give_back = |release, items| Command::ReleasePlaces {
        hold_id: hold_id(1),
        release_id: Uuid::from_u128(release),
        items,
    };
    assert!(tell(&mut stock, give_back(1, vec![places(HALL, 1)])).is_err());
    assert!(tell(&mut stock, give_back(1, vec![named(HALL, &["A4"])])).is_err());
    assert_eq!(tell(&mut stock, give_back(1, vec![named(HALL, &["A2"])])), Ok(1));
    assert_eq!((seats_of(&stock, 1).as_str(), free(&stock, HALL, minute(0))), ("A1 A3", 2));
    tell(&mut stock, hold(2, vec![named(HALL, &["A2"])], minute(0))).expect("free again");
}

#[test]
fn who_leaves_the_choice_to_us_gets_the_same_seats_when_asking_again() {
    let mut stock = stalls(&[("A", 4)]);
    tell(&mut stock, hold(1, vec![places(HALL, 2)], minute(0))).expect("held");
    assert_eq!(tell(&mut stock, hold(1, vec![places(HALL, 2)], minute(1))), Ok(0));
    assert_eq!(tell(&mut stock, hold(1, vec![named(HALL, &["A2", "A3"])], minute(1))), Ok(0));
    let others = tell(&mut stock, hold(1, vec![named(HALL, &["A1", "A2"])], minute(1)));
    assert_eq!(others, Err(Rejection::HoldDiffers));
}
