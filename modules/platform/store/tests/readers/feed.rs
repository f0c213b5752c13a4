//! Feeds: nothing is stepped over, and readers wake up.

use std::time::Duration;

use store::{Dialect, Events, ExecuteError, Feed, Position, StoreError};
use testkit::eventually;
use uuid::Uuid;

use crate::support::{Lamp, LampCommand, Process, Shop, context, on_all, uuid};

const ON: LampCommand = LampCommand::TurnOn { off_at: None };
const PATIENCE: Duration = Duration::from_secs(20);

/// An event that another transaction writes, and its stream.
const WRITE: &str = "INSERT INTO events (id, category, stream, version, type, schema_version, \
     payload, recorded_at, actor, correlation_id, traceparent) \
     VALUES ($1, 'lamp', $1, 1, 'turned_off', 1, $2, $3, 'anonymous', 'req-2', '')";

async fn write(tx: &mut store::Tx, shop: &Shop, stream: Uuid) {
    let payload = store::Json(serde_json::json!({ "type": "turned_off" }));
    let now = store::At(runtime::Clock::now(&shop.clock));
    store::execute!(tx, WRITE, stream, payload, now).await.unwrap();
}

async fn streams(feed: &Feed, after: Position) -> Vec<Uuid> {
    let page = feed.read(after, 100).await.unwrap();
    page.events.iter().map(|event| event.stream).collect()
}

async fn turn_on(process: &Process, lamps: std::ops::Range<u128>) {
    for lamp in lamps {
        process.give(uuid(lamp), ON).await;
    }
}

