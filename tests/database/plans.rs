//! The plans that PostgreSQL makes for the services' statements on large tables: none reads a large
//! table from end to end, but for those that are listed here with the reason.

use std::collections::BTreeSet;

use runtime::Statement;

use crate::base::{Base, Place, schemas};

/// Rows in each table; enough for an index to be worth its while.
const ROWS: u32 = 40_000;

/// Tables with a row for each process, consumer or kind, or for what somebody decided by hand, however
/// long a shop has been open.
const SMALL: &[&str] = &[
    "_migrations",
    "_store_migrations",
    "consumers",
    "discarded_letters",
    "leases",
    "partitions",
    "relays",
    "sources",
    "write_probe",
];

/// Statements that read a table from end to end where nothing is known of their parameters.
const EXCEPTIONS: &[Exception] = &[
    // The store's own, which are looked at in orders' schema.
    Exception {
        service: "orders",
        name: "FORGET",
        with: Some("now() - interval '3 days', 1000"),
        why: "how many rows it takes at most is said by a parameter",
    },
    Exception {
        service: "payments",
        name: "FORGET",
        with: Some("now() - interval '3 days', 1000"),
        why: "how many rows it takes at most is said by a parameter",
    },
    Exception {
        service: "inventory",
        name: "EVENTS",
        with: None,
        why: "the standing check of places looks at every event there is",
    },
    Exception {
        service: "reporting",
        name: "ORDERS_AFTER",
        with: Some("'00000000-0000-7000-8000-000000000000', 100"),
        why: "how many rows it takes at most is said by a parameter",
    },
    Exception {
        service: "reporting",
        name: "ENTRIES_WITHOUT_ORDER",
        with: None,
        why: "the standing check of the sums looks at every entry there is",
    },
];

struct Exception {
    service: &'static str,
    name: &'static str,
    /// Parameters with which it does not; nothing, where it always does.
    with: Option<&'static str>,
    why: &'static str,
}

/// Columns that have a few values, whatever the table.
const FEW_VALUES: &[&str] = &[
    "aggregate",
    "category",
    "consumer",
    "currency",
    "kind",
    "phase",
    "provider",
    "publisher",
    "role",
    "service",
    "state",
    "type",
];

const TABLES: &str = "SELECT c.relname::text FROM pg_class c \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY 1";
const CHECKS: &str = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) \
     FROM pg_constraint WHERE contype = 'c' AND connamespace = current_schema()::regnamespace";

/// A line for each column: its name, its type, whether it is in a unique index, whether it may be
/// missing.
fn columns_of(table: &str) -> String {
    format!(
        "SELECT a.attname || ' ' || format_type(a.atttypid, NULL) || ' ' || \
         EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique \
                 AND a.attnum = ANY (i.indkey)) || ' ' || (NOT a.attnotnull) \
         FROM pg_attribute a WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 \
         AND NOT a.attisdropped AND a.attidentity = '' ORDER BY a.attnum"
    )
}

/// What column number `n` of a table holds: ten rows share each value, but where it must be unique.
fn filling(line: &str) -> (String, String) {
    let mut words = line.rsplitn(3, ' ');
    let may_be_missing = words.next() == Some("true");
    let is_unique = words.next() == Some("true");
    let (name, kind) = words.next().and_then(|it| it.split_once(' ')).expect("a name and a type");
    let number = if is_unique { "n" } else { "(n / 10)" };
    let value = match kind {
        "uuid" => format!("md5({number}::text)::uuid"),
        "text" if FEW_VALUES.contains(&name) => "'v' || n % 5".to_owned(),
        "text" => format!("'{name} ' || {number}"),
        "bigint" => number.to_owned(),
        "timestamp with time zone" => format!("now() - {number} * interval '1 minute'"),
        "jsonb" => "'{}'::jsonb".to_owned(),
        "boolean" => "n % 2 = 0".to_owned(),
        other => panic!("nothing is known of columns of type {other}: {line}"),
    };
    let value =
        if may_be_missing { format!("CASE WHEN n % 10 = 0 THEN {value} END") } else { value };
    (format!("\"{name}\""), value)
}

async fn fill(base: &mut Base, skipped: &BTreeSet<String>) {
    for drop_check in base.texts(CHECKS).await.into_iter().flatten() {
        base.execute(&drop_check).await;
    }
    for table in base.texts(TABLES).await.into_iter().flatten() {
        if SMALL.contains(&table.as_str()) || skipped.contains(&table) {
            continue;
        }
        let columns = base.texts(&columns_of(&table)).await;
        let (names, values): (Vec<_>, Vec<_>) =
            columns.into_iter().flatten().map(|line| filling(&line)).unzip();
        base.execute(&format!(
            "INSERT INTO {table} ({}) SELECT {} FROM generate_series(1, {ROWS}) n \
             ON CONFLICT DO NOTHING",
            names.join(", "),
            values.join(", ")
        ))
        .await;
    }
    base.execute("ANALYZE").await;
}

