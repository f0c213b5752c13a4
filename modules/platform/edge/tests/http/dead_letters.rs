//! Dead letters over HTTP: who may, what is told, what is decided.

use std::{path::Path, time::Duration};

use edge::{
    EdgeSettings, Routes, dead_letters,
    token::{AccessClaims, TokenKeys},
};
use reqwest::Response;
use runtime::{
    Clock, Config, Launch, Module, Needed, Role, RunningNode, SectionSpec, Sources, SystemClock,
    web_client,
};
use serde_json::{Value, json};
use store::{Database, DatabaseSettings, Fate, Inbox, Parked, Passed, Position, Schema};
use tempfile::TempDir;
use testkit::postgres;
use uuid::Uuid;

use crate::{
    node::IDENTITY,
    support::{problem, signer},
};

static SCHEMA: Schema = Schema::new(
    "ledger",
    store::sqlx::migrate::Migrator::DEFAULT,
    store::sqlx::migrate::Migrator::DEFAULT,
);

static LEDGER: Module = Module {
    name: "ledger",
    about: "what was sold",
    prefixes: &["/v1/admin/ledger"],
    provides: &[],
    requires: &[Needed::of::<dyn TokenKeys>(&["token_keys"])],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: Some(&SCHEMA),
    views: None,
    openapi: || dead_letters::describe("ledger", Routes::<()>::new(), &[]),
    start: |boot| {
        Box::pin(async {
            let database = store::open(boot, &SCHEMA).await?;
            dead_letters::serve(boot, &database);
            Ok(())
        })
    },
};

static MODULES: &[&Module] = &[&IDENTITY, &LEDGER];

const ALL: &str = "/v1/admin/ledger/dead-letters";

/// A service with dead letters, and the database behind it.
struct House {
    node: RunningNode,
    database: Database,
    _folder: TempDir,
}

impl House {
    async fn on_sqlite() -> Self {
        Self::with(DatabaseSettings::default()).await
    }

    async fn on_postgres() -> Self {
        let url = postgres::fresh_database().await;
        Self::with(DatabaseSettings {
            url: url.as_str().to_owned().into(),
            ..DatabaseSettings::default()
        })
        .await
    }

    async fn with(settings: DatabaseSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = format!(
            "public.address = '127.0.0.1:0'\ninternal.address = '127.0.0.1:0'\n\
             admin.address = '127.0.0.1:0'\nnode.data_dir = '{}'\ndatabase.url = '{}'\n",
            folder.path().display(),
            settings.url.expose(),
        );
        let sections = [SectionSpec::of::<EdgeSettings>(), SectionSpec::of::<DatabaseSettings>()];
        let config = Config::load(sections, Sources::new().toml("test", &keys)).unwrap();
        let launch = Launch::new(config, MODULES).public_stack(edge::public_stack);
        let node = launch.start().await.unwrap();
        node.ready().await;
        let database = connect(&settings, folder.path()).await;
        Self { node, database, _folder: folder }
    }

    /// Puts an event aside, whose number is its identity and its place; `fate` says how it fares.
    async fn park(&self, number: u128, key: u128, fate: Fate) {
        self.park_from(0, number, key, fate).await;
    }

