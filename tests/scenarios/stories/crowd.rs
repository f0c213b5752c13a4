//! Many who want the same places at the same time.

use std::{cell::Cell, collections::BTreeSet};

use futures_util::future::{join, join_all};
use serde_json::Value;

use crate::{
    house::House,
    people::{Person, Sale, card, text},
};

/// What an order of one ticket came to: its id when it was bought.
async fn try_to_buy(buyer: &Person, sale: &Sale) -> Option<String> {
    let order = buyer.post("/v1/orders", &sale.order(1)).await;
    if order.status() == 409 {
        let _sold_out = order.expect_problem(409, "sold-out");
        return None;
    }
    let order = order.expect(201).field("id");
    let _payment = buyer.pay(&order, card::GOOD).await.expect(201);
    buyer.order_in(&order, "fulfilled").await;
    Some(order)
}

pub async fn of_two_who_want_the_last_place_one_gets_it(house: &House) {
    let sale = house.sale(1).await;
    let (ann, ben) = (house.somebody().await, house.somebody().await);
    let (anns, bens) = join(try_to_buy(&ann, &sale), try_to_buy(&ben, &sale)).await;
    let sold: Vec<String> = anns.into_iter().chain(bens).collect();
    assert_eq!(sold.len(), 1, "{sold:?}");
    assert_eq!(house.free(&sale).await, 0);
    let tickets = format!("/v1/tickets?event_id={}", sale.event);
    let [ticket] = sale.organizer.list(&tickets).await.try_into().unwrap();
    assert_eq!(text(&ticket, "order_id"), sold[0]);
}

pub async fn sixty_at_once_buy_twenty_five_places_and_not_one_more(house: &House) {
    let sale = house.sale(25).await;
    let buyers = house.crowd(60).await;

    let is_over = Cell::new(false);
    let rush = async {
        let outcomes = join_all(buyers.iter().map(|buyer| try_to_buy(buyer, &sale))).await;
        is_over.set(true);
        outcomes
    };
    let watch = async {
        while !is_over.get() {
            assert!(house.free(&sale).await <= 25, "what is sold and held is never more than all");
        }
    };
    let (outcomes, ()) = join(rush, watch).await;

    let sold: BTreeSet<String> = outcomes.into_iter().flatten().collect();
    assert_eq!(sold.len(), 25);
    assert_eq!(house.free(&sale).await, 0);
    let tickets = format!("/v1/tickets?event_id={}&limit=200", sale.event);
    let tickets: Vec<Value> = sale.organizer.list(&tickets).await;
    let with_tickets: BTreeSet<String> =
        tickets.iter().map(|ticket| text(ticket, "order_id").to_owned()).collect();
    assert_eq!(tickets.len(), 25);
    assert_eq!(with_tickets, sold, "each paid order has its ticket");
}
