//! How many calls there were, how they ended, how long they took.

use metrics::{Counter, Histogram, Unit, counter, histogram};
use tokio::time::Instant;

use crate::Fault;

const CALLS: &str = "boxoffice_calls_total";
const SECONDS: &str = "boxoffice_call_seconds";
const SERVED: &str = "boxoffice_served_calls_total";
const SERVED_SECONDS: &str = "boxoffice_served_call_seconds";

/// Tells the metrics recorder what the metrics of calls mean. Once a process, after the recorder
/// is installed.
pub fn describe_call_metrics() {
    super::endpoints::describe_metrics();
    metrics::describe_counter!(
        CALLS,
        Unit::Count,
        "Calls to contracts as their callers see them, by service, method, transport and outcome"
    );
    metrics::describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "How long callers waited, retries included, by service, method and transport"
    );
    metrics::describe_counter!(
        SERVED,
        Unit::Count,
        "Calls from other processes that were executed here, by service, method and outcome"
    );
    metrics::describe_histogram!(
        SERVED_SECONDS,
        Unit::Seconds,
        "How long calls from other processes took here, by service and method"
    );
}

/// The way a call goes, as the label `transport` says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Transport {
    Local,
    Http,
}

/// The metrics of one method. Obtained once, so that counting a call is an addition.
pub(super) struct Meter {
    ok: Counter,
    error: Counter,
    not_sent: Counter,
    unknown: Counter,
    failed: Counter,
    seconds: Histogram,
}

impl Meter {
    /// Calls that somebody here makes.
    pub(super) fn new(service: &'static str, method: &'static str, transport: Transport) -> Self {
        let transport = match transport {
            Transport::Local => "local",
            Transport::Http => "http",
        };
        let calls = |outcome: &'static str| {
            counter!(
                CALLS,
                "service" => service,
                "method" => method,
                "transport" => transport,
                "outcome" => outcome,
            )
        };
        let seconds = histogram!(
            SECONDS,
            "service" => service,
            "method" => method,
            "transport" => transport,
        );
        Self::of(calls, seconds)
    }

    /// Calls that another process makes and that are executed here.
    pub(super) fn served(service: &'static str, method: &'static str) -> Self {
        let calls = |outcome: &'static str| counter!(SERVED, "service" => service, "method" => method, "outcome" => outcome);
        Self::of(calls, histogram!(SERVED_SECONDS, "service" => service, "method" => method))
    }

    fn of(calls: impl Fn(&'static str) -> Counter, seconds: Histogram) -> Self {
        Self {
            ok: calls("ok"),
            error: calls("error"),
            not_sent: calls("not_sent"),
            unknown: calls("unknown"),
            failed: calls("failed"),
            seconds,
        }
    }

    /// Counts a call that began then and has just ended so.
    pub(super) fn count<Reply, E>(
        &self,
        began: Instant,
        outcome: &Result<Result<Reply, E>, Fault>,
    ) {
        let counter = match outcome {
            Ok(Ok(_)) => &self.ok,
            Ok(Err(_)) => &self.error,
            Err(Fault::NotSent { .. }) => &self.not_sent,
            Err(Fault::Unknown { .. }) => &self.unknown,
            Err(Fault::Failed { .. }) => &self.failed,
        };
        counter.increment(1);
        self.seconds.record(began.elapsed().as_secs_f64());
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meter")
    }
}