    /// The same, with the transaction in which it stands in its log.
    async fn park_from(&self, txn: i64, number: u128, key: u128, fate: Fate) {
        let parked = Parked {
            id: Uuid::from_u128(number),
            key: Uuid::from_u128(key),
            position: Position { txn, seq: i64::try_from(number).unwrap() },
            event_type: "tills.sold".to_owned(),
            event: json!({
                "id": Uuid::from_u128(number + 1000),
                "correlation_id": "req-1",
                "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "payload": { "type": "sold", "number": 7 },
            }),
            fate,
            at: SystemClock.now(),
        };
        let mut tx = self.database.begin().await.unwrap();
        Inbox::new("books", "tills").park(&mut tx, &[parked]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Has a consumer take in an event of its publisher.
    async fn take_in(&self, consumer: &str, publisher: &str) {
        let mut tx = self.database.begin().await.unwrap();
        let (inbox, nothing) = (Inbox::new(consumer, publisher), Passed::default());
        let first = Position { txn: 0, seq: 1 };
        assert!(inbox.advance(&mut tx, &nothing, Position::START, first).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn get(&self, path: &str) -> Response {
        self.send("GET", path, Some(&[Role::Admin]), None).await
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.send("POST", path, Some(&[Role::Admin]), Some(body)).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        roles: Option<&[Role]>,
        body: Option<Value>,
    ) -> Response {
        let url = format!("http://{}{path}", self.node.public_addr());
        let mut request = web_client().unwrap().request(method.parse().unwrap(), url);
        if let Some(roles) = roles {
            request = request.bearer_auth(token(roles));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn ids(&self, query: &str) -> Vec<Uuid> {
        let listing: Value = self.get(&format!("{ALL}{query}")).await.json().await.unwrap();
        let items = listing["items"].as_array().unwrap_or_else(|| panic!("{query}: {listing}"));
        items.iter().map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    async fn end(self) {
        self.database.close().await;
        self.node.stop().await;
    }
}

async fn connect(settings: &DatabaseSettings, folder: &Path) -> Database {
    Database::connect(settings, SCHEMA.name(), folder).await.unwrap()
}

const ADA: Uuid = Uuid::from_u128(0xada);

fn token(roles: &[Role]) -> String {
    let lifetime = Duration::from_mins(15);
    let claims = AccessClaims::new(ADA, roles.to_vec(), ADA, ADA, SystemClock.now(), lifetime);
    signer(1).sign(&claims).unwrap()
}

fn dead() -> Fate {
    Fate::Dead { attempts: 5, error: "the ink has run dry".to_owned() }
}

fn letter(number: u128) -> String {
    format!("{ALL}/{}", Uuid::from_u128(number))
}

fn uuids(numbers: &[u128]) -> Vec<Uuid> {
    numbers.iter().map(|number| Uuid::from_u128(*number)).collect()
}

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($(async fn $name:ident($house:ident: House) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn test($house: House) {
                $body
                $house.end().await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                test(House::on_sqlite().await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                test(House::on_postgres().await).await;
            }
        })*
    };
}

on_both! {
    async fn nobody_but_admins_learns_or_decides_anything(house: House) {
        house.park(1, 100, dead()).await;
        let operations = [
            ("GET", ALL.to_owned(), None),
            ("GET", letter(1), None),
            ("GET", letter(9), None),
            ("POST", format!("{}/retry", letter(1)), None),
            ("POST", format!("{ALL}/retry"), Some(json!({ "consumer": "books" }))),
            ("POST", format!("{}/discard", letter(1)), Some(json!({ "reason": "spoiled" }))),
        ];
        for (method, path, body) in operations {
            let nobody = house.send(method, &path, None, body.clone()).await;
            let _refused = problem(nobody, 401, "unauthenticated").await;
            for role in [Role::Customer, Role::Organizer, Role::Staff] {
                let other = house.send(method, &path, Some(&[role]), body.clone()).await;
                let _refused = problem(other, 403, "forbidden").await;
            }
        }
        let shown: Value = house.get(&letter(1)).await.json().await.unwrap();
        assert_eq!((&shown["state"], &shown["attempts"]), (&json!("dead"), &json!(5)));
    }

    async fn a_dead_letter_is_shown_with_all_that_is_known(house: House) {
        house.park(1, 100, dead()).await;
        house.park(2, 100, Fate::Waiting).await;
        let shown: Value = house.get(&letter(1)).await.json().await.unwrap();
        for (member, expected) in [
            ("id", json!(Uuid::from_u128(1))),
            ("state", json!("dead")),
            ("consumer", json!("books")),
            ("publisher", json!("tills")),
            ("type", json!("tills.sold")),
            ("key", json!(Uuid::from_u128(100))),
            ("attempts", json!(5)),
            ("error", json!("the ink has run dry")),
            ("waiting", json!(1)),
            ("event_id", json!(Uuid::from_u128(1001))),
            ("correlation_id", json!("req-1")),
            ("trace_id", json!("4bf92f3577b34da6a3ce929d0e0e4736")),
            ("position", json!({ "txn": 0, "seq": 1 })),
        ] {
            assert_eq!(shown[member], expected, "{member} of {shown}");
        }
        assert_eq!(shown["event"]["payload"]["number"], 7);
        assert!(shown.get("next_attempt_at").is_none() && shown.get("discarded").is_none());

        let listing: Value = house.get(ALL).await.json().await.unwrap();
        assert_eq!(listing["items"][0]["waiting"], 1);
        assert!(listing["items"][0].get("event").is_none(), "what it holds is shown on demand");
    }

    async fn lists_come_in_pages_and_have_what_is_asked_for(house: House) {
        for number in 1..=5 {
            house.park(number, number, dead()).await;
        }
        house.park(6, 1, Fate::Waiting).await;
        let due = SystemClock.now() + Duration::from_hours(1);
        house.park(7, 7, Fate::Retrying { attempts: 1, error: "busy".to_owned(), due }).await;
        assert_eq!(house.ids("").await, uuids(&[1, 2, 3, 4, 5, 7]));
        assert_eq!(house.ids("?state=dead&consumer=books").await, uuids(&[1, 2, 3, 4, 5]));
        assert_eq!(house.ids("?state=waiting&publisher=tills").await, uuids(&[6]));
        assert_eq!(house.ids("?state=retrying").await, uuids(&[7]));
        assert_eq!(house.ids("?publisher=orders").await, uuids(&[]));

        let first: Value = house.get(&format!("{ALL}?limit=4")).await.json().await.unwrap();
        let cursor = first["next_cursor"].as_str().unwrap();
        assert_eq!(house.ids(&format!("?limit=4&cursor={cursor}")).await, uuids(&[5, 7]));
        for query in ["?state=lost", "?limit=0", "?cursor=made-up", "?consumr=books"] {
            let _refused = problem(house.get(&format!("{ALL}{query}")).await, 422, "invalid-input").await;
        }
    }

    async fn what_is_to_be_retried_will_be_tried_at_once(house: House) {
        house.park(1, 100, dead()).await;
        house.park(2, 100, Fate::Waiting).await;
        let retried = house.post(&format!("{}/retry", letter(1)), json!({})).await;
        assert_eq!(retried.status(), 202);
        let retried: Value = retried.json().await.unwrap();
        assert_eq!((&retried["state"], &retried["attempts"]), (&json!("retrying"), &json!(0)));
        assert!(retried["next_attempt_at"].is_string());
        let due = Inbox::new("books", "tills");
        let due = due.runnable(&house.database, SystemClock.now(), 10).await.unwrap();
        assert_eq!(due.into_iter().map(|it| it.id).collect::<Vec<_>>(), uuids(&[1]));
        let again = house.post(&format!("{}/retry", letter(1)), json!({})).await;
        assert_eq!(again.status(), 202, "repeating it is harmless");
    }

    async fn what_waits_cannot_be_decided_about_and_the_answer_says_for_what(house: House) {
        house.park(1, 100, dead()).await;
        house.park(2, 100, Fate::Waiting).await;
        let answer = house.post(&format!("{}/retry", letter(2)), json!({})).await;
        let refused = problem(answer, 409, "dead-letter-waits").await;
        assert_eq!(refused["behind"], json!(Uuid::from_u128(1)));
        let discard = format!("{}/discard", letter(2));
        let answer = house.post(&discard, json!({ "reason": "x" })).await;
        let refused = problem(answer, 409, "dead-letter-waits").await;
        assert_eq!(refused["behind"], json!(Uuid::from_u128(1)));
        assert_eq!(house.ids("?state=waiting").await, uuids(&[2]));
        let settled = house.post(&format!("{}/discard", letter(1)), json!({ "reason": "x" })).await;
        assert_eq!(settled.status(), 200);
        let answer = house.post(&format!("{}/retry", letter(2)), json!({})).await;
        let refused = problem(answer, 409, "dead-letter-waits").await;
        assert!(refused.get("behind").is_none(), "its turn has come: {refused}");
    }

    async fn all_of_a_consumer_are_retried_at_once(house: House) {
        house.park(1, 100, dead()).await;
        house.park(2, 100, Fate::Waiting).await;
        house.park(3, 200, dead()).await;
        house.take_in("books", "tills").await;
        house.take_in("mails", "orders").await;
        let retry = format!("{ALL}/retry");
        for (body, expected) in [
            (json!({ "consumer": "mails" }), 0),
            (json!({ "consumer": "books", "publisher": "tills" }), 2),
            (json!({ "consumer": "books" }), 2),
        ] {
            let answer = house.post(&retry, body.clone()).await;
            assert_eq!(answer.status(), 202, "{body}");
            assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "retried": expected }));
        }
        assert_eq!(house.ids("?state=retrying").await, uuids(&[1, 3]));
        for body in [json!({}), json!({ "consumer": "" }), json!({ "consumer": "books", "all": 1 })] {
            let _refused = problem(house.post(&retry, body).await, 422, "invalid-input").await;
        }
    }

    async fn names_that_nobody_has_are_refused_together_with_those_there_are(house: House) {
        house.park(1, 100, dead()).await;
        house.take_in("books", "tills").await;
        house.take_in("mails", "orders").await;
        for (body, expected) in [
            (json!({ "consumer": "book" }), vec![("/consumer", "choose from books, mails")]),
            (
                json!({ "consumer": "book", "publisher": "till" }),
                vec![
                    ("/consumer", "choose from books, mails"),
                    ("/publisher", "choose from orders, tills"),
                ],
            ),
            (
                json!({ "consumer": "books", "publisher": "orders" }),
                vec![("/publisher", "choose from tills")],
            ),
        ] {
            let answer = house.post(&format!("{ALL}/retry"), body).await;
            let refused = problem(answer, 422, "invalid-input").await;
            let errors = refused["errors"].as_array().unwrap();
            assert_eq!(errors.len(), expected.len(), "{refused}");
            for (error, (pointer, choice)) in errors.iter().zip(expected) {
                assert_eq!((&error["in"], &error["pointer"]), (&json!("body"), &json!(pointer)));
                assert!(error["detail"].as_str().unwrap().ends_with(choice), "{refused}");
            }
        }
        assert_eq!(house.ids("?state=retrying").await, uuids(&[]));
    }

    async fn what_is_no_event_of_its_publishers_log_cannot_be_retried(house: House) {
        house.park_from(-3, 1, 100, dead()).await;
        let retry = format!("{}/retry", letter(1));
        let refused = house.post(&retry, json!({})).await;
        let _refused = problem(refused, 409, "dead-letter-foreign").await;
        assert_eq!(house.ids("?state=dead").await, uuids(&[1]));
        let discard = format!("{}/discard", letter(1));
        assert_eq!(house.post(&discard, json!({ "reason": "not ours" })).await.status(), 200);
        let _refused = problem(house.post(&retry, json!({})).await, 409, "dead-letter-discarded").await;
    }

    async fn what_is_discarded_is_kept_with_who_when_and_why(house: House) {
        house.park(1, 100, dead()).await;
        let discard = format!("{}/discard", letter(1));
        for reason in [json!({}), json!({ "reason": " " }), json!({ "reason": "a\u{0}b" })] {
            let _refused = problem(house.post(&discard, reason).await, 422, "invalid-input").await;
        }
        let long = json!({ "reason": "x".repeat(501) });
        let _refused = problem(house.post(&discard, long).await, 422, "invalid-input").await;

        let discarded = house.post(&discard, json!({ "reason": " sold by hand " })).await;
        assert_eq!(discarded.status(), 200);
        let discarded: Value = discarded.json().await.unwrap();
        assert_eq!(discarded["state"], "discarded");
        assert_eq!(discarded["discarded"]["reason"], "sold by hand");
        assert_eq!(discarded["discarded"]["by"], format!("user:{ADA}"));
        assert!(discarded["discarded"]["at"].is_string());

        assert_eq!(house.ids("").await, uuids(&[]));
        assert_eq!(house.ids("?state=discarded").await, uuids(&[1]));
        let shown: Value = house.get(&letter(1)).await.json().await.unwrap();
        assert_eq!(shown["discarded"], discarded["discarded"]);

        let later = house.post(&discard, json!({ "reason": "for another reason" })).await;
        assert_eq!(later.status(), 200);
        let later: Value = later.json().await.unwrap();
        assert_eq!(later["discarded"], discarded["discarded"], "the first reason stands");
        let retried = house.post(&format!("{}/retry", letter(1)), json!({})).await;
        let refused = problem(retried, 409, "dead-letter-discarded").await;
        assert_eq!(refused["discarded"], discarded["discarded"]);
    }

    async fn of_what_there_is_not_nothing_can_be_done(house: House) {
        let answers = [
            house.get(&letter(9)).await,
            house.post(&format!("{}/retry", letter(9)), json!({})).await,
            house.post(&format!("{}/discard", letter(9)), json!({ "reason": "spoiled" })).await,
        ];
        for answer in answers {
            let refused = problem(answer, 404, "not-found").await;
            assert!(refused["detail"].as_str().unwrap().contains("took effect is gone"));
        }
        let answer = house.get(&format!("{ALL}/nonsense")).await;
        let _refused = problem(answer, 422, "invalid-input").await;
    }

    async fn whoever_gives_the_id_of_an_event_is_told_of_its_dead_letter(house: House) {
        house.park(1, 100, dead()).await;
        house.park(2, 100, Fate::Waiting).await;
        house.park(3, 200, dead()).await;
        let discarded = house.post(&format!("{}/discard", letter(3)), json!({ "reason": "x" })).await;
        assert_eq!(discarded.status(), 200);
        for number in 1..=3 {
            let event = letter(number + 1000);
            let answers = [
                house.get(&event).await,
                house.post(&format!("{event}/retry"), json!({})).await,
                house.post(&format!("{event}/discard"), json!({ "reason": "spoiled" })).await,
            ];
            for answer in answers {
                let refused = problem(answer, 404, "not-found").await;
                assert_eq!(refused["dead_letters"], json!([Uuid::from_u128(number)]));
                assert!(refused["detail"].as_str().unwrap().contains("the id of an event"));
            }
        }
        assert_eq!(house.ids("?state=dead").await, uuids(&[1]));
    }

    async fn operators_who_decide_at_once_learn_what_stands(house: House) {
        house.park(1, 100, dead()).await;
        let (discard, retry) = (format!("{}/discard", letter(1)), format!("{}/retry", letter(1)));
        let (ada, bob, eve) = tokio::join!(
            house.post(&discard, json!({ "reason": "spoiled" })),
            house.post(&discard, json!({ "reason": "rotten" })),
            house.post(&retry, json!({})),
        );
        assert_eq!((ada.status().as_u16(), bob.status().as_u16()), (200, 200));
        assert!([202, 409].contains(&eve.status().as_u16()), "{}", eve.status());
        let (ada, bob): (Value, Value) = (ada.json().await.unwrap(), bob.json().await.unwrap());
        assert_eq!(ada["discarded"], bob["discarded"], "both learn whose reason stands");
    }
}

#[test]
fn operations_of_different_services_have_different_names() {
    let document = serde_json::to_value((LEDGER.openapi)()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let names: Vec<&str> = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    assert_eq!(names.len(), 5);
    assert!(names.iter().all(|name| name.ends_with("_of_ledger")), "{names:?}");
    assert!(paths.keys().all(|path| path.starts_with("/v1/admin/ledger/dead-letters")));
}
