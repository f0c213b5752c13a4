//! The cache over a real Redis: what replicas tell each other, and what is left when it is away.

mod encryption;
mod hardships;
mod held_up;
mod proxy;
mod replica;
mod signs;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use cache::{Cache, CacheSettings, News, Window};
use runtime::{Clock, Random, SystemClock, SystemRandom, Tasks};
use testkit::{
    eventually,
    redis::{self, RedisPlace},
};

use crate::replica::{EVENT, LAPTOP, PHONE, now, start, until};

const BRIEF: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_ended_session_is_known_everywhere_and_to_those_who_start_later() {
    let place = redis::fresh().await;
    let (one, other) = (start(&place).connected().await, start(&place).connected().await);
    one.log_out(PHONE).await;
    assert!(one.refuses(PHONE), "at once where it ended");
    until("the other replica to refuse the session", || other.refuses(PHONE)).await;
    assert!(!other.refuses(LAPTOP));
    let late = start(&place).connected().await;
    until("the late replica to refuse the session", || late.refuses(PHONE)).await;
}

#[tokio::test]
async fn installations_on_one_redis_do_not_hear_each_other() {
    let (place, elsewhere) = (redis::fresh().await, redis::fresh().await);
    let elsewhere = RedisPlace { url: place.url.clone(), ..elsewhere };
    let (ours, theirs) = (start(&place).connected().await, start(&elsewhere).connected().await);
    ours.log_out(PHONE).await;
    let also_ours = start(&place).connected().await;
    until("the replica to refuse the session", || also_ours.refuses(PHONE)).await;
    assert!(!theirs.refuses(PHONE));
}

#[tokio::test]
async fn what_one_writes_all_hear_once() {
    let place = redis::fresh().await;
    let (one, other) = (start(&place).connected().await, start(&place).connected().await);
    one.cache.written("events", EVENT);
    assert_eq!(one.heard.load(Ordering::SeqCst), 1, "at once where it was written");
    until("the news", || other.heard.load(Ordering::SeqCst) == 1).await;
    other.cache.written("events", EVENT);
    until("the news", || one.heard.load(Ordering::SeqCst) == 2).await;
    assert_eq!(other.heard.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn all_replicas_count_together_within_a_window() {
    let place = redis::fresh().await;
    let (one, other) = (start(&place).connected().await, start(&place).connected().await);
    let window = Window(Duration::from_mins(1));
    let mut counts = Vec::new();
    for _ in 0..10 {
        counts.push(one.cache.count("network", window, now()).await);
        counts.push(other.cache.count("network", window, now()).await);
    }
    let seen: Vec<u64> = counts.iter().map(|counted| counted.count).collect();
    assert_eq!(seen, (1..=20).collect::<Vec<u64>>());
    assert!(counts.iter().all(|counted| counted.is_shared && counted.left <= window.0));
    let short = Window(Duration::from_millis(1));
    one.cache.count("brief", short, now()).await;
    let over = async || one.cache.count("brief", short, now()).await.count == 1;
    eventually("the window to end", over).await;
}

#[tokio::test]
async fn memory_takes_over_while_redis_is_away_and_gives_back() {
    let (place, server) = redis::private().await;
    let (one, other) = (start(&place).connected().await, start(&place).connected().await);
    server.stop().await;
    until("both to see that Redis is away", || one.is_degraded() && other.is_degraded()).await;

    let window = Window(Duration::from_mins(1));
    let begun = Instant::now();
    for count in 1..=100 {
        let counted = one.cache.count("network", window, now()).await;
        assert_eq!((counted.count, counted.is_shared), (count, false));
    }
    one.log_out(PHONE).await;
    one.cache.written("events", EVENT);
    assert!(begun.elapsed() < BRIEF, "nobody waits for a Redis that is away");
    assert!(one.refuses(PHONE) && !other.refuses(PHONE));

    server.start().await;
    until("both to see that Redis is back", || one.is_well() && other.is_well()).await;
    until("the other replica to refuse the session", || other.refuses(PHONE)).await;
    assert!(one.cache.count("network", window, now()).await.is_shared);
    other.cache.written("events", EVENT);
    until("the news", || one.heard.load(Ordering::SeqCst) >= 2).await;
}

/// A Redis that restarts has forgotten everything.
#[tokio::test]
async fn who_ended_a_session_says_so_again_to_a_redis_that_forgot() {
    let (place, server) = redis::private().await;
    let one = start(&place).connected().await;
    one.log_out(PHONE).await;
    server.crash().await;
    until("Redis to be away", || one.is_degraded()).await;
    server.start().await;
    let late = start(&place).connected().await;
    until("the late replica to refuse the session", || late.refuses(PHONE)).await;
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up_for_long() {
    let (place, server) = redis::private().await;
    let one = start(&place).connected().await;
    server.pause().await;
    let window = Window(Duration::from_mins(1));
    let begun = Instant::now();
    for _ in 0..1_000 {
        one.cache.count("network", window, now()).await;
    }
    assert!(begun.elapsed() < BRIEF, "only the first waits: {:?}", begun.elapsed());
    until("Redis to be away", || one.is_degraded()).await;
    server.resume().await;
    until("Redis to be back", || one.is_well()).await;
    assert!(one.cache.count("network", window, now()).await.is_shared);
}

/// While nobody could be heard, anything may have been written.
#[tokio::test]
async fn who_could_not_hear_takes_it_that_everything_was_written() {
    let (place, server) = redis::private().await;
    let one = start(&place).connected().await;
    let doubts = Arc::new(Mutex::new(0));
    let count = Arc::clone(&doubts);
    one.cache.listen("events", move |news| {
        if *news == News::Everything {
            *count.lock().unwrap() += 1;
        }
    });
    server.stop().await;
    until("Redis to be away", || one.is_degraded()).await;
    server.start().await;
    until("the doubt", || *doubts.lock().unwrap() > 0).await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_keeps_nobody_from_starting() {
    let (place, server) = redis::private().await;
    server.stop().await;
    let one = start(&place);
    until("Redis to be away", || one.is_degraded()).await;
    let details = one.cache.standing();
    assert!(!format!("{details:?}").contains(place.url.split('@').next().unwrap()), "{details:?}");
    server.start().await;
    one.connected().await;
}

#[tokio::test]
async fn without_redis_each_process_is_alone() {
    let cache = Cache::new(CacheSettings::default());
    let tasks = Tasks::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom::default());
    cache.start(&tasks, &clock, &random).unwrap();
    let window = Window(Duration::from_mins(1));
    assert_eq!(cache.count("network", window, now()).await.count, 1);
    assert_eq!(cache.count("network", window, now()).await.count, 2);
    assert_eq!(cache.standing(), runtime::Standing::good());
}
