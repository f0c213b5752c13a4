//! The provider Stripe, by its `PaymentIntents`.
//!
//! A charge takes two requests: one makes the `PaymentIntent`, which moves no money, the other confirms
//! it. Both carry an idempotency key made of the attempt's id. So what became of a charge can always
//! be found out: made again with its key, the `PaymentIntent` tells its name, and then where it stands;
//! and one that is cancelled takes no money any more, however late its confirmation arrives.
//!
//! Stripe forgets keys after a day. An attempt that is older and whose `PaymentIntent`'s name was never
//! heard is looked for in the list of that time.

mod api;
mod objects;
mod outcomes;
mod units;

use std::{sync::Arc, time::Duration};

use contracts::money::Money;
use jiff::SignedDuration;
use runtime::{Clock, Context, Secret, StartError, WebClient, async_trait};
use tokio::time::Instant;
use uuid::Uuid;

use self::{
    api::{Answered, Api, Fault, is_name},
    objects::{
        ATTEMPT_ID, EventObject, Intent, List, ORDER_ID, PAYMENT_ID, REFUND_ID, RefundObject,
    },
    outcomes::{Standing, can_be_cancelled, decline, standing},
    units::{from_stripe, to_stripe},
};
use crate::{
    domain::{Decline, Outcome, RefundOutcome},
    provider::{
        Charge, Charged, Hint, KnownRefund, Method, Objection, Provider, Repayment, UnreadableHint,
    },
    settings::StripeSettings,
    signature::Secrets,
    token::PaymentToken,
};

/// Stripe remembers idempotency keys for a day at least.
const KEYS_LAST: SignedDuration = SignedDuration::from_hours(23);
/// How many seconds around an attempt its `PaymentIntent` is looked for.
const SEARCH_AROUND: i64 = 120;
/// Pages of a list that are read at most, each of a hundred.
const MOST_PAGES: usize = 20;

/// The provider `stripe`.
pub(crate) struct StripeProvider {
    api: Api,
    secrets: Secrets,
    return_url: String,
    clock: Arc<dyn Clock>,
    limit: Duration,
}

/// What is known of the `PaymentIntent` of a charge.
enum Found {
    /// This is it.
    Intent(Box<Intent>),
    /// There is none, or one that nobody knows the name of, so that nobody confirms it.
    None,
    /// Stripe does not say.
    Unanswered,
}

impl StripeProvider {
    /// The provider as it is configured. Each of its methods answers within `limit`.
    ///
    /// # Errors
    /// When no requests can be made to anybody.
    pub(crate) fn new(
        settings: &StripeSettings,
        clock: Arc<dyn Clock>,
        limit: Duration,
    ) -> Result<Self, StartError> {
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        let secret_key = Secret::from(settings.secret_key.expose().to_owned());
        Ok(Self {
            api: Api { client: WebClient::new()?, base_url, secret_key },
            secrets: Secrets::parse(&settings.webhook_secrets),
            return_url: settings.return_url.clone(),
            clock,
            limit,
        })
    }

    /// When to give up: a little before whoever asks does.
    fn until(&self) -> Instant {
        Instant::now() + self.limit * 9 / 10
    }

    /// Makes the `PaymentIntent` of the charge, or hears of the one that was made.
    async fn make(&self, charge: &Charge, until: Instant) -> Result<Answered<Intent>, Fault> {
        // What Stripe does not take was refused before the attempt began.
        let amount = to_stripe(charge.amount).map_err(|_| Fault::Refused(Box::default()))?;
        let amount = amount.to_string();
        let currency = charge.amount.currency.code().to_ascii_lowercase();
        let ids = [charge.order_id, charge.payment_id, charge.id].map(|id| id.to_string());
        let [order_id, payment_id, attempt_id] = &ids;
        let names = [ORDER_ID, PAYMENT_ID, ATTEMPT_ID].map(|name| format!("metadata[{name}]"));
        let [order_name, payment_name, attempt_name] = &names;
        let fields = [
            ("amount", amount.as_str()),
            ("currency", &currency),
            ("payment_method_types[]", "card"),
            (order_name, order_id),
            (payment_name, payment_id),
            (attempt_name, attempt_id),
        ];
        let made = self.api.post("/v1/payment_intents", &fields, attempt_id, until).await;
        made.and_then(|answered: Answered<Intent>| {
            let is_fit = is_name(&answered.value.id);
            if is_fit { Ok(answered) } else { Err(Fault::Unknown { has_ended: false }) }
        })
    }

