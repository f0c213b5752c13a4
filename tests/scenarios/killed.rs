//! The whole process is killed, again and again, while people buy. Whoever was told that an order is
//! fulfilled has its tickets, money was taken once for each, and no place was sold twice.

use std::{cell::Cell, time::Duration};

use futures_util::future::{join, join_all};
use testkit::within;

use crate::{
    books::Books,
    house::House,
    people::{Person, Sale},
    shapes::Shape,
};

/// How many buy at the same time.
const AT_ONCE: usize = 8;

/// How long they may take to buy what is bought between two kills.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_process_that_is_killed_while_people_buy_loses_nothing_and_sells_nothing_twice() {
    people_buy_while_the_process_is_killed(40, 30, 4).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn a_process_that_is_killed_thirty_times_loses_nothing_and_sells_nothing_twice() {
    people_buy_while_the_process_is_killed(400, 330, 30).await;
}

/// More people than there are places each want one, and the process is killed so many times.
async fn people_buy_while_the_process_is_killed(people: usize, places: u32, kills: u32) {
    let house = House::open(Shape::MonolithOnSqlite, |builder| {
        builder.processes(env!("CARGO_BIN_EXE_boxoffice"))
    })
    .await;
    let sale = house.sale(places).await;
    let people = house.crowd(people).await;

    let sold = Cell::new(0);
    let purchases = people
        .chunks(people.len().div_ceil(AT_ONCE))
        .map(|some| buy_one_after_the_other(some, &sale, &sold));
    let killing = async {
        let node = house.sandbox.node("orders");
        for kill in 1..=kills {
            let enough = places * kill / (kills + 1);
            let progress = || async { sold.get() >= enough };
            within(PATIENCE, format!("{enough} orders"), progress).await;
            node.crash().await;
            node.restart().await;
            house.sandbox.check().await;
        }
    };
    let (bought, ()) = join(join_all(purchases), killing).await;
    house.sandbox.check().await;

    let bought: Vec<(&Person, String)> = bought.into_iter().flatten().collect();
    assert_eq!(sold.get(), places, "who is turned away while there are places?");
    assert_eq!(house.books().await, Books { charges: i64::from(places), refunds: 0 });
    assert_eq!(house.free(&sale).await, 0);
    for (person, order) in bought {
        assert_eq!(person.tickets(&order).await.len(), 1);
        assert_eq!(person.list("/v1/orders").await.len(), 1);
    }
}

async fn buy_one_after_the_other<'a>(
    people: &'a [Person],
    sale: &Sale,
    sold: &Cell<u32>,
) -> Vec<(&'a Person, String)> {
    let mut bought = Vec::new();
    for person in people {
        if let Some(order) = person.buy_stubbornly(sale, 1).await {
            sold.set(sold.get() + 1);
            bought.push((person, order));
        }
    }
    bought
}
