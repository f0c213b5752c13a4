//! The whole process is killed, again and again, while people buy. Whoever was told that an order is
//! fulfilled has its tickets, money was taken once for each, and no place was sold twice.

use crate::{house::House, rush::Rush, shapes::Shape};

/// How many buy at the same time.
const AT_ONCE: usize = 8;

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
    let rush = Rush::gather(&house, people, places).await;
    rush.lets_all_in();
    let killing = async {
        let node = house.sandbox.node("orders");
        for kill in 1..=kills {
            rush.has_served(places * kill / (kills + 1)).await;
            node.crash().await;
            node.restart().await;
            house.sandbox.check().await;
        }
    };
    let bought = rush.buys_during(AT_ONCE, killing).await;
    house.judge(&rush, &bought).await;
}
