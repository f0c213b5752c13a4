//! A busy machine holds an answer up now and then: nobody waits for it, and nobody makes more of it.

use std::time::{Duration, Instant};

use cache::Window;
use testkit::{eventually, redis};
use tokio::time::timeout;

use crate::replica::{now, start_with, until};

/// Longer than a call waits, and much shorter than it takes to be away.
const HELD_UP: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_redis_that_is_held_up_for_a_moment_is_not_away() {
    let (place, server) = redis::private().await;
    let one = start_with(&place, PATIENCE).connected().await;
    server.pause().await;
    let begun = Instant::now();
    let window = Window(Duration::from_mins(1));
    assert!(!one.cache.count("network", window, now()).await.is_shared);
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for long");
    let away = until("Redis to be away", || one.is_degraded());
    assert!(timeout(HELD_UP, away).await.is_err(), "it is away only when it stays silent");
    server.resume().await;
    let shared = async || one.cache.count("network", window, now()).await.is_shared;
    eventually("counts to be shared", shared).await;
    assert!(!one.is_degraded());
}
