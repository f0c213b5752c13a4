//! Drives orders on: asks other services for the step that is due and records what they said.
//!
//! Which step is due, and what follows from an outcome, is in `domain.rs`; how each is asked for, in
//! `steps.rs`. Everything here may run twice at once for one order, and may stop anywhere.
//!
//! Outcomes are recorded together where that loses nothing: a step whose outcome is forgotten is
//! asked for once more and says the same. What others do for good is asked for only once the
//! reason is on disk.
//!
//! A return that has to wait holds up no other of the same order. What waits for money is asked
//! for less and less often: the news comes as an event.

use std::{collections::BTreeSet, mem, sync::Arc};

use contracts::{
    catalog::Catalog,
    identity::Identity,
    inventory::Inventory,
    orders::OrderState,
    payments::{FindPayment, PaymentBooks, PaymentStatus, Payments},
    tickets::Tickets,
};
use jiff::SignedDuration;
use runtime::{Clock, Context, Ids, Random};
use store::{
    Aggregate, Answer, Database, Events, ExecuteError, IdempotencyKey, Loaded, StoreError, Work,
};
use uuid::Uuid;

use crate::{
    cancellation::Cancellation,
    domain::{Cancel, Cause, Command, Order, Refusal, Rejection, Step},
    errands::{Errand, Errands},
    guests::GuestLimits,
    waiting::Waiting,
};

/// Everything orders works with.
pub(crate) struct Purchases {
    pub(crate) database: Database,
    pub(crate) orders: Events<Order>,
    pub(crate) cancellations: Events<Cancellation>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) inventory: Arc<dyn Inventory>,
    pub(crate) payments: Arc<dyn Payments>,
    pub(crate) tickets: Arc<dyn Tickets>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) payment_margin: SignedDuration,
    /// Readers that wait for an order to come to its end.
    pub(crate) waiting: Waiting,
    pub(crate) guests: GuestLimits,
    /// Orders that are to be driven on at once.
    pub(crate) errands: Errands,
}

/// Why an order could not be driven on for now. It stays as it is and is tried again later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stuck {
    #[error("the step {step:?} failed: {reason}")]
    Step { step: Step, reason: String },
    #[error("the outcome of {step:?} is not known yet")]
    Undecided { step: Step },
    #[error("there is no order {0}")]
    Unknown(Uuid),
    #[error(transparent)]
    Rejected(Rejection),
    /// Inventory would not hold the places of an order that was not recorded yet, and now is not.
    #[error("the places are not held: {:?}", .0.cause)]
    Refused(Box<Refusal>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ExecuteError<Rejection>> for Stuck {
    fn from(error: ExecuteError<Rejection>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => Self::Rejected(rejection),
            ExecuteError::Stale { current } => {
                StoreError::Contended(format!("the order is at version {current}")).into()
            }
            ExecuteError::Store(error) => error.into(),
        }
    }
}

/// The answer to the request that drives the order on, stored with the change that brings the order
/// to where `render` has one.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) key: IdempotencyKey,
    pub(crate) render: Arc<Render>,
}

/// The answer to give about an order, if it is where there is one.
pub(crate) type Render = dyn Fn(Uuid, &Loaded<Order>) -> Option<Answer> + Send + Sync;

/// An order that was driven on as far as it goes for now.
pub(crate) struct Advanced {
    pub(crate) order: Loaded<Order>,
    /// Whether the answer to the request was stored on the way.
    pub(crate) has_replied: bool,
}

impl Purchases {
    /// Places the order that `place` describes and takes one step after the other until it has to
    /// wait for somebody. The first record is made when the places are held and the payment
    /// waits, or as soon as that does not work out: an order that is refused leaves nothing behind.
    pub(crate) async fn begin(
        &self,
        cx: &Context,
        id: Uuid,
        place: Command,
        reply: &Reply,
    ) -> Result<Advanced, Stuck> {
        let nothing = Loaded { state: Order::default(), version: 0 };
        let mut journey = Journey::new(self, cx, id, nothing, Some(reply));
        journey.note(place)?;
        journey.go().await
    }

