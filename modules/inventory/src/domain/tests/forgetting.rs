//! What a stock no longer knows.

use super::*;

/// A minute after the last hold from the first quarter of an hour is a day over.
const A_DAY_LATER: i64 = 24 * 60 + 15;

fn end_holds(stock: &mut Stock, minutes: i64) {
    tell(stock, Command::EndHolds { now: minute(minutes) }).expect("recorded");
}

#[test]
fn holds_that_are_over_are_forgotten_after_a_day() {
    let mut stock = on_sale(9, 0);
    for number in 1..4 {
        tell(&mut stock, hold(number, vec![places(HALL, 1)], minute(0))).expect("free");
    }
    tell(&mut stock, Command::GiveBack { hold_id: hold_id(1) }).expect("given back");
    tell(&mut stock, confirm(2, minute(1))).expect("sold");
    end_holds(&mut stock, 20);
    assert_eq!(stock.holds.len(), 3);
    assert_eq!(stock.wake_at(), Some(minute(A_DAY_LATER)));
    end_holds(&mut stock, A_DAY_LATER - 1);
    assert_eq!(stock.holds.len(), 3);

    end_holds(&mut stock, A_DAY_LATER);
    assert_eq!(stock.holds.keys().collect::<Vec<_>>(), [&hold_id(2)], "what is sold stays");
    assert_eq!(stock.wake_at(), None);
    assert_eq!(free(&stock, HALL, minute(A_DAY_LATER)), 8);
    tell(&mut stock, hold(1, vec![places(HALL, 2)], minute(A_DAY_LATER))).expect("as a new one");
    assert_eq!(free(&stock, HALL, minute(A_DAY_LATER)), 6);
}

#[test]
fn holds_of_orders_are_remembered() {
    let mut stock = on_sale(9, 0);
    let order_id = Some(Uuid::from_u128(7));
    let now = minute(0);
    let own = HoldWish { order_id, ..wish(1, vec![places(HALL, 1)], now) };
    tell(&mut stock, Command::Hold(own)).expect("free");
    tell(&mut stock, hold(2, vec![places(HALL, 1)], now)).expect("free");
    end_holds(&mut stock, 20);
    let late = minute(30);
    let taken = HoldWish { order_id, ..wish(2, vec![places(HALL, 1)], late) };
    tell(&mut stock, Command::Hold(taken)).expect("renewed for an order");
    tell(&mut stock, Command::Release { hold_id: hold_id(1) }).expect("released");
    end_holds(&mut stock, 3 * A_DAY_LATER);
    assert_eq!(stock.holds.len(), 2);
    assert_eq!(stock.wake_at(), None);
}

#[test]
fn a_hold_that_was_renewed_is_remembered_for_longer() {
    let mut stock = on_sale(9, 0);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(0))).expect("free");
    end_holds(&mut stock, 20);
    tell(&mut stock, hold(1, vec![places(HALL, 1)], minute(60))).expect("renewed");
    end_holds(&mut stock, A_DAY_LATER);
    assert_eq!(stock.holds.len(), 1);
    end_holds(&mut stock, A_DAY_LATER + 60);
    assert_eq!(stock.holds.len(), 0);
}

#[test]
fn many_are_forgotten_bit_by_bit() {
    let mut stock = on_sale(3_000, 0);
    for number in 0..2_500 {
        tell(&mut stock, hold(number, vec![places(HALL, 1)], minute(0))).expect("free");
    }
    for left in [1_500, 500, 0] {
        assert!(stock.wake_at() <= Some(minute(A_DAY_LATER)), "the rest is due at once");
        end_holds(&mut stock, A_DAY_LATER);
        if left == 1_500 {
            // They had expired unrecorded until now.
            end_holds(&mut stock, A_DAY_LATER);
        }
        assert_eq!(stock.holds.len(), left);
    }
}
