//! One SQL text on two databases.

use serde::Serialize;
use serde_json::{Value, json};
use store::{At, Dialect, Json, Sql};
use uuid::Uuid;

use crate::world::on_both;

#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
struct Note {
    id: Uuid,
    text: Option<String>,
    amount: Option<i64>,
    fraction: Option<f64>,
    is_kept: Option<bool>,
    written_at: Option<At>,
    extra: Option<Json<Value>>,
}

const PUT: Sql = store::sql!(
    "INSERT INTO notes (id, text, amount, fraction, is_kept, written_at, extra) \
     SELECT id, text, amount, fraction, is_kept, written_at, extra FROM ",
    rows("$1", id uuid, text text, amount bigint, fraction double, is_kept boolean,
        written_at instant, extra json),
    " WHERE true ON CONFLICT (id) DO UPDATE SET text = excluded.text",
);
const ADD: Sql = store::sql!(
    "UPDATE notes SET amount = notes.amount + given.amount FROM ",
    rows("$1", id uuid, amount bigint),
    " WHERE notes.id = given.id",
);
const ALL: &str = "SELECT id, text, amount, fraction, is_kept, written_at, extra FROM notes \
     WHERE written_at IS NULL OR written_at <= $1 ORDER BY id";
const ONE: &str = "SELECT id, text, amount, fraction, is_kept, written_at, extra FROM notes \
     WHERE id = $1 AND text = $2";

const TYPO: &str = "SELEKT 1";
const NO_TABLE: &str = "SELECT 1 FROM nowhere";

fn full(id: u128) -> Note {
    Note {
        id: Uuid::from_u128(id),
        text: Some("it's \"quoted\" \\ ünïcode \u{1F3AB}".to_owned()),
        amount: Some(i64::MIN),
        fraction: Some(0.1),
        is_kept: Some(true),
        written_at: Some(At("2026-11-20T19:00:00.123456Z".parse().unwrap())),
        extra: Some(Json(json!({"nested": [1, null, "x"]}))),
    }
}

fn empty(id: u128) -> Note {
    Note {
        id: Uuid::from_u128(id),
        text: None,
        amount: None,
        fraction: None,
        is_kept: None,
        written_at: None,
        extra: None,
    }
}

on_both! {
    async fn a_set_of_rows_is_one_parameter(world) {
        let database = world.database().await;
        let rows = vec![full(1), empty(2), full(3)];
        let mut tx = database.begin().await.unwrap();
        assert_eq!(store::execute!(&mut tx, PUT, Json(&rows)).await.unwrap(), 3);
        assert_eq!(store::execute!(&mut tx, PUT, Json::<&[Note]>(&[])).await.unwrap(), 0);
        tx.commit().await.unwrap();

        let until = At("2026-11-20T19:00:00.123456Z".parse().unwrap());
        assert_eq!(store::fetch_all!(&database, Note, ALL, until).await.unwrap(), rows);
        let before = At("2026-11-20T19:00:00.123455Z".parse().unwrap());
        assert_eq!(store::fetch_all!(&database, Note, ALL, before).await.unwrap(), [empty(2)]);
        let before_history = At(runtime::Timestamp::MIN);
        let found = store::fetch_all!(&database, Note, ALL, before_history).await.unwrap();
        assert_eq!(found, [empty(2)]);
    }

    async fn a_set_of_rows_can_update(world) {
        let database = world.database().await;
        let mut rows: Vec<Note> = (1..=3).map(full).collect();
        for row in &mut rows {
            row.amount = Some(10);
        }
        let mut tx = database.begin().await.unwrap();
        store::execute!(&mut tx, PUT, Json(&rows)).await.unwrap();
        let changed = store::execute!(&mut tx, ADD, Json(&rows[..2])).await.unwrap();
        assert_eq!(changed, 2);
        tx.commit().await.unwrap();
        let until = At(runtime::Timestamp::MAX);
        let amounts: Vec<Option<i64>> = store::fetch_all!(&database, Note, ALL, until)
            .await
            .unwrap()
            .into_iter()
            .map(|note| note.amount)
            .collect();
        assert_eq!(amounts, [Some(20), Some(20), Some(10)]);
    }

    async fn a_row_is_found_by_several_parameters(world) {
        let database = world.database().await;
        let mut tx = database.begin().await.unwrap();
        store::execute!(&mut tx, PUT, Json([full(1)])).await.unwrap();
        let (id, text) = (Uuid::from_u128(1), full(1).text.unwrap());
        let found = store::fetch_optional!(&mut tx, Note, ONE, id, &text).await.unwrap();
        assert_eq!(found, Some(full(1)));
        assert_eq!(store::fetch_optional!(&mut tx, Note, ONE, id, "other").await.unwrap(), None);
        let missing = store::fetch_one!(&mut tx, Note, ONE, id, "other").await;
        assert!(matches!(missing, Err(sqlx::Error::RowNotFound)));
    }

    async fn statements_are_checked_by_name(world) {
        let database = world.database().await;
        assert_eq!(
            store::prepare_all(&database, store::statements![PUT, ADD, ALL, ONE]).await,
            Ok(())
        );
        let faults = store::prepare_all(&database, store::statements![TYPO, ONE, NO_TABLE])
            .await
            .unwrap_err();
        let lines: Vec<&str> = faults.lines().collect();
        assert_eq!(lines.len(), 2, "{faults}");
        assert!(lines[0].starts_with("TYPO: ") && lines[1].starts_with("NO_TABLE: "), "{faults}");
    }

    async fn on_sqlite_a_reader_cannot_write(world) {
        let database = world.database().await;
        let written = store::execute!(&database, PUT, Json([full(1)])).await;
        assert_eq!(written.is_err(), database.dialect() == Dialect::Sqlite, "{written:?}");
    }
}
