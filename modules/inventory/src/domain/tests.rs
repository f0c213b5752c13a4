use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

const HALL: Uuid = Uuid::from_u128(1);
const BALCONY: Uuid = Uuid::from_u128(2);
const BUYER: Uuid = Uuid::from_u128(100);

fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn hold_id(number: u128) -> Uuid {
    Uuid::from_u128(1000 + number)
}

fn places(ticket_type_id: Uuid, quantity: u32) -> Places {
    Places::any(ticket_type_id, quantity)
}

fn limited(ticket_type_id: Uuid, places: u32) -> TicketTypeCapacity {
    TicketTypeCapacity::of_its_own(ticket_type_id, "Stalls", Capacity::limited(places))
}

fn hold(number: u128, items: Vec<Places>, now: Timestamp) -> Command {
    Command::Hold {
        hold_id: hold_id(number),
        holder_id: BUYER,
        order_id: None,
        items,
        expires_at: now + SignedDuration::from_mins(15),
        now,
    }
}

fn confirm(number: u128, now: Timestamp) -> Command {
    Command::Confirm { hold_id: hold_id(number), now }
}

fn tell(stock: &mut Stock, command: Command) -> Result<usize, Rejection> {
    let events = stock.decide(command)?;
    for event in &events {
        stock.evolve(event);
    }
    Ok(events.len())
}

fn on_sale(hall: u32, balcony: u32) -> Stock {
    let mut stock = Stock::default();
    let ticket_types = vec![limited(HALL, hall), limited(BALCONY, balcony)];
    tell(&mut stock, Command::SetCapacities { ticket_types }).expect("capacities are set");
    tell(&mut stock, Command::OpenSale).expect("the sale opens");
    stock
}

fn free(stock: &Stock, ticket_type_id: Uuid, now: Timestamp) -> u32 {
    let availability = stock.availability(now);
    let found = availability.iter().find(|one| one.ticket_type_id == ticket_type_id);
    found.and_then(|one| one.free).expect("the type is limited")
}

#[test]
fn what_is_held_is_not_free_for_others() {
    let mut stock = on_sale(3, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 2)], minute(0))).expect("two of three");
    assert_eq!(free(&stock, HALL, minute(0)), 1);

    let second = tell(&mut stock, hold(2, vec![places(HALL, 2)], minute(0)));
    assert_eq!(second, Err(Rejection::SoldOut { ticket_type_id: HALL, requested: 2, left: 1 }));
}

#[test]
fn a_hold_takes_all_its_places_or_none() {
    let mut stock = on_sale(5, 1);
    let both = vec![places(HALL, 2), places(BALCONY, 2)];
    assert!(tell(&mut stock, hold(1, both, minute(0))).is_err());
    assert_eq!(free(&stock, HALL, minute(0)), 5);
    assert_eq!(free(&stock, BALCONY, minute(0)), 1);
}

#[test]
fn a_hold_stops_counting_at_its_expiry_before_anybody_records_it() {
    let mut stock = on_sale(1, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("the last place");
    assert!(tell(&mut stock, hold(2, vec![places(HALL, 1)], minute(14))).is_err());
    tell(&mut stock, hold(3, vec![places(HALL, 1)], minute(15)))
        .expect("the first hold has expired");
    assert_eq!(stock.hold(hold_id(1), minute(15)).map(|hold| hold.state), Some(HoldState::Expired));
}

#[test]
fn places_of_a_cancelled_event_are_not_sold_even_to_those_who_hold_them() {
    let mut stock = on_sale(1, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("the last place");
    tell(&mut stock, Command::CancelSale).expect("cancelled");
    assert_eq!(tell(&mut stock, confirm(1, minute(1))), Err(Rejection::NotOnSale));
}

#[test]
fn an_expired_hold_is_confirmed_while_there_is_room() {
    let mut stock = on_sale(1, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("the last place");
    tell(&mut stock, Command::ExpireHolds { now: minute(20) }).expect("recorded");
    tell(&mut stock, confirm(1, minute(20))).expect("nobody has taken the place");
    assert_eq!(free(&stock, HALL, minute(20)), 0);
}

#[test]
fn an_expired_hold_is_not_confirmed_once_its_place_has_gone_to_another() {
    let mut stock = on_sale(1, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("the last place");
    tell(&mut stock, hold(2, vec![places(HALL, 1)], minute(16))).expect("free again");
    let late = tell(&mut stock, confirm(1, minute(17)));
    assert_eq!(late, Err(Rejection::SoldOut { ticket_type_id: HALL, requested: 1, left: 0 }));
}

#[test]
fn the_same_hold_asked_for_again_takes_nothing_more() {
    let mut stock = on_sale(2, 0);
    assert_eq!(tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))), Ok(1));
    assert_eq!(tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(1))), Ok(0));
    assert_eq!(free(&stock, HALL, minute(1)), 1);
    let other_places = tell(&mut stock, hold(1, vec![places(HALL, 2)], minute(1)));
    assert_eq!(other_places, Err(Rejection::HoldDiffers));
}

