//! The standing check of orders: every order that has come to rest has its tickets, and its money is
//! what payments has in its books. What is on its way is left alone for an hour, and so is what changes
//! while it is looked at. An order that waits for nothing but refunds has its tickets, too.

use std::{collections::BTreeSet, time::Duration};

use contracts::{
    orders::{OrderState, OrderedPosition},
    payments::{FindPayment, PaymentBooks, PaymentError},
    tickets::{FindTickets, OrderTickets, TicketState},
};
use jiff::SignedDuration;
use runtime::{Checked, Context, DEFAULT_DEADLINE, Finding, Principal, Timestamp, TraceContext};
use store::Loaded;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::{
    domain::{Order, Step},
    saga::Purchases,
    views,
};

/// Orders that are read at once.
const STRETCH: i64 = 200;
/// News of money may be on its way: what is wrong is looked at again so often before it is told.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);
/// What is on its way gets on at least so often.
const STANDSTILL: SignedDuration = SignedDuration::from_hours(1);

/// Looks at all orders.
pub(crate) async fn books(purchases: &Purchases) -> Result<Checked, String> {
    Books(purchases).compare().await
}

/// What the check reads.
struct Books<'a>(&'a Purchases);

impl Books<'_> {
    async fn compare(&self) -> Result<Checked, String> {
        let database = &self.0.database;
        let mut checked = Checked::default();
        let (mut after, mut doubtful) = (None, Vec::new());
        loop {
            let stretch = views::all_after(database, after, STRETCH).await;
            let stretch = stretch.map_err(|error| error.to_string())?;
            let Some(last) = stretch.last() else { break };
            after = Some(last.id);
            for order in stretch {
                checked.looked_at += 1;
                if !self.faults(order.id).await?.is_empty() {
                    doubtful.push(order.id);
                }
            }
        }
        for order_id in doubtful {
            let mut faults = self.faults(order_id).await?;
            for _ in 1..LOOKS {
                if faults.is_empty() {
                    break;
                }
                sleep_until(Instant::now() + PAUSE).await;
                faults = self.faults(order_id).await?;
            }
            let found =
                faults.into_iter().map(|what| Finding::new(format!("order {order_id}"), what));
            checked.findings.extend(found);
        }
        Ok(checked)
    }

    /// What is wrong with an order.
    async fn faults(&self, order_id: Uuid) -> Result<Vec<String>, String> {
        let before = self.read(order_id).await?;
        let step = before.state.next_step();
        if before.state.terms.is_none() {
            return Ok(Vec::new());
        }
        let mut faults: Vec<String> =
            standstill(&before.state, self.0.clock.now()).into_iter().collect();
        let waits_for_refunds = matches!(step, Some(Step::RefundPositions(_)));
        if step.is_some() && !waits_for_refunds {
            return Ok(faults);
        }
        let cx = &self.context();
        let tickets = self.0.tickets.find(cx, FindTickets { order_id }).await;
        let tickets = tickets.map_err(|error| error.to_string())?;
        faults.extend(faults_of_tickets(&before.state, &tickets));
        if step.is_none() {
            faults.extend(self.faults_of_money(cx, order_id, &before.state).await?);
        }
        let is_as_it_was = self.read(order_id).await?.version == before.version;
        Ok(if is_as_it_was { faults } else { Vec::new() })
    }

    async fn faults_of_money(
        &self,
        cx: &Context,
        order_id: Uuid,
        order: &Order,
    ) -> Result<Vec<String>, String> {
        let books = match self.0.payments.find(cx, FindPayment { order_id }).await {
            Ok(books) => Some(books),
            Err(PaymentError::Unknown { .. }) => None,
            Err(error) => return Err(error.to_string()),
        };
        Ok(faults_of_money(order, books.as_ref()))
    }

    async fn read(&self, order_id: Uuid) -> Result<Loaded<Order>, String> {
        let read = self.0.orders.load(order_id).await.map_err(|error| error.to_string())?;
        read.ok_or_else(|| format!("order {order_id} is in the list and nowhere else"))
    }

    fn context(&self) -> Context {
        let principal = Principal::Service { name: "orders".to_owned() };
        let trace = TraceContext::start(self.0.random.as_ref());
        Context::new(principal, Instant::now() + DEFAULT_DEADLINE, "the standing check", trace)
    }
}

/// What is on its way does not stand still.
fn standstill(order: &Order, now: Timestamp) -> Option<String> {
    let (step, since) = (order.next_step()?, order.moved_at?);
    let is_late = now.duration_since(since) > STANDSTILL;
    is_late.then(|| format!("not at rest, and {step:?} has not come off since {since}"))
}

