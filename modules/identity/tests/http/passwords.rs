//! Passwords that are changed and replaced, and sessions that are ended.

use jiff::SignedDuration;
use serde_json::{Value, json};
use store::{Database, DatabaseSettings};
use testkit::{Client, Reply, Storage};

use crate::world::{ADMIN, ADMIN_PASSWORD, PASSWORD, World, on_both_databases};

on_both_databases! {
    who_knows_the_old_password_changes_it,
    changing_the_password_ends_every_other_session,
    a_first_admin_changes_the_password_that_was_made_up,
    a_wrong_old_password_changes_nothing_and_counts_as_a_wrong_login,
    a_change_that_cannot_be_is_refused_with_every_fault,
    an_admin_gives_a_new_password_and_all_sessions_end,
    nobody_but_an_admin_gives_passwords,
    all_sessions_end_for_their_owner_and_for_an_admin,
}

const ADA: &str = "ada@example.org";
const NEW: &str = "nine ladies dancing on a tightrope";
const OWN: &str = "/v1/users/me/password";
const NOWHERE: &str = "/v1/users/01980e4c-8f5c-7b1e-a7c4-51d2f2a5c0de";

fn change(old: &str, new: &str) -> Value {
    json!({ "old_password": old, "new_password": new })
}

fn reset(new: &str) -> Value {
    json!({ "new_password": new })
}

/// A session of somebody who is registered: with its access token, and its refresh token.
async fn session(world: &World, email: &str, password: &str) -> (Client, String) {
    let reply = world.log_in(email, password).await.expect(200);
    (world.client.with_token(reply.field("access_token")), reply.field("refresh_token"))
}

async fn path_of(client: &Client) -> String {
    format!("/v1/users/{}", client.get("/v1/auth/me").await.expect(200).field("id"))
}

fn is_over(refreshed: Reply) {
    let _ended = refreshed.expect_problem(401, "refresh-token-invalid");
}

async fn who_knows_the_old_password_changes_it(world: World) {
    let ada = world.person(ADA).await;
    let before = ada.get("/v1/auth/me").await.expect(200);
    let changed = ada.put(OWN, &change(PASSWORD, NEW)).await.expect(204);
    assert_eq!(changed.text(), "");
    let _old = world.log_in(ADA, PASSWORD).await.expect_problem(401, "invalid-credentials");
    let (again, _) = session(&world, ADA, NEW).await;
    let after = again.get("/v1/auth/me").await.expect(200);
    assert_eq!(after.value(), before.value());
    assert_ne!(after.etag(), before.etag());
    let _back = again.put(OWN, &change(NEW, PASSWORD)).await.expect(204);
    let _in = world.log_in(ADA, PASSWORD).await.expect(200);
}

async fn changing_the_password_ends_every_other_session(world: World) {
    let _ada = world.person(ADA).await;
    let _bob = world.person("bob@example.org").await;
    let (own, own_token) = session(&world, ADA, PASSWORD).await;
    let (other, other_token) = session(&world, ADA, PASSWORD).await;
    let (_, bobs_token) = session(&world, "bob@example.org", PASSWORD).await;

    let _changed = own.put(OWN, &change(PASSWORD, NEW)).await.expect(204);
    is_over(world.refresh(&other_token).await);
    let _worthless = other.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
    let _goes_on = own.get("/v1/auth/me").await.expect(200);
    let own_token = world.refresh(&own_token).await.expect(200).field("refresh_token");
    let _bobs = world.refresh(&bobs_token).await.expect(200);
    let (_, since) = session(&world, ADA, NEW).await;
    let since = world.refresh(&since).await.expect(200).field("refresh_token");

    let node = world.sandbox.node("identity");
    node.stop().await;
    node.restart().await;
    world.sandbox.ready().await;
    let client = world.sandbox.client();
    let refresh = async |token: &str| {
        client.post("/v1/auth/refresh", &json!({ "refresh_token": token })).await
    };
    is_over(refresh(&other_token).await);
    let own_token = refresh(&own_token).await.expect(200).field("refresh_token");
    let _since = refresh(&since).await.expect(200);

    let other = other.at(world.sandbox.public_url());
    let _too = other.put(OWN, &change(NEW, PASSWORD)).await.expect(204);
    is_over(refresh(&own_token).await);
    is_over(refresh(&other_token).await);
}

