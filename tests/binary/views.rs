//! `boxoffice views`, beside a process that serves: on embedded databases and on a server.

use store::{
    Database, DatabaseSettings,
    sqlx::{self, AssertSqlSafe},
};
use testkit::{eventually, postgres};

use crate::program::{Outcome, Program, Serving};

const ADMIN: &str = "identity.first_admin_email=ada@example.org";
const PASSWORD: &str = "identity.first_admin_password=correct-horse-battery";

/// An installation that serves and has something to show.
struct Shop {
    program: Program,
    settings: DatabaseSettings,
    admin: String,
    serving: Serving,
}

impl Shop {
    fn on_sqlite() -> Self {
        Self::with(String::new())
    }

    async fn on_postgres() -> Self {
        Self::with(postgres::fresh_database().await.as_str().to_owned())
    }

    fn with(url: String) -> Self {
        let program = Program::new();
        let keys = program.run(&["keys", "keys"]);
        assert_eq!(keys.code, Some(0), "{keys:?}");
        let configuration =
            format!("[database]\nurl = '{url}'\n[log]\nfilter = 'error'\n{}", keys.out);
        program.write("config/default.toml", &configuration);
        program.write("password", "correct-horse-battery");
        let serving = program.serve(&["--set", ADMIN, "--set", PASSWORD]);
        let api = serving.says("API");
        let api = api.split_whitespace().last().unwrap().trim_end_matches("/v1").to_owned();
        let line = serving.says("readiness");
        let address = line.trim_start_matches(|c: char| !c.is_ascii_digit()).replace("/readyz", "");
        serving.says("stop it with ctrl-c");
        let demo = ["demo", "--url", &api, "--email", "ada@example.org"];
        let filled = program.run(&[&demo[..], &["--password-file", "password"]].concat());
        assert_eq!(filled.code, Some(0), "{filled:?}");
        let settings = DatabaseSettings { url: url.into(), ..DatabaseSettings::default() };
        Self { program, settings, admin: format!("admin.address={address}"), serving }
    }

    /// Service, view and tables of each view that there is.
    fn views(&self) -> Vec<(String, Vec<String>)> {
        let list = self.program.run(&["views", "list"]);
        assert_eq!(list.code, Some(0), "{list:?}");
        let mut lines = list.out.lines();
        let head = lines.next().unwrap();
        let tables = head.find("tables").unwrap()..head.find("made from").unwrap();
        let mut views: Vec<(String, Vec<String>)> = Vec::new();
        for line in lines.skip(1) {
            if let Some(service) = line.split(' ').next().filter(|name| !name.is_empty()) {
                views.push((service.to_owned(), Vec::new()));
            }
            let table = line.get(tables.clone()).unwrap_or_default().trim();
            if !table.is_empty() {
                views.last_mut().unwrap().1.push(table.to_owned());
            }
        }
        views
    }

    /// Waits until reporting has taken in all that was told.
    async fn come_up(&self) {
        eventually("reporting to have come up", async || {
            let mut told = 0;
            for service in [
                "catalog",
                "identity",
                "inventory",
                "notifications",
                "orders",
                "payments",
                "tickets",
            ] {
                told += self.count(service, "SELECT count(*) FROM events").await;
            }
            let kept = self.count("reporting", "SELECT count(*) FROM audit_records").await;
            told == kept
        })
        .await;
    }

    async fn count(&self, service: &str, statement: &'static str) -> i64 {
        let database = self.database(service).await;
        let (count,) = store::fetch_one!(&database, (i64,), statement).await.unwrap();
        database.close().await;
        count
    }

    /// Everything that is in these tables.
    async fn content(&self, service: &str, tables: &[String]) -> Vec<String> {
        let database = self.database(service).await;
        let mut content = Vec::new();
        for table in tables {
            let rows: Vec<String> = match database.connection().await.unwrap() {
                store::Connection::Sqlite(mut on) => {
                    let columns = "SELECT group_concat('quote(' || name || ')', ' || '','' || ') \
                                   FROM pragma_table_info($1)";
                    let columns: String =
                        sqlx::query_scalar(columns).bind(table).fetch_one(&mut *on).await.unwrap();
                    let all = AssertSqlSafe(format!("SELECT {columns} FROM {table} ORDER BY 1"));
                    sqlx::query_scalar(all).fetch_all(&mut *on).await.unwrap()
                }
                store::Connection::Postgres(mut on) => {
                    let all = format!("SELECT it::text FROM {table} AS it ORDER BY 1");
                    sqlx::query_scalar(AssertSqlSafe(all)).fetch_all(&mut *on).await.unwrap()
                }
            };
            content.extend(rows);
        }
        database.close().await;
        content
    }

