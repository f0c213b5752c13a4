//! Never one place too many, and no seat twice, whatever happens in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    seats::{house, named},
    *,
};

const SEATED: Uuid = Uuid::from_u128(3);
const ROOM: Uuid = Uuid::from_u128(50);
const BAR: Uuid = Uuid::from_u128(51);

#[derive(Debug, Clone)]
enum Move {
    Hold { number: u128, hall: u32, balcony: u32, seated: u32 },
    HoldNamed { number: u128, seats: Vec<usize> },
    Confirm { number: u128 },
    Release { number: u128 },
    ReleaseOne { number: u128, release: u128 },
    Capacity { room: u32 },
    Expire,
    Wait { minutes: i64 },
}

const SEATS: [&str; 6] = ["A1", "A2", "A3", "B1", "B2", "B3"];

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0_u128..12, 0_u32..4, 0_u32..3, 0_u32..4).prop_map(|(number, hall, balcony, seated)| {
            Move::Hold { number, hall, balcony, seated }
        }),
        3 => (0_u128..12, prop::collection::btree_set(0_usize..6, 1..4)).prop_map(
            |(number, seats)| Move::HoldNamed { number, seats: seats.into_iter().collect() }
        ),
        3 => (0_u128..12).prop_map(|number| Move::Confirm { number }),
        1 => (0_u128..12).prop_map(|number| Move::Release { number }),
        1 => (0_u128..12, 0_u128..4).prop_map(|(number, release)| {
            Move::ReleaseOne { number, release }
        }),
        1 => (4_u32..12).prop_map(|room| Move::Capacity { room }),
        1 => Just(Move::Expire),
        2 => (1_i64..20).prop_map(|minutes| Move::Wait { minutes }),
        1 => (1_000_i64..2_000).prop_map(|minutes| Move::Wait { minutes }),
    ];
    prop::collection::vec(one, 0..80)
}

/// A room for everybody, and in it a bar and six seats in two rows.
fn opened() -> Stock {
    let typed = |id| TicketTypeCapacity { quotas_told: true, ..limited(id, 0) };
    let seated = TicketTypeCapacity { sections: vec!["Stalls".to_owned()], ..typed(SEATED) };
    let mut stock = house(vec![typed(HALL), typed(BALCONY), seated], &[("A", 3), ("B", 3)]);
    tell(&mut stock, quotas(9)).expect("quotas are set");
    stock
}

fn quotas(room: u32) -> Command {
    let quota = |quota_id, places, ticket_type_ids| Quota {
        quota_id,
        name: String::new(),
        capacity: Capacity::limited(places),
        ticket_type_ids,
    };
    Command::SetProgramme {
        ticket_types: Vec::new(),
        quotas: vec![quota(ROOM, room, vec![HALL, BALCONY, SEATED]), quota(BAR, 3, vec![BALCONY])],
        seating: Vec::new(),
    }
}

/// What counts at `now`, found by going through all holds: places of each type, and seats.
fn recount(stock: &Stock, now: Timestamp) -> (BTreeMap<Uuid, u32>, Vec<SeatAt>) {
    let (mut places, mut seats) = (BTreeMap::new(), Vec::new());
    let counts = |hold: &&HoldRecord| match hold.state {
        HoldState::Confirmed => true,
        HoldState::Held => hold.expires_at > now,
        HoldState::Expired | HoldState::Released => false,
    };
    for line in stock.holds.values().filter(counts).flat_map(|hold| &hold.lines) {
        *places.entry(line.ticket_type_id).or_default() += line.quantity;
        seats.extend(&line.seats);
    }
    (places, seats)
}

