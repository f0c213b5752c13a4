//! What Stripe's objects and errors mean to us.

use super::objects::{ErrorObject, Intent, RefundObject};
use crate::domain::{Decline, Outcome, RefundOutcome};

/// Where a `PaymentIntent` stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It takes no money as it is: it was not told to, or the word has not arrived, or there is no page
    /// on which the payer could go on.
    Unconfirmed,
    /// This came of it, so far.
    Is(Outcome),
}

impl Standing {
    /// As the outcome of a charge that may still be on its way to Stripe.
    pub(super) fn or_processing(self, reference: &str) -> Outcome {
        match self {
            Self::Unconfirmed => Outcome::Processing { reference: reference.to_owned() },
            Self::Is(outcome) => outcome,
        }
    }
}

/// Where a `PaymentIntent` stands.
pub(super) fn standing(intent: &Intent) -> Standing {
    let reference = intent.id.clone();
    match intent.status.as_str() {
        "succeeded" => Standing::Is(Outcome::Succeeded { reference }),
        "canceled" => Standing::Is(Outcome::Cancelled),
        "requires_action" => page(intent).map_or(Standing::Unconfirmed, |url| {
            Standing::Is(Outcome::ActionRequired { url, reference: Some(reference) })
        }),
        "requires_payment_method" | "requires_confirmation" => match &intent.last_payment_error {
            Some(error) => Standing::Is(Outcome::Declined { reason: decline(error) }),
            None => Standing::Unconfirmed,
        },
        // `processing`, and whatever Stripe may add.
        _ => Standing::Is(Outcome::Processing { reference }),
    }
}

/// Where the payer goes on. Only a page that is protected on the way.
fn page(intent: &Intent) -> Option<String> {
    let url = intent.next_action.as_ref()?.redirect_to_url.as_ref()?.url.as_ref()?;
    url.starts_with("https://").then(|| url.clone())
}

/// Whether a `PaymentIntent` with this status can be called off.
pub(super) fn can_be_cancelled(status: &str) -> bool {
    matches!(
        status,
        "requires_payment_method"
            | "requires_confirmation"
            | "requires_action"
            | "requires_capture"
            | "processing"
    )
}

/// Why a card was declined.
pub(super) fn decline(error: &ErrorObject) -> Decline {
    let decline_code = error.decline_code.as_deref().unwrap_or_default();
    match (decline_code, error.code.as_deref().unwrap_or_default()) {
        ("insufficient_funds" | "withdrawal_count_limit_exceeded", _) => Decline::InsufficientFunds,
        ("authentication_required" | "mobile_device_authentication_required", _)
        | (_, "payment_intent_authentication_failure" | "authentication_required") => {
            Decline::NotApproved
        }
        ("expired_card", _) | (_, "expired_card") => Decline::CardExpired,
        (
            "incorrect_number"
            | "incorrect_cvc"
            | "invalid_cvc"
            | "invalid_number"
            | "invalid_expiry_month"
            | "invalid_expiry_year"
            | "incorrect_zip",
            _,
        )
        | (
            _,
            "incorrect_number"
            | "incorrect_cvc"
            | "invalid_cvc"
            | "invalid_number"
            | "invalid_expiry_month"
            | "invalid_expiry_year"
            | "incorrect_zip",
        ) => Decline::CardInvalid,
        _ => Decline::Declined,
    }
}

/// Where a refund stands.
pub(super) fn refund(refund: &RefundObject) -> RefundOutcome {
    let reason = || {
        let why = refund.failure_reason.as_deref().unwrap_or("no reason given");
        format!("the payment provider could not give the money back: {why}")
    };
    match refund.status.as_deref() {
        Some("succeeded") => RefundOutcome::Done,
        Some("failed") => RefundOutcome::Failed { reason: reason() },
        Some("canceled") => RefundOutcome::Cancelled {
            reason: "the refund was called off at the payment provider".to_owned(),
        },
        // `pending`, `requires_action`, and whatever Stripe may add.
        _ => RefundOutcome::InTransit,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn intent(status: &str, more: Value) -> Intent {
        let mut object = json!({"id": "pi_1", "status": status});
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn each_status_says_whether_money_was_taken() {
        let reference = || "pi_1".to_owned();
        let is = |status, more| standing(&intent(status, more));
        let succeeded = Standing::Is(Outcome::Succeeded { reference: reference() });
        assert_eq!(is("succeeded", json!({})), succeeded);
        assert_eq!(is("canceled", json!({})), Standing::Is(Outcome::Cancelled));
        let processing = Standing::Is(Outcome::Processing { reference: reference() });
        for status in ["processing", "requires_capture", "of_tomorrow"] {
            assert_eq!(is(status, json!({})), processing, "{status}");
        }
        for status in ["requires_payment_method", "requires_confirmation", "requires_action"] {
            assert_eq!(is(status, json!({})), Standing::Unconfirmed, "{status}");
        }
        let declined = json!({"last_payment_error": {"code": "card_declined"}});
        let reason = Decline::Declined;
        assert_eq!(
            is("requires_payment_method", declined),
            Standing::Is(Outcome::Declined { reason })
        );
    }

    #[test]
    fn a_payer_is_sent_to_protected_pages_only() {
        let at = |url: &str| {
            let page = json!({"next_action": {"redirect_to_url": {"url": url}}});
            standing(&intent("requires_action", page))
        };
        assert!(matches!(at("https://a.example"), Standing::Is(Outcome::ActionRequired { .. })));
        for url in ["http://a.example", "javascript:alert(1)", "/v1/payments"] {
            assert_eq!(at(url), Standing::Unconfirmed, "{url}");
        }
    }

    #[test]
    fn a_decline_says_what_the_payer_can_do() {
        let why = |code: &str, decline_code: &str| {
            let error = json!({"code": code, "decline_code": decline_code});
            decline(&serde_json::from_value(error).unwrap())
        };
        assert_eq!(why("card_declined", "insufficient_funds"), Decline::InsufficientFunds);
        assert_eq!(why("card_declined", "authentication_required"), Decline::NotApproved);
        assert_eq!(why("payment_intent_authentication_failure", ""), Decline::NotApproved);
        assert_eq!(why("expired_card", ""), Decline::CardExpired);
        assert_eq!(why("incorrect_cvc", "incorrect_cvc"), Decline::CardInvalid);
        assert_eq!(why("card_declined", "do_not_honor"), Decline::Declined);
        assert_eq!(why("", ""), Decline::Declined);
    }

    #[test]
    fn a_refund_is_on_its_way_until_it_is_said_to_have_ended() {
        let said = |status: Value| {
            let object = json!({"id": "re_1", "amount": 1, "currency": "eur", "status": status});
            refund(&serde_json::from_value(object).unwrap())
        };
        assert_eq!(said(json!("succeeded")), RefundOutcome::Done);
        assert!(matches!(said(json!("failed")), RefundOutcome::Failed { .. }));
        assert!(matches!(said(json!("canceled")), RefundOutcome::Cancelled { .. }));
        for status in
            [json!("pending"), json!("requires_action"), json!("of_tomorrow"), json!(null)]
        {
            assert_eq!(said(status.clone()), RefundOutcome::InTransit, "{status}");
        }
    }
}
