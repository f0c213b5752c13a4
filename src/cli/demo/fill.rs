//! Making a demo set, one request after the other.

use std::time::Duration;

use runtime::{Random, Secret, Timestamp};
use serde_json::{Value, json};

use super::{
    Admin,
    api::{Api, DemoError},
    log_in,
    programme::{Buyer, Ending, Event, Purchase, Stage, TicketType, VENUES, Venue},
    summary::{Account, DemoSet, ScheduledEvent, ShownPurchase},
};

/// Which cards the sandbox provider accepts, accepts after a second step, and declines.
const GOOD_CARD: &str = "4242424242424242";
const CAREFUL_CARD: &str = "4000000000003220";
const BAD_CARD: &str = "4000000000000002";

/// Letters and digits that are not taken for each other.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const PASSWORD_LENGTH: usize = 20;
const NAME_LENGTH: usize = 6;

/// What the organizers of all demo sets are called, before the set's own name.
const ORGANIZER: &str = "Lantern & Tide Concerts, demo";

/// How often is looked for what happens by itself, and how many times.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS: u32 = 300;

/// Somebody who has an account.
struct Person {
    name: &'static str,
    api: Api,
}

/// Everybody in a demo set.
struct Cast {
    organizer: Person,
    staff: Person,
    ada: Person,
    kenji: Person,
    rosa: Person,
}

impl Cast {
    fn buyer(&self, buyer: Buyer) -> &Person {
        match buyer {
            Buyer::Ada => &self.ada,
            Buyer::Kenji => &self.kenji,
            Buyer::Rosa => &self.rosa,
        }
    }
}

/// An event that exists, while its tickets are sold.
struct Show<'a> {
    id: &'a str,
    event: &'static Event,
    cast: &'a Cast,
}

impl Admin {
    /// Makes a demo set beside those that are there.
    ///
    /// # Errors
    /// What was made before stays.
    pub async fn fill(&self) -> Result<DemoSet, DemoError> {
        let is_first = self.is_first().await?;
        let name = draw(self.random.as_ref(), NAME_LENGTH);
        let mut accounts = Vec::new();
        let cast = self.engage(&name, &mut accounts).await?;
        let organizer_name = format!("{ORGANIZER} {name}");
        let organizer = json!({
            "name": organizer_name,
            "description": "Made by `boxoffice demo`.",
        });
        let organizer_id =
            cast.organizer.api.post("/v1/organizers", organizer).await?.field("id")?;
        let staff_id = cast.staff.api.get("/v1/auth/me").await?.field("id")?;
        let member = format!("/v1/organizers/{organizer_id}/members/{staff_id}");
        cast.organizer.api.put(&member, None, json!({ "role": "member" })).await?;
        let mut set = DemoSet {
            name,
            url: self.url.clone(),
            is_first,
            organizer: organizer_name,
            organizer_id,
            accounts,
            events: Vec::new(),
            purchases: Vec::new(),
        };
        for venue in VENUES {
            self.open_venue(&mut set, &cast, venue).await?;
        }
        Ok(set)
    }

    async fn is_first(&self) -> Result<bool, DemoError> {
        let query = format!("/v1/organizers?limit=1&q={}", ORGANIZER.replace('&', "%26"));
        let found = self.nobody.get(&query.replace(' ', "%20")).await?.json()?;
        Ok(found.get("items").and_then(Value::as_array).is_none_or(Vec::is_empty))
    }

    async fn engage(&self, set: &str, accounts: &mut Vec<Account>) -> Result<Cast, DemoError> {
        let mut hire = async |name, about, more: Option<&str>| {
            let (person, account) = self.hire(set, name, about, more).await?;
            accounts.push(account);
            Ok::<_, DemoError>(person)
        };
        Ok(Cast {
            organizer: hire("Olga", "organizer: runs the events", Some("organizer")).await?,
            staff: hire("Sam", "staff: checks tickets in", Some("staff")).await?,
            ada: hire("Ada", "buyer", None).await?,
            kenji: hire("Kenji", "buyer", None).await?,
            rosa: hire("Rosa", "buyer", None).await?,
        })
    }