    async fn retrieve(&self, reference: &str, until: Instant) -> Option<Intent> {
        if !is_name(reference) {
            return None;
        }
        let path = format!("/v1/payment_intents/{reference}");
        self.api.get(&path, &[], until).await.ok().map(|answered| answered.value)
    }

    async fn find(&self, charge: &Charge, until: Instant) -> Found {
        if let Some(reference) = &charge.reference {
            return self.retrieve(reference, until).await.map_or(Found::Unanswered, Found::is);
        }
        if self.clock.now().duration_since(charge.begun_at) > KEYS_LAST {
            return self.search(charge, until).await;
        }
        match self.make(charge, until).await {
            // The answer of then tells the name alone.
            Ok(Answered { value, was_replayed: true }) => {
                self.retrieve(&value.id, until).await.map_or(Found::Unanswered, Found::is)
            }
            Ok(Answered { value, .. }) => Found::is(value),
            Err(Fault::Refused(_) | Fault::Unknown { has_ended: true }) => Found::None,
            Err(Fault::NotDone | Fault::Unknown { .. }) => Found::Unanswered,
        }
    }

    /// Looks for the `PaymentIntent` among those that were made at the time of the attempt.
    async fn search(&self, charge: &Charge, until: Instant) -> Found {
        let begun = charge.begun_at.as_second();
        let [from, to] = [begun - SEARCH_AROUND, begun + SEARCH_AROUND].map(|it| it.to_string());
        let window = [("created[gte]", from.as_str()), ("created[lte]", &to)];
        let intents = self.all("/v1/payment_intents", &window, until, |it: &Intent| &it.id).await;
        let is_it = |intent: &Intent| {
            let noted = intent.metadata.as_ref().and_then(|metadata| metadata.id(ATTEMPT_ID));
            noted == Some(charge.id)
        };
        match intents.map(|intents| intents.into_iter().find(is_it)) {
            Some(Some(intent)) => Found::is(intent),
            Some(None) => Found::None,
            None => Found::Unanswered,
        }
    }

    /// All entries of a list; `None` when one of its pages does not come.
    async fn all<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        filter: &[(&str, &str)],
        until: Instant,
        name: fn(&T) -> &String,
    ) -> Option<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..MOST_PAGES {
            let last = all.last().map(|entry| name(entry).clone());
            let after = last.as_deref().map(|last| ("starting_after", last));
            let query: Vec<(&str, &str)> =
                filter.iter().copied().chain([("limit", "100")]).chain(after).collect();
            let List { data, has_more } = self.api.get(path, &query, until).await.ok()?.value;
            let is_last = !has_more || data.is_empty();
            all.extend(data);
            if is_last {
                return Some(all);
            }
        }
        tracing::warn!(path, "a list of stripe's is longer than what is read of it");
        None
    }

    /// Confirms a `PaymentIntent`: takes the money.
    async fn confirm(
        &self,
        charge: &Charge,
        intent: &Intent,
        token: &PaymentToken,
        until: Instant,
    ) -> Outcome {
        let reference = intent.id.as_str();
        let path = format!("/v1/payment_intents/{reference}/confirm");
        let fields = [("payment_method", token.expose()), ("return_url", self.return_url.as_str())];
        let key = format!("{}-confirm", charge.id);
        match self.api.post::<Intent>(&path, &fields, &key, until).await {
            // What was true then need not be true now.
            Ok(Answered { value, was_replayed: false }) => {
                standing(&value).or_processing(reference)
            }
            Err(Fault::Refused(error)) if error.is_about_card() => {
                Outcome::Declined { reason: decline(&error) }
            }
            Err(Fault::Refused(error)) if error.param.as_deref() == Some("payment_method") => {
                Outcome::Declined { reason: Decline::TokenRefused }
            }
            Ok(_) | Err(_) => match self.retrieve(reference, until).await {
                Some(intent) => standing(&intent).or_processing(reference),
                None => Outcome::Processing { reference: reference.to_owned() },
            },
        }
    }

    async fn call_off(&self, charge: &Charge, intent: &Intent, until: Instant) -> Outcome {
        let path = format!("/v1/payment_intents/{}/cancel", intent.id);
        // Whether it can be called off depends on where it stands, and so does the answer that is
        // remembered under the key.
        let key = format!("{}-cancel-{}", charge.id, intent.status);
        let fields = [("cancellation_reason", "abandoned")];
        let answer = match self.api.post::<Intent>(&path, &fields, &key, until).await {
            Ok(Answered { value, was_replayed: false }) => Some(value),
            Ok(_) | Err(_) => self.retrieve(&intent.id, until).await,
        };
        match answer.map(|intent| standing(&intent)) {
            Some(Standing::Is(outcome)) => outcome,
            Some(Standing::Unconfirmed) | None => {
                Outcome::Processing { reference: intent.id.clone() }
            }
        }
    }
}