/// A position that was not cancelled has a ticket that is good, once they were issued, and no other
/// has one.
fn faults_of_tickets(order: &Order, found: &OrderTickets) -> Vec<String> {
    let is_good = |state| state != TicketState::Voided;
    let good: BTreeSet<Uuid> = found
        .tickets
        .iter()
        .filter(|ticket| is_good(ticket.state))
        .map(|ticket| ticket.ticket_id)
        .collect();
    let positions = order.positions();
    let owed: Vec<&OrderedPosition> = match order.state {
        OrderState::Fulfilled => positions.iter().filter(|it| !it.cancelled).collect(),
        _ => Vec::new(),
    };
    let mut faults = Vec::new();
    for position in &owed {
        if !position.ticket_id.is_some_and(|id| good.contains(&id)) {
            faults.push(format!("position {} has no good ticket", position.position));
        }
    }
    if good.len() > owed.len() {
        faults.push(format!("{} good tickets for {} positions", good.len(), owed.len()));
    }
    faults
}

/// What orders received and gave back is what payments did, and nothing is left over.
fn faults_of_money(order: &Order, books: Option<&PaymentBooks>) -> Vec<String> {
    let (Some(received), Some(refunded)) = (order.received(), order.refunded()) else {
        return Vec::new();
    };
    let nothing = received.amount == 0;
    let Some(books) = books else {
        let fault = || format!("{received} received, and payments knows of no payment");
        return if nothing { Vec::new() } else { vec![fault()] };
    };
    let mut faults = Vec::new();
    if books.charged != received {
        faults.push(format!("{} charged, {received} received", books.charged));
    }
    if books.refunded != refunded {
        faults.push(format!("{} given back, {refunded} noted", books.refunded));
    }
    if let Some(overpaid) = order.overpaid().filter(|money| money.amount > 0) {
        faults.push(format!("{overpaid} buys nothing and is not on its way back"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use contracts::{money::Money, payments::PaymentStatus, tickets::TicketLine};
    use iso_currency::Currency;
    use store::Aggregate;

    use super::*;
    use crate::domain::Event;

    /// Two tickets at 25 euros.
    fn fulfilled() -> Order {
        let golden = include_str!("domain/golden/order.v1.json");
        let events: Vec<Event> = serde_json::from_str(golden).expect("they are read");
        let mut order = Order::default();
        for event in events.iter().take(6) {
            order.evolve(event);
        }
        order
    }

    fn tickets(states: [TicketState; 2]) -> OrderTickets {
        let order = fulfilled();
        let lines =
            (1..).zip(order.ticket_ids).zip(states).map(|((position, ticket_id), state)| {
                let ticket_type_name = "Stalls".to_owned();
                TicketLine { ticket_id, position, ticket_type_name, seat: None, state }
            });
        OrderTickets { tickets: lines.collect() }
    }

    fn books(charged: i64, refunded: i64) -> PaymentBooks {
        let euros = |amount| Money::new(amount, Currency::EUR);
        PaymentBooks {
            payment_id: Uuid::from_u128(9),
            order_id: Uuid::from_u128(1),
            status: PaymentStatus::Settled,
            due: euros(5000),
            charged: euros(charged),
            refunded: euros(refunded),
            attempts: Vec::new(),
            refunds: Vec::new(),
        }
    }

    #[test]
    fn an_order_whose_books_agree_has_no_faults() {
        let order = fulfilled();
        let found = tickets([TicketState::Valid, TicketState::Admitted]);
        assert_eq!(faults_of_tickets(&order, &found), Vec::<String>::new());
        assert_eq!(faults_of_money(&order, Some(&books(5000, 0))), Vec::<String>::new());
    }

    #[test]
    fn a_ticket_that_is_missing_or_left_over_is_a_fault() {
        let found = tickets([TicketState::Valid, TicketState::Voided]);
        let faults = faults_of_tickets(&fulfilled(), &found);
        assert_eq!(faults, ["position 2 has no good ticket"]);
        let left_over = tickets([TicketState::Valid, TicketState::Valid]);
        assert_eq!(faults_of_tickets(&Order::default(), &left_over).len(), 1);
    }

    #[test]
    fn what_stands_still_for_more_than_an_hour_is_a_fault() {
        let golden = include_str!("domain/golden/order.v1.json");
        let events: Vec<Event> = serde_json::from_str(golden).expect("they are read");
        let mut order = Order::default();
        for event in events.iter().take(4) {
            order.evolve(event);
        }
        let since = order.moved_at.expect("it got on");
        assert_eq!(standstill(&order, since + STANDSTILL), None);
        let fault = standstill(&order, since + STANDSTILL + SignedDuration::from_secs(1));
        assert!(fault.is_some_and(|fault| fault.contains("ConfirmPlaces")));
        assert_eq!(standstill(&fulfilled(), Timestamp::MAX), None, "it is at rest");
    }

    #[test]
    fn money_that_the_others_do_not_have_is_a_fault() {
        let order = fulfilled();
        assert_eq!(faults_of_money(&order, None).len(), 1);
        assert_eq!(faults_of_money(&order, Some(&books(0, 0))).len(), 1);
        assert_eq!(faults_of_money(&order, Some(&books(5000, 2500))).len(), 1);
    }
}
