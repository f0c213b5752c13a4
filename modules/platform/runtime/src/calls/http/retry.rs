//! What is sent again, and when. A retry budget belongs here.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tower::retry::Policy;

use super::{Incoming, Outgoing};
use crate::{Fault, Random};

/// How often a call is sent at most.
const ATTEMPTS: u32 = 3;
/// The longest pause before the first repetition; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Repeats what is safe to repeat, while there is time.
#[derive(Clone)]
pub(super) struct RetrySafe {
    random: Arc<dyn Random>,
    sent: u32,
    /// What an earlier attempt left unknown. A later one that was not executed changes nothing
    /// about it.
    unknown: Option<Fault>,
}

impl RetrySafe {
    pub(super) fn new(random: Arc<dyn Random>) -> Self {
        Self { random, sent: 1, unknown: None }
    }

    /// When to send the call again, if it is safe and there is time.
    fn next_attempt(&self, call: &Outgoing, fault: &Fault) -> Option<Instant> {
        let is_safe = match fault {
            Fault::NotSent { .. } => true,
            Fault::Unknown { .. } => call.route.idempotent,
            Fault::Failed { .. } => false,
        };
        if !is_safe || self.sent >= ATTEMPTS {
            return None;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << (self.sent - 1));
        let pause = doubled.min(LONGEST_PAUSE).mul_f64(self.random.fraction());
        let again = Instant::now() + pause;
        (again < call.cx.deadline()).then_some(again)
    }
}

impl Policy<Outgoing, Incoming, Fault> for RetrySafe {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        call: &mut Outgoing,
        outcome: &mut Result<Incoming, Fault>,
    ) -> Option<Self::Future> {
        let fault = outcome.as_ref().err()?;
        let Some(again) = self.next_attempt(call, fault) else {
            if fault.is_not_sent()
                && let Some(unknown) = self.unknown.take()
            {
                *outcome = Err(unknown);
            }
            return None;
        };
        tracing::debug!(%fault, "a call is sent again");
        if matches!(fault, Fault::Unknown { .. }) {
            self.unknown = Some(fault.clone());
        }
        self.sent += 1;
        Some(tokio::time::sleep_until(again))
    }

    fn clone_request(&mut self, call: &Outgoing) -> Option<Outgoing> {
        Some(call.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Context, Endpoints, Principal, TraceContext,
        calls::{Callee, http::Route},
    };

    /// Gives the largest number, for the longest pause.
    struct Longest;

    impl Random for Longest {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(255);
        }
    }

    fn next_pause(sent: u32, left: Duration) -> Option<Duration> {
        let random: Arc<dyn Random> = Arc::new(Longest);
        let callee = Callee { service: "desk", method: "once" };
        let endpoints = Endpoints::new("desk", &["http://desk".parse().unwrap()]).unwrap();
        let route = Route { callee, idempotent: false, endpoints };
        let now = Instant::now();
        let trace = TraceContext::start(random.as_ref());
        let cx = Context::new(Principal::Anonymous, now + left, "corr-1", trace);
        let call = Outgoing::new(Arc::new(route), cx);
        let policy = RetrySafe { sent, ..RetrySafe::new(random) };
        policy.next_attempt(&call, &callee.not_sent("busy")).map(|again| again - now)
    }

    #[test]
    fn pauses_double_and_end_with_the_third_attempt() {
        let plenty = Duration::from_secs(10);
        assert!(next_pause(1, plenty).unwrap() >= Duration::from_millis(50));
        assert!(next_pause(2, plenty).unwrap() >= Duration::from_millis(100));
        assert_eq!(next_pause(3, plenty), None);
    }

    #[test]
    fn no_pause_reaches_past_the_deadline() {
        assert_eq!(next_pause(1, Duration::from_millis(49)), None);
        assert_eq!(next_pause(2, Duration::from_millis(99)), None);
    }
}
