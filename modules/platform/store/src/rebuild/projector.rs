//! The aggregates of one kind on their way from nothing to now, and what a view makes of it.

use std::{collections::HashMap, mem};

use runtime::async_trait;
use uuid::Uuid;

use super::Mark;
use crate::{
    Aggregate, Change, RawRecorded, Recorded, StoreError, Tx, View, events::Cached, log::Wanted,
};

/// States of so many events stay in memory: reading them again while writers wait would take long.
const LARGE: u64 = 256;

/// One log of a view that is made anew.
#[async_trait]
pub trait Projecting: Send {
    /// The kind of aggregate.
    fn category(&self) -> &'static str;

    /// Takes in the next events of the first pass, which goes through the streams one by one.
    fn take(&mut self, rows: Vec<RawRecorded>) -> Result<(), StoreError>;

    /// The first pass is over; what comes now is news.
    fn end_first_pass(&mut self);

    /// What has to be read of a stream that is at `version` now.
    fn wanted(&self, stream: Uuid, version: u64) -> Option<Wanted>;

    /// Takes in what was wanted, and says how many events were new.
    fn take_news(&mut self, rows: Vec<RawRecorded>) -> Result<u64, StoreError>;

    /// Writes what was taken in.
    async fn apply(&mut self, tx: &mut Tx) -> Result<(), StoreError>;
}

/// Projects the events of `A`.
pub struct Projector<A: Aggregate> {
    view: &'static dyn View<A>,
    /// Before the first pass.
    mark: Mark,
    /// States that stay in memory: large ones, and those that changed after the first pass.
    kept: HashMap<Uuid, Cached<A>>,
    /// How far the first pass took streams to which something happened meanwhile.
    reached: HashMap<Uuid, u64>,
    /// The last stream of the page before, which may go on in the next.
    open: Option<Stream<A>>,
    /// What is to be written.
    fresh: Vec<Stream<A>>,
    is_first_pass: bool,
}

struct Stream<A: Aggregate> {
    id: Uuid,
    state: Cached<A>,
    /// Those that the view has not seen.
    events: Vec<Recorded<A::Event>>,
    /// Whether there were events behind the mark.
    has_news: bool,
}

impl<A: Aggregate> Stream<A> {
    fn new(id: Uuid, state: Cached<A>) -> Self {
        Self { id, state, events: Vec::new(), has_news: false }
    }

    fn take(&mut self, row: RawRecorded, is_new: bool) -> Result<(), StoreError> {
        let recorded = row.decode::<A>()?;
        self.state.take_in(&recorded)?;
        if is_new {
            self.events.push(recorded);
        }
        Ok(())
    }
}

impl<A: Aggregate> Projector<A> {
    pub(crate) fn new(view: &'static dyn View<A>, mark: Mark) -> Self {
        Self {
            view,
            mark,
            kept: HashMap::new(),
            reached: HashMap::new(),
            open: None,
            fresh: Vec::new(),
            is_first_pass: true,
        }
    }

    /// The stream that a row of the first pass belongs to.
    fn stream(&mut self, id: Uuid) -> &mut Stream<A> {
        if self.fresh.last().is_none_or(|stream| stream.id != id) {
            let next = match self.open.take() {
                Some(open) if open.id == id => open,
                other => {
                    if let Some(stream) = other {
                        self.finish(stream);
                    }
                    Stream::new(id, Cached::default())
                }
            };
            self.fresh.push(next);
        }
        self.fresh.last_mut().expect("one was just pushed, or was there")
    }

    /// Remembers what will be needed of a stream that the first pass is through with.
    fn finish(&mut self, stream: Stream<A>) {
        let version = stream.state.loaded.version;
        if version >= LARGE {
            self.kept.insert(stream.id, stream.state);
        } else if stream.has_news {
            self.reached.insert(stream.id, version);
        }
    }

    /// Whether the first pass has taken this event in.
    fn was_taken(&self, row: &RawRecorded) -> bool {
        match self.reached.get(&row.stream) {
            Some(reached) => row.version <= *reached,
            None => !self.mark.is_before(row),
        }
    }
}

#[async_trait]
impl<A: Aggregate> Projecting for Projector<A> {
    fn category(&self) -> &'static str {
        A::NAME
    }

    fn take(&mut self, rows: Vec<RawRecorded>) -> Result<(), StoreError> {
        for row in rows {
            let is_behind = self.mark.is_before(&row);
            let stream = self.stream(row.stream);
            stream.has_news |= is_behind;
            stream.take(row, true)?;
        }
        Ok(())
    }

    fn end_first_pass(&mut self) {
        self.is_first_pass = false;
        if let Some(open) = self.open.take() {
            self.finish(open);
        }
    }

    fn wanted(&self, stream: Uuid, version: u64) -> Option<Wanted> {
        let (has, known) = match (self.kept.get(&stream), self.reached.get(&stream)) {
            (Some(state), _) => (state.loaded.version, state.loaded.version),
            (None, Some(reached)) => (*reached, 0),
            (None, None) => (0, 0),
        };
        (has < version).then(|| Wanted::of::<A>(stream, known))
    }

    fn take_news(&mut self, rows: Vec<RawRecorded>) -> Result<u64, StoreError> {
        let mut news = 0;
        let mut is_known = false;
        for row in rows {
            if self.fresh.last().is_none_or(|stream| stream.id != row.stream) {
                let kept = self.kept.remove(&row.stream);
                is_known = kept.is_some();
                self.fresh.push(Stream::new(row.stream, kept.unwrap_or_default()));
            }
            let is_new = is_known || !self.was_taken(&row);
            let stream = self.fresh.last_mut().expect("one was just pushed, or was there");
            stream.take(row, is_new)?;
            news += u64::from(is_new);
        }
        Ok(news)
    }

    async fn apply(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let changes: Vec<Change<'_, A>> = self
            .fresh
            .iter()
            .filter(|stream| !stream.events.is_empty())
            .map(|stream| Change {
                id: stream.id,
                version: stream.state.loaded.version,
                state: &stream.state.loaded.state,
                events: &stream.events,
            })
            .collect();
        if !changes.is_empty() {
            self.view.apply(tx, &changes).await?;
        }
        drop(changes);
        let mut written = mem::take(&mut self.fresh);
        if self.is_first_pass {
            self.open = written.pop();
            self.open.iter_mut().for_each(|open| open.events.clear());
            for stream in written {
                self.finish(stream);
            }
        } else {
            let states = written.into_iter().map(|stream| (stream.id, stream.state));
            self.kept.extend(states);
        }
        Ok(())
    }
}
