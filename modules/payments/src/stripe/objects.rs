//! What Stripe answers and sends, as far as it is looked at. Fields that are not named here are left
//! alone, so that Stripe can add some.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// Names of our ids in Stripe's metadata.
pub(super) const ORDER_ID: &str = "order_id";
pub(super) const PAYMENT_ID: &str = "payment_id";
pub(super) const ATTEMPT_ID: &str = "attempt_id";
pub(super) const REFUND_ID: &str = "refund_id";

/// What we have noted on an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Metadata(HashMap<String, Value>);

impl Metadata {
    /// An id of ours, if there is one.
    pub(super) fn id(&self, name: &str) -> Option<Uuid> {
        Uuid::try_parse(self.0.get(name)?.as_str()?).ok()
    }
}

/// A `PaymentIntent`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) last_payment_error: Option<ErrorObject>,
    #[serde(default)]
    pub(super) next_action: Option<NextAction>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

/// What the payer has to do.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NextAction {
    #[serde(default)]
    pub(super) redirect_to_url: Option<RedirectToUrl>,
}

/// Where the payer goes on.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RedirectToUrl {
    #[serde(default)]
    pub(super) url: Option<String>,
}

/// A Refund.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RefundObject {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    /// Missing only for refunds that do not know yet.
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) failure_reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// The body of an error.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorObject,
}

/// An error, of a request or of the last attempt to pay.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ErrorObject {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    #[serde(default)]
    pub(super) param: Option<String>,
}

impl ErrorObject {
    /// Whether the card was the trouble.
    pub(super) fn is_about_card(&self) -> bool {
        self.kind.as_deref() == Some("card_error")
    }

    /// In the provider's words, without anything of the payer's.
    pub(super) fn in_words(&self) -> String {
        let code = self.code.as_deref().or(self.kind.as_deref()).unwrap_or("no reason given");
        format!("the payment provider refused: {code}")
    }
}

/// An event, as webhooks bring them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EventObject {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: EventData,
}

/// What an event is about.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct EventData {
    pub(super) object: Subject,
}

/// The object an event is about: a `PaymentIntent`, a Charge, a Refund, or something else.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Subject {
    #[serde(default)]
    pub(super) object: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    /// Its name, or the whole of it.
    #[serde(default)]
    payment_intent: Option<Value>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

impl Subject {
    /// The `PaymentIntent` that it is, or belongs to.
    pub(super) fn intent(&self) -> Option<String> {
        if self.object.as_deref() == Some("payment_intent") {
            return self.id.clone();
        }
        let intent = self.payment_intent.as_ref()?;
        let name = intent.as_str().or_else(|| intent.get("id")?.as_str());
        name.map(str::to_owned)
    }
}