    async fn database(&self, service: &str) -> Database {
        let data = self.program.home().join("data");
        Database::connect(&self.settings, service, &data).await.unwrap()
    }

    /// How many rows there were. Now there is none.
    async fn empty(&self, service: &str, tables: &[String]) -> u64 {
        let database = self.database(service).await;
        let mut tx = database.begin().await.unwrap();
        let mut rows = 0;
        for table in tables {
            let text = AssertSqlSafe(format!("DELETE FROM {table}"));
            rows += match tx.connection().await.unwrap() {
                store::Connection::Sqlite(mut on) => {
                    let done = sqlx::query(text).execute(&mut *on).await;
                    done.unwrap().rows_affected()
                }
                store::Connection::Postgres(mut on) => {
                    let done = sqlx::query(text).execute(&mut *on).await;
                    done.unwrap().rows_affected()
                }
            };
        }
        tx.commit().await.unwrap();
        database.close().await;
        rows
    }

    fn rebuild(&self, what: &[&str]) -> Outcome {
        self.program.run(&[&["views", "rebuild"], what].concat())
    }

    fn check(&self) -> Outcome {
        self.program.run(&["check", "--set", &self.admin])
    }
}

macro_rules! on_both {
    ($(async fn $name:ident($shop:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn test($shop: Shop) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                test(Shop::on_sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                test(Shop::on_postgres().await).await;
            }
        }
    )*};
}

on_both! {
    async fn every_view_that_is_lost_comes_back_as_it_was_while_the_service_runs(shop) {
        shop.come_up().await;
        assert_eq!(shop.check().code, Some(0));
        let views = shop.views();
        assert!(views.len() >= 14, "{views:?}");
        let (mut before, mut lost) = (Vec::new(), 0);
        for (service, tables) in &views {
            before.push(shop.content(service, tables).await);
            lost += shop.empty(service, tables).await;
        }
        assert!(lost > 50, "the demo set shows {lost} rows");
        assert_eq!(shop.check().code, Some(1));
        let mut services: Vec<&str> = views.iter().map(|(service, _)| service.as_str()).collect();
        services.dedup();
        for service in services {
            let rebuilt = shop.rebuild(&[service]);
            assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
            assert!(rebuilt.err.contains(" events"), "it says how far it is: {rebuilt:?}");
        }
        for ((service, tables), before) in views.iter().zip(before) {
            assert_eq!(shop.content(service, tables).await, before, "{service}: {tables:?}");
        }
        let checked = shop.check();
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let again = shop.rebuild(&["orders", "orders"]);
        assert!(again.out.ends_with("no row differed\n"), "{again:?}");
        drop(shop.serving);
    }
}

#[test]
fn what_cannot_be_rebuilt_is_said_with_what_can() {
    let program = Program::new();
    let unknown = program.run(&["views", "rebuild", "gateway"]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.err.contains("\"gateway\" shows nothing of its own; choose from"),
        "{unknown:?}"
    );
    let told = program.run(&["views", "rebuild", "reporting", "x"]);
    assert!(told.err.contains("choose from sales, admissions, audit"), "{told:?}");
    let view = program.run(&["views", "rebuild", "orders", "x"]);
    assert!(view.err.contains("orders has no view \"x\"; choose from orders"), "{view:?}");
}

#[test]
fn where_no_database_is_none_is_made_and_whoever_makes_one_hears_where() {
    let program = Program::new();
    for service in ["orders", "reporting"] {
        let missing = program.run(&["views", "rebuild", service, "--data-dir", "elsewhere"]);
        assert_eq!(missing.code, Some(1));
        let there =
            format!("no database of {service} in the data directory elsewhere; give the same");
        assert!(missing.err.contains(&there), "{missing:?}");
        assert!(!missing.err.contains("migrate up"), "{missing:?}");
    }
    assert!(!program.home().join("elsewhere").exists());

    let up = ["migrate", "up", "--data-dir", "elsewhere"];
    let reporting = program.run(&[&up[..], &["--service", "reporting"]].concat());
    let makes = "reporting: makes a new database in the data directory elsewhere\n";
    assert!(reporting.out.starts_with(makes), "{reporting:?}");
    let publisher = program.run(&["views", "rebuild", "reporting", "--data-dir", "elsewhere"]);
    assert!(publisher.err.contains("whose database is not where this configuration says"));
    let all = program.run(&up);
    assert!(all.out.contains("orders: makes a new database in the data directory elsewhere\n"));
    assert!(!all.out.contains(makes), "{all:?}");
}
