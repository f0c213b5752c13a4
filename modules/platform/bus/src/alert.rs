//! From so many dead letters of one consumer on somebody is told: once in the log, by a metric, and
//! by readiness, which is then degraded.

use std::sync::atomic::{AtomicBool, Ordering};

use metrics::{Gauge, gauge};
use runtime::{Boot, Standing};
use serde_json::json;
use store::{Aside, Database, Inbox};

pub(crate) const ALERT: &str = "bus_dead_letters_alert";

/// The alert of whoever reads one publisher's events for one consumer, and so knows what was put
/// aside.
pub(crate) struct Alert {
    consumer: &'static str,
    publisher: &'static str,
    threshold: u32,
    gauge: Gauge,
    is_raised: AtomicBool,
}

impl Alert {
    /// Never raised.
    pub(crate) fn new(consumer: &'static str, publisher: &'static str) -> Self {
        let gauge = gauge!(ALERT, "consumer" => consumer, "publisher" => publisher);
        Self { consumer, publisher, threshold: 0, gauge, is_raised: AtomicBool::new(false) }
    }

    /// Raised from `threshold` dead letters on; never when that is 0.
    pub(crate) fn from(self, threshold: u32) -> Self {
        Self { threshold, ..self }
    }

    /// What was put aside just now.
    pub(crate) fn look(&self, aside: Aside) {
        let is_due = is_due(aside, self.threshold);
        self.gauge.set(if is_due { 1.0 } else { 0.0 });
        if self.is_raised.swap(is_due, Ordering::Relaxed) == is_due {
            return;
        }
        let (consumer, publisher, dead) = (self.consumer, self.publisher, aside.dead);
        if is_due {
            let see = "boxoffice dead-letters list";
            tracing::error!(consumer, publisher, dead, see, "dead letters wait for a decision");
        } else {
            tracing::info!(
                consumer,
                publisher,
                dead,
                "no dead letters wait for a decision any more"
            );
        }
    }

    /// Another process looks now.
    pub(crate) fn lay_down(&self) {
        self.gauge.set(0.0);
        self.is_raised.store(false, Ordering::Relaxed);
    }
}

fn is_due(aside: Aside, threshold: u32) -> bool {
    threshold > 0 && aside.dead >= u64::from(threshold)
}

/// Has readiness tell what was put aside, in every replica, whichever reads.
pub(crate) fn report(
    boot: &Boot,
    database: &Database,
    consumer: &'static str,
    publisher: &'static str,
    threshold: u32,
) {
    let (database, inbox) = (database.clone(), Inbox::new(consumer, publisher));
    boot.standing(format!("events of {publisher} for {consumer}"), move || {
        let (database, inbox) = (database.clone(), inbox.clone());
        Box::pin(async move {
            // A database that does not answer says so itself.
            let Ok(aside) = inbox.aside(&database).await else { return Standing::good() };
            standing(aside, consumer, publisher, threshold)
        })
    });
}

fn standing(aside: Aside, consumer: &str, publisher: &str, threshold: u32) -> Standing {
    let Aside { events, dead } = aside;
    let details = json!({ "dead": dead, "aside": events });
    if !is_due(aside, threshold) {
        return Standing::good().with_details(details);
    }
    let letters =
        if dead == 1 { "1 dead letter".to_owned() } else { format!("{dead} dead letters") };
    Standing::degraded(format!(
        "{letters} of the consumer {consumer} from {publisher}; decide about them with `boxoffice \
         dead-letters`, as docs/operations/events.md explains"
    ))
    .with_details(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_degraded_from_the_threshold_on() {
        let aside = |dead| Aside { events: 7, dead };
        for (dead, threshold, expected) in
            [(0, 1, false), (1, 1, true), (4, 5, false), (5, 5, true), (9, 0, false)]
        {
            let standing = standing(aside(dead), "ledger", "tills", threshold);
            assert_eq!(standing.degraded.is_some(), expected, "{dead} of {threshold}");
            assert_eq!(standing.details, json!({ "dead": dead, "aside": 7 }));
        }
        let reason = standing(aside(1), "ledger", "tills", 1).degraded.unwrap();
        assert!(
            reason.starts_with("1 dead letter of the consumer ledger from tills; "),
            "{reason}"
        );
    }
}
