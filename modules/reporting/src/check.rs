//! The standing check of reporting: what each order came to, as it is kept, is what its entries in the
//! ledger add up to, and so are its tickets by type. What others have told is not asked again.

use runtime::{Checked, Finding};
use store::{Database, StoreError};
use uuid::Uuid;

use crate::views::sums::{self, OrderSums};

/// Orders that are read at once.
const STRETCH: i64 = 500;

/// Looks at all orders that were ever confirmed.
pub(crate) async fn sums(database: &Database) -> Result<Checked, StoreError> {
    let mut checked = Checked::default();
    let mut after = Uuid::nil();
    loop {
        let stretch = sums::of_orders_after(database, after, STRETCH).await?;
        let Some(last) = stretch.last() else { break };
        after = last.order_id;
        for order in &stretch {
            checked.looked_at += 1;
            let about = format!("order {}", order.order_id);
            let faults = faults(order).into_iter();
            checked.findings.extend(faults.map(|what| Finding::new(&about, what)));
        }
    }
    for order_id in sums::entries_without_order(database, STRETCH).await? {
        let what = "the ledger has entries of it, and it is not kept how it stands";
        checked.findings.push(Finding::new(format!("order {order_id}"), what));
    }
    Ok(checked)
}

/// What is wrong with an order.
fn faults(order: &OrderSums) -> Vec<String> {
    let OrderSums { standing, entries, .. } = order;
    let pairs = [
        ("confirmations", entries.orders, 1),
        ("cancellations", entries.cancelled_orders, i64::from(standing.cancelled)),
        ("tickets", entries.tickets, standing.tickets),
        ("cancelled tickets", entries.cancelled_tickets, standing.cancelled_tickets),
        ("gross", entries.gross, standing.total),
        ("refunded", entries.refunded, standing.refunded()),
    ];
    let entered = pairs.into_iter().filter(|(_, entered, kept)| entered != kept).map(
        |(what, entered, kept)| {
            format!("its {what} are {entered} by the ledger, and {kept} by how it stands")
        },
    );
    let by_type = (order.items_tickets != entries.tickets).then(|| {
        let (by_type, tickets) = (order.items_tickets, entries.tickets);
        format!("its tickets are {by_type} by type, and {tickets} by the ledger")
    });
    entered.chain(by_type).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::standing::{Entry, Standing};

    fn order() -> OrderSums {
        let entries = Entry {
            orders: 1,
            cancelled_orders: 0,
            tickets: 3,
            cancelled_tickets: 1,
            gross: 7_500,
            refunded: 2_500,
        };
        OrderSums {
            order_id: Uuid::from_u128(7),
            standing: Standing {
                total: 7_500,
                tickets: 3,
                cancelled_tickets: 1,
                cancelled_cost: 2_500,
                given_back: 2_000,
                cancelled: false,
            },
            entries,
            items_tickets: 3,
        }
    }

    #[test]
    fn an_order_whose_entries_add_up_is_in_order() {
        assert_eq!(faults(&order()), Vec::<String>::new());
    }

    #[test]
    fn whatever_does_not_add_up_is_found() {
        let wrongs: [fn(&mut OrderSums); 8] = [
            |it| it.entries.orders = 0,
            |it| it.standing.cancelled = true,
            |it| it.standing.tickets = 4,
            |it| it.entries.cancelled_tickets = 0,
            |it| it.standing.total = 7_501,
            |it| it.entries.gross = 7_499,
            |it| it.standing.given_back = 2_501,
            |it| it.items_tickets = 2,
        ];
        for (index, wrong) in wrongs.into_iter().enumerate() {
            let mut order = order();
            wrong(&mut order);
            assert_eq!(faults(&order).len(), 1, "wrong {index}: {:?}", faults(&order));
        }
    }
}
