//! The key set: who may read it, and what it holds.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::world::{PASSWORD, World, on_both_databases};

on_both_databases! { the_key_that_signs_is_given_out_and_nothing_secret_is }

async fn the_key_that_signs_is_given_out_and_nothing_secret_is(world: World) {
    let _ada = world.person("ada@example.org").await;
    let token = world.log_in("ada@example.org", PASSWORD).await.field("access_token");
    let head = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();

    let reply = world.client.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    let keys = reply.value()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["kid"], head["kid"]);
    assert_eq!((keys[0]["kty"].as_str(), keys[0]["alg"].as_str()), (Some("OKP"), Some("EdDSA")));
    assert_eq!(keys[0].get("d"), None);
}
