//! What was ever written is still read.

use serde_json::{Value, json};

use super::*;

fn replay(golden: &str) -> Order {
    let events: Vec<Event> = serde_json::from_str(golden).expect("old events are read");
    let mut order = Order::default();
    for event in &events {
        order.evolve(event);
    }
    order
}

#[test]
fn an_order_of_the_first_version_is_what_it_was() {
    let golden = include_str!("../golden/order.v1.json");
    let order = replay(golden);
    assert_eq!(order.state, OrderState::Cancelled);
    assert_eq!(order.cause, Some(Cause::OrganizerCancelled));
    assert_eq!((order.received(), order.refunded()), (Some(euros(5000)), Some(euros(5000))));
    assert_eq!(order.positions().len(), 2);

    let mut events: Vec<Value> = serde_json::from_str(golden).expect("it is JSON");
    events.truncate(6);
    let fulfilled = replay(&json!(events).to_string());
    assert_eq!((fulfilled.state, fulfilled.next_step()), (OrderState::Fulfilled, None));
    events.truncate(2);
    assert_eq!(replay(&json!(events).to_string()).next_step(), Some(Step::OpenPayment));
}

#[test]
fn money_of_an_order_of_the_first_version_may_still_come_back() {
    let mut order = replay(include_str!("../golden/order.v1.json"));
    let refund_id = Uuid::from_u128(77);
    let refused = Command::RecordRefundRefused {
        refund_id,
        requested: Some(refund_id),
        total: Some(euros(0)),
        will_retry: true,
        at: second(2_000_000_000),
    };
    tell_all(&mut order, [refused]);
    assert_eq!((order.state, order.overpaid()), (OrderState::CallingOff, Some(euros(5000))));
    assert_eq!(order.next_step(), Some(Step::ReturnMoney));
}

#[test]
fn refusals_of_the_first_version_are_read() {
    let order = replay(include_str!("../golden/refused.v1.json"));
    assert_eq!(order.shortage.map(|shortage| shortage.left), Some(1));
}

#[test]
fn events_are_read_and_written_as_they_ever_were() {
    for golden in [
        include_str!("../golden/order.v2.json"),
        include_str!("../golden/order.v3.json"),
        include_str!("../golden/order.v4.json"),
    ] {
        let golden: Value = serde_json::from_str(golden).expect("it is JSON");
        let events: Vec<Event> = serde_json::from_value(golden.clone()).expect("they are read");
        assert_eq!(serde_json::to_value(events).expect("they are written"), golden);
    }
}
