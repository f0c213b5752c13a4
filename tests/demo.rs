//! `boxoffice demo` against a Boxoffice that nobody has configured: the shop has what the summary
//! promises.

#![cfg(test)]

use std::{collections::BTreeMap, sync::Arc};

use boxoffice::{
    cli::demo::{Admin, DemoError, DemoSet},
    node, registry,
};
use runtime::{Secret, SystemClock, SystemRandom};
use serde_json::Value;
use testkit::{Client, Composition, Sandbox, Shape};

const FIRST_ADMIN: &str = "admin@boxoffice.internal";

async fn shop(shape: Shape) -> Sandbox {
    let composition = Composition {
        modules: registry::MODULES,
        sections: registry::SECTIONS,
        launch: node::launch,
    };
    Sandbox::builder(composition).shape(shape).start().await
}

async fn log_in(shop: &Sandbox, password: &str) -> Result<Admin, DemoError> {
    let password = Secret::from(password.to_owned());
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom::default()));
    Admin::log_in(&shop.public_url(), FIRST_ADMIN, &password, clock, random).await
}

async fn fill(shop: &Sandbox) -> DemoSet {
    let file = shop.data_dir().join("first-admin-password");
    let password = std::fs::read_to_string(file).expect("identity left the password there");
    let admin = log_in(shop, password.trim_end()).await.unwrap();
    admin.fill().await.unwrap()
}

/// The client of one of the accounts that the summary shows.
async fn person(shop: &Sandbox, set: &DemoSet, name: &str) -> Client {
    let account = set.accounts.iter().find(|account| account.name == name).unwrap();
    shop.client().log_in(&account.email, account.password.expose()).await
}

/// Everything on a list.
async fn items(client: &Client, path: &str) -> Vec<Value> {
    let listing = client.get(path).await.expect(200).value();
    assert_eq!(listing["next_cursor"], Value::Null, "more than one page at {path}");
    listing["items"].as_array().unwrap().clone()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_demo_set_has_everything_that_its_summary_promises() {
    keeps_its_promises(&shop(Shape::Monolith).await).await;
}

#[tokio::test]
async fn a_split_is_filled_through_its_gateway() {
    keeps_its_promises(&shop(Shape::Split).await).await;
}

async fn keeps_its_promises(shop: &Sandbox) {
    let set = fill(shop).await;
    assert!(set.is_first);
    let nobody = shop.client();
    let organizer = person(shop, &set, "Olga").await;

    let of_set = format!("/v1/events?limit=200&organizer_id={}", set.organizer_id);
    let events = items(&organizer, &of_set).await;
    assert_eq!(events.len(), set.events.len());
    let mut by_state: BTreeMap<String, usize> = BTreeMap::new();
    for event in &events {
        *by_state.entry(text(event, "state")).or_default() += 1;
    }
    let expected = [("cancelled", 1), ("draft", 1), ("on_sale", 4), ("published", 1)];
    assert_eq!(by_state, expected.map(|(state, count)| (state.to_owned(), count)).into());
    assert_eq!(items(&nobody, &of_set).await.len(), events.len() - 1, "the draft is no secret");
    for currency in ["EUR", "JPY", "USD"] {
        assert!(events.iter().any(|event| event["currency"] == currency), "{currency}");
    }

    let small = events.iter().find(|event| event["name"] == "Songs in a small room").unwrap();
    let availability = format!("/v1/availability/{}", text(small, "id"));
    let left = nobody.get(&availability).await.expect(200).value();
    assert_eq!(left["ticket_types"][0]["free"], 1, "{left}");

    purchases_are_as_promised(shop, &set).await;

    let staff = person(shop, &set, "Sam").await;
    let open = events.iter().find(|event| event["name"] == "Open rehearsal").unwrap();
    let scans = items(&staff, &format!("/v1/check-ins?event_id={}", text(open, "id"))).await;
    let refused = scans.iter().filter(|scan| scan["refused"] == "already_admitted").count();
    assert_eq!((scans.len(), refused), (4, 1), "{scans:?}");

    let shown = set.to_string();
    for account in &set.accounts {
        assert!(shown.contains(account.password.expose()), "{} can log in", account.name);
    }
}

async fn purchases_are_as_promised(shop: &Sandbox, set: &DemoSet) {
    let promised = |became: &str| match became {
        "waits for the buyer to confirm the payment" => ("held", "action_required"),
        "waits for payment" | "card declined; waits for another one" => ("held", "open"),
        "cancelled by the buyer" => ("cancelled", "closed"),
        "refunded" => ("cancelled", "refunded"),
        _ => ("fulfilled", "settled"),
    };
    for name in ["Ada", "Kenji", "Rosa"] {
        let buyer = person(shop, set, name).await;
        let payments = items(&buyer, "/v1/payments?limit=200").await;
        for purchase in set.purchases.iter().filter(|purchase| purchase.buyer == name) {
            let order = buyer.get(&format!("/v1/orders/{}", purchase.id)).await.expect(200);
            let (state, status) = promised(purchase.became);
            assert_eq!(order.field("state"), state, "{order}");
            assert_eq!(order.field("code"), purchase.code);
            let payment = payments.iter().find(|payment| text(payment, "order_id") == purchase.id);
            match payment {
                Some(payment) => assert_eq!(payment["status"], status, "{payment}"),
                None => assert_eq!(purchase.total, "0.00 EUR"),
            }
        }
    }
}

#[tokio::test]
async fn running_it_again_makes_another_set_and_says_so() {
    let shop = shop(Shape::Monolith).await;
    let first = fill(&shop).await;
    let second = fill(&shop).await;
    assert!(!second.is_first);
    assert_ne!(first.name, second.name);
    assert!(second.to_string().contains("beside the demo sets that were there before"));
    let path = "/v1/organizers?limit=200&q=Lantern";
    assert_eq!(items(&shop.client(), path).await.len(), 2);
    shop.stop().await;
}

#[tokio::test]
async fn whoever_is_refused_is_told_why() {
    let shop = shop(Shape::Monolith).await;
    let Err(refused) = log_in(&shop, "not the password").await else {
        panic!("any password will do");
    };
    let says = refused.to_string();
    assert!(says.contains("/v1/auth/login: refused with 401: "), "{says}");
    assert!(says.contains("E-mail address or password is wrong"), "{says}");
    shop.stop().await;
}
