//! Logging in, and not.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use testkit::{Reply, Storage};
use tokio::task::JoinSet;

use crate::world::{PASSWORD, World, on_both_databases};

on_both_databases! {
    who_knows_the_password_gets_tokens,
    a_wrong_password_and_an_unknown_address_look_alike,
    a_login_that_nobody_can_have_is_refused_unhashed,
    who_guesses_a_password_waits,
    a_right_password_in_between_forgives,
}

async fn who_knows_the_password_gets_tokens(world: World) {
    let _ada = world.person("ada@example.org").await;
    let reply = world.log_in("ADA@example.org", PASSWORD).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.field("token_type"), "Bearer");
    assert_eq!(reply.value()["expires_in"], 900);
    assert_eq!(reply.field("refresh_token").len(), 43);

    let client = world.client.with_token(reply.field("access_token"));
    let me = client.get("/v1/auth/me").await.expect(200);
    assert_eq!(me.field("email"), "ada@example.org");
    let user = client.get("/v1/users/me").await.expect(200);
    assert_eq!(user.value(), me.value());
    let _nobody = world.client.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
}

async fn a_wrong_password_and_an_unknown_address_look_alike(world: World) {
    let _ada = world.person("ada@example.org").await;
    let wrong = world.log_in("ada@example.org", "incorrect horse battery").await;
    let unknown = world.log_in("bob@example.org", PASSWORD).await;
    let [wrong, unknown] = [wrong, unknown].map(|reply| {
        let reply = reply.expect_problem(401, "invalid-credentials");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        let mut problem = reply.value();
        problem.as_object_mut().unwrap().remove("request_id");
        problem
    });
    assert_eq!(wrong, unknown);
}

async fn a_login_that_nobody_can_have_is_refused_unhashed(world: World) {
    let long = "x".repeat(129);
    for (email, password) in
        [("ada@example.org", long.as_str()), ("ada\u{0}@example.org", PASSWORD)]
    {
        let _refused = world.log_in(email, password).await.expect_problem(422, "invalid-input");
    }
}

async fn who_guesses_a_password_waits(world: World) {
    let _ada = world.person("ada@example.org").await;
    let _bob = world.person("bob@example.org").await;
    for _ in 0..5 {
        let wrong = world.log_in("ada@example.org", "incorrect horse battery").await;
        let _refused = wrong.expect_problem(401, "invalid-credentials");
    }
    let held_back = world.log_in("ADA@example.org", PASSWORD).await;
    let held_back = held_back.expect_problem(429, "too-many-logins");
    let seconds: i64 = held_back.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    let _another_account = world.log_in("bob@example.org", PASSWORD).await.expect(200);

    world.sandbox.clock().advance(SignedDuration::from_secs(seconds));
    let _in = world.log_in("ada@example.org", PASSWORD).await.expect(200);
}

async fn a_right_password_in_between_forgives(world: World) {
    let _ada = world.person("ada@example.org").await;
    for _ in 0..3 {
        for _ in 0..4 {
            let wrong = world.log_in("ada@example.org", "incorrect horse battery").await;
            let _refused = wrong.expect_problem(401, "invalid-credentials");
        }
        let _in = world.log_in("ada@example.org", PASSWORD).await.expect(200);
    }
}

/// Behind a proxy that says so, from this address.
async fn log_in_from(world: &World, address: &str, email: &str, password: &str) -> Reply {
    let login = json!({ "email": email, "password": password });
    world.client.post("/v1/auth/login", &login).header("x-forwarded-for", address).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_guesses_from_one_address_does_not_shut_out_others() {
    let costly = [
        ("edge.proxies", "1"),
        ("identity.password.memory_kib", "19456"),
        ("identity.password.at_once", "1"),
    ];
    let world = Arc::new(World::with(Storage::Sqlite, &costly).await);
    let _ada = world.person("ada@example.org").await;
    let mut crowd = JoinSet::new();
    for number in 0..100 {
        let world = Arc::clone(&world);
        crowd.spawn(async move {
            let email = format!("{number}@example.org");
            log_in_from(&world, "192.0.2.1", &email, "incorrect horse battery").await
        });
    }
    let mut is_full = false;
    while let Some(reply) = crowd.join_next().await {
        let reply = reply.unwrap();
        if reply.status() == 401 {
            let _wrong = reply.expect_problem(401, "invalid-credentials");
            continue;
        }
        let _busy = reply.expect_problem(503, "service-unavailable");
        if !is_full {
            is_full = true;
            let login = log_in_from(&world, "192.0.2.2", "ada@example.org", PASSWORD);
            let _in = login.await.expect(200);
        }
    }
    assert!(is_full, "the crowd was too small to be refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_many_accounts_from_one_address_waits_and_nobody_else() {
    let few = [
        ("edge.proxies", "1"),
        ("identity.login.network_attempts", "6"),
        ("identity.login.network_pause", "1m"),
    ];
    let world = World::with(Storage::Sqlite, &few).await;
    let _ada = world.person("ada@example.org").await;
    for number in 0..6 {
        let email = format!("{number}@example.org");
        let wrong = log_in_from(&world, "192.0.2.1", &email, "incorrect horse battery").await;
        let _refused = wrong.expect_problem(401, "invalid-credentials");
    }
    let held_back = log_in_from(&world, "192.0.2.1", "ada@example.org", PASSWORD).await;
    let held_back = held_back.expect_problem(429, "too-many-logins");
    let seconds: i64 = held_back.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=120).contains(&seconds), "{seconds}");
    let _in = log_in_from(&world, "192.0.2.2", "ada@example.org", PASSWORD).await.expect(200);
    world.sandbox.clock().advance(SignedDuration::from_secs(seconds));
    let _in = log_in_from(&world, "192.0.2.1", "ada@example.org", PASSWORD).await.expect(200);
}
