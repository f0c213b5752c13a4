//! What Stripe keeps and does: `PaymentIntents`, refunds, and the events that tell of them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// The fields of a form.
pub(crate) type Fields = BTreeMap<String, String>;
/// A status and a body.
pub(crate) type Reply = (u16, Value);

const INTENT: &str = include_str!("shapes/payment_intent.json");
const REFUND: &str = include_str!("shapes/refund.json");
const NEXT_ACTION: &str = include_str!("shapes/next_action.json");
const CARD_ERROR: &str = include_str!("shapes/card_error.json");
const INVALID_REQUEST: &str = include_str!("shapes/invalid_request.json");
const EVENT: &str = include_str!("shapes/event.json");

/// An account at Stripe.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) intents: Vec<Value>,
    pub(crate) refunds: Vec<Value>,
    /// What happened, as webhooks tell it; newest last.
    pub(crate) events: Vec<Value>,
    /// The time, in seconds.
    pub(crate) now: i64,
    /// How new refunds stand; they succeed when nothing is said.
    pub(crate) refund_status: Option<&'static str>,
    count: u32,
}

fn shape(text: &str) -> Value {
    serde_json::from_str(text).expect("the recorded shape is JSON")
}

pub(crate) fn invalid(code: &str, param: &str) -> Reply {
    let mut body = shape(INVALID_REQUEST);
    body["error"]["code"] = json!(code);
    body["error"]["param"] = json!(param);
    (400, body)
}

fn missing(param: &str) -> Reply {
    let (_, body) = invalid("resource_missing", param);
    (404, body)
}

