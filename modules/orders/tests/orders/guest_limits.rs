//! How much people without an account may order.

use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::{Reply, eventually};
use tokio::task::JoinSet;

use crate::{
    house::{EVENT, FREE_SEAT, House, guest_order, two_seats},
    on_both_databases,
};

on_both_databases! {
    from_one_network_ten_orders_wait_for_their_money,
    with_one_address_five_orders_of_an_event_wait_for_their_money,
    with_one_address_five_orders_are_free,
    many_at_once_are_no_way_around,
    what_was_refused_does_not_count,
}

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

fn of(name: &str, mut order: Value) -> Value {
    order["guest"] = json!({"email": format!("{name}@example.org"), "name": "Gwen"});
    order
}

fn free() -> Value {
    json!({"event_id": EVENT, "items": [{"ticket_type_id": FREE_SEAT, "quantity": 1}]})
}

async fn ask(house: &House, network: &str, order: &Value) -> Reply {
    house.public().post("/v1/orders", order).header("x-forwarded-for", network).await
}

fn refused(reply: Reply, most: u32) -> Reply {
    let refused = reply.expect_problem(429, "too-many-guest-orders");
    assert_eq!(refused.value()["most"], most);
    refused
}

async fn from_one_network_ten_orders_wait_for_their_money(house: House) {
    let order = |number: u32| of(&format!("guest{number}"), two_seats());
    let first = ask(&house, HERE, &order(0)).await.expect(201);
    for number in 1..10 {
        let _placed = ask(&house, HERE, &order(number)).await.expect(201);
    }
    let eleventh = refused(ask(&house, HERE, &order(10)).await, 10);
    let wait: i64 = eleventh.header("retry-after").and_then(|it| it.parse().ok()).expect("a wait");
    assert!((800..=1800).contains(&wait), "{wait} s");
    assert_eq!(house.calls("inventory", "hold").await, 10, "nothing more was held");

    let _elsewhere = ask(&house, ELSEWHERE, &order(11)).await.expect(201);
    let cara = house.cara().post("/v1/orders", &two_seats()).header("x-forwarded-for", HERE);
    let _logged_in = cara.await.expect(201);

    house.pay(&format!("/v1/orders/{}", first.field("id"))).await;
    eventually("the paid order to leave room", || async {
        ask(&house, HERE, &order(12)).await.status() == 201
    })
    .await;
    let _full_again = refused(ask(&house, HERE, &order(13)).await, 10);
    house.sandbox.clock().advance(SignedDuration::from_mins(15));
    let _forgotten = ask(&house, HERE, &order(14)).await.expect(201);
}

async fn with_one_address_five_orders_of_an_event_wait_for_their_money(house: House) {
    let network = |number: u32| format!("192.0.2.{number}");
    let first = ask(&house, &network(0), &guest_order()).await.expect(201);
    for number in 1..5 {
        let _placed = ask(&house, &network(number), &guest_order()).await.expect(201);
    }
    let mut shouted = guest_order();
    shouted["guest"]["email"] = json!("GWEN@EXAMPLE.ORG");
    let _sixth = refused(ask(&house, &network(5), &shouted).await, 5);
    let _other = ask(&house, &network(5), &of("olga", two_seats())).await.expect(201);

    let gwen = house.public().with_token(first.field("access_token"));
    let path = format!("/v1/orders/{}/cancel", first.field("id"));
    let _cancelled = gwen.post(&path, &json!({})).await.expect(200);
    let _again = ask(&house, &network(6), &guest_order()).await.expect(201);
}

async fn with_one_address_five_orders_are_free(house: House) {
    let network = |number: u32| format!("192.0.2.{number}");
    for number in 0..5 {
        let placed = ask(&house, &network(number), &of("gwen", free())).await.expect(201);
        assert_eq!(placed.field("state"), "fulfilled");
    }
    let _sixth = refused(ask(&house, &network(5), &of("gwen", free())).await, 5);
    house.sandbox.clock().advance(SignedDuration::from_hours(1));
    let _later = refused(ask(&house, &network(5), &of("gwen", free())).await, 5);
}

async fn many_at_once_are_no_way_around(house: House) {
    let mut asked = JoinSet::new();
    for number in 0..24 {
        let network = format!("192.0.2.{}", number / 12);
        let (public, order) = (house.public(), of(&format!("guest{}", number % 4), two_seats()));
        asked.spawn(async move {
            public.post("/v1/orders", &order).header("x-forwarded-for", &network).await.status()
        });
    }
    let placed = asked.join_all().await.into_iter().filter(|status| *status == 201).count();
    assert!((10..=20).contains(&placed), "{placed}: at most five an address and ten a network");
}

async fn what_was_refused_does_not_count(house: House) {
    for _ in 0..12 {
        house.mood("inventory", "hold", &["sold out"]).await;
        let sold_out = ask(&house, HERE, &of("gwen", two_seats())).await;
        let _sold_out = sold_out.expect_problem(409, "sold-out");
    }
    let _placed = ask(&house, HERE, &of("gwen", two_seats())).await.expect(201);
}