#[test]
fn a_hold_belongs_to_one_order() {
    let mut stock = on_sale(2, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("held");
    let take = |order: u128| Command::Hold {
        hold_id: hold_id(1),
        holder_id: BUYER,
        order_id: Some(Uuid::from_u128(order)),
        items: vec![places(HALL, 1)],
        expires_at: minute(30),
        now: minute(1),
    };
    assert_eq!(tell(&mut stock, take(7)), Ok(1));
    assert_eq!(tell(&mut stock, take(7)), Ok(0));
    assert_eq!(tell(&mut stock, take(8)), Err(Rejection::HoldDiffers));
}

#[test]
fn released_places_are_free_again_whether_they_were_held_or_sold() {
    let mut stock = on_sale(2, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("held");
    tell(&mut stock, hold(2, vec![places(HALL, 1)], minute(0))).expect("held");
    tell(&mut stock, confirm(2, minute(1))).expect("sold");
    for number in [1, 2, 2] {
        tell(&mut stock, Command::Release { hold_id: hold_id(number) }).expect("released");
    }
    assert_eq!(free(&stock, HALL, minute(1)), 2);
    assert_eq!(tell(&mut stock, confirm(2, minute(1))), Err(Rejection::HoldReleased));
}

#[test]
fn a_capacity_below_what_is_sold_is_shown_as_overbooked_and_sells_nothing() {
    let mut stock = on_sale(3, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 3)], minute(0))).expect("held");
    tell(&mut stock, confirm(1, minute(0))).expect("sold");
    tell(&mut stock, Command::SetCapacities { ticket_types: vec![limited(HALL, 2)] })
        .expect("lowered");
    let hall = stock.availability(minute(0)).into_iter().find(|one| one.ticket_type_id == HALL);
    assert_eq!(hall.map(|one| (one.sold, one.free, one.overbooked)), Some((3, Some(0), 1)));
    assert!(tell(&mut stock, hold(2, vec![places(HALL, 1)], minute(0))).is_err());
}

#[test]
fn nothing_is_held_before_the_sale_opens_or_after_it_closes() {
    let mut stock = Stock::default();
    assert_eq!(
        tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))),
        Err(Rejection::EventUnknown)
    );
    tell(&mut stock, Command::SetCapacities { ticket_types: vec![limited(HALL, 1)] })
        .expect("known");
    assert_eq!(
        tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))),
        Err(Rejection::NotOnSale)
    );
    tell(&mut stock, Command::OpenSale).expect("opens");
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("held");
    tell(&mut stock, Command::CloseSale).expect("closes");
    tell(&mut stock, confirm(1, minute(1))).expect("what was held may still be bought");
}