    /// Takes one step after the other from where the order is until it has to wait for somebody.
    pub(crate) async fn advance(
        &self,
        cx: &Context,
        id: Uuid,
        order: Loaded<Order>,
        reply: Option<&Reply>,
    ) -> Result<Advanced, Stuck> {
        Journey::new(self, cx, id, order, reply).go().await
    }

    /// What is due when an order wakes up: the end of the time to pay, or a step that was left.
    pub(crate) async fn wake(&self, cx: &Context, id: Uuid) -> Result<(), Stuck> {
        let expire = Command::Expire { at: self.clock.now() };
        let executed = self.orders.execute(cx, id, expire).await;
        let order = executed.map_err(|error| match error {
            ExecuteError::Rejected(_) => Stuck::Unknown(id),
            other => other.into(),
        })?;
        if order.state.has_outcome() {
            self.waiting.ring(id);
        }
        match self.advance(cx, id, order, None).await {
            Err(Stuck::Undecided { step }) => {
                tracing::info!(order = %id, ?step, "an order waits, and asks again later");
                self.orders
                    .execute(cx, id, Command::RecordAwaited { at: self.clock.now() })
                    .await?;
                Ok(())
            }
            advanced => advanced.map(|_| ()),
        }
    }

    /// Asks payments whether the money has come for which the order waits; if so, the order goes on as
    /// it would by the event that tells of it.
    pub(crate) async fn look_for_money(&self, cx: &Context, id: Uuid, order: &Order) {
        if order.state != OrderState::Held {
            return;
        }
        let found = self.payments.find(cx, FindPayment { order_id: id }).await;
        let payment = match found {
            Ok(payment) if payment.status == PaymentStatus::Settled => payment,
            Ok(_) => return,
            Err(error) => {
                tracing::info!(order = %id, %error, "whether the money came is not known");
                return;
            }
        };
        let PaymentBooks { payment_id, charged: amount, .. } = payment;
        let command = Command::RecordPayment { payment_id, amount, at: self.clock.now() };
        let books = self.books();
        let recorded: Result<(), ExecuteError<Rejection>> = self
            .orders
            .committer()
            .transact(cx, move |work: &mut Work<'_>| {
                let (books, command) = (books.clone(), command.clone());
                Box::pin(async move { books.carry_out(work, id, command).await })
            })
            .await;
        match recorded.map_err(Stuck::from) {
            Ok(()) => self.errands.leave(cx, Errand::Order(id)),
            Err(stuck) => {
                tracing::info!(order = %id, %stuck, "money that came waits for its event");
            }
        }
    }

    /// What commands to orders are carried out on.
    pub(crate) fn books(&self) -> Books {
        Books { orders: self.orders.clone(), cancellations: self.cancellations.clone() }
    }
}

/// Orders, and the events of which all are undone.
#[derive(Clone)]
pub(crate) struct Books {
    orders: Events<Order>,
    cancellations: Events<Cancellation>,
}

impl Books {
    /// Carries out a command. Money for an event that was cancelled buys nothing: the order may
    /// have expired before, and nobody would undo it any more.
    pub(crate) async fn carry_out(
        &self,
        work: &mut Work<'_>,
        id: Uuid,
        command: Command,
    ) -> Result<(), ExecuteError<Rejection>> {
        let came_at = match &command {
            Command::RecordPayment { at, .. } => Some(*at),
            _ => None,
        };
        work.execute(&self.orders, id, command).await?;
        let Some(at) = came_at else { return Ok(()) };
        let order = work.load(&self.orders, id).await?.map(|order| &order.state);
        let buys = order.filter(|order| order.state == OrderState::Paid);
        let Some(event_id) = buys.and_then(|it| it.terms.as_ref()).map(|terms| terms.event_id)
        else {
            return Ok(());
        };
        let cancelled = work.load(&self.cancellations, event_id).await?;
        let reason = cancelled.and_then(|it| it.state.begun()).map(|begun| begun.reason.clone());
        if let Some(reason) = reason {
            let wish = Cancel::whole(Cause::EventCancelled, reason, at);
            work.execute(&self.orders, id, Command::Cancel(wish)).await?;
        }
        Ok(())
    }
}