/// How a statement is executed.
struct Plan(Vec<String>);

impl Plan {
    /// The large tables that are read from end to end.
    fn scanned(&self) -> BTreeSet<String> {
        let tables = self.words_after("Seq Scan on ");
        tables.filter(|table| !SMALL.contains(&table.as_str())).collect()
    }

    fn indexes(&self) -> impl Iterator<Item = String> {
        self.words_after(" using ").chain(self.words_after("Bitmap Index Scan on "))
    }

    fn words_after(&self, mark: &str) -> impl Iterator<Item = String> {
        let word = move |line: &String| {
            line.split_once(mark)?.1.split_whitespace().next().map(str::to_owned)
        };
        self.0.iter().filter_map(word)
    }
}

/// Its plan with these parameters, or whatever they are.
async fn plan(base: &mut Base, statement: &str, with: Option<&str>) -> Plan {
    let mode = if with.is_some() { "force_custom_plan" } else { "force_generic_plan" };
    base.execute(&format!("SET plan_cache_mode = {mode}")).await;
    base.execute(&format!("PREPARE planned AS {statement}")).await;
    let count = "SELECT repeat('NULL,', cardinality(parameter_types)) FROM pg_prepared_statements \
                 WHERE name = 'planned'";
    let nulls = base.texts(count).await.into_iter().flatten().next().unwrap_or_default();
    let parameters = match with.unwrap_or(nulls.trim_end_matches(',')) {
        "" => String::new(),
        given => format!("({given})"),
    };
    let lines = base.texts(&format!("EXPLAIN EXECUTE planned{parameters}")).await;
    base.execute("DEALLOCATE planned").await;
    Plan(lines.into_iter().flatten().collect())
}

/// A line for each statement with a table that it reads from end to end and may not. Notes the
/// `indexes` that the others go by.
async fn offences(
    service: &str,
    statements: &[Statement],
    skipped: &BTreeSet<String>,
    indexes: &mut BTreeSet<String>,
) -> Vec<String> {
    let place = Place::postgres().await;
    crate::base::schema(service).up(&place.config).await.expect("the migrations run");
    let mut base = place.connect(service).await;
    fill(&mut base, skipped).await;
    // As it is for disks without moving parts, which docs/operations/postgresql.md asks for.
    base.execute("SET random_page_cost = 1.1").await;
    let mut offences = Vec::new();
    for Statement { name, postgres, .. } in statements {
        let exception = EXCEPTIONS.iter().find(|it| it.service == service && it.name == name);
        let plan_of_any = plan(&mut base, postgres, None).await;
        indexes.extend(plan_of_any.indexes());
        let tables = plan_of_any.scanned();
        match exception {
            None if !tables.is_empty() => {
                offences.push(format!("{service} {name} reads all of {tables:?}: {postgres}"));
            }
            // With parameters that matter, the plan without any is left to chance.
            Some(Exception { with: None, .. }) if tables.is_empty() => {
                offences.push(format!("{service} {name} needs no exception any more"));
            }
            Some(Exception { with: Some(with), why, .. }) => {
                let tables = plan(&mut base, postgres, Some(with)).await.scanned();
                if !tables.is_empty() {
                    offences
                        .push(format!("{service} {name} reads all of {tables:?}, though {why}"));
                }
            }
            _ => {}
        }
    }
    offences
}

#[tokio::test]
async fn no_statement_reads_a_large_table_from_end_to_end() {
    let all: Vec<(&str, Vec<Statement>)> =
        schemas().map(|(module, schema)| (module.name, schema.statements())).collect();
    let (_, first) = &all[0];
    // What all have is the store's own, and is looked at once.
    let is_shared =
        |statement: &Statement| all.iter().all(|(_, statements)| statements.contains(statement));
    let (shared, _): (Vec<Statement>, Vec<Statement>) = first.iter().cloned().partition(is_shared);
    let mut indexes = BTreeSet::new();
    let mut found = offences("orders", &shared, &BTreeSet::new(), &mut indexes).await;
    let shared_tables: BTreeSet<String> =
        ["dead_letters", "idempotency_keys", "snapshots"].map(str::to_owned).into();
    for (service, statements) in &all {
        let own: Vec<Statement> =
            statements.iter().filter(|it| !shared.contains(it)).cloned().collect();
        found.extend(offences(service, &own, &shared_tables, &mut indexes).await);
    }
    assert!(found.is_empty(), "add an index, or say why it may:\n{}", found.join("\n"));

    let idle: Vec<&str> = listed_indexes().filter(|index| !indexes.contains(*index)).collect();
    assert_eq!(idle, Vec::<&str>::new(), "operators are told of indexes that no statement goes by");
}

/// The indexes of which docs/operations/postgresql.md says which statements go by them.
fn listed_indexes() -> impl Iterator<Item = &'static str> {
    let guide = include_str!("../../docs/operations/postgresql.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| ")?.rsplit("| ").next());
    let words = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words.filter(|word| word.contains("_of_") || word.contains("_by_"))
}
