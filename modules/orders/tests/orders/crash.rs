//! A process dies in the middle of a purchase.

use jiff::SignedDuration;
use testkit::{Shape, Storage, eventually};

use crate::house::{House, id_in, two_seats};

#[tokio::test]
async fn a_request_that_is_repeated_after_a_crash_finds_its_order() {
    let others = vec!["identity", "catalog", "inventory", "payments", "tickets"];
    let shape = Shape::Groups(vec![vec!["orders"], others]);
    let house = House::shaped(Storage::Sqlite, shape).await;
    house.mood("inventory", "hold", &["hang"]).await;
    let cara = house.cara();
    let post = || cara.post("/v1/orders", &two_seats()).key("once");
    let crash = async {
        eventually("the places to be asked for", || async {
            house.calls("inventory", "hold").await == 1
        })
        .await;
        house.sandbox.node("orders").crash().await;
    };
    let (lost, ()) = tokio::join!(post().send(), crash);
    assert!(lost.is_err(), "{lost:?}");

    house.sandbox.node("orders").restart().await;
    let early = post().await;
    house.sandbox.clock().advance(SignedDuration::from_mins(1));
    let again = if early.status() == 201 { early } else { post().await.expect(201) };
    let path = format!("/v1/orders/{}", again.field("id"));
    house.settles(&path, "held").await;
    let listed = cara.get("/v1/orders").await.expect(200).value();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(post().await.expect(201).value(), again.value());
    assert_eq!(house.hold(id_in(&path)).await["order_id"], again.field("id"));
}
