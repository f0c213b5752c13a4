//! Two nodes on one database and one Redis: what ends at one has ended at the other.

use serde_json::json;
use testkit::{Client, Storage, eventually, redis};

use crate::world::{PASSWORD, World};

const ADA: &str = "ada@example.org";

async fn two_nodes(place: &redis::RedisPlace) -> World {
    let settings = [
        ("cache.kind", "redis"),
        ("cache.url", place.url.as_str()),
        ("cache.prefix", place.prefix.as_str()),
    ];
    World::replicated(2, Storage::Postgres, &settings).await
}

/// Somebody at each of the nodes, with the same token.
fn at_each(world: &World, somebody: &Client) -> [Client; 2] {
    let mut urls = world.sandbox.nodes().iter().map(testkit::Node::public_url);
    [urls.next(), urls.next()].map(|url| somebody.at(url.expect("two nodes")))
}

async fn refused(client: &Client) {
    eventually("the token to be refused", || async {
        client.get("/v1/auth/me").await.status() == 401
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_nothing_anywhere_once_its_session_has_ended() {
    let world = two_nodes(&redis::fresh().await).await;
    let [here, there] = at_each(&world, &world.person(ADA).await);
    let _good = there.get("/v1/auth/me").await.expect(200);
    let _out = here.post("/v1/auth/logout", &json!({})).await.expect(204);
    let _at_once = here.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
    refused(&there).await;

    let phone = world.log_in(ADA, PASSWORD).await.expect(200).field("access_token");
    let [phone_here, phone_there] = at_each(&world, &world.client.with_token(phone));
    let id = phone_here.get("/v1/auth/me").await.expect(200).field("id");
    let _all = phone_there.delete(&format!("/v1/users/{id}/sessions")).await.expect(204);
    refused(&phone_here).await;
    let again = world.log_in(ADA, PASSWORD).await.expect(200).field("access_token");
    for client in at_each(&world, &world.client.with_token(again)) {
        let _good = client.get("/v1/auth/me").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_and_out_while_redis_is_away_and_others_learn_of_it_later() {
    let (place, server) = redis::private().await;
    let world = two_nodes(&place).await;
    let [here, there] = at_each(&world, &world.person(ADA).await);
    server.stop().await;
    let _good = there.get("/v1/auth/me").await.expect(200);
    let _out = here.post("/v1/auth/logout", &json!({})).await.expect(204);
    let _at_once = here.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
    let _not_known = there.get("/v1/auth/me").await.expect(200);
    let _in = world.log_in(ADA, PASSWORD).await.expect(200);
    server.start().await;
    refused(&there).await;
}