impl Found {
    fn is(intent: Intent) -> Self {
        Self::Intent(Box::new(intent))
    }
}

#[async_trait]
impl Provider for StripeProvider {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn objection(&self, method: &Method, amount: Money) -> Option<Objection> {
        if !matches!(method, Method::Token(_)) {
            return Some(Objection::Method { takes: "token" });
        }
        self.objection_to_amount(amount).map(|why| Objection::Amount { why })
    }

    fn objection_to_amount(&self, amount: Money) -> Option<&'static str> {
        to_stripe(amount).err()
    }

    async fn charge(&self, _cx: &Context, charge: &Charge, method: Method) -> Charged {
        let Method::Token(token) = method else { return Charged::Told(Outcome::Unreached) };
        let until = self.until();
        let outcome = match self.make(charge, until).await {
            Ok(Answered { value, .. }) => self.confirm(charge, &value, &token, until).await,
            // Somebody else may be confirming it.
            Err(_) if !charge.is_new => Outcome::Unknown,
            Err(Fault::Refused(error)) if error.param.as_deref() == Some("amount") => {
                Outcome::Declined { reason: Decline::AmountRefused }
            }
            // Whatever became of the `PaymentIntent`, nobody confirms it.
            Err(_) => Outcome::Unreached,
        };
        Charged::Told(outcome)
    }

    async fn complete_action(&self, cx: &Context, charge: &Charge, is_approved: bool) -> Outcome {
        if is_approved {
            return self.fetch(cx, charge).await.unwrap_or(Outcome::Unknown);
        }
        match self.cancel(cx, charge).await {
            Outcome::Cancelled => Outcome::Declined { reason: Decline::NotApproved },
            outcome => outcome,
        }
    }

    async fn fetch(&self, _cx: &Context, charge: &Charge) -> Option<Outcome> {
        match self.find(charge, self.until()).await {
            Found::Intent(intent) => match standing(&intent) {
                Standing::Is(outcome) => Some(outcome),
                Standing::Unconfirmed => None,
            },
            Found::None => None,
            Found::Unanswered => Some(Outcome::Unknown),
        }
    }

    async fn cancel(&self, _cx: &Context, charge: &Charge) -> Outcome {
        let until = self.until();
        match self.find(charge, until).await {
            Found::Intent(intent) => match standing(&intent) {
                Standing::Is(Outcome::Declined { reason }) => Outcome::Declined { reason },
                _ if can_be_cancelled(&intent.status) => {
                    self.call_off(charge, &intent, until).await
                }
                Standing::Is(outcome) => outcome,
                Standing::Unconfirmed => Outcome::Unknown,
            },
            Found::None => Outcome::Cancelled,
            Found::Unanswered => Outcome::Unknown,
        }
    }

    async fn refund(&self, _cx: &Context, repayment: &Repayment) -> RefundOutcome {
        let until = self.until();
        let amount = to_stripe(repayment.amount).map(|amount| amount.to_string());
        let amount = match amount {
            Ok(amount) => amount,
            Err(why) => return RefundOutcome::Cancelled { reason: why.to_owned() },
        };
        let [order_id, refund_id] = [repayment.order_id, repayment.id].map(|id| id.to_string());
        let [order_name, refund_name] =
            [ORDER_ID, REFUND_ID].map(|name| format!("metadata[{name}]"));
        let fields = [
            ("payment_intent", repayment.charge.as_str()),
            ("amount", &amount),
            ("reason", "requested_by_customer"),
            (&order_name, &order_id),
            (&refund_name, &refund_id),
        ];
        match self.api.post::<RefundObject>("/v1/refunds", &fields, &refund_id, until).await {
            Ok(Answered { value, was_replayed: false }) => outcomes::refund(&value),
            Err(Fault::Refused(error)) => RefundOutcome::Failed { reason: error.in_words() },
            Err(Fault::NotDone) => RefundOutcome::Unknown,
            Ok(Answered { value, .. }) => {
                self.known(repayment, until).await.unwrap_or_else(|| outcomes::refund(&value))
            }
            Err(Fault::Unknown { has_ended }) => match self.known(repayment, until).await {
                // The answer will be the same for as long as Stripe remembers the key.
                None if has_ended => RefundOutcome::Failed {
                    reason: "the payment provider failed to give the money back".to_owned(),
                },
                known => known.unwrap_or(RefundOutcome::Unknown),
            },
        }
    }

    async fn refunds(&self, _cx: &Context, reference: &str) -> Option<Vec<KnownRefund>> {
        self.list_refunds(reference, self.until()).await
    }

    fn signature_header(&self) -> &'static str {
        "stripe-signature"
    }

    fn webhook_secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn read_webhook(&self, body: &[u8]) -> Result<Hint, UnreadableHint> {
        let event: EventObject =
            serde_json::from_slice(body).map_err(|error| UnreadableHint(error.to_string()))?;
        let subject = event.data.object;
        let noted = |name| subject.metadata.as_ref().and_then(|metadata| metadata.id(name));
        Ok(Hint {
            event_id: event.id,
            kind: event.kind,
            order_id: noted(ORDER_ID),
            attempt_id: noted(ATTEMPT_ID),
            charge: subject.intent().filter(|name| is_name(name)),
        })
    }

    async fn order_of(&self, _cx: &Context, reference: &str) -> Option<Option<Uuid>> {
        let path = format!("/v1/payment_intents/{reference}");
        match self.api.get::<Intent>(&path, &[], self.until()).await {
            Ok(Answered { value, .. }) => Some(value.metadata.and_then(|it| it.id(ORDER_ID))),
            Err(Fault::Refused(_)) => Some(None),
            Err(Fault::NotDone | Fault::Unknown { .. }) => None,
        }
    }
}

impl StripeProvider {
    async fn list_refunds(&self, reference: &str, until: Instant) -> Option<Vec<KnownRefund>> {
        let filter = [("payment_intent", reference)];
        let refunds = self.all("/v1/refunds", &filter, until, |it: &RefundObject| &it.id).await?;
        let known = refunds.into_iter().filter_map(|refund| {
            let outcome = outcomes::refund(&refund);
            let amount = from_stripe(refund.amount, &refund.currency)?;
            let id = refund.metadata.and_then(|metadata| metadata.id(REFUND_ID));
            Some(KnownRefund { id, reference: refund.id, amount, outcome })
        });
        Some(known.collect())
    }

    /// What came of our own refund, if Stripe knows it.
    async fn known(&self, repayment: &Repayment, until: Instant) -> Option<RefundOutcome> {
        let refunds = self.list_refunds(&repayment.charge, until).await;
        let Some(refunds) = refunds else { return Some(RefundOutcome::Unknown) };
        let ours = refunds.into_iter().find(|it| it.id == Some(repayment.id));
        ours.map(|refund| refund.outcome)
    }
}