#[test]
fn an_unlimited_type_never_sells_out() {
    let mut stock = Stock::default();
    let stream = TicketTypeCapacity::of_its_own(HALL, "Stream", Capacity::UNLIMITED);
    tell(&mut stock, Command::SetCapacities { ticket_types: vec![stream] }).expect("known");
    tell(&mut stock, Command::OpenSale).expect("opens");
    for number in 0..50 {
        tell(&mut stock, hold(number, vec![places(HALL, MOST_PLACES)], minute(0)))
            .expect("always room");
    }
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let mut stock = on_sale(5, 5);
    for items in [
        vec![],
        vec![places(HALL, 0)],
        vec![places(HALL, MOST_PLACES + 1)],
        vec![places(HALL, 1), places(HALL, 1)],
    ] {
        assert!(matches!(
            tell(&mut stock, hold(1, items, minute(0))),
            Err(Rejection::Invalid { .. })
        ));
    }
}

#[derive(Debug, Clone)]
enum Move {
    Hold { number: u128, hall: u32, balcony: u32 },
    Confirm { number: u128 },
    Release { number: u128 },
    Expire,
    Wait { minutes: i64 },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0_u128..12, 0_u32..4, 0_u32..3).prop_map(|(number, hall, balcony)| Move::Hold { number, hall, balcony }),
        3 => (0_u128..12).prop_map(|number| Move::Confirm { number }),
        1 => (0_u128..12).prop_map(|number| Move::Release { number }),
        1 => Just(Move::Expire),
        2 => (1_i64..20).prop_map(|minutes| Move::Wait { minutes }),
    ];
    prop::collection::vec(one, 0..80)
}

/// What counts against a type at `now`, found by going through all holds.
fn recount(stock: &Stock, ticket_type_id: Uuid, now: Timestamp) -> (u32, u32) {
    let (mut sold, mut held) = (0, 0);
    for hold in stock.holds.values() {
        for item in hold.items.iter().filter(|item| item.ticket_type_id == ticket_type_id) {
            match hold.state {
                HoldState::Confirmed => sold += item.quantity,
                HoldState::Held if hold.expires_at > now => held += item.quantity,
                HoldState::Held | HoldState::Expired | HoldState::Released => {}
            }
        }
    }
    (sold, held)
}

proptest! {
    #[test]
    fn never_one_too_many_whatever_happens_in_whatever_order(moves in moves()) {
        let mut stock = on_sale(6, 3);
        let mut log = Vec::new();
        let mut now = minute(0);
        for one in moves {
            let command = match one {
                Move::Hold { number, hall, balcony } => {
                    let wanted = [places(HALL, hall), places(BALCONY, balcony)];
                    let items = wanted.into_iter().filter(|item| item.quantity > 0).collect();
                    hold(number, items, now)
                }
                Move::Confirm { number } => confirm(number, now),
                Move::Release { number } => Command::Release { hold_id: hold_id(number) },
                Move::Expire => Command::ExpireHolds { now },
                Move::Wait { minutes } => {
                    now += SignedDuration::from_mins(minutes);
                    continue;
                }
            };
            if let Ok(events) = stock.decide(command) {
                for event in events {
                    stock.evolve(&event);
                    log.push(event);
                }
            }
            for (ticket_type_id, capacity) in [(HALL, 6), (BALCONY, 3)] {
                let (sold, held) = recount(&stock, ticket_type_id, now);
                prop_assert!(sold + held <= capacity, "{sold} sold and {held} held of {capacity}");
                prop_assert_eq!(free(&stock, ticket_type_id, now), capacity - sold - held);
            }
        }

        let mut replayed = on_sale(6, 3);
        for event in &log {
            replayed.evolve(event);
        }
        prop_assert_eq!(&replayed, &stock);
        let snapshot = serde_json::to_string(&stock).expect("a stock serialises");
        prop_assert_eq!(&serde_json::from_str::<Stock>(&snapshot).expect("and comes back"), &stock);
    }

    #[test]
    fn every_command_told_twice_changes_nothing_the_second_time(quantity in 1_u32..4) {
        let mut stock = on_sale(4, 0);
        let commands = [
            hold(1, vec![places(HALL, quantity)], minute(0)),
            confirm(1, minute(1)),
            Command::Release { hold_id: hold_id(1) },
            Command::CloseSale,
            Command::CancelSale,
        ];
        for command in commands {
            tell(&mut stock, command.clone()).expect("the first time");
            prop_assert_eq!(tell(&mut stock, command), Ok(0));
        }
    }
}
