//! Sends mails when their time has come: asks who is to be written to and what the tickets are,
//! renders, hands the letter over, and records what came of it. Nothing that it learns about a
//! person is kept.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{
    catalog::{Catalog, CatalogError, FindSaleTerms, SaleTerms},
    orders::{Contact, FindContact, FindOrder, OrderError, OrderSummary, OrderedPosition, Orders},
    tickets::{PrintTickets, PrintedTickets, Tickets},
};
use jiff::tz::TimeZone;
use runtime::{Clock, Context, DEFAULT_DEADLINE, Principal, Random};
use store::{Backoff, Events, ExecuteError, HandlerError, Loaded};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    domain::{
        buyer::name_to_write,
        mail::{Command, Mail},
        notice::{Kind, Message, Notice},
        stationery::Stationery,
    },
    pace::Pace,
    templates::{
        Buyer, Event, Order, Organizer, PositionLine, Rendered, Template, TicketEntry, Variables,
    },
    transport::{Contents, Letter, Sender, Transport, Undelivered},
};

/// Between attempts: a mail server that restarts is tried again soon, one that is away is left
/// alone.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(10), longest: Duration::from_hours(1) };

/// Everything that sending works with.
pub(crate) struct PostOffice {
    pub(crate) mails: Events<Mail>,
    pub(crate) stationery: Events<Stationery>,
    pub(crate) orders: Arc<dyn Orders>,
    pub(crate) tickets: Arc<dyn Tickets>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) sender: Sender,
    pub(crate) sender_name: String,
    pub(crate) patience: Duration,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// What is known about a mail at the moment it is sent.
struct Facts {
    contact: Contact,
    order: OrderSummary,
    /// None when the programme does not know the event any more.
    terms: Option<SaleTerms>,
    /// None for mails without tickets.
    tickets: Option<PrintedTickets>,
}

impl PostOffice {
    /// Tries a mail when it is due. Too many at once: it is left for the next time it is woken.
    pub(crate) async fn wake(&self, cx: &Context, mail_id: Uuid) -> Result<(), HandlerError> {
        let Some(mail) = self.mails.load(mail_id).await? else { return Ok(()) };
        let Some(notice) = &mail.state.notice else { return Ok(()) };
        if !mail.state.is_due(self.clock.now()) {
            return Ok(());
        }
        let Some(_turn) = self.pace.turn().await else { return Ok(()) };
        let attempt = self.attempt(cx, mail_id, &mail.state, notice).await;
        let at = self.clock.now();
        let command = match attempt {
            Ok(with_built_in_text) => Command::RecordSent { with_built_in_text, at },
            Err(Undelivered { reason, for_good }) => {
                let pause = BACKOFF.pause(mail.state.failures() + 1, self.random.as_ref());
                let patience = self.patience;
                Command::RecordFailure { error: reason, for_good, pause, patience, at }
            }
        };
        self.record(cx, mail_id, command).await
    }

    /// What came of an attempt is recorded however long the attempt took.
    async fn record(&self, cx: &Context, id: Uuid, command: Command) -> Result<(), HandlerError> {
        let Principal::Service { .. } = cx.principal() else {
            return Err(HandlerError::new("only timers send mail"));
        };
        let deadline = Instant::now() + DEFAULT_DEADLINE;
        let (correlation, trace) = (cx.correlation_id().to_owned(), *cx.trace());
        let mut fresh = Context::new(cx.principal().clone(), deadline, correlation, trace);
        if let Some(cause) = cx.causation_id() {
            fresh = fresh.caused_by(cause);
        }
        match self.mails.execute(&fresh, id, command).await {
            Ok(_) => Ok(()),
            Err(ExecuteError::Store(error)) => Err(error.into()),
            Err(ExecuteError::Rejected(rejection)) => Err(HandlerError::new(rejection.to_string())),
            Err(ExecuteError::Stale { .. }) => Err(HandlerError::new("it was changed meanwhile")),
        }
    }

    /// Sends it. The answer says whether it was in the built-in words.
    async fn attempt(
        &self,
        cx: &Context,
        mail_id: Uuid,
        mail: &Mail,
        notice: &Notice,
    ) -> Result<bool, Undelivered> {
        let facts = self.facts(cx, &notice.message).await?;
        let stationery = self.stationery.load(notice.organizer_id).await;
        let stationery = stationery
            .map_err(|_| Undelivered::for_now("the database of notifications does not answer"))?;
        let stationery = stationery.map(|Loaded { state, .. }| state).unwrap_or_default();
        let sender_name = stationery.sender_name.as_deref().unwrap_or(&self.sender_name);
        let variables = facts.variables(&notice.message, sender_name);
        let (rendered, with_built_in_text) =
            words(mail_id, notice.message.kind, &stationery, &variables)?;
        let letter = Letter::write(Contents {
            mail_id,
            copy: mail.copy,
            sender: &self.sender,
            sender_name,
            to: &facts.contact.email,
            to_name: name_to_write(&facts.contact.name),
            words: rendered,
            tickets: facts.pdf()?,
            order_code: &facts.order.order_code,
            at: self.clock.now(),
        })?;
        self.transport.send(&letter).await?;
        Ok(with_built_in_text)
    }