impl Ledger {
    fn name(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}_3Test{}", self.count)
    }

    fn tell(&mut self, kind: &str, object: &Value) {
        let mut event = shape(EVENT);
        event["id"] = json!(self.name("evt"));
        event["type"] = json!(kind);
        event["created"] = json!(self.now);
        event["data"]["object"] = object.clone();
        self.events.push(event);
    }

    pub(crate) fn create_intent(&mut self, fields: &Fields) -> Reply {
        let Some(amount) = fields.get("amount").and_then(|it| it.parse::<i64>().ok()) else {
            return invalid("parameter_missing", "amount");
        };
        let currency = fields.get("currency").cloned().unwrap_or_default();
        if ["kwd", "bhd"].contains(&currency.as_str()) && amount % 10 != 0 {
            return invalid("parameter_invalid_integer", "amount");
        }
        if amount < 50 {
            return invalid("amount_too_small", "amount");
        }
        let mut intent = shape(INTENT);
        intent["id"] = json!(self.name("pi"));
        intent["amount"] = json!(amount);
        intent["currency"] = json!(currency);
        intent["created"] = json!(self.now);
        intent["metadata"] = metadata(fields);
        self.intents.push(intent.clone());
        self.tell("payment_intent.created", &intent);
        (200, intent)
    }

    pub(crate) fn intent(&self, id: &str) -> Reply {
        let intent = self.intents.iter().find(|it| it["id"] == id);
        intent.map_or_else(|| missing("intent"), |intent| (200, intent.clone()))
    }

    pub(crate) fn confirm_intent(&mut self, id: &str, fields: &Fields) -> Reply {
        let token = fields.get("payment_method").cloned().unwrap_or_default();
        let Some(place) = self.intents.iter().position(|it| it["id"] == id) else {
            return missing("intent");
        };
        let status = &self.intents[place]["status"];
        if status != "requires_payment_method" && status != "requires_confirmation" {
            return invalid("payment_intent_unexpected_state", "intent");
        }
        let decline = |code: &str, decline_code: &str| {
            let mut body = shape(CARD_ERROR);
            body["error"]["code"] = json!(code);
            body["error"]["decline_code"] = json!(decline_code);
            body
        };
        let intent = &mut self.intents[place];
        let (status, body) = match token.as_str() {
            "pm_card_visa" => {
                intent["status"] = json!("succeeded");
                intent["amount_received"] = intent["amount"].clone();
                (200, intent.clone())
            }
            "pm_card_threeDSecure2Required" => {
                intent["status"] = json!("requires_action");
                intent["next_action"] = shape(NEXT_ACTION);
                (200, intent.clone())
            }
            "pm_card_slow" => {
                intent["status"] = json!("processing");
                (200, intent.clone())
            }
            "pm_card_visa_chargeDeclined" => (402, decline("card_declined", "generic_decline")),
            "pm_card_visa_chargeDeclinedInsufficientFunds" => {
                (402, decline("card_declined", "insufficient_funds"))
            }
            "pm_card_chargeDeclinedExpiredCard" => (402, decline("expired_card", "expired_card")),
            _ => return invalid("resource_missing", "payment_method"),
        };
        if status == 402 {
            intent["last_payment_error"] = body["error"].clone();
        }
        let told = intent.clone();
        self.tell(kind_of(&told), &told);
        (status, body)
    }

    /// The payer goes to the bank's page, or a slow payment comes to its end.
    pub(crate) fn payer_answers(&mut self, id: &str, approves: bool) {
        let intent = self.intents.iter_mut().find(|it| it["id"] == id).expect("it is there");
        intent["next_action"] = Value::Null;
        if approves {
            intent["status"] = json!("succeeded");
        } else {
            intent["status"] = json!("requires_payment_method");
            intent["last_payment_error"] =
                json!({"type": "card_error", "code": "payment_intent_authentication_failure"});
        }
        let told = intent.clone();
        self.tell(kind_of(&told), &told);
    }

    pub(crate) fn cancel_intent(&mut self, id: &str) -> Reply {
        let Some(intent) = self.intents.iter_mut().find(|it| it["id"] == id) else {
            return missing("intent");
        };
        if ["succeeded", "canceled", "processing"].iter().any(|it| intent["status"] == *it) {
            return invalid("payment_intent_unexpected_state", "intent");
        }
        intent["status"] = json!("canceled");
        let told = intent.clone();
        self.tell("payment_intent.canceled", &told);
        (200, told)
    }

    pub(crate) fn create_refund(&mut self, fields: &Fields) -> Reply {
        let id = fields.get("payment_intent").cloned().unwrap_or_default();
        let (status, intent) = self.intent(&id);
        if status != 200 {
            return missing("payment_intent");
        }
        let taken = if intent["status"] == "succeeded" { number(&intent["amount"]) } else { 0 };
        let left = taken - self.given(&id);
        let amount = fields.get("amount").map_or(left, |it| it.parse().expect("a number"));
        if left == 0 {
            return invalid("charge_already_refunded", "payment_intent");
        }
        if amount > left || amount <= 0 {
            return invalid("amount_too_large", "amount");
        }
        let mut refund = shape(REFUND);
        refund["id"] = json!(self.name("re"));
        refund["amount"] = json!(amount);
        refund["currency"] = intent["currency"].clone();
        refund["created"] = json!(self.now);
        refund["payment_intent"] = json!(id);
        refund["metadata"] = metadata(fields);
        refund["status"] = json!(self.refund_status.unwrap_or("succeeded"));
        self.refunds.push(refund.clone());
        self.tell("refund.created", &refund);
        (200, refund)
    }

    /// The bank says how it went with a refund.
    pub(crate) fn bank_answers(&mut self, place: usize, status: &str) {
        let refund = &mut self.refunds[place];
        refund["status"] = json!(status);
        if status == "failed" {
            refund["failure_reason"] = json!("lost_or_stolen_card");
        }
        let told = refund.clone();
        self.tell("refund.updated", &told);
    }

    /// What was given back of a `PaymentIntent`.
    pub(crate) fn given(&self, intent: &str) -> i64 {
        let of_intent = self.refunds.iter().filter(|it| it["payment_intent"] == intent);
        let counted = of_intent.filter(|it| it["status"] != "failed" && it["status"] != "canceled");
        counted.map(|it| number(&it["amount"])).sum()
    }

    /// Everything that was ever taken.
    pub(crate) fn taken(&self) -> i64 {
        let succeeded = self.intents.iter().filter(|it| it["status"] == "succeeded");
        succeeded.map(|it| number(&it["amount"])).sum()
    }

    pub(crate) fn list(&self, path: &str, query: &HashMap<String, String>) -> Reply {
        let all = if path.ends_with("refunds") { &self.refunds } else { &self.intents };
        let number_in = |name: &str| query.get(name).and_then(|it| it.parse::<i64>().ok());
        let limit = usize::try_from(number_in("limit").unwrap_or(10)).unwrap_or(10).min(100);
        let (from, to) = (number_in("created[gte]"), number_in("created[lte]"));
        let matching: Vec<&Value> = all
            .iter()
            .rev()
            .filter(|it| {
                query.get("payment_intent").is_none_or(|id| it["payment_intent"] == id.as_str())
            })
            .filter(|it| from.is_none_or(|from| number(&it["created"]) >= from))
            .filter(|it| to.is_none_or(|to| number(&it["created"]) <= to))
            .collect();
        let start = query.get("starting_after").map_or(0, |after| {
            matching.iter().position(|it| it["id"] == after.as_str()).map_or(0, |place| place + 1)
        });
        let page: Vec<&Value> = matching.iter().skip(start).take(limit).copied().collect();
        let has_more = start + page.len() < matching.len();
        (200, json!({"object": "list", "data": page, "has_more": has_more, "url": path}))
    }
}

fn kind_of(intent: &Value) -> &'static str {
    match intent["status"].as_str() {
        Some("succeeded") => "payment_intent.succeeded",
        Some("requires_action") => "payment_intent.requires_action",
        Some("processing") => "payment_intent.processing",
        _ => "payment_intent.payment_failed",
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("an amount is a number")
}

fn metadata(fields: &Fields) -> Value {
    let noted = fields.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((name.to_owned(), json!(value)))
    });
    Value::Object(noted.collect())
}
