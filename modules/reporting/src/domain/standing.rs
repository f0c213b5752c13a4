//! How one order stands, and what each thing that happens to it adds to the sums. Pure.
//!
//! Money that goes back is told more than once: when tickets are cancelled, by what they had cost,
//! and when it was given back, by how much that was. Neither need come first, and money may go back
//! without any ticket being cancelled. What counts as refunded is whichever of the two sums is
//! greater, so that each order of telling ends at the same figure.

/// An order that was confirmed, as far as was told. Money in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    pub(crate) total: i64,
    pub(crate) tickets: i64,
    pub(crate) cancelled_tickets: i64,
    /// What the cancelled tickets had cost.
    pub(crate) cancelled_cost: i64,
    /// What was given back, for whatever reason.
    pub(crate) given_back: i64,
    /// Whether all of it was cancelled.
    pub(crate) cancelled: bool,
}

/// What can happen to a confirmed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Some of its tickets were cancelled, and it stays.
    TicketsCancelled { tickets: i64, cost: i64 },
    /// It was cancelled with the tickets that were left.
    Cancelled { tickets: i64, cost: i64 },
    /// Money was given back.
    Refunded { amount: i64 },
}

/// What one thing adds to each sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) orders: i64,
    pub(crate) cancelled_orders: i64,
    pub(crate) tickets: i64,
    pub(crate) cancelled_tickets: i64,
    pub(crate) gross: i64,
    pub(crate) refunded: i64,
}

impl Standing {
    /// An order that was just confirmed, and what that adds.
    pub(crate) fn confirmed(total: i64, tickets: i64) -> (Self, Entry) {
        let standing = Self { total, tickets, ..Self::default() };
        (standing, Entry { orders: 1, tickets, gross: total, ..Entry::default() })
    }

    /// What went back or is on its way back. Never more than was paid.
    pub(crate) fn refunded(&self) -> i64 {
        self.cancelled_cost.max(self.given_back).clamp(0, self.total.max(0))
    }

    /// Takes in what happened; the answer is what that adds.
    pub(crate) fn apply(&mut self, fact: Fact) -> Entry {
        let before = *self;
        match fact {
            Fact::TicketsCancelled { tickets, cost } => self.cancel(tickets, cost),
            Fact::Cancelled { tickets, cost } => {
                self.cancel(tickets, cost);
                self.cancelled = true;
            }
            Fact::Refunded { amount } => self.given_back = self.given_back.saturating_add(amount),
        }
        Entry {
            cancelled_orders: i64::from(self.cancelled) - i64::from(before.cancelled),
            cancelled_tickets: self.cancelled_tickets - before.cancelled_tickets,
            refunded: self.refunded() - before.refunded(),
            ..Entry::default()
        }
    }

    fn cancel(&mut self, tickets: i64, cost: i64) {
        let left = self.tickets - self.cancelled_tickets;
        self.cancelled_tickets += tickets.clamp(0, left.max(0));
        self.cancelled_cost = self.cancelled_cost.saturating_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(facts: &[Fact]) -> (Standing, i64) {
        let (mut standing, _) = Standing::confirmed(5_000, 2);
        let refunded = facts.iter().map(|fact| standing.apply(*fact).refunded).sum();
        (standing, refunded)
    }

    #[test]
    fn money_that_is_told_of_twice_counts_once_whatever_comes_first() {
        let cancelled = Fact::TicketsCancelled { tickets: 1, cost: 2_500 };
        let returned = Fact::Refunded { amount: 2_500 };
        for facts in [[cancelled, returned], [returned, cancelled]] {
            let (standing, refunded) = after(&facts);
            assert_eq!((refunded, standing.cancelled_tickets), (2_500, 1));
        }
    }

    #[test]
    fn money_alone_leaves_the_tickets_sold() {
        let (standing, refunded) = after(&[Fact::Refunded { amount: 500 }]);
        assert_eq!((refunded, standing.cancelled_tickets, standing.cancelled), (500, 0, false));
    }

    #[test]
    fn an_order_that_is_cancelled_after_a_part_of_it_was_goes_back_as_a_whole() {
        let part = Fact::TicketsCancelled { tickets: 1, cost: 2_500 };
        let rest = Fact::Cancelled { tickets: 1, cost: 2_500 };
        let (standing, refunded) = after(&[part, Fact::Refunded { amount: 2_500 }, rest]);
        assert_eq!((refunded, standing.cancelled_tickets, standing.cancelled), (5_000, 2, true));
    }

    fn facts() -> impl Strategy<Value = Vec<Fact>> {
        let fact = prop_oneof![
            (0..4_i64, 0..6_000_i64)
                .prop_map(|(tickets, cost)| Fact::TicketsCancelled { tickets, cost }),
            (0..4_i64, 0..6_000_i64).prop_map(|(tickets, cost)| Fact::Cancelled { tickets, cost }),
            (0..6_000_i64).prop_map(|amount| Fact::Refunded { amount }),
        ];
        prop::collection::vec(fact, 0..8)
    }

    proptest! {
        #[test]
        fn entries_add_up_to_the_standing_and_never_to_more_than_was_sold(facts in facts()) {
            let (mut standing, mut sum) = Standing::confirmed(5_000, 2);
            for fact in facts {
                let entry = standing.apply(fact);
                sum.cancelled_orders += entry.cancelled_orders;
                sum.cancelled_tickets += entry.cancelled_tickets;
                sum.refunded += entry.refunded;
            }
            prop_assert_eq!(sum.cancelled_tickets, standing.cancelled_tickets);
            prop_assert_eq!(sum.refunded, standing.refunded());
            prop_assert_eq!(sum.cancelled_orders, i64::from(standing.cancelled));
            prop_assert!(sum.refunded <= 5_000 && sum.cancelled_tickets <= 2);
        }
    }
}