async fn a_first_admin_changes_the_password_that_was_made_up(world: World) {
    let admin = world.admin().await;
    let _changed = admin.put(OWN, &change(ADMIN_PASSWORD, NEW)).await.expect(204);
    let node = world.sandbox.node("identity");
    node.stop().await;
    node.restart().await;
    world.sandbox.ready().await;
    let client = world.sandbox.client();
    let log_in = async |password: &str| {
        client.post("/v1/auth/login", &json!({ "email": ADMIN, "password": password })).await
    };
    let _new = log_in(NEW).await.expect(200);
    let _gone = log_in(ADMIN_PASSWORD).await.expect_problem(401, "invalid-credentials");
}

async fn a_wrong_old_password_changes_nothing_and_counts_as_a_wrong_login(world: World) {
    let ada = world.person(ADA).await;
    let (_, token) = session(&world, ADA, PASSWORD).await;
    for _ in 0..3 {
        let wrong = ada.put(OWN, &change("incorrect horse battery", NEW)).await;
        let wrong = wrong.expect_problem(403, "wrong-password");
        assert!(!wrong.text().contains("horse"), "{wrong}");
    }
    for _ in 0..2 {
        let wrong = world.log_in(ADA, "incorrect horse battery").await;
        let _refused = wrong.expect_problem(401, "invalid-credentials");
    }
    let held_back = ada.put(OWN, &change(PASSWORD, NEW)).await;
    let held_back = held_back.expect_problem(429, "too-many-logins");
    let _login_too = world.log_in(ADA, PASSWORD).await.expect_problem(429, "too-many-logins");
    let _goes_on = world.refresh(&token).await.expect(200);

    let seconds: i64 = held_back.header("retry-after").unwrap().parse().unwrap();
    world.sandbox.clock().advance(SignedDuration::from_secs(seconds));
    let _changed = ada.put(OWN, &change(PASSWORD, NEW)).await.expect(204);
}

async fn a_change_that_cannot_be_is_refused_with_every_fault(world: World) {
    let ada = world.person(ADA).await;
    let pointers = |reply: Reply| {
        let problem = reply.expect_problem(422, "invalid-input");
        let errors = problem.value()["errors"].clone();
        let mut pointers: Vec<String> = errors
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["pointer"].as_str().unwrap().to_owned())
            .collect();
        pointers.sort();
        pointers.dedup();
        pointers
    };
    let long = "x".repeat(129);
    let both = ada.put(OWN, &change(&long, "too short")).await;
    assert_eq!(pointers(both), ["/new_password", "/old_password"]);
    let same = ada.put(OWN, &change(PASSWORD, PASSWORD)).await;
    assert_eq!(pointers(same), ["/new_password"]);
    let missing = ada.put(OWN, &json!({})).await;
    assert_eq!(pointers(missing), ["/new_password", "/old_password"]);
    let nobody = world.client.put(OWN, &change(PASSWORD, NEW)).await;
    let _unknown = nobody.expect_problem(401, "unauthenticated");
    let _as_ever = world.log_in(ADA, PASSWORD).await.expect(200);
}

async fn an_admin_gives_a_new_password_and_all_sessions_end(world: World) {
    let ada = world.person(ADA).await;
    let (_, token) = session(&world, ADA, PASSWORD).await;
    let path = format!("{}/password", path_of(&ada).await);
    let admin = world.admin().await;
    let _short = admin.put(&path, &reset("too short")).await.expect_problem(422, "invalid-input");
    let _done = admin.put(&path, &reset(NEW)).await.expect(204);
    let _old = world.log_in(ADA, PASSWORD).await.expect_problem(401, "invalid-credentials");
    is_over(world.refresh(&token).await);
    let _worthless = ada.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
    let (ada, token) = session(&world, ADA, NEW).await;
    let _refreshed = world.refresh(&token).await.expect(200);
    let _changed = ada.put(OWN, &change(NEW, PASSWORD)).await.expect(204);

    let own = format!("{}/password", path_of(&admin).await);
    let _refused = admin.put(&own, &reset(NEW)).await.expect_problem(409, "own-password");
    let _as_ever = world.log_in(ADMIN, ADMIN_PASSWORD).await.expect(200);
    let nowhere = admin.put(&format!("{NOWHERE}/password"), &reset(NEW)).await;
    let _missing = nowhere.expect_problem(404, "not-found");
}

