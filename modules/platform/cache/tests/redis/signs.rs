//! What operators see of a Redis that goes and comes back, and what Redis sees of those who look for it.

use std::time::Duration;

use cache::Window;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use testkit::{
    Journal,
    redis::{self, RedisPlace},
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

use crate::replica::{EVENT, PHONE, Replica, now, start, until};

const SOON: Duration = Duration::from_secs(30);
const AWAY: &str = "Redis is away";
const BACK: &str = "Redis is back";

/// What the metrics say of Redis.
fn up(recorder: &PrometheusRecorder) -> Option<String> {
    let text = recorder.handle().render();
    text.lines().find_map(|line| line.strip_prefix("cache_redis_up ")).map(str::to_owned)
}

/// How often the log has each of the lines that tell of a change: connected, away, back.
fn changes(journal: &Journal) -> [usize; 3] {
    ["connected to Redis", AWAY, BACK].map(|words| journal.lines_with(words).len())
}

async fn use_it(one: &Replica) {
    for _ in 0..100 {
        one.cache.count("network", Window(Duration::from_mins(1)), now()).await;
        one.cache.written("events", EVENT);
    }
    one.log_out(PHONE).await;
}

#[tokio::test]
async fn each_change_is_one_line_in_the_log_and_shown_by_the_metrics() {
    let (journal, subscriber) = Journal::open();
    let _logging = tracing::dispatcher::set_default(&subscriber);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _measuring = metrics::set_default_local_recorder(&recorder);
    let (place, server) = redis::private().await;
    let one = start(&place).connected().await;
    assert_eq!((up(&recorder).as_deref(), changes(&journal)), (Some("1"), [1, 0, 0]));
    for time in 1..=2 {
        server.stop().await;
        until("Redis to be away", || one.is_degraded()).await;
        use_it(&one).await;
        assert_eq!((up(&recorder).as_deref(), changes(&journal)), (Some("0"), [1, time, time - 1]));
        server.start().await;
        until("Redis to be back", || one.is_well()).await;
        use_it(&one).await;
        assert_eq!((up(&recorder).as_deref(), changes(&journal)), (Some("1"), [1, time, time]));
    }
    let levels = [AWAY, BACK].map(|words| journal.lines_with(words)[0]["level"].clone());
    assert_eq!(levels, ["WARN", "INFO"]);
}

/// Whoever comes is turned away, and comes twice for each look.
#[tokio::test]
async fn who_looks_for_a_redis_that_is_away_comes_less_and_less_often_and_says_so_once() {
    const VISITS: usize = 14;
    let (journal, subscriber) = Journal::open();
    let _logging = tracing::dispatcher::set_default(&subscriber);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _measuring = metrics::set_default_local_recorder(&recorder);
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = door.local_addr().expect("it is bound");
    let url = format!("redis://:secret@{address}/0");
    let one = start(&RedisPlace { url, prefix: "boxoffice-test:".to_owned() });
    let mut visits = Vec::new();
    while visits.len() < VISITS {
        let (visitor, _) =
            timeout(SOON, door.accept()).await.expect("a visit").expect("it is open");
        drop(visitor);
        visits.push(Instant::now());
        use_it(&one).await;
    }
    let lately = visits[VISITS - 1] - visits[VISITS - 6];
    assert!(lately > Duration::from_millis(500), "pauses grow: {visits:?}");
    assert_eq!((up(&recorder).as_deref(), changes(&journal)), (Some("0"), [0, 1, 0]));
}
