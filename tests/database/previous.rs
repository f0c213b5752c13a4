//! Expand and contract: the statements of the previous release run on today's schema, so that its
//! replicas go on while today's start, and may come back. They are in `previous/`, with what the
//! schema demanded of whoever writes; a release writes both anew with `UPDATE_STATEMENTS=1 cargo test --test database previous`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Once,
};

use runtime::Statement;
use serde_json::{Value, json};

use crate::base::{Place, schemas};

fn file(service: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/database/previous");
    folder.join(format!("{service}.json"))
}

fn as_json(statements: &[Statement]) -> Value {
    let each = statements.iter().map(|statement| {
        let Statement { name, sqlite, postgres } = statement;
        if sqlite == postgres {
            return json!({"name": name, "both": sqlite});
        }
        json!({"name": name, "sqlite": sqlite, "postgres": postgres})
    });
    each.collect()
}

fn previous(service: &str) -> Vec<Statement> {
    let text = fs::read_to_string(file(service)).unwrap_or_else(|_| "[]".to_owned());
    let all: Vec<Value> = serde_json::from_str(&text).expect("it was written by this test");
    let field = |statement: &Value, key: &str| {
        let text = statement[key].as_str().or(statement["both"].as_str());
        text.unwrap_or_else(|| panic!("{service} has a statement without {key}")).to_owned()
    };
    let read = |statement: &Value| Statement {
        name: field(statement, "name"),
        sqlite: field(statement, "sqlite"),
        postgres: field(statement, "postgres"),
    };
    all.iter().map(read).collect()
}

/// What all services run: the store's own.
const SHARED: &str = "store";

/// Writes today's statements as those of the previous release, when it is asked to.
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether to write")]
fn write_when_asked() {
    if std::env::var_os("UPDATE_STATEMENTS").is_none() {
        return;
    }
    let all: Vec<(&str, Vec<Statement>)> =
        schemas().map(|(module, schema)| (module.name, schema.statements())).collect();
    let is_shared = |it: &Statement| all.iter().all(|(_, statements)| statements.contains(it));
    let shared = all[0].1.iter().filter(|it| is_shared(it)).cloned().collect();
    let own = all.iter().map(|(service, statements)| {
        (*service, statements.iter().filter(|it| !is_shared(it)).cloned().collect())
    });
    for (service, mut statements) in own.chain([(SHARED, shared)]) {
        let statements: &mut Vec<Statement> = &mut statements;
        statements.sort();
        let text = serde_json::to_string_pretty(&as_json(statements)).expect("it is JSON");
        fs::write(file(service), text + "\n").expect("the file can be written");
    }
}

async fn faults(place: &Place, text: fn(&Statement) -> &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (module, schema) in schemas() {
        schema.up(&place.config).await.expect("the migrations run");
        let mut base = place.connect(module.name).await;
        let before = previous(module.name);
        assert!(!before.is_empty(), "nothing is known of the previous release of {}", module.name);
        for statement in before.iter().chain(&previous(SHARED)) {
            if let Err(reason) = base.prepare(text(statement)).await {
                faults.push(format!("{} {}: {reason}", module.name, statement.name));
            }
        }
    }
    faults
}

fn assert_none(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "the previous release fails on today's schema; keep what it uses for one release more:\n{}",
        faults.join("\n")
    );
}

/// What a schema demands of those who write, a line each, by table: what must not be left out, what is
/// checked, what may be there once only.
const DEMANDS: &str = "SELECT c.table_name || ' needs ' || c.column_name \
     FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
     WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.is_nullable = 'NO' \
     AND c.column_default IS NULL AND c.is_identity = 'NO' AND c.is_generated = 'NEVER' \
     UNION SELECT r.relname || ' has ' || pg_get_constraintdef(k.oid) \
     FROM pg_constraint k JOIN pg_class r ON r.oid = k.conrelid \
     WHERE k.connamespace = current_schema()::regnamespace AND k.contype IN ('c', 'f', 'p', 'u', 'x') \
     UNION SELECT r.relname || ' has ' || replace(pg_get_indexdef(i.indexrelid), current_schema() || '.', '') \
     FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid \
     WHERE r.relnamespace = current_schema()::regnamespace AND i.indisunique \
     AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid) \
     UNION SELECT r.relname || ' calls ' || g.tgname FROM pg_trigger g JOIN pg_class r ON r.oid = g.tgrelid \
     WHERE r.relnamespace = current_schema()::regnamespace AND NOT g.tgisinternal ORDER BY 1";

