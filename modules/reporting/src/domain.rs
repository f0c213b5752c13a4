//! What sales add up to. Reporting decides nothing: what others tell becomes a row each, and no
//! aggregate.

pub(crate) mod days;
pub(crate) mod standing;

use contracts::{money::Money, orders::OrderedItem};
use iso_currency::Currency;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// How many tickets the items of an order are.
pub(crate) fn tickets_of(items: &[OrderedItem]) -> i64 {
    items.iter().map(|item| i64::from(item.quantity)).sum()
}

/// What the orders of one event in one currency add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) currency: Currency,
    /// All that were ever confirmed.
    pub(crate) confirmed: Amounts,
    /// What of it was called off afterwards: whole orders, tickets of whichever order, and the money
    /// that goes back.
    pub(crate) cancelled: Amounts,
}

/// So many orders, tickets, and so much money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amounts {
    pub(crate) orders: i64,
    pub(crate) tickets: i64,
    /// Minor units of the currency.
    pub(crate) money: i64,
}

/// The sales of one event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct Sales {
    pub(crate) orders: OrderCounts,
    pub(crate) tickets: TicketCounts,
    /// The tickets by type.
    pub(crate) ticket_types: Vec<TicketTypeCounts>,
    /// One entry for each currency that something was sold in.
    pub(crate) revenue: Vec<Revenue>,
}

/// How many orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct OrderCounts {
    /// Confirmed, and not cancelled since.
    pub(crate) confirmed: i64,
    /// Cancelled after they had been confirmed.
    pub(crate) cancelled: i64,
}

/// How many tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct TicketCounts {
    /// Sold, and not cancelled since.
    pub(crate) sold: i64,
    /// Sold and cancelled.
    pub(crate) cancelled: i64,
    /// Let in.
    pub(crate) admitted: i64,
}

/// How many tickets of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TicketTypeCounts {
    pub(crate) ticket_type_id: Uuid,
    /// Its name when the first of them was sold.
    pub(crate) name: String,
    /// Sold, and not cancelled since.
    pub(crate) sold: i64,
    /// Sold and cancelled.
    pub(crate) cancelled: i64,
}

/// What was earned in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Revenue {
    /// What orders cost, cancelled ones too.
    pub(crate) gross: Money,
    /// What went back, or is on its way back.
    pub(crate) refunded: Money,
    /// The difference.
    pub(crate) net: Money,
}

impl Sales {
    /// The sum of `totals`, with the tickets by type, and so many people let in.
    pub(crate) fn of(totals: &[Total], ticket_types: Vec<TicketTypeCounts>, admitted: i64) -> Self {
        let mut sales = Self { ticket_types, ..Self::default() };
        sales.tickets.admitted = admitted;
        for Total { currency, confirmed, cancelled } in totals {
            sales.orders.confirmed += confirmed.orders - cancelled.orders;
            sales.orders.cancelled += cancelled.orders;
            sales.tickets.sold += confirmed.tickets - cancelled.tickets;
            sales.tickets.cancelled += cancelled.tickets;
            sales.revenue.push(Revenue {
                gross: Money::new(confirmed.money, *currency),
                refunded: Money::new(cancelled.money, *currency),
                net: Money::new(confirmed.money - cancelled.money, *currency),
            });
        }
        sales
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelled_orders_are_subtracted_and_currencies_kept_apart() {
        let euros = Total {
            currency: Currency::EUR,
            confirmed: Amounts { orders: 3, tickets: 7, money: 17_500 },
            cancelled: Amounts { orders: 1, tickets: 2, money: 5_000 },
        };
        let yen = Total {
            currency: Currency::JPY,
            confirmed: Amounts { orders: 1, tickets: 1, money: 4_000 },
            cancelled: Amounts::default(),
        };
        let sales = Sales::of(&[euros, yen], Vec::new(), 4);
        assert_eq!(sales.orders, OrderCounts { confirmed: 3, cancelled: 1 });
        assert_eq!(sales.tickets, TicketCounts { sold: 6, cancelled: 2, admitted: 4 });
        let net: Vec<Money> = sales.revenue.iter().map(|revenue| revenue.net).collect();
        assert_eq!(net, [Money::new(12_500, Currency::EUR), Money::new(4_000, Currency::JPY)]);
    }

    #[test]
    fn without_sales_there_is_nothing() {
        assert_eq!(Sales::of(&[], Vec::new(), 0), Sales::default());
    }
}
