//! `boxoffice views`, beside a process that serves: on embedded databases and on a server.

use store::{Database, DatabaseSettings, sqlx::AssertSqlSafe};
use testkit::postgres;

use crate::program::{Outcome, Program, Serving};

const ADMIN: &str = "identity.admin_email=ada@example.org";
const PASSWORD: &str = "identity.admin_password=correct-horse-battery";

/// An installation that serves and has something to show.
struct Shop {
    program: Program,
    settings: DatabaseSettings,
    admin: String,
    serving: Serving,
}

impl Shop {
    async fn on_sqlite() -> Self {
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
        let (mut views, mut tables_from) = (Vec::<(String, Vec<String>)>::new(), 0);
        for line in list.out.lines() {
            if line.starts_with("service") {
                tables_from = line.find("tables").unwrap();
            } else if !line.starts_with('-') {
                let table = line[tables_from..].split_whitespace().next().unwrap().to_owned();
                match line.split_whitespace().next().filter(|_| !line.starts_with(' ')) {
                    Some(service) => views.push((service.to_owned(), vec![table])),
                    None => views.last_mut().unwrap().1.push(table),
                }
            }
        }
        views
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
                    let done = store::sqlx::query(text).execute(&mut *on).await;
                    done.unwrap().rows_affected()
                }
                store::Connection::Postgres(mut on) => {
                    let done = store::sqlx::query(text).execute(&mut *on).await;
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
                test(Shop::on_sqlite().await).await;
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
        assert_eq!(shop.check().code, Some(0));
        let views = shop.views();
        assert!(views.len() >= 11, "{views:?}");
        let mut lost = 0;
        for (service, tables) in &views {
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
    let told = program.run(&["views", "rebuild", "reporting"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("what other services tell"), "{told:?}");
    let view = program.run(&["views", "rebuild", "orders", "x"]);
    assert!(view.err.contains("orders has no view \"x\"; choose from orders"), "{view:?}");
    let missing = program.run(&["views", "rebuild", "orders"]);
    assert!(missing.err.contains("run `boxoffice migrate up` first"), "{missing:?}");
}
