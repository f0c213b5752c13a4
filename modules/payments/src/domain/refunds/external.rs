//! Refunds that somebody made at the provider. They are found in the provider's list of all refunds,
//! which was read some time ago: what is ours is decided here, when the list is taken in. A refund of
//! ours is recorded before the provider hears of it, so there is none in a list that is not known.

use contracts::{money::Money, payments::RefundState};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, Payment, Refund, RefundOrigin, number_after};

/// A refund in the provider's list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListedRefund {
    /// What we called it when we asked for it; none of one that was made at the provider.
    pub(crate) id: Option<Uuid>,
    pub(crate) refund: ExternalRefund,
}

/// A refund that somebody made at the provider, as it stands there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExternalRefund {
    /// What the provider calls it.
    pub(crate) reference: String,
    pub(crate) amount: Money,
    /// Whether the money has gone back, or will; not when it failed or was called off.
    pub(crate) counts: bool,
}

impl Payment {
    /// Takes in those of the settlement's refunds that are not ours. One that is over stays over, since
    /// no provider takes that back: a list that says otherwise was read before.
    pub(in super::super) fn record_external_refunds(
        &self,
        listed: Vec<ListedRefund>,
        at: Timestamp,
    ) -> Vec<Event> {
        let Some(payment_id) = self.id.filter(|_| self.settlement.is_some()) else {
            return Vec::new();
        };
        let (mut count, mut total) = (self.refunds.len(), self.refunded());
        let is_ours = |listed: &ListedRefund| listed.id.is_some_and(|id| self.refund(id).is_some());
        let mut events = Vec::new();
        for ListedRefund { refund, .. } in listed.into_iter().filter(|it| !is_ours(it)) {
            let known = self.external(&refund.reference);
            let is_news = known.map_or(refund.counts, |it| it.is_given() && !refund.counts);
            if !is_news {
                continue;
            }
            count += usize::from(known.is_none());
            let number = known.map_or(number_after(count - 1), |it| it.number);
            let refund_id = known
                .map_or_else(|| Uuid::new_v5(&payment_id, refund.reference.as_bytes()), |it| it.id);
            let amount = known.map_or(refund.amount, |it| it.amount);
            let change = if refund.counts { amount.amount } else { -amount.amount };
            total = total.saturating_add(change);
            let told = self.told_of(payment_id, (refund_id, None), amount, total);
            events.push(Event::ExternalRefund { number, refund, told, at });
        }
        events
    }

    fn external(&self, called: &str) -> Option<&Refund> {
        self.refunds.iter().find(
            |it| matches!(&it.origin, RefundOrigin::External { reference } if reference == called),
        )
    }

    pub(in super::super) fn take_in_external_refund(
        &mut self,
        number: u32,
        id: Uuid,
        external: &ExternalRefund,
        at: Timestamp,
    ) {
        let ExternalRefund { reference, amount, counts } = external.clone();
        if self.external(&reference).is_none() {
            let reason = "made at the payment provider".to_owned();
            let origin = RefundOrigin::External { reference };
            self.refunds.push(Refund { origin, ..Refund::begun(number, id, amount, reason, at) });
        }
        self.change_refund(number, |refund| {
            refund.state = if counts { RefundState::External } else { RefundState::Cancelled };
            refund.done_at = counts.then_some(at);
        });
    }
}
