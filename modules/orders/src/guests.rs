//! Holds back those who order without an account: from one network, and with one e-mail address for
//! one event, so many orders and no more, so that nobody empties a house without buying or has mail
//! sent to somebody else.
//!
//! Of a network those orders count that were placed of late and not paid for; free ones are never paid
//! for. They are remembered in memory, so many and no more, and by each replica for itself: where
//! somebody connects from is stored nowhere. Those of an address are counted in the list of orders.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use edge::{Network, Problem};
use jiff::SignedDuration;
use runtime::Timestamp;
use uuid::Uuid;

use crate::{problems, saga::Purchases, settings::OrdersSettings, views};

/// Of how many networks orders are remembered at most.
const MOST_NETWORKS: usize = 10_000;

/// An order that a guest wants to place.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) order_id: Uuid,
    pub(crate) event_id: Uuid,
    /// As the order has it: without capital letters.
    pub(crate) email: String,
    pub(crate) network: Network,
}

/// Counts the orders of guests.
pub(crate) struct GuestLimits {
    per_network: usize,
    per_email: u64,
    within: SignedDuration,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Orders that are not known to be paid for.
    networks: HashMap<Network, Vec<Placed>>,
    /// How many orders of an event are being placed with an address; they may not be listed yet.
    under_way: HashMap<(Uuid, String), u64>,
}

#[derive(Clone, Copy)]
struct Placed {
    order_id: Uuid,
    at: Timestamp,
}

/// Leave to place one order. It counts, unless it is known to be refused.
#[must_use = "the order counts as being placed until this is dropped"]
pub(crate) struct Admission<'a> {
    limits: &'a GuestLimits,
    wish: Wish,
}

impl GuestLimits {
    pub(crate) fn new(settings: &OrdersSettings) -> Self {
        let within = settings.guest_orders_within;
        Self {
            per_network: usize::try_from(settings.guest_orders_per_network).unwrap_or(usize::MAX),
            per_email: settings.guest_orders_per_email.into(),
            within: SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX),
            memory: Mutex::default(),
        }
    }

    /// Counts one more order of a network.
    ///
    /// # Errors
    /// The orders that count already, when they are too many.
    fn enter(&self, wish: &Wish, now: Timestamp) -> Result<(), Vec<Placed>> {
        if self.per_network == 0 {
            return Ok(());
        }
        let mut memory = self.memory();
        let networks = &mut memory.networks;
        if networks.len() >= MOST_NETWORKS && !networks.contains_key(&wish.network) {
            self.make_room(networks, now);
        }
        let placed = networks.entry(wish.network).or_default();
        placed.retain(|it| self.counts(it, now));
        if placed.len() >= self.per_network {
            return Err(placed.clone());
        }
        placed.push(Placed { order_id: wish.order_id, at: now });
        Ok(())
    }

    fn leave(&self, network: Network, orders: &[Uuid]) {
        let mut memory = self.memory();
        let Some(placed) = memory.networks.get_mut(&network) else { return };
        placed.retain(|it| !orders.contains(&it.order_id));
        if placed.is_empty() {
            memory.networks.remove(&network);
        }
    }

    fn counts(&self, placed: &Placed, now: Timestamp) -> bool {
        now.duration_since(placed.at) < self.within
    }

    /// Forgets what no longer counts, or else the network that has ordered nothing for the longest.
    fn make_room(&self, networks: &mut HashMap<Network, Vec<Placed>>, now: Timestamp) {
        networks.retain(|_, placed| placed.iter().any(|it| self.counts(it, now)));
        if networks.len() < MOST_NETWORKS {
            return;
        }
        let last = |placed: &[Placed]| placed.iter().map(|it| it.at).max();
        let oldest = networks.iter().min_by_key(|(_, placed)| last(placed)).map(|(it, _)| *it);
        if let Some(oldest) = oldest {
            networks.remove(&oldest);
        }
    }

    /// When the first of the orders stops counting.
    fn wait(&self, placed: &[Placed], now: Timestamp) -> Duration {
        let first = placed.iter().map(|it| it.at).min().unwrap_or(now);
        let left = self.within.saturating_sub(now.duration_since(first));
        Duration::try_from(left).unwrap_or(Duration::ZERO)
    }

    /// Counts an order as being placed; how many are, this one included.
    fn begin(&self, wish: &Wish) -> u64 {
        let mut memory = self.memory();
        let count = memory.under_way.entry((wish.event_id, wish.email.clone())).or_default();
        *count += 1;
        *count
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// Nothing was ordered.
    pub(crate) fn was_refused(&self) {
        self.limits.leave(self.wish.network, &[self.wish.order_id]);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut memory = self.limits.memory();
        let key = (self.wish.event_id, self.wish.email.clone());
        if let Some(count) = memory.under_way.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                memory.under_way.remove(&key);
            }
        }
    }
}

