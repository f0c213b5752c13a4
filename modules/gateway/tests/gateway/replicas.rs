//! Several replicas of one service, some of them away.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::any};
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use tokio::{sync::oneshot, task::JoinSet, time::timeout};
use uuid::Uuid;

use crate::world::{Afterwards, Replica, World, problem};

/// Replicas that answer with their number and what they were sent.
fn numbered(number: usize) -> Replica {
    let answer =
        move |body: Bytes| async move { format!("{number} {}", String::from_utf8_lossy(&body)) };
    Replica::Serves(Router::new().fallback(any(answer)))
}

async fn text(world: &World, method: Method, path: &str, body: &'static str) -> String {
    let answer = world.request(method, path).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

fn order(id: u128) -> String {
    format!("/v1/orders/{}", Uuid::from_u128(id))
}

#[tokio::test]
async fn what_is_about_one_order_goes_to_one_replica_and_the_rest_to_each_in_turn() {
    let world = World::before_replicas([numbered(1), numbered(2), numbered(3)]).await;
    let mut by_order = BTreeMap::new();
    for id in 0..30 {
        let first = text(&world, Method::GET, &order(id), "").await;
        let again = format!("{}/positions/{}", order(id), Uuid::from_u128(99));
        assert_eq!(text(&world, Method::GET, &again, "").await, first);
        *by_order.entry(first).or_insert(0) += 1;
    }
    assert_eq!(by_order.len(), 3, "{by_order:?}");

    let mut by_turn = BTreeMap::new();
    for _ in 0..6 {
        *by_turn.entry(text(&world, Method::GET, "/v1/orders", "").await).or_insert(0) += 1;
    }
    assert!(by_turn.values().all(|count| *count == 2), "{by_turn:?}");
}

#[tokio::test]
async fn a_replica_that_is_away_costs_no_request_not_even_one_with_a_body() {
    let world = World::before_replicas([Replica::IsAway, numbered(2)]).await;
    for id in 0..10 {
        assert_eq!(text(&world, Method::POST, &order(id), "one ticket").await, "2 one ticket");
    }
}

#[tokio::test]
async fn what_only_reads_is_asked_of_another_replica_when_one_breaks_off() {
    let breaks = Replica::Says("", Afterwards::HangsUp);
    let world = World::before_replicas([breaks, numbered(2)]).await;
    for _ in 0..4 {
        assert_eq!(text(&world, Method::GET, "/v1/orders", "").await, "2 ");
    }
}

#[tokio::test]
async fn what_changes_something_is_sent_to_one_replica_only() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let counts = any(move || async move {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let serves = Replica::Serves(Router::new().fallback(counts));
    let breaks = Replica::Says("", Afterwards::HangsUp);
    let world = World::before_replicas([breaks, serves]).await;
    let mut unknown = 0;
    for _ in 0..4 {
        let answer = world.post("/v1/orders").body("one ticket").send().await.unwrap();
        if answer.status() != 200 {
            problem(answer, 504).await;
            unknown += 1;
        }
    }
    assert!(unknown > 0, "one of them was asked");
    assert_eq!(sent.load(Ordering::SeqCst) + unknown, 4);
}

/// As a process does that is stopped by a signal: its socket still accepts.
#[tokio::test]
async fn a_silent_replica_holds_up_readers_for_a_moment_and_then_nobody() {
    let silent = Replica::Says("", Afterwards::KeepsSilent);
    let world = World::before_replicas([silent, numbered(2)]).await;
    for _ in 0..2 {
        assert_eq!(text(&world, Method::GET, "/v1/orders", "").await, "2 ");
    }
    let began = Instant::now();
    assert_eq!(text(&world, Method::POST, "/v1/orders", "one ticket").await, "2 one ticket");
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// Longer than a replica may be silent without anybody's asking another one.
const LONG: Duration = Duration::from_secs(3);

async fn a_long_while() {
    let _nothing_happens = timeout(LONG, std::future::pending::<()>()).await;
}

/// A replica that answers whoever asks it to wait only after a long while.
fn patient(number: usize) -> Replica {
    let answer = move |headers: HeaderMap| async move {
        if headers.contains_key("prefer") {
            a_long_while().await;
        }
        number.to_string()
    };
    Replica::Serves(Router::new().fallback(any(answer)))
}

#[tokio::test]
async fn who_asks_to_wait_is_answered_by_the_replica_that_was_asked_first() {
    let world = World::before_replicas([patient(1), patient(2)]).await;
    let preferred = text(&world, Method::GET, &order(1), "").await;
    let asked = world.request(Method::GET, &order(1)).header("prefer", "wait=9");
    let begun = Instant::now();
    let answer = asked.send().await.unwrap();
    assert!(begun.elapsed() < 2 * LONG, "only one replica was waited for");
    assert_eq!(answer.text().await.unwrap(), preferred);
    assert_eq!(text(&world, Method::GET, &order(1), "").await, preferred, "it is not left out");
}

#[tokio::test]
async fn a_replica_is_not_blamed_for_a_client_who_sends_slowly() {
    let world = World::before_replicas([numbered(1), numbered(2)]).await;
    let preferred = text(&world, Method::GET, &order(1), "").await;
    let (rest, more) = oneshot::channel::<&str>();
    let pieces = stream::iter([Ok::<_, io::Error>("one ")])
        .chain(stream::once(async { Ok(more.await.unwrap_or_default()) }));
    let upload = world.post(&order(1)).body(reqwest::Body::wrap_stream(pieces));
    let mut uploads = JoinSet::new();
    uploads.spawn(upload.send());
    a_long_while().await;
    assert_eq!(text(&world, Method::POST, &order(1), "").await, preferred, "it is not left out");
    rest.send("ticket").unwrap();
    let answer = uploads.join_next().await.unwrap().unwrap().unwrap().text().await.unwrap();
    assert_eq!(answer, format!("{preferred}one ticket"));
}

#[tokio::test]
async fn a_replica_that_has_all_that_was_sent_and_says_nothing_holds_up_few_who_write() {
    let silent = Replica::Says("", Afterwards::KeepsSilent);
    let world = World::before_replicas([silent, numbered(2)]).await;
    let writing: JoinSet<_> =
        (0..2).map(|_| world.post("/v1/orders").body("one ticket").send()).collect();
    a_long_while().await;
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(text(&world, Method::POST, "/v1/orders", "one ticket").await, "2 one ticket");
    }
    assert!(began.elapsed() < LONG);
    drop(writing);
}