on_all! {
    async fn events_come_in_their_order_page_after_page(shop: Shop) {
        let process = shop.process().await;
        turn_on(&process, 0..25).await;
        let feed = Feed::new(&process.database, ["lamp"]);

        let (mut after, mut seen) = (Position::START, Vec::new());
        while seen.len() < 25 {
            let page = feed.wait(after, 10, PATIENCE).await.unwrap();
            assert!(page.reached > after);
            seen.extend(page.events.iter().map(|event| event.stream));
            after = page.reached;
        }
        assert_eq!(seen, (0..25).map(uuid).collect::<Vec<_>>());
        assert_eq!(feed.head().await.unwrap(), Some(after));
    }

    async fn events_of_other_categories_are_stepped_over(shop: Shop) {
        let process = shop.process().await;
        turn_on(&process, 0..3).await;
        let feed = Feed::new(&process.database, ["order"]);
        let page = feed.wait(Position::START, 10, PATIENCE).await.unwrap();
        assert!(page.events.is_empty());
        assert!(page.reached > Position::START);
    }

    async fn an_empty_log_has_no_head(shop: Shop) {
        let feed = Feed::new(&shop.connect().await, ["lamp"]);
        assert_eq!(feed.head().await.unwrap(), None);
        assert!(feed.read(Position::START, 10).await.unwrap().is_end);
    }

    async fn who_waits_is_woken_by_a_commit(shop: Shop) {
        let process = shop.process().await;
        let feed = Feed::new(&process.database, ["lamp"]);
        let (page, ()) = tokio::join!(
            feed.wait(Position::START, 10, PATIENCE),
            turn_on(&process, 1..2),
        );
        assert_eq!(page.unwrap().events.len(), 1);
    }

    async fn who_waits_in_vain_gets_an_empty_page(shop: Shop) {
        let feed = Feed::new(&shop.connect().await, ["lamp"]);
        let page = feed.wait(Position::START, 10, Duration::from_millis(10)).await.unwrap();
        assert_eq!((page.events.len(), page.reached), (0, Position::START));
    }

    async fn events_carry_what_is_known_about_them(shop: Shop) {
        let process = shop.process().await;
        turn_on(&process, 7..8).await;
        let feed = Feed::new(&process.database, ["lamp"]);
        let page = feed.wait(Position::START, 1, PATIENCE).await.unwrap();
        let raw = page.events[0].clone();
        assert_eq!((raw.category.as_str(), raw.event_type.as_str()), ("lamp", "turned_on"));
        let recorded = raw.decode::<Lamp>().unwrap();
        assert_eq!(recorded.position, page.reached);
        assert_eq!(recorded.recorded_at, runtime::Clock::now(&shop.clock));
        assert_eq!((recorded.actor.as_str(), recorded.correlation_id.as_str()), ("anonymous", "req-1"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_in_flight_is_not_stepped_over() {
    let shop = Shop::on_postgres().await;
    let (process, other) = (shop.process().await, shop.connect().await);
    let feed = Feed::new(&process.database, ["lamp"]);

    let mut in_flight = other.begin().await.unwrap();
    write(&mut in_flight, &shop, uuid(100)).await;
    // These are committed later than the other began, and have higher positions.
    turn_on(&process, 1..4).await;
    let none: [Uuid; 0] = [];
    assert_eq!(streams(&feed, Position::START).await, none, "nothing past the one in flight");

    in_flight.commit().await.unwrap();
    let all = [uuid(100), uuid(1), uuid(2), uuid(3)];
    // Other tests' transactions on the same server can be in flight, too.
    eventually("all events", || async { streams(&feed, Position::START).await == all }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_taken_back_holds_nobody_up() {
    let shop = Shop::on_postgres().await;
    let (process, other) = (shop.process().await, shop.connect().await);
    let mut in_flight = other.begin().await.unwrap();
    write(&mut in_flight, &shop, uuid(100)).await;
    turn_on(&process, 1..2).await;
    in_flight.rollback().await.unwrap();
    let feed = Feed::new(&other, ["lamp"]);
    eventually("the other's event", || async {
        streams(&feed, Position::START).await == [uuid(1)]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_commits_is_seen_soon() {
    let shop = Shop::on_postgres().await;
    let (reader, writer) = (shop.connect().await, shop.process().await);
    assert_eq!(reader.dialect(), Dialect::Postgres);
    let feed = Feed::new(&reader, ["lamp"]);
    let (page, ()) = tokio::join!(feed.wait(Position::START, 10, PATIENCE), turn_on(&writer, 1..2));
    assert_eq!(page.unwrap().events.len(), 1);
}

/// The other processes change the same lamps, and may win again and again, or hold a row for long.
async fn turn_on_among_others(lamps: &Events<Lamp>, lamp: u128) {
    loop {
        match lamps.execute(&context(), uuid(lamp), ON).await {
            Err(ExecuteError::Store(StoreError::Contended(_) | StoreError::Unavailable(_))) => {}
            outcome => {
                outcome.unwrap();
                return;
            }
        }
    }
}

/// Three processes write at once, in transactions that overlap in every way, while a reader follows
/// page by page: it must see each event once, and those of one stream in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_follows_many_writers_misses_nothing() {
    const LAMPS: u128 = 8;
    const ROUNDS: usize = 25;

    let shop = Shop::on_postgres().await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let process = shop.process().await;
        for lamp in 0..LAMPS {
            let lamps = process.lamps.clone();
            writers.spawn(async move {
                for _ in 0..ROUNDS {
                    turn_on_among_others(&lamps, lamp).await;
                }
            });
        }
        writers.spawn(async move {
            let mut process = process;
            process.tasks.join_next().await;
        });
    }

    let feed = Feed::new(&shop.connect().await, ["lamp"]);
    let expected = usize::try_from(LAMPS).unwrap() * ROUNDS * 3;
    let (mut after, mut seen) = (Position::START, Vec::new());
    while seen.len() < expected {
        let page = feed.wait(after, 7, PATIENCE).await.unwrap();
        assert!(page.reached > after, "saw {} of {expected}", seen.len());
        seen.extend(page.events.into_iter().map(|event| (event.stream, event.version)));
        after = page.reached;
    }
    for lamp in 0..LAMPS {
        let versions: Vec<u64> = seen
            .iter()
            .filter(|(stream, _)| *stream == uuid(lamp))
            .map(|(_, version)| *version)
            .collect();
        assert_eq!(versions, (1..=3 * ROUNDS as u64).collect::<Vec<_>>(), "lamp {lamp}");
    }
    eventually("the end of the log", || async {
        feed.read(after, 7).await.map(|page| page.is_end).unwrap()
    })
    .await;
}
