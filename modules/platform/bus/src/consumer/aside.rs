//! What a consumer could not take: put aside, tried again when it is due, given up at last.

use std::{sync::Arc, time::Duration};

use runtime::Timestamp;
use store::{DeadLetter, Fate, HeldLease, Inbox, Parked, Position, Work};
use uuid::Uuid;

use super::{Consumer, Deliver, Interruption, Setback, setback::Verdict};
use crate::{
    Entry, Envelope, Source, SourceError,
    envelope::NUL,
    kafka::{read_again, without_nul},
};

/// Events put aside that are tried before the feed goes on.
const ASIDE_AT_ONCE: u32 = 16;

impl Consumer {
    pub(super) fn parked(&self, id: Uuid, entry: &Entry, fate: Fate) -> Parked {
        let arrived = &entry.envelope;
        let envelope = if arrived.has_nul() { without_nul(arrived) } else { arrived.clone() };
        Parked {
            id,
            key: envelope.key,
            position: entry.position,
            event: serde_json::to_value(&envelope).unwrap_or_default(),
            event_type: envelope.event_type,
            fate,
            at: self.now(),
        }
    }

    /// How an event fares whose `attempts`-th attempt failed; as a dead letter it is `id`.
    pub(super) fn after_failure(
        &self,
        id: Uuid,
        envelope: &Envelope,
        attempts: u32,
        error: &str,
    ) -> Fate {
        if attempts >= self.settings.attempts {
            return self.dead(id, envelope, attempts, error);
        }
        let (consumer, event, error) = (self.name, envelope.id, storable(error));
        let correlation_id = &envelope.correlation_id;
        tracing::warn!(
            consumer,
            dead_letter = %id,
            %event,
            correlation_id,
            attempts,
            error,
            "an event could not be taken in"
        );
        self.measures.failed(false);
        let pause = self.settings.backoff().pause(attempts, self.random.as_ref());
        let due = self.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        Fate::Retrying { attempts, error, due }
    }

    pub(super) fn dead(&self, id: Uuid, envelope: &Envelope, attempts: u32, error: &str) -> Fate {
        let (consumer, event, event_type) = (self.name, envelope.id, &envelope.event_type);
        let error = storable(error);
        let correlation_id = &envelope.correlation_id;
        tracing::error!(
            consumer,
            dead_letter = %id,
            %event,
            event_type,
            correlation_id,
            attempts,
            error,
            "an event is a dead letter"
        );
        self.measures.failed(true);
        Fate::Dead { attempts, error }
    }

    /// Tries the events that were put aside and are due. The answer says how many.
    pub(super) async fn try_aside(
        &self,
        held: &HeldLease,
        source: Option<&dyn Source>,
    ) -> Result<usize, Interruption> {
        let due = self.inbox.runnable(self.database(), self.now(), ASIDE_AT_ONCE).await?;
        let mut publisher = Publisher { source, silence: None };
        for letter in &due {
            self.try_again(held, &mut publisher, letter).await?;
        }
        Ok(due.len())
    }

    async fn try_again(
        &self,
        held: &HeldLease,
        publisher: &mut Publisher<'_>,
        letter: &DeadLetter,
    ) -> Result<(), Interruption> {
        let envelope = match serde_json::from_value::<Envelope>(letter.event.clone()) {
            Ok(envelope) if envelope.fault.is_some() => match read_again(&envelope.payload) {
                Some(readable) => readable,
                None => match self.ask_again(publisher, letter).await {
                    Ok(told) => told.unwrap_or(envelope),
                    Err(silence) => return self.postpone(held, letter, &silence).await,
                },
            },
            Ok(envelope) => envelope,
            Err(_quotes_the_value) => {
                let error = "what was put aside is no event of this build".to_owned();
                let fate = Fate::Dead { attempts: letter.attempts + 1, error };
                return self.note_failure(held, letter, fate).await;
            }
        };
        let attempts = letter.attempts + 1;
        let verdict = match self.settle(held, letter, envelope.clone()).await {
            Ok(()) => {
                self.measures.redelivered();
                return Ok(());
            }
            Err(setback) => setback.verdict(),
        };
        let fate = match verdict {
            // Somebody decided about it meanwhile, most likely.
            Verdict::GiveUp(interruption) => return Err(interruption),
            Verdict::Postpone(reason) => return Err(Interruption::Trouble(reason)),
            Verdict::Unreadable(error) => self.dead(letter.id, &envelope, attempts, &error),
            Verdict::Failed(error) => self.after_failure(letter.id, &envelope, attempts, &error),
        };
        self.note_failure(held, letter, fate).await
    }

