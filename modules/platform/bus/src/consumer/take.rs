//! Taking events in: many at once if all goes well, otherwise one by one, and what cannot be taken
//! is put aside.

use std::{collections::HashSet, sync::Arc};

use runtime::Context;
use store::{Aside, Fate, Inbox, Parked, StoreError, Work};
use uuid::Uuid;

use super::{Consumer, Deliver, Interruption, Place, Setback, setback::Verdict};
use crate::{Entry, Envelope};

/// Where a reader is.
pub(crate) struct Progress<M> {
    /// How far the consumer has come, as stored.
    pub(crate) stored: M,
    pub(crate) aside: Aside,
}

/// Events in their order, with where the consumer stands after each.
pub(crate) type Stretch<M> = [(M, Entry)];

impl Consumer {
    /// Takes in events that concern this consumer; `end` is where it stands after them. At once if
    /// all goes well, otherwise event by event.
    pub(super) async fn take<P: Place>(
        &self,
        place: &P,
        stretch: &Stretch<P::Mark>,
        end: P::Mark,
        progress: &mut Progress<P::Mark>,
    ) -> Result<(), Interruption> {
        let blocked = self.blocked(stretch, progress).await?;
        let whole = self.sort(progress.stored, end, stretch, &blocked);
        match self.commit(place, whole).await {
            Ok(handled) => self.measures.handled(handled),
            Err(Setback::Lost(error)) => return Err(Interruption::Lost(error)),
            Err(Setback::Overtaken) => return Err(Interruption::Overtaken),
            Err(Setback::Store(error)) if error.is_transient() => return Err(error.into()),
            Err(Setback::Unreadable(_) | Setback::Handler(_) | Setback::Store(_)) => {
                self.take_one_by_one(place, stretch, blocked, end, progress).await?;
            }
        }
        progress.stored = end;
        if progress.aside.events > 0 {
            progress.aside = self.inbox.aside(self.database()).await?;
        }
        Ok(())
    }

    /// Notes that there was nothing for this consumer up to `to`.
    pub(super) async fn step_over<P: Place>(
        &self,
        place: &P,
        to: P::Mark,
        progress: &mut Progress<P::Mark>,
    ) -> Result<(), Interruption> {
        let nothing = Step::new(progress.stored, to);
        self.commit(place, nothing).await.map_err(Setback::interruption)?;
        progress.stored = to;
        Ok(())
    }

    /// Whether this build knows the event and this consumer reacts to it. What could not be
    /// translated may be anything, and concerns everybody.
    pub(super) fn concerns(&self, envelope: &Envelope) -> bool {
        let name = envelope.event_type.as_str();
        if self.known.contains(&name) {
            return self.types.contains(&name);
        }
        if envelope.fault.is_some() {
            return true;
        }
        let (consumer, publisher) = (self.name, self.publisher);
        tracing::debug!(consumer, publisher, event = name, "an unknown event is skipped");
        self.measures.unknown();
        false
    }

    /// The keys of which events were put aside. Only the reader of a key's events puts them aside,
    /// so while there are none, there is nothing to ask. Somebody may take one away meanwhile: then
    /// what is put behind it is the first of its queue, and its turn comes.
    async fn blocked<M>(
        &self,
        stretch: &Stretch<M>,
        progress: &Progress<M>,
    ) -> Result<HashSet<Uuid>, StoreError> {
        if progress.aside.events == 0 {
            return Ok(HashSet::new());
        }
        let keys = stretch.iter().map(|(_, entry)| entry.envelope.key);
        self.inbox.blocked(self.database(), keys).await
    }

    fn sort<M: Copy>(
        &self,
        from: M,
        to: M,
        stretch: &Stretch<M>,
        blocked: &HashSet<Uuid>,
    ) -> Step<M> {
        let mut step = Step::new(from, to);
        for (_, entry) in stretch {
            if blocked.contains(&entry.envelope.key) {
                let id = self.committer.ids().next();
                step.parked.push(self.parked(id, entry, Fate::Waiting));
            } else {
                let envelope = entry.envelope.clone();
                step.handled.push((self.context_of(&envelope), envelope));
            }
        }
        step
    }

    /// Each event in a transaction of its own. One that fails is put aside.
    async fn take_one_by_one<P: Place>(
        &self,
        place: &P,
        stretch: &Stretch<P::Mark>,
        mut blocked: HashSet<Uuid>,
        end: P::Mark,
        progress: &mut Progress<P::Mark>,
    ) -> Result<(), Interruption> {
        for (index, (mark, entry)) in stretch.iter().enumerate() {
            let is_last = index + 1 == stretch.len();
            let to = if is_last { end } else { *mark };
            let from = progress.stored;
            let one = stretch.get(index..=index).unwrap_or_default();
            let alone = self.sort(from, to, one, &blocked);
            let verdict = match self.commit(place, alone).await {
                Ok(handled) => {
                    self.measures.handled(handled);
                    progress.stored = to;
                    continue;
                }
                Err(setback) => setback.verdict(),
            };
            let id = self.committer.ids().next();
            let fate = match verdict {
                Verdict::GiveUp(interruption) => return Err(interruption),
                Verdict::Postpone(reason) => return Err(Interruption::Trouble(reason)),
                Verdict::Unreadable(error) => self.dead(id, &entry.envelope, 1, &error),
                Verdict::Failed(error) => self.after_failure(id, &entry.envelope, 1, &error),
            };
            let mut aside = Step::new(from, to);
            aside.parked.push(self.parked(id, entry, fate));
            self.commit(place, aside).await.map_err(Setback::interruption)?;
            blocked.insert(entry.envelope.key);
            progress.stored = to;
            progress.aside.events += 1;
            self.put_aside.notify_one();
        }
        Ok(())
    }

    /// Takes a step in one transaction. The answer says how many events took effect.
    async fn commit<P: Place>(&self, place: &P, step: Step<P::Mark>) -> Result<usize, Setback> {
        let tools = Tools {
            place: place.clone(),
            inbox: self.inbox.clone(),
            handler: Arc::clone(&self.handler),
        };
        let shared = Arc::new((tools, step));
        self.committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    let (tools, step) = &*shared;
                    tools.place.enter(work.tx()).await?;
                    for (cx, envelope) in &step.handled {
                        tools.handler.deliver(&mut work.within(cx), envelope).await?;
                    }
                    if !step.parked.is_empty() {
                        tools.inbox.park(work.tx(), &step.parked).await?;
                    }
                    tools.place.advance(work.tx(), step.from, step.to).await?;
                    Ok(step.handled.len())
                })
            })
            .await
    }
}

/// What happens in one transaction of a consumer.
struct Step<M> {
    from: M,
    to: M,
    /// Events that take effect.
    handled: Vec<(Context, Envelope)>,
    /// Events that are put aside.
    parked: Vec<Parked>,
}

impl<M> Step<M> {
    fn new(from: M, to: M) -> Self {
        Self { from, to, handled: Vec::new(), parked: Vec::new() }
    }
}

/// What work in a transaction needs.
struct Tools<P> {
    place: P,
    inbox: Inbox,
    handler: Arc<dyn Deliver>,
}
