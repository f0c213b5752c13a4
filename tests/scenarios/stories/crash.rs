//! A service dies at every step of a purchase, and of undoing one, right after it has recorded the
//! step and before anybody hears of it. It comes back, and everything has happened once.

use futures_util::future::join;
use testkit::eventually;

use crate::{books::Books, gate::Point, house::House};

/// The steps of a purchase, in the order in which they are recorded.
const STEPS_OF_BUYING: [Point; 12] = [
    Point { service: "orders", event: "placed" },
    Point { service: "inventory", event: "places_held" },
    Point { service: "orders", event: "places_held" },
    Point { service: "payments", event: "opened" },
    Point { service: "orders", event: "payment_opened" },
    Point { service: "payments", event: "attempt_begun" },
    Point { service: "payments", event: "settled" },
    Point { service: "orders", event: "payment_received" },
    Point { service: "inventory", event: "hold_confirmed" },
    Point { service: "orders", event: "places_confirmed" },
    Point { service: "tickets", event: "issued" },
    Point { service: "orders", event: "tickets_issued" },
];

/// The steps of undoing a purchase.
const STEPS_OF_UNDOING: [Point; 9] = [
    Point { service: "orders", event: "called_off" },
    Point { service: "tickets", event: "voided" },
    Point { service: "orders", event: "tickets_voided" },
    Point { service: "payments", event: "refund_begun" },
    Point { service: "payments", event: "refund_done" },
    Point { service: "orders", event: "money_returned" },
    Point { service: "inventory", event: "hold_released" },
    Point { service: "orders", event: "places_released" },
    Point { service: "orders", event: "ended" },
];

pub async fn a_purchase_goes_on_after_a_crash_at_any_step(house: &House) {
    let sale = house.sale(100).await;
    let mut sold = 0;
    for point in STEPS_OF_BUYING {
        let buyer = house.somebody().await;
        house.gate.close_at(point);
        let (order, ()) = join(buyer.buy_stubbornly(&sale, 2), house.crash_whoever_is_held()).await;
        let order = order.expect("there are places");
        sold += 1;

        assert_eq!(buyer.tickets(&order).await.len(), 2, "{point:?}");
        let payment = buyer.payment_of(&order).await;
        let attempts = payment["attempts"].as_array().expect("a list");
        let taken = attempts.iter().filter(|attempt| attempt["state"] == "confirmed");
        assert_eq!(taken.count(), 1, "{point:?}: {payment}");
        let books = Books { charges: sold, refunds: 0 };
        assert_eq!(house.books().await, books, "{point:?}");
        assert_eq!(buyer.list("/v1/orders").await.len(), 1, "{point:?}");
        let places = u64::try_from(sold).expect("some") * 2;
        assert_eq!(house.free(&sale).await, 100 - places, "{point:?}");
        let again = buyer.post("/v1/orders", &sale.order(2)).key("order-0").await.expect(201);
        assert_eq!(again.field("id"), order, "{point:?}");
    }
}

pub async fn undoing_a_purchase_goes_on_after_a_crash_at_any_step(house: &House) {
    let sale = house.sale(100).await;
    let buyer = house.somebody().await;
    for (undone, point) in (1..).zip(STEPS_OF_UNDOING) {
        let order = buyer.buy(&sale, 2).await;
        house.gate.close_at(point);
        join(sale.organizer.cancel_stubbornly(&order), house.crash_whoever_is_held()).await;

        let books = Books { charges: undone, refunds: undone };
        assert_eq!(house.books().await, books, "{point:?}");
        assert_eq!(buyer.payment_of(&order).await["status"], "refunded", "{point:?}");
        for ticket in buyer.tickets(&order).await {
            assert_eq!(ticket["state"], "voided", "{point:?}");
        }
        eventually("the places to be free", || async { house.free(&sale).await == 100 }).await;
    }
}
