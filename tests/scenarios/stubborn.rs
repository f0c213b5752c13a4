//! Clients that do not give up: whatever breaks while they buy, they ask again as the API tells
//! them to.

use std::{cell::Cell, time::Duration};

use serde_json::{Value, json};
use testkit::{Reply, Request, within};

use crate::people::{Person, Sale, card, payment, text};

/// How long they try. Long, because it only passes when something is broken for good.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// What an answer leaves to do.
enum Next {
    Done(Reply),
    /// The request may be sent again as it is.
    Again(String),
    /// It is not known what became of an earlier request with this key.
    Unknown(Reply),
}

async fn ask(request: Request) -> Next {
    let reply = match request.send().await {
        Ok(reply) => reply,
        Err(error) => return Next::Again(error.to_string()),
    };
    if reply.status().is_server_error() {
        return Next::Again(reply.to_string());
    }
    if reply.status() == 409 && reply.text().contains("/problems/idempotency-key-in-flight") {
        return Next::Unknown(reply);
    }
    Next::Done(reply)
}

impl Person {
    /// Buys so many tickets, whatever happens meanwhile: the order's id, once it is fulfilled, or
    /// nothing when there are not enough places. This person must have no other order.
    pub async fn buy_stubbornly(&self, sale: &Sale, quantity: u32) -> Option<String> {
        let order = self.order_stubbornly(sale, quantity, &Cell::new(0)).await?;
        self.pay_stubbornly(&order).await;
        self.reaches(&order, "fulfilled").await;
        Some(order)
    }

    /// Orders so many tickets, whatever happens meanwhile: the order's id, or nothing when there are
    /// not enough places. This person must have no other order.
    ///
    /// Counts in `given_up` the keys that were given up: each may leave places held that nobody will
    /// buy, until that hold runs out.
    pub async fn order_stubbornly(
        &self,
        sale: &Sale,
        quantity: u32,
        given_up: &Cell<u32>,
    ) -> Option<String> {
        let body = sale.order(quantity);
        let key = Cell::new(0);
        let placed = within(PATIENCE, "the order to be placed", || async {
            match ask(self.post("/v1/orders", &body).key(&format!("order-{}", key.get()))).await {
                Next::Done(reply) if reply.status() == 409 => {
                    let _sold_out = reply.expect_problem(409, "sold-out");
                    Ok(None)
                }
                Next::Done(reply) => Ok(Some(reply.expect(201).field("id"))),
                Next::Again(why) => Err(why),
                Next::Unknown(reply) => {
                    // Whoever was asked before has died: with the order placed, or before.
                    let found = self.only_order().await?;
                    if found.is_none() {
                        key.set(key.get() + 1);
                        given_up.set(given_up.get() + 1);
                    }
                    found.map(Some).ok_or_else(|| reply.to_string())
                }
            }
        });
        let order = placed.await?;
        let settled = within(PATIENCE, "the order to wait for its payment", || async {
            let found = self.read_stubbornly(&order).await?;
            match text(&found, "state") {
                "held" if found["payment_id"].is_string() => Ok(true),
                "cancelled" => Ok(false),
                _ => Err(found.to_string()),
            }
        });
        settled.await.then_some(order)
    }

    /// The order this person has, if there is one already.
    async fn only_order(&self) -> Result<Option<String>, String> {
        match ask(self.get("/v1/orders")).await {
            Next::Done(list) => {
                let list = list.expect(200).value();
                Ok(list["items"][0]["id"].as_str().map(str::to_owned))
            }
            Next::Again(why) => Err(why),
            Next::Unknown(reply) => Err(reply.to_string()),
        }
    }

    /// Pays the order, whatever happens meanwhile.
    pub async fn pay_stubbornly(&self, order: &str) {
        let body = payment(order, card::GOOD);
        let key = Cell::new(0);
        within(PATIENCE, "the payment to be settled", || async {
            if !matches!(self.state_of(order).await?.as_str(), "placed" | "held") {
                return Ok(());
            }
            let request = self.post("/v1/payments", &body).key(&format!("pay-{}", key.get()));
            let reply = match ask(request).await {
                Next::Done(reply) if reply.status().is_success() => reply,
                Next::Again(why) => return Err(why),
                // As long as an earlier attempt may take money, another one is refused; then it
                // takes another key.
                Next::Unknown(reply) | Next::Done(reply) => {
                    let may_pay_again = ["in-flight", "payment-under-way", "payment-called-off"];
                    let problem = reply.clone().expect(409).field("type");
                    assert!(may_pay_again.iter().any(|it| problem.ends_with(it)), "{reply}");
                    key.set(key.get() + 1);
                    return Err(reply.to_string());
                }
            };
            if reply.value()["status"] == "settled" { Ok(()) } else { Err(reply.to_string()) }
        })
        .await;
    }

    /// Calls the order off, whatever happens meanwhile.
    pub async fn cancel_stubbornly(&self, order: &str) {
        let path = format!("/v1/orders/{order}/cancel");
        within(PATIENCE, "the order to be called off", || async {
            match ask(self.post(&path, &json!({}))).await {
                Next::Done(reply) => {
                    let is_over = reply.status() == 409;
                    Ok(if is_over {
                        reply.expect_problem(409, "order-has-ended")
                    } else {
                        reply.expect(200)
                    })
                }
                Next::Again(why) => Err(why),
                Next::Unknown(reply) => Err(reply.to_string()),
            }
        })
        .await;
        self.reaches(order, "cancelled").await;
    }

    /// Waits until the order is in the state, over restarts.
    pub async fn reaches(&self, order: &str, state: &str) {
        within(PATIENCE, format!("the order to be {state}"), || async {
            let found = self.state_of(order).await?;
            if found == state { Ok(()) } else { Err(found) }
        })
        .await;
    }

    /// Waits for the tickets as somebody does who has paid, over restarts.
    pub async fn waits_for_tickets(&self, order: &str) {
        within(PATIENCE, "the tickets", || async {
            let path = format!("/v1/orders/{order}");
            match ask(self.get(&path).header("prefer", "wait=9")).await {
                Next::Done(reply) if reply.clone().expect(200).field("state") == "fulfilled" => {
                    Ok(())
                }
                Next::Done(reply) | Next::Unknown(reply) => Err(reply.to_string()),
                Next::Again(why) => Err(why),
            }
        })
        .await;
    }

    async fn state_of(&self, order: &str) -> Result<String, String> {
        Ok(text(&self.read_stubbornly(order).await?, "state").to_owned())
    }

    async fn read_stubbornly(&self, order: &str) -> Result<Value, String> {
        match ask(self.get(&format!("/v1/orders/{order}"))).await {
            Next::Done(reply) => Ok(reply.expect(200).value()),
            Next::Again(why) => Err(why),
            Next::Unknown(reply) => Err(reply.to_string()),
        }
    }
}
