//! What inventory counts.

use store::ExecuteError;

use crate::domain::Rejection;

const HOLDS: &str = "boxoffice_holds_total";

/// Names the metrics of this service.
pub(crate) fn describe() {
    metrics::describe_counter!(
        HOLDS,
        metrics::Unit::Count,
        "Asks for holds, by outcome: held, or why not"
    );
}

/// Counts an ask for a hold.
pub(crate) fn count_hold<T>(outcome: &Result<T, ExecuteError<Rejection>>) {
    metrics::counter!(HOLDS, "outcome" => name(outcome)).increment(1);
}

fn name<T>(outcome: &Result<T, ExecuteError<Rejection>>) -> &'static str {
    match outcome {
        Ok(_) => "held",
        Err(ExecuteError::Rejected(rejection)) => match rejection {
            Rejection::SoldOut { .. } => "sold_out",
            Rejection::SeatTaken { .. } => "seat_taken",
            Rejection::EventUnknown
            | Rejection::NotOnSale { .. }
            | Rejection::SalesNotStarted { .. }
            | Rejection::SalesEnded { .. }
            | Rejection::QuotaMissing { .. } => "not_on_sale",
            Rejection::BelowMinimum { .. }
            | Rejection::AboveMaximum { .. }
            | Rejection::TooManyHolds { .. } => "over_limit",
            Rejection::TicketTypeUnknown { .. }
            | Rejection::SeatUnknown { .. }
            | Rejection::NotSeated { .. }
            | Rejection::Invalid { .. }
            | Rejection::HoldUnknown
            | Rejection::HoldDiffers
            | Rejection::HoldReleased
            | Rejection::HoldBelongsToOrder { .. } => "refused",
        },
        Err(ExecuteError::Stale { .. } | ExecuteError::Store(_)) => "failed",
    }
}