impl Purchases {
    /// Leave to place an order as a guest, or a problem when there are too many already.
    pub(crate) async fn admit(&self, wish: Wish) -> Result<Admission<'_>, Problem> {
        let (limits, now) = (&self.guests, self.clock.now());
        if let Err(placed) = limits.enter(&wish, now) {
            limits.leave(wish.network, &self.paid_of(&placed).await?);
            limits.enter(&wish, now).map_err(|placed| {
                problems::too_many_guest_orders(limits.per_network)
                    .detail("they were ordered from one network and are not paid for")
                    .retry_after(limits.wait(&placed, now))
            })?;
        }
        let under_way = limits.begin(&wish);
        let admission = Admission { limits, wish };
        if limits.per_email == 0 {
            return Ok(admission);
        }
        let Wish { event_id, email, .. } = &admission.wish;
        let listed = match views::count_of_guest(&self.database, *event_id, email).await {
            Ok(listed) => listed,
            Err(error) => {
                admission.was_refused();
                return Err(error.into());
            }
        };
        if listed.saturating_add(under_way) > limits.per_email {
            admission.was_refused();
            let detail = "they were ordered for this event with one e-mail address and are free or \
                          not paid for";
            return Err(problems::too_many_guest_orders(limits.per_email).detail(detail));
        }
        Ok(admission)
    }

    /// Those of the orders that money was received for.
    async fn paid_of(&self, placed: &[Placed]) -> Result<Vec<Uuid>, Problem> {
        let mut paid = Vec::new();
        for Placed { order_id, .. } in placed {
            let is_paid = self
                .orders
                .read(*order_id, |order| order.state.paid.is_some_and(|money| money.amount > 0));
            if is_paid.await? == Some(true) {
                paid.push(*order_id);
            }
        }
        Ok(paid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> GuestLimits {
        GuestLimits::new(&OrdersSettings {
            guest_orders_per_network: 2,
            ..OrdersSettings::default()
        })
    }

    fn wish(order: u128, address: u32) -> Wish {
        let address = std::net::Ipv4Addr::from(address);
        Wish {
            order_id: Uuid::from_u128(order),
            event_id: Uuid::nil(),
            email: "gwen@example.org".to_owned(),
            network: Network::of(Some(address.into())),
        }
    }

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn orders_of_a_network_count_for_a_while() {
        let limits = limits();
        assert!(limits.enter(&wish(1, 1), minute(0)).is_ok());
        assert!(limits.enter(&wish(2, 1), minute(5)).is_ok());
        let placed = limits.enter(&wish(3, 1), minute(10)).expect_err("two is all");
        assert_eq!(limits.wait(&placed, minute(10)), Duration::from_mins(5));
        assert!(limits.enter(&wish(3, 2), minute(10)).is_ok(), "others are not held back");
        assert!(limits.enter(&wish(4, 1), minute(15)).is_ok());
    }

    #[test]
    fn what_was_refused_or_paid_does_not_count() {
        let limits = limits();
        for order in 1..9 {
            let wish = wish(order, 1);
            assert!(limits.enter(&wish, minute(0)).is_ok());
            limits.leave(wish.network, &[wish.order_id]);
        }
        assert!(limits.memory().networks.is_empty());
    }

    #[test]
    fn networks_are_forgotten_rather_than_remembered_without_end() {
        let limits = limits();
        for address in 0..12_000 {
            assert!(limits.enter(&wish(1, address), minute(0)).is_ok());
            assert!(limits.memory().networks.len() <= MOST_NETWORKS);
        }
    }

    proptest! {
        #[test]
        fn no_network_ever_has_more_than_it_may(
            steps in prop::collection::vec((0_u32..3, 0_i64..10), 0..60)
        ) {
            let limits = limits();
            let mut now = 0;
            for (order, (address, pause)) in (0..).zip(steps) {
                now += pause;
                let _entered = limits.enter(&wish(order, address), minute(now));
                let memory = limits.memory();
                for placed in memory.networks.values() {
                    let counted = placed.iter().filter(|it| limits.counts(it, minute(now)));
                    prop_assert!(counted.count() <= 2);
                }
            }
        }
    }
}
