//! The books of the sandbox provider: statements and rows. What they mean is in `crate::sandbox`.

use sqlx::FromRow;
use uuid::Uuid;

/// Yields the row when it is new.
pub(crate) const INSERT_CHARGE: &str = "INSERT INTO sandbox_charges \
     (charge_id, order_id, state, reason, url, refunds, amount, currency, booked_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (charge_id) DO NOTHING \
     RETURNING charge_id, order_id, state, reason, url, currency";
/// Also for a charge that has not arrived: its place is taken, so that it cannot any more.
pub(crate) const CANCEL_CHARGE: &str = "INSERT INTO sandbox_charges \
     (charge_id, order_id, state, reason, url, refunds, amount, currency, booked_at) \
     VALUES ($1, $2, 'cancelled', NULL, NULL, 'at_once', 0, '', $3) \
     ON CONFLICT (charge_id) DO UPDATE SET state = 'cancelled' \
     WHERE sandbox_charges.state = 'action_required'";
pub(crate) const COMPLETE_ACTION: &str = "UPDATE sandbox_charges SET state = $2, reason = $3 \
     WHERE charge_id = $1 AND state = 'action_required'";
pub(crate) const FIND_CHARGE: &str = "SELECT charge_id, order_id, state, reason, url, \
     currency FROM sandbox_charges WHERE charge_id = $1";
/// Only of money that is there.
pub(crate) const INSERT_REFUND: &str = "INSERT INTO sandbox_refunds \
     (refund_id, charge_id, amount, currency, booked_at) \
     SELECT $1, charge_id, $3, $4, $5 FROM sandbox_charges \
     WHERE charge_id = $2 AND state = 'succeeded' AND refunds <> 'refused' AND currency = $4 \
     AND amount - $3 >= (SELECT coalesce(sum(amount), 0) FROM sandbox_refunds WHERE charge_id = $2) \
     ON CONFLICT (refund_id) DO NOTHING";
pub(crate) const FIND_REFUND: &str = "SELECT r.refund_id, r.amount, c.refunds \
     FROM sandbox_refunds r JOIN sandbox_charges c ON c.charge_id = r.charge_id \
     WHERE r.refund_id = $1";
pub(crate) const REFUNDS_OF_CHARGE: &str = "SELECT r.refund_id, r.amount, c.refunds \
     FROM sandbox_refunds r JOIN sandbox_charges c ON c.charge_id = r.charge_id \
     WHERE r.charge_id = $1 ORDER BY r.booked_at, r.refund_id";

/// Every statement of the ledger.
pub(crate) const STATEMENTS: &[(&str, store::Sql)] = store::statements![
    INSERT_CHARGE,
    CANCEL_CHARGE,
    COMPLETE_ACTION,
    FIND_CHARGE,
    INSERT_REFUND,
    FIND_REFUND,
    REFUNDS_OF_CHARGE,
];

/// A charge as it stands.
#[derive(Debug, FromRow)]
pub(crate) struct ChargeRow {
    pub(crate) charge_id: Uuid,
    /// None of a charge that was booked before orders were noted.
    pub(crate) order_id: Option<Uuid>,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) currency: String,
}

/// A refund that was booked, with what becomes of refunds of its charge.
#[derive(Debug, FromRow)]
pub(crate) struct RefundRow {
    pub(crate) refund_id: Uuid,
    pub(crate) amount: i64,
    pub(crate) refunds: String,
}