    async fn facts(&self, cx: &Context, message: &Message) -> Result<Facts, Undelivered> {
        let (order_id, event_id) = (message.order_id, message.event_id);
        let contact = self.orders.contact(cx, FindContact { order_id }).await;
        let contact = contact.map_err(|error| from_orders(&error))?;
        let order = self.orders.find_order(cx, FindOrder { order_id }).await;
        let order = order.map_err(|error| from_orders(&error))?;
        let terms = match self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await {
            Ok(terms) => Some(terms),
            Err(CatalogError::EventUnknown { .. }) => None,
            Err(_) => return Err(Undelivered::for_now("catalog does not say when the event is")),
        };
        let tickets = match message.kind {
            Kind::OrderConfirmation => {
                let printed = self.tickets.print(cx, PrintTickets { order_id }).await;
                Some(printed.map_err(|_| Undelivered::for_now("tickets prints none"))?)
            }
            _ => None,
        };
        Ok(Facts { contact, order, terms, tickets })
    }
}

/// The organizer's words, or the built-in ones when there are none or they fail: a mail is not
/// lost for want of style.
fn words(
    mail_id: Uuid,
    kind: Kind,
    stationery: &Stationery,
    variables: &Variables,
) -> Result<(Rendered, bool), Undelivered> {
    if let Some(template) = stationery.templates.get(&kind) {
        match template.render(variables) {
            Ok(rendered) => return Ok((rendered, false)),
            Err(faults) => {
                let part = faults.first().map_or("", |fault| fault.part.name());
                let line = faults.first().and_then(|fault| fault.line);
                let kind = kind.name();
                tracing::warn!(
                    mail = %mail_id,
                    kind,
                    part,
                    line,
                    "a template failed, and the built-in text is sent instead"
                );
            }
        }
    }
    // It is ours to mend, and the next release may.
    let words = Template::render_built_in(kind, variables);
    let words = words.map_err(|_| Undelivered::for_now("the built-in text cannot be filled in"));
    Ok((words?, true))
}

/// Errors of orders name the order alone, but their words are theirs.
fn from_orders(error: &OrderError) -> Undelivered {
    match error {
        OrderError::OrderUnknown { .. } => Undelivered::for_good("there is no such order"),
        OrderError::BuyerGone { .. } => {
            Undelivered::for_good("the buyer's account does not exist any more")
        }
        OrderError::Fault(_) | OrderError::Unrecognised(_) => {
            Undelivered::for_now("orders does not say whom to write to")
        }
    }
}

impl Facts {
    /// The PDF document with the tickets, if there are any.
    fn pdf(&self) -> Result<Option<Vec<u8>>, Undelivered> {
        let Some(printed) = self.tickets.as_ref().filter(|it| !it.pdf_base64.is_empty()) else {
            return Ok(None);
        };
        let pdf = STANDARD.decode(&printed.pdf_base64);
        pdf.map(Some).map_err(|_| Undelivered::for_now("tickets prints what nobody can read"))
    }

    fn variables(&self, message: &Message, sender_name: &str) -> Variables {
        let Self { contact, order, terms, tickets } = self;
        let is_about = |position: &&OrderedPosition| match message.kind {
            Kind::PositionsCancellation => message.positions.contains(&position.position),
            _ => !position.cancelled,
        };
        let codes = tickets.iter().flat_map(|printed| &printed.codes);
        Variables {
            order: Order {
                code: order.order_code.clone(),
                secret: contact.secret.clone().unwrap_or_default(),
                total: order.total.to_string(),
            },
            event: Event {
                name: order.event_name.clone(),
                starts_at: terms.as_ref().map(when).unwrap_or_default(),
                venue: terms.as_ref().map(|terms| terms.venue_name.clone()).unwrap_or_default(),
            },
            buyer: Buyer { name: name_to_write(&contact.name).to_owned(), is_guest: contact.guest },
            organizer: Organizer { name: sender_name.to_owned() },
            positions: order.positions.iter().filter(is_about).map(line).collect(),
            tickets: codes
                .map(|it| TicketEntry { label: it.label.clone(), code: it.code.clone() })
                .collect(),
            amount: message.amount.map(|amount| amount.to_string()).unwrap_or_default(),
            reason: message.reason.clone(),
        }
    }
}

/// When it begins, by the clocks of the venue, with their time zone.
fn when(terms: &SaleTerms) -> String {
    let zone = runtime::time_zone(&terms.time_zone).unwrap_or(TimeZone::UTC);
    terms.starts_at.to_zoned(zone).strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string()
}

fn line(position: &OrderedPosition) -> PositionLine {
    PositionLine {
        number: position.position,
        name: position.name.clone(),
        seat: position.seat.as_ref().map(ToString::to_string).unwrap_or_default(),
        price: position.price.to_string(),
    }
}