    /// The publisher may have learned to translate what it could not. Of what never was in its log it
    /// knows nothing.
    async fn ask_again(
        &self,
        publisher: &mut Publisher<'_>,
        letter: &DeadLetter,
    ) -> Result<Option<Envelope>, SourceError> {
        let Some(source) = publisher.source.filter(|_| letter.position >= Position::START) else {
            return Ok(None);
        };
        if let Some(silence) = &publisher.silence {
            return Err(silence.clone());
        }
        let before = Position { seq: letter.position.seq - 1, ..letter.position };
        let read = source.read(&self.query(before, 1, Duration::ZERO)).await;
        let page = read.inspect_err(|silence| publisher.silence = Some(silence.clone()))?;
        let same = page.entries.into_iter().find(|entry| entry.position == letter.position);
        Ok(same.map(|entry| entry.envelope))
    }

    /// That the publisher cannot be asked is not the event's fault, and holds up no other.
    async fn postpone(
        &self,
        held: &HeldLease,
        letter: &DeadLetter,
        silence: &SourceError,
    ) -> Result<(), Interruption> {
        let (consumer, id, publisher) = (self.name, letter.id, self.publisher);
        let error = storable(&format!("{publisher} cannot be asked again: {silence}"));
        if letter.error.as_ref() == Some(&error) {
            tracing::debug!(consumer, dead_letter = %id, error, "an event has to wait");
        } else {
            tracing::warn!(consumer, dead_letter = %id, error, "an event has to wait");
        }
        let due = self.now().checked_add(self.settings.longest_pause).unwrap_or(Timestamp::MAX);
        self.note_failure(held, letter, Fate::Retrying { attempts: letter.attempts, error, due })
            .await
    }

    /// Lets an event that was put aside take effect.
    async fn settle(
        &self,
        held: &HeldLease,
        letter: &DeadLetter,
        envelope: Envelope,
    ) -> Result<(), Setback> {
        let cx = self.context_of(&envelope);
        let settling = Arc::new((letter.id, cx, envelope));
        let tools = self.tools(held);
        self.committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let (tools, settling) = (tools.clone(), Arc::clone(&settling));
                Box::pin(async move {
                    let (id, cx, envelope) = &*settling;
                    tools.held.fence(work.tx()).await?;
                    if !tools.inbox.settle(work.tx(), *id).await? {
                        return Err(Setback::Overtaken);
                    }
                    tools.handler.deliver(&mut work.within(cx), envelope).await
                })
            })
            .await
    }

    fn tools(&self, held: &HeldLease) -> Tools {
        Tools { held: held.clone(), inbox: self.inbox.clone(), handler: Arc::clone(&self.handler) }
    }

    async fn note_failure(
        &self,
        held: &HeldLease,
        letter: &DeadLetter,
        fate: Fate,
    ) -> Result<(), Interruption> {
        let noting = Arc::new((letter.id, fate, self.now()));
        let tools = self.tools(held);
        let noted: Result<(), Setback> = self
            .committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let (tools, noting) = (tools.clone(), Arc::clone(&noting));
                Box::pin(async move {
                    let (id, fate, now) = &*noting;
                    tools.held.fence(work.tx()).await?;
                    tools.inbox.fail(work.tx(), *id, fate, *now).await?;
                    Ok(())
                })
            })
            .await;
        noted.map_err(Setback::interruption)
    }
}

/// An error may quote what came from anywhere, and databases keep no NUL.
fn storable(error: &str) -> String {
    error.replace(NUL, "\u{fffd}")
}

/// Who can be asked about what was put aside, if anybody can.
struct Publisher<'a> {
    source: Option<&'a dyn Source>,
    /// Why there was no answer. For long waits there is no time while others have their turn.
    silence: Option<SourceError>,
}

/// What work in a transaction needs.
#[derive(Clone)]
struct Tools {
    held: HeldLease,
    inbox: Inbox,
    handler: Arc<dyn Deliver>,
}