/// An order on its way: the state that its record and the outcomes since make.
struct Journey<'a> {
    purchases: &'a Purchases,
    cx: &'a Context,
    id: Uuid,
    order: Loaded<Order>,
    /// What is not recorded yet.
    pending: Vec<Command>,
    reply: Option<&'a Reply>,
    has_replied: bool,
    /// Returns that have to wait.
    left_alone: BTreeSet<Uuid>,
    /// Why the first of them has to, or one that is not just waiting.
    held_up: Option<Stuck>,
}

impl<'a> Journey<'a> {
    fn new(
        purchases: &'a Purchases,
        cx: &'a Context,
        id: Uuid,
        order: Loaded<Order>,
        reply: Option<&'a Reply>,
    ) -> Self {
        Self {
            purchases,
            cx,
            id,
            order,
            pending: Vec::new(),
            reply,
            has_replied: false,
            left_alone: BTreeSet::new(),
            held_up: None,
        }
    }

    async fn go(mut self) -> Result<Advanced, Stuck> {
        loop {
            let Some(step) = self.order.state.next_step_beside(&self.left_alone) else {
                if !self.pending.is_empty() {
                    self.record().await?;
                    continue;
                }
                let Self { order, has_replied, held_up, .. } = self;
                return held_up.map_or(Ok(Advanced { order, has_replied }), Err);
            };
            if self.order.state.needs_record_before(step) && !self.pending.is_empty() {
                self.record().await?;
                continue;
            }
            let stuck = match self.purchases.take(self.cx, self.id, step, &self.order.state).await {
                Ok(Command::RecordRefusal { refusal, .. }) if self.order.version == 0 => {
                    return Err(Stuck::Refused(Box::new(refusal)));
                }
                Ok(outcome) => {
                    let is_decision = matches!(
                        outcome,
                        Command::RecordNoRoom { .. } | Command::RecordPayment { .. }
                    );
                    let is_news = self.note(outcome)?;
                    if is_decision {
                        self.record().await?;
                    }
                    if is_news {
                        continue;
                    }
                    Stuck::Undecided { step }
                }
                Err(stuck) => stuck,
            };
            let Some(return_id) = step.return_id() else {
                self.record().await?;
                return Err(stuck);
            };
            self.left_alone.insert(return_id);
            if matches!(self.held_up, None | Some(Stuck::Undecided { .. })) {
                self.held_up = Some(stuck);
            }
        }
    }

    /// Takes an outcome in without recording it; whether that changed anything.
    fn note(&mut self, outcome: Command) -> Result<bool, Stuck> {
        let events = self.order.state.decide(outcome.clone()).map_err(Stuck::Rejected)?;
        for event in &events {
            self.order.state.evolve(event);
        }
        self.pending.push(outcome);
        Ok(!events.is_empty())
    }

    /// Records what is pending, and goes on from what the record then says: somebody else may have
    /// decided otherwise meanwhile.
    async fn record(&mut self) -> Result<(), Stuck> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (orders, books) = (self.purchases.orders.clone(), self.purchases.books());
        let id = self.id;
        let (commands, reply) = (mem::take(&mut self.pending), self.reply.cloned());
        let committer = orders.committer().clone();
        let recorded: Result<Advanced, ExecuteError<Rejection>> = committer
            .transact(self.cx, move |work: &mut Work<'_>| {
                let (orders, reply, commands) = (orders.clone(), reply.clone(), commands.clone());
                let books = books.clone();
                Box::pin(async move {
                    for command in commands {
                        books.carry_out(work, id, command).await?;
                    }
                    let order = work.load(&orders, id).await?.cloned();
                    let order = order.ok_or(ExecuteError::Rejected(Rejection::Unknown))?;
                    let answer = reply.as_ref().and_then(|reply| (reply.render)(id, &order));
                    if let (Some(reply), Some(answer)) = (&reply, &answer) {
                        work.answer(&reply.key, answer);
                    }
                    Ok(Advanced { order, has_replied: answer.is_some() })
                })
            })
            .await;
        let Advanced { order, has_replied } = recorded?;
        self.order = order;
        self.has_replied |= has_replied;
        if self.order.state.has_outcome() {
            self.purchases.waiting.ring(id);
        }
        Ok(())
    }
}
