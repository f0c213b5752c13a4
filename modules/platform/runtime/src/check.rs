//! The standing check: modules say what must always be true of what they know, and a process looks
//! now and then, and whenever somebody asks its admin listener, whether it still is.
//!
//! What is checked is the modules' matter. Each replica of a service checks for itself: a check only
//! reads, and where two look at one database, both are right.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use metrics::{Unit, gauge};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{CheckSettings, Clock, Random, tasks::panic_message};

const FINDINGS: &str = "boxoffice_check_findings";
const FAILURES: &str = "boxoffice_check_failures";
const LAST_RUN: &str = "boxoffice_check_last_run_timestamp_seconds";

/// Findings of one check that a report lists; further ones are counted.
const LISTED: usize = 100;

/// Something that should not be. Names things by their identifiers, and nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about: `order 0190…`.
    pub about: String,
    /// What is wrong, with the numbers: `5000 EUR charged, 2500 EUR ordered`.
    pub what: String,
}

impl Finding {
    /// `what` is wrong with `about`.
    pub fn new(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { about: about.into(), what: what.into() }
    }
}

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// How many things it looked at.
    pub looked_at: u64,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
}

/// What all checks of a process saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether every check was made and found nothing.
    pub clean: bool,
    /// Each check.
    pub checks: Vec<CheckResult>,
}

impl CheckReport {
    /// How much was found.
    pub fn findings(&self) -> u64 {
        self.checks.iter().map(CheckResult::found).sum()
    }

    /// Whether every check could be made.
    pub fn is_complete(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }
}

/// What one check saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Whose it is.
    pub module: String,
    /// Its name.
    pub check: String,
    /// How long it took.
    pub seconds: f64,
    /// How many things it looked at.
    pub looked_at: u64,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// How many findings are not listed because they are too many.
    pub unlisted: u64,
    /// Why it could not be made, if it could not.
    pub failure: Option<String>,
}

impl CheckResult {
    fn found(&self) -> u64 {
        self.findings.len() as u64 + self.unlisted
    }
}

/// Tells the metrics recorder what the metrics of the standing check mean. Once a process, after
/// the recorder is installed.
pub fn describe_check_metrics() {
    metrics::describe_gauge!(
        FINDINGS,
        Unit::Count,
        "What the standing check found when it was last made, by module and check"
    );
    metrics::describe_gauge!(
        FAILURES,
        Unit::Count,
        "Whether the standing check could not be made when it was last tried, by module and check"
    );
    metrics::describe_gauge!(
        LAST_RUN,
        Unit::Seconds,
        "When the standing check was last made, by module and check"
    );
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<Checked, String>> + Send + Sync>;

/// The checks of a process. Shared between the node, its admin listener and its timer.
pub(crate) struct Checks {
    by_module: Mutex<BTreeMap<&'static str, Vec<(&'static str, Check)>>>,
    settings: CheckSettings,
    clock: Arc<dyn Clock>,
    /// Two at once would only slow each other down.
    turn: tokio::sync::Mutex<()>,
}

impl Checks {
    pub(crate) fn new(settings: CheckSettings, clock: Arc<dyn Clock>) -> Self {
        let turn = tokio::sync::Mutex::new(());
        Self { by_module: Mutex::default(), settings, clock, turn }
    }

    pub(crate) fn add(&self, module: &'static str, name: &'static str, check: Check) {
        self.lock().entry(module).or_default().push((name, check));
    }

    /// Makes every check, one after the other, within `check.timeout`.
    pub(crate) async fn run(&self) -> CheckReport {
        let deadline = Instant::now() + self.settings.timeout;
        let turn = tokio::time::timeout_at(deadline, self.turn.lock()).await;
        let mut checks = Vec::new();
        for (module, name, check) in self.all() {
            let began = Instant::now();
            let outcome = match &turn {
                Ok(_) => make(&check, deadline, self.settings.timeout).await,
                Err(_) => Err("another run took all the time".to_owned()),
            };
            let result = result(module, name, began.elapsed(), outcome);
            self.measure(module, name, &result);
            checks.push(result);
        }
        let clean = checks.iter().all(|check| check.failure.is_none() && check.findings.is_empty());
        CheckReport { clean, checks }
    }

    /// Makes the checks now and then, until `stop`. The first time comes by chance, so that processes
    /// that start together do not check together.
    pub(crate) async fn repeat(&self, random: Arc<dyn Random>, stop: CancellationToken) {
        let every = self.settings.every;
        if every.is_zero() {
            return;
        }
        let mut pause = every.mul_f64(random.fraction());
        while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
            let Some(report) = stop.run_until_cancelled(self.run()).await else { return };
            tell(&report);
            pause = every.mul_f64(0.9 + 0.2 * random.fraction());
        }
    }

    fn all(&self) -> Vec<(&'static str, &'static str, Check)> {
        let modules = self.lock();
        let checks = modules.iter().flat_map(|(module, checks)| {
            checks.iter().map(move |(name, check)| (*module, *name, Arc::clone(check)))
        });
        checks.collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "what is lost is far below a finding")]
    fn measure(&self, module: &'static str, name: &'static str, result: &CheckResult) {
        let failed = if result.failure.is_some() { 1.0 } else { 0.0 };
        gauge!(FAILURES, "module" => module, "check" => name).set(failed);
        if result.failure.is_some() {
            return;
        }
        gauge!(FINDINGS, "module" => module, "check" => name).set(result.found() as f64);
        let now = self.clock.now().as_second() as f64;
        gauge!(LAST_RUN, "module" => module, "check" => name).set(now);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Vec<(&'static str, Check)>>> {
        self.by_module.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn make(check: &Check, deadline: Instant, limit: Duration) -> Result<Checked, String> {
    let work = AssertUnwindSafe(async { check().await }).catch_unwind();
    match tokio::time::timeout_at(deadline, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(format!("panicked: {}", panic_message(panic.as_ref()))),
        Err(_) => Err(format!("all checks together took longer than {limit:?}; see check.timeout")),
    }
}

fn result(
    module: &str,
    check: &str,
    took: Duration,
    outcome: Result<Checked, String>,
) -> CheckResult {
    let (checked, failure) = match outcome {
        Ok(checked) => (checked, None),
        Err(failure) => (Checked::default(), Some(failure)),
    };
    let Checked { looked_at, mut findings } = checked;
    let unlisted = findings.len().saturating_sub(LISTED) as u64;
    findings.truncate(LISTED);
    CheckResult {
        module: module.to_owned(),
        check: check.to_owned(),
        seconds: took.as_secs_f64(),
        looked_at,
        findings,
        unlisted,
        failure,
    }
}

/// One line.
fn tell(report: &CheckReport) {
    let (checks, findings) = (report.checks.len(), report.findings());
    let looked_at: u64 = report.checks.iter().map(|check| check.looked_at).sum();
    let seconds: f64 = report.checks.iter().map(|check| check.seconds).sum();
    let of = |is_it: fn(&&CheckResult) -> bool| {
        let those = report.checks.iter().filter(is_it);
        those.map(|it| format!("{}: {}", it.module, it.check)).collect::<Vec<_>>().join(", ")
    };
    if report.clean {
        tracing::info!(checks, looked_at, seconds, "the standing check found nothing");
    } else if findings > 0 {
        let found_by = of(|check| !check.findings.is_empty());
        tracing::error!(
            checks,
            looked_at,
            seconds,
            findings,
            found_by,
            "the standing check found what should not be; ask `boxoffice check`"
        );
    } else {
        let failed = of(|check| check.failure.is_some());
        tracing::warn!(checks, looked_at, seconds, failed, "the standing check is incomplete");
    }
}