fn command(one: Move, stock: &Stock, now: Timestamp) -> Command {
    match one {
        Move::Hold { number, hall, balcony, seated } => {
            let wanted = [places(HALL, hall), places(BALCONY, balcony), places(SEATED, seated)];
            hold(number, wanted.into_iter().filter(|item| item.quantity > 0).collect(), now)
        }
        Move::HoldNamed { number, seats } => {
            let names: Vec<&str> = seats.iter().filter_map(|at| SEATS.get(*at).copied()).collect();
            hold(number, vec![named(SEATED, &names)], now)
        }
        Move::Confirm { number } => confirm(number, now),
        Move::Release { number } => Command::Release { hold_id: hold_id(number) },
        Move::ReleaseOne { number, release } => {
            let hold = stock.hold(hold_id(number), now);
            let items = hold.map(|hold| stock.places(&hold)).unwrap_or_default();
            let one = items.into_iter().take(1).map(|item| Places {
                quantity: 1,
                seats: item.seats.into_iter().take(1).collect(),
                ticket_type_id: item.ticket_type_id,
            });
            let release_id = Uuid::from_u128(release);
            Command::ReleasePlaces { hold_id: hold_id(number), release_id, items: one.collect() }
        }
        Move::Capacity { room } => quotas(room),
        Move::Expire | Move::Wait { .. } => Command::EndHolds { now },
    }
}

proptest! {
    #[test]
    fn never_one_too_many_and_no_seat_twice(moves in moves()) {
        let mut stock = opened();
        let mut log = Vec::new();
        let mut now = minute(0);
        let mut used_before = 0;
        for one in moves {
            if let Move::Wait { minutes } = one {
                now += SignedDuration::from_mins(minutes);
                continue;
            }
            if let Ok(events) = stock.decide(command(one, &stock, now)) {
                for event in events {
                    stock.evolve(&event);
                    log.push(event);
                }
            }
            let (places, mut seats) = recount(&stock, now);
            prop_assert_eq!(stock.faults(now), Vec::<String>::new());
            let of = |id: Uuid| places.get(&id).copied().unwrap_or(0);
            let in_room = of(HALL) + of(BALCONY) + of(SEATED);
            let Availability { ticket_types, quotas, .. } = stock.availability(now);
            let room = quotas.iter().find(|it| it.quota_id == ROOM).expect("the room");
            let capacity = room.capacity.places().expect("limited");
            prop_assert!(
                in_room <= capacity || in_room <= used_before,
                "{in_room} of {capacity}: it was lowered, and more was sold"
            );
            prop_assert_eq!(room.free, Some(capacity.saturating_sub(in_room)));
            prop_assert_eq!(room.overbooked, in_room.saturating_sub(capacity));
            prop_assert!(of(BALCONY) <= 3, "the bar has three places");
            used_before = in_room;

            prop_assert_eq!(u32::try_from(seats.len()), Ok(of(SEATED)), "a seat for each ticket");
            seats.sort();
            prop_assert!(seats.windows(2).all(|pair| pair[0] != pair[1]), "a seat twice");
            let seated = ticket_types.iter().find(|it| it.ticket_type_id == SEATED).expect("known");
            let free_seats = 6 - of(SEATED);
            prop_assert_eq!(seated.free, Some(free_seats.min(capacity.saturating_sub(in_room))));
        }

        let mut replayed = opened();
        for event in &log {
            replayed.evolve(event);
        }
        prop_assert_eq!(&replayed, &stock);
        let snapshot = serde_json::to_string(&stock).expect("a stock serialises");
        prop_assert_eq!(&serde_json::from_str::<Stock>(&snapshot).expect("and comes back"), &stock);
    }

    #[test]
    fn as_many_seats_are_found_as_are_free(taken in prop::collection::btree_set(0_usize..6, 0..6), wanted in 1_u32..7) {
        let mut stock = opened();
        for (number, at) in (100..).zip(&taken) {
            let seat = SEATS.get(*at).copied().expect("there are six");
            tell(&mut stock, hold(number, vec![named(SEATED, &[seat])], minute(0))).expect("free");
        }
        let free = 6 - u32::try_from(taken.len()).expect("few");
        let found = tell(&mut stock, hold(1, vec![places(SEATED, wanted)], minute(0)));
        prop_assert_eq!(found.is_ok(), wanted <= free);
    }

    #[test]
    fn every_command_told_twice_changes_nothing_the_second_time(quantity in 1_u32..4) {
        let mut stock = opened();
        let commands = [
            hold(1, vec![places(HALL, quantity), places(SEATED, quantity)], minute(0)),
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
