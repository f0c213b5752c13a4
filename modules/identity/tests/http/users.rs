//! Accounts: who may see them, and who gives them roles.

use serde_json::json;
use testkit::Client;

use crate::world::{ADMIN, ADMIN_PASSWORD, PASSWORD, World, on_both_databases};

on_both_databases! {
    the_first_admin_is_made_once,
    everybody_sees_their_own_account_and_an_admin_sees_all,
    an_admin_lists_accounts_page_by_page,
    an_admin_finds_an_account_by_its_address,
    an_admin_makes_an_organizer,
    roles_change_only_for_who_has_seen_them,
    only_admins_change_roles,
    a_former_admin_cannot_take_the_role_back,
    of_two_admins_who_demote_each_other_one_remains,
}

async fn id_of(client: &Client) -> String {
    client.get("/v1/auth/me").await.expect(200).field("id")
}

async fn the_first_admin_is_made_once(world: World) {
    let before = world.admin().await.get("/v1/auth/me").await.expect(200);
    assert_eq!(before.value()["roles"], json!(["admin"]));
    let node = world.sandbox.node("identity");
    node.stop().await;
    node.restart().await;
    let client = world.sandbox.client().log_in(ADMIN, ADMIN_PASSWORD).await;
    let after = client.get("/v1/auth/me").await.expect(200);
    assert_eq!(after.value(), before.value());
}

async fn everybody_sees_their_own_account_and_an_admin_sees_all(world: World) {
    let (ada, bob, admin) = (
        world.person("ada@example.org").await,
        world.person("bob@example.org").await,
        world.admin().await,
    );
    let path = format!("/v1/users/{}", id_of(&ada).await);
    let _own = ada.get(&path).await.expect(200);
    let _any = admin.get(&path).await.expect(200);
    let _others = bob.get(&path).await.expect_problem(404, "not-found");
    let _nobody = world.client.get(&path).await.expect_problem(401, "unauthenticated");
    let nowhere = "/v1/users/01980e4c-8f5c-7b1e-a7c4-51d2f2a5c0de";
    let _missing = admin.get(nowhere).await.expect_problem(404, "not-found");
    let _no_id = admin.get("/v1/users/ada").await.expect_problem(422, "invalid-input");
}

