//! Payments with Stripe as the provider, against a server that answers as Stripe does.

mod charges;
mod currencies;
mod ledger;
mod refunds;
mod server;
mod trouble;
mod webhooks;

use runtime::Clock;
use serde_json::Value;
use testkit::{Reply, Storage};

use self::server::{SECRET_KEY, Stripe};
use crate::house::{House, Opened, TODAY, WEBHOOK_SECRET, signed};

pub(crate) const GOOD_TOKEN: &str = "pm_card_visa";
pub(crate) const ASKING_TOKEN: &str = "pm_card_threeDSecure2Required";

/// A house that pays at Stripe.
pub(crate) struct Shop {
    pub(crate) house: House,
    pub(crate) stripe: Stripe,
}

impl Shop {
    pub(crate) async fn open(storage: Storage) -> Self {
        Self::with(storage, "1s").await
    }

    /// One that waits for Stripe as long as it may.
    pub(crate) async fn patient(storage: Storage) -> Self {
        Self::with(storage, "8s").await
    }

    async fn with(storage: Storage, provider_timeout: &str) -> Self {
        let today: runtime::Timestamp = TODAY.parse().unwrap();
        let stripe = Stripe::start(today.as_second()).await;
        let url = stripe.url();
        let house = House::with(
            storage,
            &[
                ("payments.provider", "stripe"),
                ("payments.provider_timeout", provider_timeout),
                ("payments.stripe.base_url", &url),
                ("payments.stripe.secret_key", SECRET_KEY),
                ("payments.stripe.webhook_secrets", WEBHOOK_SECRET),
                ("payments.stripe.return_url", "https://shop.example/paid"),
            ],
        )
        .await;
        Self { house, stripe }
    }

    /// Pays, and expects no more than an answer.
    pub(crate) async fn pay(&self, opened: &Opened, token: &str) -> Reply {
        self.house.cara().post("/v1/payments", &opened.by_token(token)).await
    }

    /// A payment of Cara's that is settled.
    pub(crate) async fn paid(&self, order: u128) -> Opened {
        let opened = self.house.opened(order).await;
        let _paid = self.pay(&opened, GOOD_TOKEN).await.expect(201);
        opened
    }

    /// Sends a webhook, as Stripe does.
    pub(crate) async fn deliver(&self, event: &Value) -> Reply {
        let body = event.to_string();
        let signature = signed(&body, WEBHOOK_SECRET, self.house.sandbox.clock().now());
        self.house.webhook("stripe", &body, "stripe-signature", &signature).await
    }

    /// The last event of Stripe's.
    pub(crate) fn last_event(&self) -> Value {
        self.stripe.with(|ledger| ledger.events.last().cloned()).expect("something happened")
    }

    /// The name of the `PaymentIntent` that was made last.
    pub(crate) fn last_intent(&self) -> String {
        let intent = self.stripe.with(|ledger| ledger.intents.last().cloned());
        intent.expect("there is one")["id"].as_str().unwrap().to_owned()
    }

    /// What Stripe has taken and not given back.
    pub(crate) fn kept(&self) -> i64 {
        self.stripe.with(|ledger| {
            let ids: Vec<String> = ledger
                .intents
                .iter()
                .filter_map(|intent| intent["id"].as_str().map(str::to_owned))
                .collect();
            ledger.taken() - ids.iter().map(|id| ledger.given(id)).sum::<i64>()
        })
    }
}

/// As `on_both_databases`, out of functions that take a shop.
macro_rules! at_stripe {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name($crate::stripe::Shop::open(testkit::Storage::Sqlite).await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    let shop = $crate::stripe::Shop::open(testkit::Storage::Postgres).await;
                    super::$name(shop).await;
                }
            )+
        }
    };
}
use at_stripe;
