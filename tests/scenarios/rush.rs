//! Many people who buy while something breaks.

use std::{cell::Cell, time::Duration};

use futures_util::future::{join, join_all};
use testkit::within;

use crate::{
    house::House,
    people::{Person, Sale},
};

/// How long people may take until so many of them have paid. Long, because it only passes when
/// something is broken for good.
const PATIENCE: Duration = Duration::from_mins(3);

/// People who each want one ticket of a sale.
pub struct Rush {
    /// What they want to buy.
    pub sale: Sale,
    people: Vec<Person>,
    places: u32,
    paid: Cell<u32>,
}

/// Somebody who was told that an order is paid and has its ticket.
pub struct Purchase<'r> {
    pub person: &'r Person,
    pub order: String,
}

impl Rush {
    /// So many people, and a sale with so many places, before anybody buys.
    pub async fn gather(house: &House, people: usize, places: u32) -> Self {
        let sale = house.sale(places).await;
        Self { sale, people: house.crowd(people).await, places, paid: Cell::new(0) }
    }

    /// Waits until so many have paid.
    pub async fn has_paid(&self, count: u32) {
        let progress = || async {
            let paid = self.paid.get();
            if paid >= count { Ok(()) } else { Err(paid) }
        };
        within(PATIENCE, format!("{count} to have paid"), progress).await;
    }

    /// All buy, so many at the same time, and do not give up, while `fault` happens: what they
    /// bought. Whoever is told that it is sold out goes home.
    pub async fn buys_during(
        &self,
        at_once: usize,
        fault: impl Future<Output = ()>,
    ) -> Vec<Purchase<'_>> {
        let queues = self.people.chunks(self.people.len().div_ceil(at_once));
        let (bought, ()) = join(join_all(queues.map(|queue| self.pay_in_turn(queue))), fault).await;
        let bought: Vec<Purchase<'_>> = bought.into_iter().flatten().collect();
        join_all(bought.iter().map(|it| it.person.reaches(&it.order, "fulfilled"))).await;
        let wanted = u32::try_from(self.people.len()).expect("few people");
        let sold = u32::try_from(bought.len()).expect("few people");
        assert_eq!(sold, self.places.min(wanted), "nobody is turned away while there are places");
        bought
    }

    async fn pay_in_turn<'r>(&self, queue: &'r [Person]) -> Vec<Purchase<'r>> {
        let mut paid = Vec::new();
        for person in queue {
            if let Some(order) = person.order_stubbornly(&self.sale, 1).await {
                person.pay_stubbornly(&order).await;
                self.paid.set(self.paid.get() + 1);
                paid.push(Purchase { person, order });
            }
        }
        paid
    }

    /// Places that nobody has bought, after so many purchases.
    pub fn left(&self, bought: &[Purchase<'_>]) -> u64 {
        u64::from(self.places) - u64::try_from(bought.len()).expect("few people")
    }
}
