//! Timers are rows that follow the state.

use runtime::Timestamp;
use store::{At, Database};
use uuid::Uuid;

use crate::{
    account::Command,
    world::{cx, on_all},
};

const TIMER: &str = "SELECT due, attempts FROM timers WHERE category = 'account' AND stream = $1";
const ATTEMPT: &str = "UPDATE timers SET attempts = 3";

async fn timer(database: &Database, id: Uuid) -> Option<(Timestamp, i64)> {
    let found = store::fetch_optional!(database, (At, i64), TIMER, id).await.unwrap();
    found.map(|(due, attempts)| (due.0, attempts))
}

on_all! {
    async fn a_timer_follows_the_state(world) {
        let process = world.start().await;
        let (id, database) = (process.id(), &process.database);
        let run = |command| async { process.accounts.execute(&cx(), id, command).await.unwrap() };
        let (noon, dusk): (Timestamp, Timestamp) = (
            "2026-11-21T12:00:00.000001Z".parse().unwrap(),
            "2026-11-21T17:00:00Z".parse().unwrap(),
        );

        run(Command::Deposit(1)).await;
        assert_eq!(timer(database, id).await, None);
        run(Command::Remind(noon)).await;
        assert_eq!(timer(database, id).await, Some((noon, 0)));
        run(Command::Remind(dusk)).await;
        assert_eq!(timer(database, id).await, Some((dusk, 0)));

        let mut tx = database.begin().await.unwrap();
        store::execute!(&mut tx, ATTEMPT).await.unwrap();
        tx.commit().await.unwrap();
        run(Command::Deposit(1)).await;
        assert_eq!(timer(database, id).await, Some((dusk, 0)));

        run(Command::Forget).await;
        assert_eq!(timer(database, id).await, None);
    }
}
