//! Aggregates: state that is nothing but what its events made of it.
//!
//! What is here is pure: no I/O, no clock. How events get into the log is in [`crate::committer`].

use std::fmt::Debug;

use runtime::{Timestamp, async_trait};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{Recorded, Tx};

/// Something with an identity, whose rules are kept by deciding over one command after the other:
/// an order, an event's capacity.
///
/// All functions are pure. Time, identifiers and randomness come in with the command.
pub trait Aggregate:
    Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The category of its streams in the log, such as `order`. Never change it.
    const NAME: &'static str;

    /// The schema version that its events are written with. Raise it when an event's JSON changes
    /// in a way that [`Aggregate::upcast`] must bridge.
    const EVENT_SCHEMA: u16 = 1;

    /// The version of the state's own JSON. Raise it whenever the state's fields or `evolve` change:
    /// snapshots of another version are ignored and made anew from the events.
    const STATE_SCHEMA: u16 = 1;

    /// How many events there may be before the state is stored again, so that loading it does not
    /// take longer and longer.
    const SNAPSHOT_EVERY: u64 = 100;

    /// What it can be asked to do.
    type Command: Clone + Send + Sync + 'static;

    /// What happened to it: an enum with `#[serde(tag = "type", rename_all = "snake_case")]`.
    type Event: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static;

    /// Why it would not do what it was asked.
    type Rejection: Send + 'static;

    /// What happens when `command` is given to this state. No events: nothing changes, and the
    /// command has succeeded.
    ///
    /// # Errors
    /// Why the command is refused; nothing changes.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Takes in what happened. Never refuses: it has happened.
    fn evolve(&mut self, event: &Self::Event);

    /// When this state wants to be woken, if it does: a durable timer, written with the events. What
    /// was given to `on_wake` for this aggregate then runs. A state that still wants to be woken in
    /// the past is woken again and again.
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// How many events there may be before this state is stored again: [`Aggregate::SNAPSHOT_EVERY`]
    /// unless it says otherwise. A state that grows with its events says how large it is: then what
    /// is written of it altogether stays in proportion to what it has become, and so does what has
    /// to be replayed.
    fn snapshot_after(&self) -> u64 {
        Self::SNAPSHOT_EVERY
    }

    /// Turns the JSON of an event that was written with an older schema `version` into the present
    /// one. `payload` has the event's `type` inside.
    fn upcast(event_type: &str, version: u16, payload: serde_json::Value) -> serde_json::Value {
        let _ = (event_type, version);
        payload
    }
}

/// An aggregate as it is after the first `version` events of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<A> {
    /// What the events made of it.
    pub state: A,
    /// How many events that were. Its entity tag, too.
    pub version: u64,
}

/// What one commit did to one aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a, A: Aggregate> {
    /// The aggregate.
    pub id: Uuid,
    /// Its version now.
    pub version: u64,
    /// Its state now.
    pub state: &'a A,
    /// What happened to it in this commit, in order; at least one event.
    pub events: &'a [Recorded<A::Event>],
}

/// Read models of an aggregate, written in the transaction of the events that change them.
#[async_trait]
pub trait View<A: Aggregate>: Send + Sync + 'static {
    /// Takes in what a whole commit did, one [`Change`] for each aggregate. Write sets of rows, with
    /// [`sql!`](crate::sql!), not row by row.
    ///
    /// # Errors
    /// When a statement fails; then nothing of the commit is written.
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, A>]) -> Result<(), sqlx::Error>;

    /// Measures what a commit did, once it was applied. A commit that has to be written twice is
    /// measured twice; a log that is replayed is not measured.
    fn measure(&self, changes: &[Change<'_, A>]) {
        let _ = changes;
    }
}

/// No read models.
#[async_trait]
impl<A: Aggregate> View<A> for () {
    async fn apply(&self, _tx: &mut Tx, _changes: &[Change<'_, A>]) -> Result<(), sqlx::Error> {
        Ok(())
    }
}
