//! `boxoffice dead-letters`, beside a process that serves: on embedded databases and on a server.

use serde_json::Value;
use store::{Database, DatabaseSettings};
use testkit::{eventually, postgres};

use crate::program::{Outcome, Program, Serving};

/// An installation that serves, whose reporting can be broken and mended.
struct Shop {
    program: Program,
    database: Database,
    serving: Serving,
}

impl Shop {
    async fn on_sqlite() -> Self {
        Self::with(String::new()).await
    }

    async fn on_postgres() -> Self {
        Self::with(postgres::fresh_database().await.as_str().to_owned()).await
    }

    async fn with(url: String) -> Self {
        let program = Program::new();
        let keys = program.run(&["keys", "keys"]);
        assert_eq!(keys.code, Some(0), "{keys:?}");
        let configuration = format!(
            "[database]\nurl = '{url}'\n[log]\nfilter = 'error'\n[bus]\nattempts = 2\n{}",
            keys.out
        );
        program.write("config/default.toml", &configuration);
        let serving = program.serve(&["--set", ADMIN, "--set", PASSWORD]);
        let api = serving.says("API");
        let api = api.split_whitespace().last().unwrap().trim_end_matches("/v1").to_owned();
        serving.says("stop it with ctrl-c");
        let settings = DatabaseSettings { url: url.into(), ..DatabaseSettings::default() };
        let data = program.home().join("data");
        let database = Database::connect(&settings, "reporting", &data).await.unwrap();
        program.write("password", "correct-horse-battery");
        let shop = Self { program, database, serving };
        shop.rename("ALTER TABLE sales_ledger RENAME TO mislaid_ledger").await;
        let filled = shop.program.run(&[
            "demo",
            "--url",
            &api,
            "--email",
            "ada@example.org",
            "--password-file",
            "password",
        ]);
        assert_eq!(filled.code, Some(0), "{filled:?}");
        shop
    }

    async fn mend(&self) {
        self.rename("ALTER TABLE mislaid_ledger RENAME TO sales_ledger").await;
    }