fn demands_file() -> PathBuf {
    file("demands")
}

async fn demands(place: &Place, service: &str) -> Vec<String> {
    let found = place.connect(service).await.texts(DEMANDS).await;
    found.into_iter().flatten().collect()
}

/// Those of today that were not made before, of tables that were there before.
fn newly_demanded(before: &[String], today: &[String]) -> Vec<String> {
    let table = |line: &str| line.split_once(' ').map(|(table, _)| table.to_owned());
    let tables: BTreeSet<_> = before.iter().filter_map(|line| table(line)).collect();
    let is_known = |line: &&String| table(line).is_some_and(|it| tables.contains(&it));
    today.iter().filter(is_known).filter(|line| !before.contains(line)).cloned().collect()
}

static WRITTEN: Once = Once::new();

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether to write")]
async fn nothing_more_is_demanded_of_the_previous_release_than_it_knew_of() {
    let place = Place::postgres().await;
    let mut today = BTreeMap::new();
    for (module, schema) in schemas() {
        schema.up(&place.config).await.expect("the migrations run");
        today.insert(module.name, demands(&place, module.name).await);
    }
    if std::env::var_os("UPDATE_STATEMENTS").is_some() {
        let text = serde_json::to_string_pretty(&today).expect("it is JSON");
        fs::write(demands_file(), text + "\n").expect("the file can be written");
    }
    let text = fs::read_to_string(demands_file()).expect("it is checked in");
    let before: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&text).expect("it was written by this test");
    let more: Vec<String> = today
        .iter()
        .flat_map(|(service, today)| {
            let before = before.get(*service).map_or(&[][..], Vec::as_slice);
            newly_demanded(before, today).into_iter().map(move |line| format!("{service}: {line}"))
        })
        .collect();
    assert!(
        more.is_empty(),
        "the previous release does not know of it; expand first, demand a release later:\n{}",
        more.join("\n")
    );
}

#[tokio::test]
async fn what_is_newly_demanded_is_noticed() {
    let place = Place::postgres().await;
    place.migrate_to("orders", 2).await;
    let before = demands(&place, "orders").await;
    let mut base = place.connect("orders").await;
    for change in [
        "ALTER TABLE orders ADD COLUMN shoe_size bigint NOT NULL",
        "ALTER TABLE orders ADD COLUMN hat text CHECK (hat <> 'top')",
        "CREATE UNIQUE INDEX hats ON orders (hat)",
        "ALTER TABLE orders ADD COLUMN gloves bigint",
        "CREATE TABLE wardrobe (hook bigint PRIMARY KEY)",
    ] {
        base.execute(change).await;
    }
    let more = newly_demanded(&before, &demands(&place, "orders").await);
    assert_eq!(
        more,
        [
            "orders has CHECK ((hat <> 'top'::text))",
            "orders has CREATE UNIQUE INDEX hats ON orders USING btree (hat)",
            "orders needs shoe_size",
        ]
    );
}

#[tokio::test]
async fn the_previous_releases_statements_run_on_sqlite() {
    WRITTEN.call_once(write_when_asked);
    assert_none(&faults(&Place::sqlite(), |statement| &statement.sqlite).await);
}

#[tokio::test]
async fn the_previous_releases_statements_run_on_postgres() {
    WRITTEN.call_once(write_when_asked);
    assert_none(&faults(&Place::postgres().await, |statement| &statement.postgres).await);
}

#[tokio::test]
async fn a_column_that_is_gone_is_noticed_on_both() {
    for place in [Place::sqlite(), Place::postgres().await] {
        place.migrate_to("orders", 2).await;
        let mut base = place.connect("orders").await;
        let missing = base.prepare("SELECT guest_email FROM orders").await.unwrap_err();
        assert!(missing.contains("guest_email"), "{missing}");
    }
}

/// A column that a later release adds would be an answer that this one's prepared statements do not
/// expect.
#[test]
fn statements_name_their_columns() {
    for (module, schema) in schemas() {
        for Statement { name, postgres, .. } in schema.statements() {
            let text = postgres.to_uppercase();
            let takes_all = text.starts_with("SELECT *") || text.contains("RETURNING *");
            assert!(!takes_all, "{} {name}: {postgres}", module.name);
        }
    }
}
