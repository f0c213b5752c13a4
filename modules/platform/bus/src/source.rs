//! Where a consumer's events come from: a feed in this process, or in another one. What goes over
//! Kafka comes from there, too: a relay is one more reader.

use std::time::Duration;

use runtime::async_trait;
use store::Position;

use crate::Entry;

/// What a consumer asks a source for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The full names of the events it reacts to; it gets no others.
    pub types: Vec<String>,
    /// Where it stopped.
    pub after: Position,
    /// How many events it takes at most.
    pub limit: u32,
    /// How long to wait when there is nothing yet.
    pub wait: Duration,
}

/// What a source answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The events, in the order of their positions.
    pub entries: Vec<Entry>,
    /// How far the source has looked: where the next query goes on.
    pub reached: Position,
    /// About how much of the publisher's log remains beyond `reached`. 0: nothing.
    pub behind: u64,
}

/// Why a source has no answer. Nothing is lost; the consumer asks again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, or cannot read.
    #[error("{0}")]
    Unavailable(String),
    /// It does not let this consumer read what it asks for.
    #[error("the publisher refuses: {0}")]
    Refused(String),
}

/// One publisher's events, in an order that never changes. Reading changes nothing in it: how far
/// a consumer has come, the consumer keeps.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// The events that answer `query`. Empty when there are none before the wait is over.
    ///
    /// # Errors
    /// Why there is no answer now.
    async fn read(&self, query: &Query) -> Result<Page, SourceError>;
}