async fn nobody_but_an_admin_gives_passwords(world: World) {
    let (ada, bob) = (world.person(ADA).await, world.person("bob@example.org").await);
    let (ada_path, bob_path) = (path_of(&ada).await, path_of(&bob).await);
    let password = format!("{ada_path}/password");
    let _own = ada.put(&password, &reset(NEW)).await.expect_problem(403, "forbidden");
    let _stranger = bob.put(&password, &reset(NEW)).await.expect_problem(403, "forbidden");
    let nobody = world.client.put(&password, &reset(NEW)).await;
    let _unknown = nobody.expect_problem(401, "unauthenticated");

    let admin = world.admin().await;
    let roles = format!("{bob_path}/roles");
    let to = |role: &str| json!({ "roles": [role] });
    let made = admin.put(&roles, &to("admin")).if_match("\"1\"").await.expect(200);
    let (former, _) = session(&world, "bob@example.org", PASSWORD).await;
    let _unmade = admin.put(&roles, &to("customer")).if_match(&made.etag()).await.expect(200);
    let with_old_token = former.put(&password, &reset(NEW)).await;
    let _forbidden = with_old_token.expect_problem(403, "forbidden");
    let with_old_token = former.delete(&format!("{ada_path}/sessions")).await;
    let _forbidden = with_old_token.expect_problem(403, "forbidden");
    let _as_ever = world.log_in(ADA, PASSWORD).await.expect(200);
}

async fn all_sessions_end_for_their_owner_and_for_an_admin(world: World) {
    let (ada, bob) = (world.person(ADA).await, world.person("bob@example.org").await);
    let sessions = format!("{}/sessions", path_of(&ada).await);
    let (_, token) = session(&world, ADA, PASSWORD).await;
    let _stranger = bob.delete(&sessions).await.expect_problem(404, "not-found");
    let nobody = world.client.delete(&sessions).await;
    let _unknown = nobody.expect_problem(401, "unauthenticated");
    let token = world.refresh(&token).await.expect(200).field("refresh_token");

    let _own = ada.delete(&sessions).await.expect(204);
    is_over(world.refresh(&token).await);
    let _worthless = ada.get("/v1/auth/me").await.expect_problem(401, "unauthenticated");
    let (_, token) = session(&world, ADA, PASSWORD).await;
    let admin = world.admin().await;
    let _any = admin.delete(&sessions).await.expect(204);
    is_over(world.refresh(&token).await);
    let _missing =
        admin.delete(&format!("{NOWHERE}/sessions")).await.expect_problem(404, "not-found");
    let _again = world.log_in(ADA, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_who_changed_a_password_and_no_password() {
    let world = World::start(Storage::Sqlite).await;
    let (ada, admin) = (world.person(ADA).await, world.admin().await);
    let (path, admin_path) = (path_of(&ada).await, path_of(&admin).await);
    let _changed = ada.put(OWN, &change(PASSWORD, NEW)).await.expect(204);
    let _reset = admin.put(&format!("{path}/password"), &reset(PASSWORD)).await.expect(204);
    let _ended = admin.delete(&format!("{path}/sessions")).await.expect(204);

    let data_dir = world.sandbox.data_dir();
    let settings = DatabaseSettings::default();
    let database = Database::connect(&settings, "identity", &data_dir).await.unwrap();
    let log = "SELECT type, actor, payload FROM events WHERE category = $1 ORDER BY position";
    let log: Vec<(String, String, String)> =
        store::fetch_all!(&database, (String, String, String), log, "account").await.unwrap();
    let done_by = |kind: &str| {
        let found = log.iter().find(|(event, ..)| event == kind).unwrap();
        found.1.replace("user:", "/v1/users/")
    };
    assert_eq!(done_by("password_changed"), path);
    assert_eq!(done_by("password_reset"), admin_path);
    assert_eq!(done_by("sessions_ended"), admin_path);
    for (kind, _, payload) in &log {
        assert!(!payload.contains(NEW) && !payload.contains(PASSWORD), "{kind}");
    }
}