    /// Registers an account, and has it given another role when it needs one.
    async fn hire(
        &self,
        set: &str,
        name: &'static str,
        about: &'static str,
        role: Option<&str>,
    ) -> Result<(Person, Account), DemoError> {
        let email = format!("{}.{set}@example.org", name.to_lowercase());
        let password = Secret::from(draw(self.random.as_ref(), PASSWORD_LENGTH));
        let wish = json!({ "email": email, "password": password.expose(), "name": name });
        let registered = self.nobody.post("/v1/auth/register", wish).await?;
        if let Some(role) = role {
            let roles = json!({ "roles": ["customer", role] });
            let path = format!("/v1/users/{}/roles", registered.field("id")?);
            self.api.put(&path, Some(registered.etag()?), roles).await?;
        }
        let api = log_in(&self.nobody, &email, &password).await?;
        Ok((Person { name, api }, Account { name, about, email, password }))
    }

    async fn open_venue(
        &self,
        set: &mut DemoSet,
        cast: &Cast,
        venue: &'static Venue,
    ) -> Result<(), DemoError> {
        let new = json!({
            "organizer_id": set.organizer_id,
            "name": venue.name,
            "address": venue.address,
            "time_zone": venue.time_zone,
        });
        let venue_id = cast.organizer.api.post("/v1/venues", new).await?.field("id")?;
        for event in venue.events {
            self.put_on(set, cast, venue, &venue_id, event).await?;
        }
        Ok(())
    }

    async fn put_on(
        &self,
        set: &mut DemoSet,
        cast: &Cast,
        venue: &'static Venue,
        venue_id: &str,
        event: &'static Event,
    ) -> Result<(), DemoError> {
        let (starts_at, ends_at, local) = times(event, self.clock.now(), venue.time_zone)
            .ok_or_else(|| {
                let what = format!("no instant can be found for it in {}", venue.time_zone);
                DemoError::Unexpected { request: event.name.to_owned(), what }
            })?;
        let draft = json!({
            "organizer_id": set.organizer_id,
            "venue_id": venue_id,
            "name": event.name,
            "description": event.description,
            "starts_at": starts_at.to_string(),
            "ends_at": ends_at.to_string(),
            "currency": event.currency.code,
        });
        let organizer = &cast.organizer.api;
        let id = organizer.post("/v1/events", draft).await?.field("id")?;
        let mut offers = Vec::new();
        for ticket_type in event.ticket_types {
            let path = format!("/v1/events/{id}/ticket-types");
            let added = organizer.post(&path, offer(event, ticket_type)).await?;
            offers.push((ticket_type, added.field("id")?));
        }
        let bring = async |step: &str, body: Value| {
            organizer.post(&format!("/v1/events/{id}/{step}"), body).await
        };
        if !matches!(event.stage, Stage::Draft) {
            bring("publish", json!({})).await?;
        }
        if matches!(event.stage, Stage::OnSale | Stage::Cancelled(_)) {
            bring("open-sales", json!({})).await?;
            self.wait_for_sale(&id).await?;
        }
        let show = Show { id: &id, event, cast };
        for (ticket_type, ticket_type_id) in &offers {
            for purchase in ticket_type.purchases {
                let made = self.purchase(&show, ticket_type, ticket_type_id, purchase).await?;
                set.purchases.push(made);
            }
        }
        if let Stage::Cancelled(reason) = event.stage {
            bring("cancel", json!({ "reason": reason })).await?;
        }
        set.events.push(ScheduledEvent {
            name: event.name,
            venue: venue.name,
            starts: format!("{local} {}", venue.time_zone),
            stage: event.stage.in_words(),
            prices: event.ticket_types.iter().map(|it| priced(event, it)).collect(),
            id,
        });
        Ok(())
    }

