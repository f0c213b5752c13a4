//! A consumer's replicas share the partitions of a topic; this one takes in those it is given.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use runtime::{CancellationToken, Random, async_trait, pause};
use store::{Committer, Inbox, Mark};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{KafkaSettings, lane::Lane, reader, standing::GroupStanding, topics};
use crate::{
    Entry, Envelope,
    consumer::{Interruption, PartitionPlace, Progress, TROUBLE},
};

/// How long to wait at a stop for the brokers to hear that we leave. Otherwise they notice.
const LEAVE: Duration = Duration::from_secs(2);

/// What is done with the events of a partition.
#[async_trait]
pub(crate) trait Taker: Send + Sync + 'static {
    /// Commits to the consumer's database.
    fn committer(&self) -> &Committer;
    /// What is stored about the consumer.
    fn inbox(&self) -> &Inbox;
    /// How many events are taken in at once at most.
    fn batch(&self) -> usize;
    /// Whether the event is to be taken in; others are stepped over.
    fn concerns(&self, envelope: &Envelope) -> bool;
    /// Takes events in, in their order, with where the consumer stands after each; `end` is where
    /// it stands after all.
    async fn take(
        &self,
        place: &PartitionPlace,
        stretch: &[(Option<Mark>, Entry)],
        end: Option<Mark>,
        progress: &mut Progress<Option<Mark>>,
    ) -> Result<(), Interruption>;
    /// Notes that there was nothing to take in up to `to`.
    async fn step_over(
        &self,
        place: &PartitionPlace,
        to: Option<Mark>,
        progress: &mut Progress<Option<Mark>>,
    ) -> Result<(), Interruption>;
    /// Says that events have to wait; a trouble that lasts is no news.
    fn report(&self, failures: u32, reason: &str);
    /// Says that they go on, if they had to wait.
    fn go_on(&self, failures: &mut u32);
    /// Measures how old the events are that remain; `last` was just taken.
    fn note_age(&self, last: Option<&Envelope>, is_all: bool);
}

/// One consumer's reading of one topic.
pub(crate) struct Group {
    pub(super) settings: KafkaSettings,
    /// The group's name among the brokers.
    pub(super) name: String,
    pub(super) taker: Arc<dyn Taker>,
    pub(super) random: Arc<dyn Random>,
    pub(super) standing: Arc<GroupStanding>,
}

/// What the thread that reads has to tell.
pub(super) enum Notice {
    /// A partition is this replica's now.
    Assigned(u32, Box<Lane>),
    /// It is somebody else's.
    Revoked(u32),
}

impl Group {
    pub(crate) fn new(
        settings: &KafkaSettings,
        name: String,
        taker: Arc<dyn Taker>,
        random: Arc<dyn Random>,
        standing: Arc<GroupStanding>,
    ) -> Arc<Self> {
        Arc::new(Self { settings: settings.clone(), name, taker, random, standing })
    }

    pub(super) fn publisher(&self) -> &str {
        self.standing.publisher()
    }

    /// Takes in whatever it is given, until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        self.settings.warn_of_clear_password(self.standing.topic());
        let mut failures = 0;
        while !stop.is_cancelled() {
            let topic = self.standing.topic().to_owned();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                ready = topics::ensure(&self.settings, &topic) => ready.map_err(|it| it.to_string()),
            };
            let outcome = match outcome {
                Ok(()) => {
                    let takings = self.standing.takings();
                    let outcome = Arc::clone(&self).read(&stop).await;
                    if self.standing.takings() > takings {
                        failures = 0;
                    }
                    outcome
                }
                Err(reason) => Err(reason),
            };
            if let Err(reason) = outcome {
                failures += 1;
                self.standing.problem(Some(reason));
                let wait = TROUBLE.pause(failures, self.random.as_ref());
                let _stopped = timeout(wait, stop.cancelled()).await;
            }
        }
    }

    /// Reads until `stop`, or until the client is of no more use.
    async fn read(self: Arc<Self>, stop: &CancellationToken) -> Result<(), String> {
        let (notices, told) = mpsc::unbounded_channel();
        // Whatever ends this ends the thread.
        let reading = stop.child_token();
        let _guard = reading.clone().drop_guard();
        let mut end = reader::start(Arc::clone(&self), notices, reading)?;
        let following = async {
            let ended = |end: Result<_, oneshot::error::RecvError>| {
                end.unwrap_or_else(|_| Err("the thread that reads ended".to_owned()))
            };
            let mut lanes = pin!(follow(told));
            tokio::select! {
                outcome = &mut lanes => {
                    outcome?;
                    ended((&mut end).await)
                }
                outcome = &mut end => {
                    ended(outcome)?;
                    // Until the group is left.
                    lanes.await
                }
            }
        };
        let leaving = async {
            stop.cancelled().await;
            pause(LEAVE).await;
        };
        tokio::select! {
            outcome = following => outcome,
            () = leaving => Ok(()),
        }
    }
}

/// Runs the lanes of the partitions that are assigned, until there is nobody to tell of any.
async fn follow(mut told: mpsc::UnboundedReceiver<Notice>) -> Result<(), String> {
    let mut lanes = JoinSet::new();
    let mut running: HashMap<u32, AbortHandle> = HashMap::new();
    loop {
        tokio::select! {
            notice = told.recv() => match notice {
                Some(Notice::Assigned(number, lane)) => {
                    if let Some(former) = running.insert(number, lanes.spawn(lane.run())) {
                        former.abort();
                    }
                }
                Some(Notice::Revoked(number)) => {
                    if let Some(lane) = running.remove(&number) {
                        lane.abort();
                    }
                }
                None => return Ok(()),
            },
            Some(ended) = lanes.join_next() => {
                match ended {
                    Ok(outcome) => outcome?,
                    Err(error) if error.is_panic() => {
                        return Err(format!("taking in events panicked: {error}"));
                    }
                    Err(_revoked) => {}
                }
            }
        }
    }
}
