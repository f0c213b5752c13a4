//! Buying without an account.

use serde_json::{Value, json};
use testkit::{Client, Reply};

use crate::{
    house::{House, guest_order, two_seats},
    on_both_databases,
};

on_both_databases! {
    a_guest_orders_pays_and_reads,
    a_guest_comes_back_with_code_and_secret,
    nobody_else_gets_in,
    a_guests_request_that_is_repeated_is_one_order,
    a_guests_order_goes_on_when_answers_are_lost,
    what_a_guest_cannot_do_is_said,
}

fn guest(house: &House, reply: &Reply) -> Client {
    house.public().with_token(reply.field("access_token"))
}

async fn a_guest_orders_pays_and_reads(house: House) {
    let placed = house.guest_order().await.expect(201);
    assert_eq!((placed.field("state").as_str(), &placed.value()["guest"]), ("held", &json!(true)));
    assert!(!placed.value().to_string().contains("wen@example.org"), "{placed}");
    let path = format!("/v1/orders/{}", placed.field("id"));
    let gwen = guest(&house, &placed);
    house.pay(&path).await;
    let order = gwen.get(&path).header("prefer", "wait=10").await.expect(200);
    assert_eq!(
        (order.field("state").as_str(), order.field("secret")),
        ("fulfilled", placed.field("secret"))
    );
    assert_eq!(house.tickets(&path).await, 2);
    let listed = gwen.get("/v1/orders").await.expect(200).value();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["items"][0].get("secret"), None);
    let timeline = gwen.get(&format!("{path}/timeline")).await.expect(200).value();
    assert_eq!(timeline["entries"][0]["by"], "buyer");
    let seen = house.anna().get(&path).await.expect(200);
    assert_eq!(seen.value().get("secret"), None, "not even the organizer gets the secret");
}

async fn a_guest_comes_back_with_code_and_secret(house: House) {
    let placed = house.guest_order().await.expect(201);
    let typed = placed.field("code").to_lowercase();
    let (first, rest) = typed.split_at(4);
    let spaced = format!(" {first}-{rest} ");
    let wish = json!({"code": spaced, "secret": placed.field("secret")});
    let opened = house.public().post("/v1/orders/access", &wish).await.expect(200);
    assert_eq!(opened.field("order_id"), placed.field("id"));
    let path = format!("/v1/orders/{}", placed.field("id"));
    let _seen = guest(&house, &opened).get(&path).await.expect(200);
}

async fn nobody_else_gets_in(house: House) {
    let (placed, other) = (house.guest_order().await, house.guest_order().await);
    let (placed, other) = (placed.expect(201), other.expect(201));
    let of_account = house.order().await.expect(201);
    let code = |of: &Reply| of.field("code");
    let wrong = [
        json!({"code": code(&placed), "secret": other.field("secret")}),
        json!({"code": code(&placed), "secret": "x"}),
        json!({"code": "ZZZZZZZZ", "secret": placed.field("secret")}),
        json!({"code": code(&of_account), "secret": of_account.field("secret")}),
    ];
    for wish in wrong {
        let refused = house.public().post("/v1/orders/access", &wish).await;
        let _refused = refused.expect_problem(403, "order-access-refused");
    }
    let path = format!("/v1/orders/{}", placed.field("id"));
    for stranger in [guest(&house, &other), house.cara()] {
        for hidden in [path.clone(), format!("{path}/timeline")] {
            let _hidden = stranger.get(&hidden).await.expect_problem(404, "not-found");
        }
        let cancel = stranger.post(&format!("{path}/cancel"), &json!({})).await;
        let _hidden = cancel.expect_problem(404, "not-found");
    }
    let _seen =
        guest(&house, &placed).post(&format!("{path}/cancel"), &json!({})).await.expect(200);
}

async fn a_guests_request_that_is_repeated_is_one_order(house: House) {
    let key = "2f6d1f0e-3d6f-4c68-9f0b-1f2e3d4c5b6a";
    let public = house.public();
    let post = |order: Value| {
        let public = public.clone();
        async move { public.post("/v1/orders", &order).key(key).await }
    };
    let (first, again) =
        (post(guest_order()).await.expect(201), post(guest_order()).await.expect(201));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.value(), first.value());
    let mut somebody_else = guest_order();
    somebody_else["guest"]["email"] = json!("other@example.org");
    let _refused = post(somebody_else).await.expect_problem(422, "idempotency-key-reused");
}

async fn a_guests_order_goes_on_when_answers_are_lost(house: House) {
    for (service, method) in [("inventory", "hold"), ("payments", "open")] {
        house.mood(service, method, &["break after"]).await;
    }
    let placed = house.guest_order().await.expect(201);
    assert_eq!(placed.field("state"), "placed");
    let path = format!("/v1/orders/{}", placed.field("id"));
    let gwen = guest(&house, &placed);
    let reads = async |state: &'static str| {
        testkit::eventually(format!("the order to be {state}"), || async {
            house.sandbox.clock().advance(jiff::SignedDuration::from_secs(5));
            gwen.get(&path).await.expect(200).field("state") == state
        })
        .await;
    };
    reads("held").await;
    for (service, method) in [("inventory", "confirm"), ("tickets", "issue")] {
        house.mood(service, method, &["break after"]).await;
    }
    house.pay(&path).await;
    reads("fulfilled").await;
    assert_eq!(house.tickets(&path).await, 2);
}

async fn what_a_guest_cannot_do_is_said(house: House) {
    let with_token = house.cara().post("/v1/orders", &guest_order()).await;
    let _refused = with_token.expect_problem(422, "invalid-input");
    let public = house.public();
    for wrong in [
        json!({"email": "gwen", "name": "Gwen"}),
        json!({"email": "gwen@example.org", "name": " "}),
        json!({"email": "gwen@example.org", "name": "Gw\u{7}en"}),
        json!({"email": "gwen@example.org"}),
        json!({"email": "gwen@example.org", "name": "Gwen", "age": 3}),
    ] {
        let mut order = guest_order();
        order["guest"] = wrong;
        let refused = public.post("/v1/orders", &order).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
    let guessable = public.post("/v1/orders", &guest_order()).key("1").await;
    let _refused = guessable.expect_problem(400, "idempotency-key-missing");
    let nobody = public.post("/v1/orders", &two_seats()).await;
    let _refused = nobody.expect_problem(401, "unauthenticated");
    let placed = house.guest_order().await.expect(201);
    let second = guest(&house, &placed).post("/v1/orders", &two_seats()).await;
    let _refused = second.expect_problem(403, "account-needed");
}
