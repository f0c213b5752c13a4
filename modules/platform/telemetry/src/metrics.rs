//! Metrics, in the text format of Prometheus.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::MissedTickBehavior;

use crate::process;

/// For histograms whose name ends in `_seconds`: from a call in process to a time-out.
const DURATIONS: [f64; 16] = [
    0.000_001, 0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 10.0,
];

/// For every other histogram: sizes of batches, depths of queues.
const SIZES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_024.0, 4_096.0];

/// Histograms keep what was recorded since the last upkeep one by one.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What the process measured so far. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Why nothing is measured.
#[derive(Debug, thiserror::Error)]
pub enum MetricsFault {
    /// The process measures already.
    #[error("the metrics of this process were set up before")]
    Twice,
    /// The recorder cannot be made.
    #[error("cannot measure: {0}")]
    Build(BuildError),
}

impl Metrics {
    /// Keeps from now on what is said to the `metrics` facade. Once in a process.
    pub fn install() -> Result<Self, MetricsFault> {
        let handle = builder().and_then(PrometheusBuilder::install_recorder);
        handle.map(|handle| Self { handle }).map_err(|error| match error {
            BuildError::FailedToSetGlobalRecorder(_) => MetricsFault::Twice,
            other => MetricsFault::Build(other),
        })
    }

    /// The text that Prometheus scrapes: what was measured, and what the system knows of the
    /// process.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        process::describe(&mut text);
        text
    }

    /// Keeps memory bounded between scrapes. Never ends; run it for as long as the process runs.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.handle.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&SIZES)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(work: impl FnOnce()) -> String {
        let recorder = builder().unwrap().build_recorder();
        let metrics = Metrics { handle: recorder.handle() };
        metrics::with_local_recorder(&recorder, work);
        metrics.render()
    }

    #[test]
    fn durations_fall_into_buckets_of_seconds() {
        let text = rendered(|| metrics::histogram!("call_duration_seconds").record(0.003));
        assert!(text.contains("call_duration_seconds_bucket{le=\"0.0025\"} 0"), "{text}");
        assert!(text.contains("call_duration_seconds_bucket{le=\"0.005\"} 1"), "{text}");
    }

    #[test]
    fn other_histograms_fall_into_buckets_of_sizes() {
        let text = rendered(|| metrics::histogram!("commit_batch_size").record(40.0));
        assert!(text.contains("commit_batch_size_bucket{le=\"32\"} 0"), "{text}");
        assert!(text.contains("commit_batch_size_bucket{le=\"64\"} 1"), "{text}");
    }
}
