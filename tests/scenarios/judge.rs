//! What must be true once a fault is over, whatever it was.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use testkit::{Client, within};

use crate::{
    books::Books,
    house::House,
    people::{ADMIN, PASSWORD, Sale, text},
    rush::{Purchase, Rush},
};

/// How long a house may take to be well again. Long, because it only passes when it is not.
const PATIENCE: Duration = Duration::from_mins(1);

/// Services that take events of others in.
const CONSUMERS: [&str; 4] = ["inventory", "orders", "notifications", "reporting"];

impl House {
    /// Once the fault is over and all nodes run: everything is well again by itself, everything
    /// that people were told is so, nothing was sold twice, as much money came in as tickets went
    /// out, no event is left aside, and business goes on. No other money may have moved.
    pub async fn judge(&self, rush: &Rush, bought: &[Purchase<'_>]) {
        self.is_well().await;
        let orders: BTreeSet<&str> = bought.iter().map(|it| it.order.as_str()).collect();
        assert_eq!(orders.len(), bought.len(), "two people were told of the same order");
        let mut unpaid = 0;
        for Purchase { person, order } in bought {
            let own = person.list("/v1/orders").await;
            let (fulfilled, others): (Vec<_>, Vec<_>) =
                own.iter().partition(|it| it["state"] == "fulfilled");
            assert_eq!(fulfilled.iter().map(|it| text(it, "id")).collect::<Vec<_>>(), [order]);
            let unpaid_states = ["placed", "held", "cancelled"].map(Value::from);
            assert!(others.iter().all(|it| unpaid_states.contains(&it["state"])), "{others:?}");
            assert_eq!(person.tickets(order).await.len(), 1);
            unpaid += others.len();
        }
        assert!(unpaid <= rush.given_up(), "{unpaid} orders more than people asked for");
        let tickets = tickets(&rush.sale).await;
        let with_tickets: BTreeSet<&str> = tickets.iter().map(|it| text(it, "order_id")).collect();
        assert_eq!((with_tickets, tickets.len()), (orders, bought.len()), "a ticket an order");
        let charges = i64::try_from(bought.len()).expect("few people");
        assert_eq!(self.books().await, Books { charges, refunds: 0 });
        let (free, left) = (self.free(&rush.sale).await, rush.left(bought));
        assert!(left.contains(&free), "{free} places are free, and not {left:?}");

        self.has_reported(&rush.sale, bought.len()).await;
        for Purchase { person, order } in bought {
            let told = within(PATIENCE, "the buyer to be told", || async {
                let told = person.list("/v1/notifications").await;
                if told.is_empty() { Err("nothing") } else { Ok(told) }
            });
            let [told] = told.await.try_into().expect("everybody is told once");
            assert_eq!(text(&told["message"], "order_id"), order);
        }
        self.has_nothing_aside().await;
        self.sandbox.check().await;
        let sale = self.sale(1).await;
        self.somebody().await.buy(&sale, 1).await;
        assert_eq!(self.free(&sale).await, 0);
    }

    /// Waits until every node is ready, and nothing is degraded.
    pub async fn is_well(&self) {
        self.sandbox.ready().await;
        for node in self.sandbox.nodes() {
            let admin = self.client().at(node.admin_url());
            within(PATIENCE, format!("{} to be well", node.name()), || async {
                let report = admin.get("/readyz").await.expect(200).value();
                if report["degraded"] == json!([]) { Ok(()) } else { Err(report.to_string()) }
            })
            .await;
        }
    }

    /// Waits until the organizer's report has so many orders with a ticket each.
    pub async fn has_reported(&self, sale: &Sale, orders: usize) {
        let path = format!("/v1/reports/events/{}/sales", sale.event);
        within(PATIENCE, format!("{orders} orders in the report"), || async {
            let reply = sale.organizer.get(&path).await;
            let report = reply.clone().expect(200).value();
            let counted = [&report["tickets"]["sold"], &report["orders"]["confirmed"]];
            if counted.iter().all(|it| **it == orders) { Ok(()) } else { Err(reply) }
        })
        .await;
    }

    /// Waits until no consumer has put an event aside.
    async fn has_nothing_aside(&self) {
        let admin = self.client().log_in(ADMIN, PASSWORD).await;
        for service in CONSUMERS {
            within(PATIENCE, format!("{service} to have put nothing aside"), || async {
                let letters = aside(&admin, service).await;
                if letters.is_empty() { Ok(()) } else { Err(json!(letters)) }
            })
            .await;
        }
    }
}

async fn aside(admin: &Client, service: &str) -> Vec<Value> {
    let mut letters = Vec::new();
    for state in ["dead", "retrying", "waiting"] {
        let path = format!("/v1/admin/{service}/dead-letters?state={state}");
        let page = admin.get(&path).await.expect(200).value();
        letters.extend(page["items"].as_array().expect("a list").iter().cloned());
    }
    letters
}

/// All tickets of the sale's event.
async fn tickets(sale: &Sale) -> Vec<Value> {
    let path = format!("/v1/tickets?event_id={}&limit=200", sale.event);
    let (mut tickets, mut next) = (Vec::new(), path.clone());
    loop {
        let page = sale.organizer.get(&next).await.expect(200).value();
        tickets.extend(page["items"].as_array().expect("a list").iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { return tickets };
        next = format!("{path}&cursor={cursor}");
    }
}
