mod forgetting;
mod on_sale;
mod properties;
mod quotas;
mod seats;

use super::{availability::Availability, *};

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
    Command::Hold(wish(number, items, now))
}

fn wish(number: u128, items: Vec<Places>, now: Timestamp) -> HoldWish {
    HoldWish {
        hold_id: hold_id(number),
        holder_id: BUYER,
        order_id: None,
        items,
        expires_at: now + SignedDuration::from_mins(15),
        now,
        most_open: 0,
    }
}

/// The programme, as catalog tells it.
fn told(ticket_types: Vec<TicketTypeCapacity>) -> Command {
    Command::SetProgramme { ticket_types, quotas: Vec::new(), seating: Vec::new() }
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
    tell(&mut stock, told(ticket_types)).expect("capacities are set");
    tell(&mut stock, Command::OpenSale).expect("the sale opens");
    stock
}

fn free(stock: &Stock, ticket_type_id: Uuid, now: Timestamp) -> u32 {
    let availability = stock.availability(now).ticket_types;
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
    assert_eq!(
        tell(&mut stock, confirm(1, minute(1))),
        Err(Rejection::NotOnSale { is_cancelled: true })
    );
}

#[test]
fn an_expired_hold_is_confirmed_while_there_is_room() {
    let mut stock = on_sale(1, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("the last place");
    tell(&mut stock, Command::EndHolds { now: minute(20) }).expect("recorded");
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
    let take = |order: u128| {
        let order_id = Some(Uuid::from_u128(order));
        Command::Hold(HoldWish { order_id, ..wish(1, vec![places(HALL, 1)], minute(1)) })
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
    tell(&mut stock, told(vec![limited(HALL, 2)])).expect("lowered");
    let quotas = stock.availability(minute(0)).quotas;
    let hall = quotas.into_iter().find(|one| one.quota_id == HALL);
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
    tell(&mut stock, told(vec![limited(HALL, 1)])).expect("known");
    assert_eq!(
        tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))),
        Err(Rejection::NotOnSale { is_cancelled: false })
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
    tell(&mut stock, told(vec![stream])).expect("known");
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

#[test]
fn a_holder_has_only_so_many_holds_open_at_a_time() {
    let mut stock = on_sale(10, 0);
    let limited = |number, now| {
        Command::Hold(HoldWish { most_open: 2, ..wish(number, vec![places(HALL, 1)], now) })
    };
    tell(&mut stock, limited(1, minute(0))).expect("the first");
    tell(&mut stock, limited(2, minute(0))).expect("the second");
    let third = tell(&mut stock, limited(3, minute(1)));
    assert_eq!(third, Err(Rejection::TooManyHolds { open: 2, most: 2 }));
    assert_eq!(tell(&mut stock, limited(2, minute(1))), Ok(0), "asked again");
    let of_another = HoldWish {
        holder_id: Uuid::from_u128(101),
        most_open: 2,
        ..wish(4, vec![places(HALL, 1)], minute(1))
    };
    tell(&mut stock, Command::Hold(of_another)).expect("others are not concerned");

    tell(&mut stock, confirm(1, minute(1))).expect("paid");
    tell(&mut stock, limited(5, minute(1))).expect("one is not open any more");
    assert!(tell(&mut stock, limited(6, minute(14))).is_err());
    tell(&mut stock, limited(6, minute(16))).expect("they have expired, recorded or not");
}

#[test]
fn an_order_has_so_many_of_a_type_at_least_and_at_most() {
    let mut stock = Stock::default();
    let group = TicketTypeCapacity { min_per_order: 3, max_per_order: 5, ..limited(HALL, 100) };
    tell(&mut stock, told(vec![group])).expect("known");
    tell(&mut stock, Command::OpenSale).expect("opens");
    let mut ask =
        |number, quantity| tell(&mut stock, hold(number, vec![places(HALL, quantity)], minute(0)));
    assert_eq!(ask(1, 2), Err(Rejection::BelowMinimum { ticket_type_id: HALL, minimum: 3 }));
    assert_eq!(ask(2, 6), Err(Rejection::AboveMaximum { ticket_type_id: HALL, maximum: 5 }));
    assert_eq!((ask(3, 3), ask(4, 5)), (Ok(1), Ok(1)));
}

#[test]
fn a_type_is_sold_within_its_window_only_and_an_order_is_placed_within_it() {
    let mut stock = Stock::default();
    let early_bird = TicketTypeCapacity {
        sales_from: Some(minute(10)),
        sales_until: Some(minute(20)),
        ..limited(HALL, 5)
    };
    tell(&mut stock, told(vec![early_bird])).expect("known");
    tell(&mut stock, Command::OpenSale).expect("opens");
    let one = || vec![places(HALL, 1)];
    let early = Rejection::SalesNotStarted { ticket_type_id: HALL, from: minute(10) };
    let late = Rejection::SalesEnded { ticket_type_id: HALL, until: minute(20) };
    assert_eq!(tell(&mut stock, hold(1, one(), minute(9))), Err(early));
    assert_eq!(tell(&mut stock, hold(1, one(), minute(10))), Ok(1));
    assert_eq!(tell(&mut stock, hold(2, one(), minute(19))), Ok(1));
    assert_eq!(tell(&mut stock, hold(3, one(), minute(20))), Err(late.clone()));

    let order = |number, now| {
        Command::Hold(HoldWish { order_id: Some(hold_id(99)), ..wish(number, one(), now) })
    };
    assert_eq!(tell(&mut stock, order(2, minute(19))), Ok(1), "an order takes the hold");
    assert_eq!(tell(&mut stock, order(2, minute(21))), Ok(0), "asked again");
    assert_eq!(tell(&mut stock, order(1, minute(21))), Err(late), "too late for an order");
    assert_eq!(tell(&mut stock, confirm(2, minute(22))), Ok(1), "what was ordered can be paid");
}

#[test]
fn part_of_what_was_sold_is_given_back_once() {
    let mut stock = on_sale(5, 5);
    tell(&mut stock, hold(1, vec![places(HALL, 3), places(BALCONY, 1)], minute(0))).expect("held");
    let give_back = |release, items| Command::ReleasePlaces {
        hold_id: hold_id(1),
        release_id: Uuid::from_u128(release),
        items,
    };
    let one = give_back(1, vec![places(HALL, 1)]);
    assert!(tell(&mut stock, one.clone()).is_err(), "it is not sold yet");
    tell(&mut stock, confirm(1, minute(1))).expect("sold");
    assert_eq!(tell(&mut stock, one.clone()), Ok(1));
    assert_eq!(tell(&mut stock, one), Ok(0), "the same release again");
    assert_eq!(free(&stock, HALL, minute(1)), 3);
    assert!(tell(&mut stock, give_back(2, vec![places(HALL, 3)])).is_err(), "there are two");
    let rest = vec![places(HALL, 2), places(BALCONY, 1)];
    assert_eq!(tell(&mut stock, give_back(3, rest)), Ok(1));
    assert_eq!((free(&stock, HALL, minute(1)), free(&stock, BALCONY, minute(1))), (5, 5));
    assert_eq!(stock.hold(hold_id(1), minute(1)).map(|hold| hold.state), Some(HoldState::Released));
}

/// Every kind of event as it was written with the first schema, and as it is written today, stays
/// as it is for ever.
#[test]
fn every_event_that_was_ever_written_can_be_read() {
    for samples in [include_str!("samples/stock.1.json"), include_str!("samples/stock.2.json")] {
        let samples: Vec<serde_json::Value> = serde_json::from_str(samples).expect("JSON");
        for sample in samples {
            let read: Event = serde_json::from_value(sample.clone()).expect("it is understood");
            assert_eq!(serde_json::to_value(&read).expect("it can be written"), sample);
        }
    }
}

#[test]
fn a_stock_of_the_first_schema_has_a_quota_for_each_type() {
    let samples = include_str!("samples/stock.1.json");
    let events: Vec<Event> = serde_json::from_str(samples).expect("they are understood");
    let mut stock = Stock::default();
    for event in &events {
        stock.evolve(event);
    }
    let Availability { ticket_types, quotas, .. } = stock.availability(minute(0));
    let ids = |id: Uuid| (id, vec![id]);
    assert_eq!(
        quotas.iter().map(|it| (it.quota_id, it.ticket_type_ids.clone())).collect::<Vec<_>>(),
        ticket_types.iter().map(|it| ids(it.ticket_type_id)).collect::<Vec<_>>()
    );
    assert_eq!(ticket_types.first().and_then(|it| it.free), Some(100));
}