    /// Inventory hears of a sale that was opened a moment later.
    async fn wait_for_sale(&self, event_id: &str) -> Result<(), DemoError> {
        let path = format!("/v1/availability/{event_id}");
        self.until(&path, "did not say that the event is on sale", async || {
            match self.nobody.get(&path).await {
                Ok(reply) => {
                    let is_on_sale = reply.json()?.get("on_sale") == Some(&Value::Bool(true));
                    Ok(is_on_sale.then_some(()))
                }
                Err(DemoError::Refused { status: 404, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn purchase(
        &self,
        show: &Show<'_>,
        ticket_type: &TicketType,
        ticket_type_id: &str,
        purchase: &Purchase,
    ) -> Result<ShownPurchase, DemoError> {
        let buyer = show.cast.buyer(purchase.buyer);
        let items = json!([{ "ticket_type_id": ticket_type_id, "quantity": purchase.quantity }]);
        let order = json!({ "event_id": show.id, "items": items });
        let order = buyer.api.post("/v1/orders", order).await?;
        let (id, code) = (order.field("id")?, order.field("code")?);
        let is_free = ticket_type.price == 0;
        if !is_free {
            self.wait_for_order(buyer, &id, "held").await?;
        }
        match purchase.ending {
            Ending::Unpaid => {}
            Ending::Unconfirmed => pay(buyer, &id, CAREFUL_CARD).await?,
            Ending::Declined => be_declined(buyer, &id).await?,
            Ending::Cancelled => {
                buyer.api.post(&format!("/v1/orders/{id}/cancel"), json!({})).await?;
                self.wait_for_order(buyer, &id, "cancelled").await?;
            }
            Ending::Fulfilled | Ending::Attended | Ending::AttendedWithCopy | Ending::Refunded => {
                if !is_free {
                    pay(buyer, &id, GOOD_CARD).await?;
                }
                let fulfilled = self.wait_for_order(buyer, &id, "fulfilled").await?;
                self.after_fulfilment(show, buyer, &id, &fulfilled, purchase.ending).await?;
            }
        }
        let total = ticket_type.price.saturating_mul(i64::from(purchase.quantity));
        Ok(ShownPurchase {
            id,
            code,
            buyer: buyer.name,
            event: show.event.name,
            what: format!("{} {}", purchase.quantity, ticket_type.name),
            total: show.event.currency.show(total),
            became: purchase.ending.in_words(),
        })
    }

    async fn after_fulfilment(
        &self,
        show: &Show<'_>,
        buyer: &Person,
        id: &str,
        order: &Value,
        ending: Ending,
    ) -> Result<(), DemoError> {
        match ending {
            Ending::Refunded => {
                let refund = json!({ "order_id": id, "reason": "Given back by the organizer." });
                show.cast.organizer.api.post("/v1/refunds", refund).await?;
                self.wait_for_order(buyer, id, "cancelled").await?;
            }
            Ending::Attended | Ending::AttendedWithCopy => {
                let tickets = order.get("ticket_ids").and_then(Value::as_array);
                let tickets = tickets.into_iter().flatten().filter_map(Value::as_str);
                let mut copied = None;
                for ticket in tickets {
                    let code = buyer.api.get(&format!("/v1/tickets/{ticket}/code")).await?;
                    let code = code.into_text();
                    check_in(show, &code, "north").await?;
                    copied = Some(code);
                }
                let copied = copied.filter(|_| ending == Ending::AttendedWithCopy);
                if let Some(code) = copied {
                    refuse_copy(show, &code).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Waits until the order has come so far, which it does by itself.
    async fn wait_for_order(
        &self,
        buyer: &Person,
        id: &str,
        state: &str,
    ) -> Result<Value, DemoError> {
        let path = format!("/v1/orders/{id}");
        let what = format!("the order did not become {state}");
        self.until(&path, &what, async || {
            let is_outcome = state != "held";
            let reading = if is_outcome {
                buyer.api.get_outcome(&path).await
            } else {
                buyer.api.get(&path).await
            };
            let order = reading?.json()?;
            let is_there = order.get("state").and_then(Value::as_str) == Some(state);
            Ok(is_there.then_some(order))
        })
        .await
    }

    /// Looks again and again until there is something.
    async fn until<T>(
        &self,
        request: &str,
        what: &str,
        look: impl AsyncFn() -> Result<Option<T>, DemoError>,
    ) -> Result<T, DemoError> {
        for _ in 0..LOOKS {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            let now = self.clock.now();
            self.clock.sleep_until(now.checked_add(PAUSE).unwrap_or(now)).await;
        }
        Err(DemoError::Unexpected { request: format!("GET {request}"), what: what.to_owned() })
    }
}

/// When the event begins and ends, and what the clocks of its venue show when it begins.
fn times(event: &Event, now: Timestamp, time_zone: &str) -> Option<(Timestamp, Timestamp, String)> {
    let starts_at = event.start.instant(now, time_zone)?;
    let ends_at = starts_at.checked_add(event.length).ok()?;
    let local =
        starts_at.to_zoned(runtime::time_zone(time_zone)?).strftime("%Y-%m-%d %H:%M").to_string();
    Some((starts_at, ends_at, local))
}

fn offer(event: &Event, ticket_type: &TicketType) -> Value {
    let capacity = match ticket_type.places {
        Some(places) => json!({ "kind": "limited", "places": places }),
        None => json!({ "kind": "unlimited" }),
    };
    json!({
        "name": ticket_type.name,
        "price": { "amount": ticket_type.price, "currency": event.currency.code },
        "capacity": capacity,
    })
}

fn priced(event: &Event, ticket_type: &TicketType) -> String {
    let price = match ticket_type.price {
        0 => "free".to_owned(),
        amount => event.currency.show(amount),
    };
    let places = ticket_type.places.map_or("no limit".to_owned(), |it| format!("{it} places"));
    format!("{}, {price}, {places}", ticket_type.name)
}

fn payment(order_id: &str, card: &str) -> Value {
    json!({ "order_id": order_id, "method": { "kind": "card", "number": card } })
}

async fn pay(buyer: &Person, order_id: &str, card: &str) -> Result<(), DemoError> {
    buyer.api.post("/v1/payments", payment(order_id, card)).await.map(|_| ())
}

async fn be_declined(buyer: &Person, order_id: &str) -> Result<(), DemoError> {
    let declined = buyer.api.post("/v1/payments", payment(order_id, BAD_CARD)).await;
    must_be("payment-declined", declined.map(|_| "a card that is always declined was accepted"))
}

async fn check_in(show: &Show<'_>, code: &str, entrance: &str) -> Result<(), DemoError> {
    let scan = json!({ "code": code, "event_id": show.id, "entrance": entrance });
    show.cast.staff.api.post("/v1/check-ins", scan).await.map(|_| ())
}

async fn refuse_copy(show: &Show<'_>, code: &str) -> Result<(), DemoError> {
    let admitted = check_in(show, code, "south").await;
    must_be("already-admitted", admitted.map(|()| "a ticket let somebody in twice"))
}

/// The refusal that was asked for; anything else is an error.
fn must_be(slug: &str, outcome: Result<&str, DemoError>) -> Result<(), DemoError> {
    match outcome {
        Err(refusal) if refusal.is(slug) => Ok(()),
        Err(error) => Err(error),
        Ok(what) => Err(DemoError::Unexpected { request: slug.to_owned(), what: what.to_owned() }),
    }
}

/// So many letters and digits, drawn by chance.
fn draw(random: &dyn Random, length: usize) -> String {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    let letters = bytes.into_iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    letters.map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use testkit::SeededRandom;

    use super::*;

    #[test]
    fn what_is_drawn_is_long_enough_and_never_the_same() {
        let random = SeededRandom::new(7);
        let passwords: BTreeSet<String> =
            (0..100).map(|_| draw(&random, PASSWORD_LENGTH)).collect();
        assert_eq!(passwords.len(), 100);
        for password in passwords {
            assert_eq!(password.len(), PASSWORD_LENGTH);
            assert!(password.bytes().all(|letter| ALPHABET.contains(&letter)), "{password}");
        }
    }

    #[test]
    fn a_refusal_that_is_wanted_is_no_error() {
        let refused = || DemoError::Refused {
            request: String::new(),
            status: 409,
            slug: "already-admitted".to_owned(),
            says: String::new(),
        };
        assert_eq!(must_be("already-admitted", Err(refused())), Ok(()));
        assert_eq!(must_be("payment-declined", Err(refused())), Err(refused()));
        assert!(must_be("payment-declined", Ok("it was accepted")).is_err());
    }

    #[test]
    fn an_offer_without_a_limit_says_so() {
        let everything = VENUES.iter().flat_map(|venue| venue.events);
        let unlimited = everything
            .flat_map(|event| event.ticket_types.iter().map(move |it| (event, it)))
            .find(|(_, ticket_type)| ticket_type.places.is_none());
        let (event, ticket_type) = unlimited.unwrap();
        assert_eq!(offer(event, ticket_type)["capacity"], json!({ "kind": "unlimited" }));
        assert_eq!(priced(event, ticket_type), "Admission, free, no limit");
    }
}