async fn an_admin_lists_accounts_page_by_page(world: World) {
    let ada = world.person("ada@example.org").await;
    let _bob = world.person("bob@example.org").await;
    let admin = world.admin().await;
    let (mut seen, mut path) = (Vec::new(), "/v1/users?limit=1".to_owned());
    loop {
        let page = admin.get(&path).await.expect(200).value();
        seen.push(page["items"][0]["email"].as_str().unwrap().to_owned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/users?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, [ADMIN, "ada@example.org", "bob@example.org"]);
    let _not_for_all = ada.get("/v1/users").await.expect_problem(403, "forbidden");
    let _nobody = world.client.get("/v1/users").await.expect_problem(401, "unauthenticated");
    let unknown = admin.get("/v1/users?name=ada").await;
    let _refused = unknown.expect_problem(422, "invalid-input");
}

async fn an_admin_finds_an_account_by_its_address(world: World) {
    let _ada = world.person("ada@example.org").await;
    let admin = world.admin().await;
    let found = admin.get("/v1/users?email=Ada@example.org").await.expect(200).value();
    assert_eq!(found["items"][0]["email"], "ada@example.org");
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let none = admin.get("/v1/users?email=bob@example.org").await.expect(200).value();
    assert_eq!(none["items"], json!([]));
    let no_address = admin.get("/v1/users?email=%00").await;
    let _refused = no_address.expect_problem(422, "invalid-input");
}

async fn an_admin_makes_an_organizer(world: World) {
    let ada = world.person("ada@example.org").await;
    let path = format!("/v1/users/{}", id_of(&ada).await);
    let admin = world.admin().await;
    let etag = admin.get(&path).await.expect(200).etag();
    let roles = json!({ "roles": ["organizer", "customer"] });
    let changed = admin.put(&format!("{path}/roles"), &roles).if_match(&etag).await.expect(200);
    assert_eq!(changed.value()["roles"], json!(["customer", "organizer"]));
    assert_ne!(changed.etag(), etag);
    let now = admin.get(&path).await.expect(200);
    assert_eq!((now.etag(), now.value()), (changed.etag(), changed.value()));

    let organizer = world.client.log_in("ada@example.org", PASSWORD).await;
    let me = organizer.get("/v1/auth/me").await.expect(200);
    assert_eq!(me.value()["roles"], json!(["customer", "organizer"]));
}

async fn roles_change_only_for_who_has_seen_them(world: World) {
    let ada = world.person("ada@example.org").await;
    let path = format!("/v1/users/{}/roles", id_of(&ada).await);
    let admin = world.admin().await;
    let staff = json!({ "roles": ["staff"] });
    let _blind = admin.put(&path, &staff).await.expect_problem(428, "precondition-required");
    let changed = admin.put(&path, &staff).if_match("\"1\"").await.expect(200);
    let stale = admin.put(&path, &staff).if_match("\"1\"").await;
    let stale = stale.expect_problem(412, "precondition-failed");
    assert_eq!(stale.etag(), changed.etag());
    for wrong in [json!({ "roles": [] }), json!({ "roles": ["king"] }), json!({})] {
        let refused = admin.put(&path, &wrong).if_match(&changed.etag()).await;
        let _invalid = refused.expect_problem(422, "invalid-input");
    }
}

async fn only_admins_change_roles(world: World) {
    let ada = world.person("ada@example.org").await;
    let path = format!("/v1/users/{}/roles", id_of(&ada).await);
    let wish = json!({ "roles": ["admin"] });
    let own = ada.put(&path, &wish).if_match("\"1\"").await;
    let _forbidden = own.expect_problem(403, "forbidden");
    let nobody = world.client.put(&path, &wish).if_match("\"1\"").await;
    let _unknown = nobody.expect_problem(401, "unauthenticated");

    let admin = world.admin().await;
    let own = format!("/v1/users/{}/roles", id_of(&admin).await);
    let refused = admin.put(&own, &json!({ "roles": ["customer"] })).if_match("\"1\"").await;
    let _refused = refused.expect_problem(409, "own-admin-role");
    let nowhere = "/v1/users/01980e4c-8f5c-7b1e-a7c4-51d2f2a5c0de/roles";
    let missing = admin.put(nowhere, &wish).if_match("\"0\"").await;
    let _missing = missing.expect_problem(404, "not-found");
}

async fn a_former_admin_cannot_take_the_role_back(world: World) {
    let (ada, admin) = (world.person("ada@example.org").await, world.admin().await);
    let path = format!("/v1/users/{}/roles", id_of(&ada).await);
    let to_admin = json!({ "roles": ["admin"] });
    let made = admin.put(&path, &to_admin).if_match("\"1\"").await.expect(200);
    let ada = world.client.log_in("ada@example.org", PASSWORD).await;
    let to_customer = json!({ "roles": ["customer"] });
    let unmade = admin.put(&path, &to_customer).if_match(&made.etag()).await.expect(200);
    let with_old_token = ada.put(&path, &to_admin).if_match(&unmade.etag()).await;
    let _forbidden = with_old_token.expect_problem(403, "forbidden");
}

async fn of_two_admins_who_demote_each_other_one_remains(world: World) {
    let (first, second) = (world.admin().await, world.person("bob@example.org").await);
    let (first_id, second_id) = (id_of(&first).await, id_of(&second).await);
    let roles_of = |id: &str| format!("/v1/users/{id}/roles");
    let to = |role: &str| json!({ "roles": [role] });
    for _ in 0..5 {
        let account = first.get(&format!("/v1/users/{second_id}")).await.expect(200);
        let made = first.put(&roles_of(&second_id), &to("admin")).if_match(&account.etag());
        let made = made.await.expect(200);
        let second = world.client.log_in("bob@example.org", PASSWORD).await;
        let own = first.get(&format!("/v1/users/{first_id}")).await.expect(200);
        let (one, other) = tokio::join!(
            async {
                let to_customer = to("customer");
                first.put(&roles_of(&second_id), &to_customer).if_match(&made.etag()).await
            },
            async {
                let to_customer = to("customer");
                second.put(&roles_of(&first_id), &to_customer).if_match(&own.etag()).await
            },
        );
        let mut statuses = [one.status(), other.status()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "{one} {other}");
        if other.status() == 200 {
            let demoted = second.get(&format!("/v1/users/{first_id}")).await.expect(200);
            let back = second.put(&roles_of(&first_id), &to("admin")).if_match(&demoted.etag());
            let back = back.await.expect(200);
            let bob = second.get(&format!("/v1/users/{second_id}")).await.expect(200);
            let gone = first.put(&roles_of(&second_id), &to("customer")).if_match(&bob.etag());
            let _gone = gone.await.expect(200);
            assert_eq!(back.value()["roles"], json!(["admin"]));
        }
    }
}