    async fn rename(&self, statement: &'static str) {
        let mut tx = self.database.begin().await.unwrap();
        store::execute!(&mut tx, statement).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.program.run(&[&["dead-letters"], arguments].concat())
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let outcome = self.run(&[&["list", "--json"], arguments].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        serde_json::from_str(&outcome.out).unwrap()
    }

    /// The letters, once all that were put aside are dead.
    async fn all_dead(&self) -> Vec<Value> {
        eventually("all letters to be dead", || async {
            let letters = self.list(&[]);
            let are_dead = letters.iter().all(|letter| letter["state"] == "dead");
            if are_dead && letters.len() > 2 { Ok(letters) } else { Err(format!("{letters:?}")) }
        })
        .await
    }
}

const ADMIN: &str = "identity.first_admin_email=ada@example.org";
const PASSWORD: &str = "identity.first_admin_password=correct-horse-battery";

fn id(letter: &Value) -> &str {
    letter["id"].as_str().unwrap()
}

async fn letters_are_listed_shown_discarded_and_retried(shop: Shop) {
    let letters = shop.all_dead().await;
    assert!(letters.iter().all(|it| it["service"] == "reporting" && it["consumer"] == "sales"));
    let told = shop.serving.logs("an event is a dead letter");
    let is_named = |it: &Value| {
        let correlation_id = it["correlation_id"].as_str().unwrap();
        told.contains(correlation_id) && told.contains(&format!("dead_letter={} ", id(it)))
    };
    assert!(letters.iter().any(is_named), "{told}");
    let table = shop.run(&["list"]);
    assert!(table.out.starts_with("id "), "{}", table.out);
    assert!(table.out.contains("orders.order_confirmed for sales"), "{}", table.out);
    assert_eq!(shop.list(&["--service", "orders"]), Vec::<Value>::new());
    let none = shop.run(&["list", "--service", "orders"]).out;
    assert!(none.starts_with("there are none; looked at orders in the da"), "{none}");
    let misspelt = shop.run(&["retry-all", "--consumer", "sale", "--publisher", "order"]);
    assert_eq!((misspelt.code, misspelt.out.as_str()), (Some(1), ""), "{misspelt:?}");
    for words in ["is called \"sale\"; choose from ", ", sales", "events of \"order\" were taken"] {
        assert!(misspelt.err.contains(words), "{words} is missing: {misspelt:?}");
    }
    let none = shop.run(&["retry-all", "--consumer", "inventory"]).out;
    assert!(none.contains("none of the consumer inventory; looked at "), "{none}");
    assert!(none.contains("there are some of sales from orders"), "{none}");
    // Whatever the process hosts in which it is asked.
    let of_identity = &[("BOXOFFICE__NODE__SERVICES", "[identity]")];
    let elsewhere = shop.program.run_with(&["dead-letters", "list", "--json"], of_identity);
    let elsewhere: Vec<Value> = serde_json::from_str(&elsewhere.out).unwrap();
    assert_eq!(elsewhere.len(), letters.len());

    let first = letters.iter().find(|it| it["waiting"].as_u64() > Some(0)).unwrap();
    let shown = shop.run(&["show", id(first)]);
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    for words in ["sales_ledger", "waiting behind   ", "trace id  ", "\"payload\": {", "retry "] {
        assert!(shown.out.contains(words), "{words} is missing: {}", shown.out);
    }
    let event = first["event_id"].as_str().unwrap();
    let of_event =
        [vec!["show", event], vec!["retry", event], vec!["discard", event, "--reason", "x"]];
    for command in of_event {
        let refused = shop.run(&command);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let advice = format!("{event} is the id of an event, whose dead letter is {}", id(first));
        assert!(refused.err.contains(&advice), "{refused:?}");
    }
    let waiting = shop.list(&["--state", "waiting"]);
    let behind = waiting.iter().find(|it| it["key"] == first["key"]).unwrap();
    let refused = shop.run(&["retry", id(behind)]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains(&format!("waits behind {}", id(first))), "{refused:?}");
    let refused = shop.run(&["discard", id(behind), "--reason", "too early"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains(&format!("waits behind {}", id(first))), "{refused:?}");
    assert_eq!(shop.list(&["--state", "discarded"]), Vec::<Value>::new());
    let unknown = shop.run(&["retry", "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d001"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("there is no dead letter 01980e4c-8f5c"), "{unknown:?}");

    let spoiled = letters.iter().find(|it| it["waiting"] == 0).unwrap();
    assert_eq!(shop.run(&["discard", id(spoiled)]).code, Some(2), "a reason is needed");
    let by_ada = ["dead-letters", "discard", id(spoiled), "--reason", "by hand", "--by", "ada"];
    let by_nobody = &by_ada[..5];
    // What `USER` says matters only when it is a name.
    let discarded = shop.program.run_with(&by_ada, &[("USER", "")]);
    assert_eq!((discarded.code, discarded.err.as_str()), (Some(0), ""));
    let again = shop.program.run_with(by_nobody, &[("USER", "")]);
    assert!(again.out.contains("discarded before: by hand (operator:ada, "), "{again:?}");
    let kept = shop.list(&["--state", "discarded"]);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["discarded"]["reason"], "by hand");
    let retried = shop.run(&["retry", id(spoiled)]);
    assert!(retried.err.contains("cannot be brought back: by hand"), "{retried:?}");

    shop.mend().await;
    let retried = shop.run(&["retry", id(first)]);
    assert_eq!((retried.code, retried.err.as_str()), (Some(0), ""));
    eventually("it and those behind it to take effect", || async {
        shop.run(&["show", id(first)]).code == Some(1)
            && shop.run(&["show", id(behind)]).code == Some(1)
    })
    .await;
    let all = shop.run(&["retry-all", "--consumer", "sales", "--json"]);
    let all: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(all["retried"], letters.len() - 2);
    eventually("no dead letters", || async { shop.list(&[]).is_empty() }).await;
    shop.database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_in_embedded_databases_are_listed_shown_discarded_and_retried() {
    letters_are_listed_shown_discarded_and_retried(Shop::on_sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_on_a_server_are_listed_shown_discarded_and_retried() {
    letters_are_listed_shown_discarded_and_retried(Shop::on_postgres().await).await;
}

/// What somebody else wrote to the topic, as it is kept.
const FOREIGN: &str = "INSERT INTO dead_letters VALUES \
     (randomblob(16), 'sales', 'orders', randomblob(16), -3, 6927422624, 'unreadable', \
     '{\"payload\":{\"is_placed\":false}}', 'dead', 1, 'it is no event', 0, 0)";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_of_the_publishers_can_only_be_discarded() {
    let program = Program::new();
    let migrated = program.run(&["migrate", "up"]);
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    write_to_reporting(&program, FOREIGN).await;
    let listed = program.run(&["dead-letters", "list", "--json"]).out;
    let letters: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let letter = id(&letters[0]);
    let shown = program.run(&["dead-letters", "show", letter]).out;
    assert!(shown.contains("it never takes effect: boxoffice dead-letters discard "), "{shown}");
    assert!(!shown.contains("retry") && !shown.contains("position "), "{shown}");
    let refused = program.run(&["dead-letters", "retry", letter]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.err.contains("is no event of the log of orders and never"), "{refused:?}");
    let discarded = program.run(&["dead-letters", "discard", letter, "--reason", "not ours"]);
    assert_eq!(discarded.code, Some(0), "{discarded:?}");
    let refused = program.run(&["dead-letters", "retry", letter]);
    assert!(refused.err.contains("cannot be brought back: not ours"), "{refused:?}");
}

/// Changes the embedded database of reporting, which nobody has open.
async fn write_to_reporting(program: &Program, statement: &'static str) {
    let data = program.home().join("data");
    let settings = DatabaseSettings::default();
    let database = Database::connect(&settings, "reporting", &data).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    store::execute!(&mut tx, statement).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;
}

/// So many after a fault that lasted.
const MANY: &str = "WITH RECURSIVE numbers (n) AS \
     (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 450) \
     INSERT INTO dead_letters SELECT randomblob(16), 'sales', 'orders', randomblob(16), 1, n, \
     'orders.order_confirmed', '{\"payload\":{}}', 'dead', 3, 'a fault', 0, 0 FROM numbers";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_very_many_letters_ends_and_says_how_many_there_are() {
    let program = Program::new();
    let migrated = program.run(&["migrate", "up"]);
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    write_to_reporting(&program, MANY).await;
    let list = ["dead-letters", "list", "--service", "reporting"];
    let table = program.run(&list).out;
    assert_eq!(table.matches("orders.order_confirmed for sales").count(), 200, "{table}");
    assert!(table.contains("\nand 250 more: narrow with --consumer\n"), "{table}");
    let all = program.run(&[&list[..], &["--json"]].concat()).out;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&all).unwrap().len(), 450);
}

#[test]
fn where_nothing_was_ever_started_nothing_is_looked_at_and_nothing_is_made() {
    let program = Program::new();
    for command in [vec!["list"], vec!["retry-all", "--consumer", "sales"]] {
        let outcome = program.run(&[vec!["dead-letters"], command].concat());
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{outcome:?}");
        assert!(outcome.err.contains("nothing was looked at in the data directory data: "));
        assert!(outcome.err.contains("reporting: has no database there"), "{outcome:?}");
    }
    assert!(!program.home().join("data").exists());
    let outcome = program.run(&["dead-letters", "list", "--service", "payments"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("\"payments\" takes in no events; choose from"), "{outcome:?}");
    let outcome = program.run(&["dead-letters", "list", "--service", "salse"]);
    assert!(outcome.err.contains("\"salse\" is no service; choose from"), "{outcome:?}");
}
