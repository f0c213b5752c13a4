//! Closed-loop load: each client sends its next request when the last one is answered, and all stop
//! at the same moment.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// What a load came to.
pub struct Outcome {
    /// How often it was done.
    pub count: u64,
    /// How long all of it took.
    pub elapsed: Duration,
    /// How long each took, in microseconds.
    pub times: Histogram<u64>,
}

impl Outcome {
    /// How often it was done a second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let count = self.count as f64;
        count / self.elapsed.as_secs_f64()
    }

    /// The time below which the share `quantile` of all lies.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(quantile))
    }
}

/// Has every one of `clients` do `act` again and again, for `span` or until it says that there is
/// no more to do.
///
/// # Panics
/// When a client does.
pub async fn run<C, F, Fut>(clients: Vec<C>, span: Duration, act: F) -> (Outcome, Vec<C>)
where
    C: Send + 'static,
    F: Fn(C) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = (C, bool)> + Send + 'static,
{
    let begun = Instant::now();
    let mut working = tokio::task::JoinSet::new();
    for client in clients {
        let act = act.clone();
        working.spawn(async move {
            let mut times = Histogram::new(3).expect("three digits are few enough");
            let (mut client, mut goes_on) = (client, true);
            while goes_on && begun.elapsed() < span {
                let started = Instant::now();
                (client, goes_on) = act(client).await;
                let taken = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                times.record(taken).expect("it grows with what it holds");
            }
            (client, times)
        });
    }
    let mut all = Histogram::new(3).expect("three digits are few enough");
    let mut done = Vec::new();
    while let Some(ended) = working.join_next().await {
        let (client, times) = ended.expect("no client panics");
        all.add(times).expect("they are alike");
        done.push(client);
    }
    (Outcome { count: all.len(), elapsed: begun.elapsed(), times: all }, done)
}
