//! The gateway documents everything that can be reached through it.

use axum::Router;
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn the_document_is_of_every_service_behind_it() {
    let world = World::before(Router::new()).await;
    let document = world.get("/openapi.json").await.bytes().await.unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let tags = document["tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["name"] == "orders"), "{tags:?}");
    assert!(tags.iter().all(|tag| tag["name"] != "gateway"), "{tags:?}");
}

#[tokio::test]
async fn swagger_ui_and_the_pages_of_problems_are_served_here() {
    let world = World::before(Router::new()).await;
    assert!(world.get("/docs/").await.text().await.unwrap().contains("swagger-ui"));
    let page = world.get("/problems/sold-out").await.text().await.unwrap();
    assert!(page.contains("Come earlier."), "{page}");
}
