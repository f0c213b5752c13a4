//! An on-sale of a big house: what it costs does not grow with what was sold before.

use super::{seats::house, *};

/// How much of its states a stock writes beside its events, while everything is sold two by two.
struct Course {
    snapshots: usize,
    written: usize,
    last: usize,
}

fn sell_out(rows: u32, seats_of_a_row: u32) -> (Stock, Course) {
    let names: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    let rows: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), seats_of_a_row)).collect();
    let seated = TicketTypeCapacity {
        sections: vec!["Stalls".to_owned()],
        ..TicketTypeCapacity::of_its_own(HALL, "Seat", Capacity::UNLIMITED)
    };
    let mut stock = house(vec![seated], &rows);
    let mut course = Course { snapshots: 0, written: 0, last: 0 };
    let mut since = 0;
    let mut number = 0;
    loop {
        let wish = hold(number, vec![places(HALL, 2)], minute(0));
        let Ok(events) = tell(&mut stock, wish) else { break };
        let confirmed = tell(&mut stock, confirm(number, minute(1))).expect("it is held");
        since += u64::try_from(events + confirmed).expect("few");
        if since >= stock.snapshot_after() {
            let snapshot = serde_json::to_vec(&stock).expect("a stock serialises");
            course.snapshots += 1;
            course.written += snapshot.len();
            course.last = snapshot.len();
            since = 0;
        }
        number += 1;
    }
    (stock, course)
}

#[test]
fn what_is_written_of_a_stock_stays_in_proportion_to_it() {
    let (stock, course) = sell_out(200, 100);
    assert_eq!(free(&stock, HALL, minute(1)), 0);
    assert!((2..=8).contains(&course.snapshots), "{} snapshots", course.snapshots);
    assert!(course.written <= 4 * course.last, "{} bytes for {}", course.written, course.last);
}
