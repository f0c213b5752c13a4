//! Registering: what an account needs, and that each address has one.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{World, on_both_databases, registration};

on_both_databases! {
    a_new_account_is_a_customers,
    an_address_registers_once_whatever_its_capitals,
    of_many_who_want_one_address_at_once_one_gets_it,
    every_fault_of_a_registration_is_reported_together,
}

async fn a_new_account_is_a_customers(world: World) {
    let reply = world.client.post("/v1/auth/register", &registration("Ada@Example.org")).await;
    let reply = reply.expect(201);
    let account = reply.value();
    assert_eq!(account["email"], "ada@example.org");
    assert_eq!(account["name"], "Ada Lovelace");
    assert_eq!(account["roles"], json!(["customer"]));
    let fields: BTreeSet<&str> = account.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["created_at", "email", "id", "name", "roles"]));

    let location = reply.header("location").unwrap();
    assert_eq!(location, format!("/v1/users/{}", reply.field("id")));
    let ada = world.client.log_in("ada@example.org", crate::world::PASSWORD).await;
    let found = ada.get(location).await.expect(200);
    assert_eq!(found.value(), account);
    assert_eq!(found.etag(), reply.etag());
}

async fn an_address_registers_once_whatever_its_capitals(world: World) {
    let register = |email| world.client.post("/v1/auth/register", &registration(email));
    let _first = register("ada@example.org").await.expect(201);
    let _second = register("ADA@example.ORG").await.expect_problem(409, "email-taken");
}

async fn of_many_who_want_one_address_at_once_one_gets_it(world: World) {
    let mut rivals = JoinSet::new();
    for _ in 0..12 {
        let client = world.client.clone();
        rivals.spawn(async move {
            client.post("/v1/auth/register", &registration("ada@example.org")).await
        });
    }
    let replies = rivals.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|it| it.status() == 201);
    assert_eq!(won.len(), 1);
    for reply in lost {
        let _refused = reply.expect_problem(409, "email-taken");
    }
}

async fn every_fault_of_a_registration_is_reported_together(world: World) {
    let wrong = json!({ "email": "ada", "password": "too short", "name": " \u{7} " });
    let reply = world.client.post("/v1/auth/register", &wrong).await;
    let problem = reply.expect_problem(422, "invalid-input");
    let errors = problem.value()["errors"].clone();
    let pointers: BTreeSet<&str> =
        errors.as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, BTreeSet::from(["/email", "/name", "/password"]));
    assert!(!problem.text().contains("too short"), "{problem}");

    let mut unknown = registration("ada@example.org");
    unknown["roles"] = json!(["admin"]);
    let reply = world.client.post("/v1/auth/register", &unknown).await;
    let _refused = reply.expect_problem(422, "invalid-input");
}
