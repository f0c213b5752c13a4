//! Many people who buy while something breaks.

use std::{cell::Cell, ops::RangeInclusive, time::Duration};

use futures_util::future::{join, join_all};
use testkit::within;
use tokio::sync::Semaphore;

use crate::{
    house::House,
    people::{Person, Sale, card},
};

/// How long people may take until so many of them are served. Long, because it only passes when
/// something is broken for good.
const PATIENCE: Duration = Duration::from_mins(3);

/// People who each want one ticket of a sale.
pub struct Rush {
    /// What they want to buy.
    pub sale: Sale,
    people: Vec<Person>,
    places: u32,
    /// People who have paid, or were told that it is sold out.
    served: Cell<u32>,
    /// Keys that were given up; see [`Self::given_up`].
    given_up: Cell<u32>,
    /// A permit for everybody who may begin.
    door: Semaphore,
}

/// Somebody who was told that an order is paid and has its ticket.
pub struct Purchase<'r> {
    pub person: &'r Person,
    pub order: String,
}

impl Rush {
    /// So many people, and a sale with so many places. Nobody begins before being let in.
    pub async fn gather(house: &House, people: usize, places: u32) -> Self {
        let sale = house.sale(places).await;
        let people = house.crowd(people).await;
        let (served, given_up) = (Cell::new(0), Cell::new(0));
        Self { sale, people, places, served, given_up, door: Semaphore::new(0) }
    }

    /// Lets so many more begin.
    pub fn lets_in(&self, people: usize) {
        self.door.add_permits(people);
    }

    /// Lets so many more begin, and waits until as many have been served.
    pub async fn lets_in_and_serves(&self, people: u32) {
        let before = self.served.get();
        self.lets_in(people as usize);
        self.has_served(before + people).await;
    }

    /// Lets everybody begin.
    pub fn lets_all_in(&self) {
        self.lets_in(self.people.len());
    }

    /// Waits until so many have paid, or were told that it is sold out.
    pub async fn has_served(&self, count: u32) {
        let progress = || async {
            let served = self.served.get();
            if served >= count { Ok(()) } else { Err(served) }
        };
        within(PATIENCE, format!("{count} to be served"), progress).await;
    }

    /// All who are let in buy, so many at the same time, and do not give up, while `fault` happens:
    /// what they bought. Whoever is told that it is sold out goes home.
    pub async fn buys_during(
        &self,
        at_once: usize,
        fault: impl Future<Output = ()>,
    ) -> Vec<Purchase<'_>> {
        let bought = self.in_turn(at_once, fault, async |person| self.serve(person).await).await;
        self.turned_nobody_away(&bought);
        bought
    }

    /// As [`Self::buys_during`], by people who are served only when they have waited for their tickets,
    /// too.
    pub async fn waits_for_tickets_during(
        &self,
        at_once: usize,
        fault: impl Future<Output = ()>,
    ) -> Vec<Purchase<'_>> {
        let bought = self.in_turn(at_once, fault, async |person| {
            let order = self.serve(person).await?;
            person.waits_for_tickets(&order).await;
            Some(order)
        });
        let bought = bought.await;
        self.turned_nobody_away(&bought);
        bought
    }

    async fn serve(&self, person: &Person) -> Option<String> {
        let order = person.order_stubbornly(&self.sale, 1, &self.given_up).await?;
        person.pay_stubbornly(&order).await;
        Some(order)
    }

    fn turned_nobody_away(&self, bought: &[Purchase<'_>]) {
        let wanted = u32::try_from(self.people.len()).expect("few people");
        let sold = u32::try_from(bought.len()).expect("few people");
        let could_buy = self.places.min(wanted);
        assert!(
            (could_buy.saturating_sub(self.given_up.get())..=could_buy).contains(&sold),
            "nobody is turned away while there are places: {could_buy} could buy, {sold} have"
        );
    }

    /// As [`Self::buys_during`], by people who ask once only: the fault is none of their business.
    /// There must be places for all.
    pub async fn buys_undisturbed_during(
        &self,
        at_once: usize,
        fault: impl Future<Output = ()>,
    ) -> Vec<Purchase<'_>> {
        self.in_turn(at_once, fault, async |person| {
            let order = person.order(&self.sale, 1).await;
            let payment = person.pay(&order, card::GOOD).await.expect(201);
            assert_eq!(payment.field("status"), "settled", "{payment}");
            Some(order)
        })
        .await
    }

    /// Waits in the end until everybody who has paid has the ticket.
    async fn in_turn(
        &self,
        at_once: usize,
        fault: impl Future<Output = ()>,
        pay: impl AsyncFn(&Person) -> Option<String>,
    ) -> Vec<Purchase<'_>> {
        let queues = self.people.chunks(self.people.len().div_ceil(at_once));
        let buying = queues.map(async |queue| {
            let mut paid = Vec::new();
            for person in queue {
                self.door.acquire().await.expect("the door is never taken away").forget();
                let order = pay(person).await;
                self.served.set(self.served.get() + 1);
                paid.extend(order.map(|order| Purchase { person, order }));
            }
            paid
        });
        let (bought, ()) = join(join_all(buying), fault).await;
        let bought: Vec<Purchase<'_>> = bought.into_iter().flatten().collect();
        join_all(bought.iter().map(|it| it.person.reaches(&it.order, "fulfilled"))).await;
        bought
    }

    /// How often somebody gave up an order whose fate was not known, and asked for another: so many
    /// may have been placed nevertheless, and wait for money that never comes.
    pub fn given_up(&self) -> usize {
        self.given_up.get() as usize
    }

    /// How many places may be free after so many purchases.
    pub fn left(&self, bought: &[Purchase<'_>]) -> RangeInclusive<u64> {
        let sold = u64::try_from(bought.len()).expect("few people");
        let left = u64::from(self.places) - sold;
        left.saturating_sub(u64::from(self.given_up.get()))..=left
    }
}
