//! Sessions: refreshed, reused, expired, ended.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use store::{Database, DatabaseSettings};
use testkit::{Storage, eventually};
use tokio::task::JoinSet;

use crate::world::{PASSWORD, World, on_both_databases};

on_both_databases! {
    each_refresh_gives_tokens_for_the_next,
    an_access_token_that_expired_does_not_keep_one_from_refreshing,
    a_token_that_is_used_twice_ends_the_session,
    of_many_who_refresh_with_one_token_at_once_one_wins,
    a_session_that_nobody_uses_expires,
    logging_out_ends_the_session,
    sessions_that_end_many_times_at_once_end_once,
    a_made_up_token_is_not_valid,
}

async fn opened(world: &World) -> String {
    let _ada = world.person("ada@example.org").await;
    world.log_in("ada@example.org", PASSWORD).await.expect(200).field("refresh_token")
}

async fn each_refresh_gives_tokens_for_the_next(world: World) {
    let mut token = opened(&world).await;
    for _ in 0..3 {
        let reply = world.refresh(&token).await.expect(200);
        let client = world.client.with_token(reply.field("access_token"));
        let _me = client.get("/v1/auth/me").await.expect(200);
        let next = reply.field("refresh_token");
        assert_ne!(next, token);
        token = next;
    }
}

async fn an_access_token_that_expired_does_not_keep_one_from_refreshing(world: World) {
    let _ada = world.person("ada@example.org").await;
    let session = world.log_in("ada@example.org", PASSWORD).await.expect(200);
    let client = world.client.with_token(session.field("access_token"));
    world.sandbox.clock().advance(SignedDuration::from_hours(1));
    let _expired = client.get("/v1/auth/me").await.expect_problem(401, "token-expired");
    let refresh = serde_json::json!({ "refresh_token": session.field("refresh_token") });
    let _refreshed = client.post("/v1/auth/refresh", &refresh).await.expect(200);
    let login = serde_json::json!({ "email": "ada@example.org", "password": PASSWORD });
    let _logged_in = client.post("/v1/auth/login", &login).await.expect(200);
    let _keys = client.get("/.well-known/jwks.json").await.expect(200);
}

async fn a_token_that_is_used_twice_ends_the_session(world: World) {
    let first = opened(&world).await;
    let second = world.refresh(&first).await.expect(200).field("refresh_token");
    let _reuse = world.refresh(&first).await.expect_problem(401, "refresh-token-reused");
    let _ended = world.refresh(&second).await.expect_problem(401, "refresh-token-invalid");
    let _again = world.refresh(&first).await.expect_problem(401, "refresh-token-reused");
    let _other_session = world.log_in("ada@example.org", PASSWORD).await.expect(200);
}

async fn of_many_who_refresh_with_one_token_at_once_one_wins(world: World) {
    let token = opened(&world).await;
    let mut rivals = JoinSet::new();
    for _ in 0..12 {
        let (client, token) = (world.client.clone(), token.clone());
        rivals.spawn(async move {
            let body = serde_json::json!({ "refresh_token": token });
            client.post("/v1/auth/refresh", &body).await
        });
    }
    let replies = rivals.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|it| it.status() == 200);
    assert_eq!(won.len(), 1);
    for reply in lost {
        let _refused = reply.expect_problem(401, "refresh-token-reused");
    }
}

async fn a_session_that_nobody_uses_expires(world: World) {
    let token = opened(&world).await;
    world.sandbox.clock().advance(SignedDuration::from_hours(29 * 24));
    let token = world.refresh(&token).await.expect(200).field("refresh_token");
    world.sandbox.clock().advance(SignedDuration::from_hours(30 * 24));
    let _expired = world.refresh(&token).await.expect_problem(401, "refresh-token-invalid");
}

async fn logging_out_ends_the_session(world: World) {
    let _ada = world.person("ada@example.org").await;
    let reply = world.log_in("ada@example.org", PASSWORD).await.expect(200);
    let client = world.client.with_token(reply.field("access_token"));
    let nothing = serde_json::json!({});
    let _done = client.post("/v1/auth/logout", &nothing).await.expect(204);
    let _ended = client.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
    let _twice =
        client.post("/v1/auth/logout", &nothing).await.expect_problem(401, "unauthenticated");
    let refused = world.refresh(&reply.field("refresh_token")).await;
    let _ended = refused.expect_problem(401, "refresh-token-invalid");
    let nobody = world.client.post("/v1/auth/logout", &nothing).await;
    let _unknown = nobody.expect_problem(401, "unauthenticated");
}

async fn sessions_that_end_many_times_at_once_end_once(world: World) {
    let ada = world.person("ada@example.org").await;
    let id = ada.get("/v1/auth/me").await.expect(200).field("id");
    let mut impatient = JoinSet::new();
    for _ in 0..40 {
        let (client, path) = (ada.clone(), format!("/v1/users/{id}/sessions"));
        impatient.spawn(async move { client.delete(&path).await });
    }
    for reply in impatient.join_all().await {
        assert!([204, 401].contains(&reply.status().as_u16()), "{}", reply.status());
    }
    let token = world.log_in("ada@example.org", PASSWORD).await.expect(200).field("access_token");
    let claims = token.split('.').nth(1).expect("it is a JWT");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("it is base64");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("it is JSON");
    assert_eq!(claims["epoch"], 1, "{claims}");
}

async fn a_made_up_token_is_not_valid(world: World) {
    for token in ["", "x", &"A".repeat(43), &"é\u{0}".repeat(1_000)] {
        let _refused = world.refresh(token).await.expect_problem(401, "refresh-token-invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_session_that_expired_are_forgotten() {
    let world = World::start(Storage::Sqlite).await;
    let _token = opened(&world).await;
    let data_dir = world.sandbox.data_dir();
    let settings = DatabaseSettings::default();
    let database = Database::connect(&settings, "identity", &data_dir).await.unwrap();
    let count = async || {
        let count = "SELECT count(*) FROM refresh_tokens";
        store::fetch_one!(&database, (i64,), count).await.unwrap().0
    };
    assert_eq!(count().await, 2, "registering logs in, too");
    world.sandbox.clock().advance(SignedDuration::from_hours(30 * 24));
    eventually("the timers to fire", || async {
        match count().await {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
}
