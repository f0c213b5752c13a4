//! Expand and contract: the statements of the previous release run on today's schema, so that its
//! replicas go on while today's start, and may come back. They are in `previous/`, which a release
//! writes anew with `UPDATE_STATEMENTS=1 cargo test --test database previous`.

use std::{fs, path::PathBuf, sync::Once};

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

static WRITTEN: Once = Once::new();

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
