//! Whether each module can do its work, and if not, why; and how well it does it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use serde_json::Value;

/// A check that does not answer within this time has failed.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

pub(crate) type StandingCheck = Arc<dyn Fn() -> BoxFuture<'static, Standing> + Send + Sync>;

/// How well something does that a module can do its work without, such as a cache or the brokers
/// between its log and others: see [`Boot::standing`](crate::Boot::standing).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What is not as it should be and what that means, in a sentence; `None` when all is well.
    pub degraded: Option<String>,
    /// Figures and states for operators; `null` when there are none. Never personal data or
    /// secrets.
    pub details: Value,
}

impl Standing {
    /// All is well.
    pub fn good() -> Self {
        Self::default()
    }

    /// The module does its work, but not as it should: `reason` says why.
    pub fn degraded(reason: impl Into<String>) -> Self {
        Self { degraded: Some(reason.into()), details: Value::Null }
    }

    /// The same with `details` for operators.
    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether the process should get traffic: every module is ready and no stop is under way.
    pub ready: bool,
    /// Why not, one sentence a reason, each beginning with the module it is about.
    pub reasons: Vec<String>,
    /// What is not as it should be while the work goes on, written like the reasons. Nothing here
    /// makes a process unready.
    pub degraded: Vec<String>,
    /// What the process tells operators about what all its modules stand on, by the name of that.
    pub details: BTreeMap<String, Value>,
    /// Each module that is hosted here.
    pub modules: BTreeMap<&'static str, ModuleReadiness>,
}

/// One module in a [`ReadinessReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleReadiness {
    /// Whether it can do its work.
    pub ready: bool,
    /// Why not; empty when it can.
    pub reasons: Vec<String>,
    /// What is not as it should be while it does its work.
    pub degraded: Vec<String>,
    /// What it tells operators about what it stands on, by the name of that.
    pub details: BTreeMap<String, Value>,
}

/// Collects what modules say about themselves. Shared between the node and its admin listener.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether requests are answered by modules yet.
    open: bool,
    stopping: bool,
    /// Of the whole process.
    standings: Vec<(String, StandingCheck)>,
    modules: BTreeMap<&'static str, ModuleState>,
}

#[derive(Default)]
struct ModuleState {
    started: bool,
    broken: Vec<String>,
    checks: Vec<(String, Check)>,
    standings: Vec<(String, StandingCheck)>,
}

impl Readiness {
    /// Expects the module; it is starting until [`Readiness::started`].
    pub(crate) fn expect(&self, module: &'static str) {
        self.lock().modules.entry(module).or_default();
    }

    pub(crate) fn started(&self, module: &'static str) {
        self.lock().modules.entry(module).or_default().started = true;
    }

    /// Every module has started, and what they serve is served.
    pub(crate) fn open(&self) {
        self.lock().open = true;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// The module is not ready from now on, for good.
    pub(crate) fn broken(&self, module: &'static str, reason: String) {
        self.lock().modules.entry(module).or_default().broken.push(reason);
    }

    pub(crate) fn check(&self, module: &'static str, name: impl Into<String>, check: Check) {
        self.lock().modules.entry(module).or_default().checks.push((name.into(), check));
    }

    pub(crate) fn standing(&self, module: &'static str, name: String, standing: StandingCheck) {
        self.lock().modules.entry(module).or_default().standings.push((name, standing));
    }

    /// As [`Readiness::standing`], of something that belongs to no module.
    pub(crate) fn standing_of_process(&self, name: String, standing: StandingCheck) {
        self.lock().standings.push((name, standing));
    }

    pub(crate) fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// Asks every module, all at once. Takes a second at most.
    pub(crate) async fn report(&self) -> ReadinessReport {
        let (about_process, questions) = self.questions();
        let standings = self.lock().standings.clone();
        let of_modules = join_all(questions.into_iter().map(Question::ask));
        let (answers, process) = tokio::join!(of_modules, Standings::ask(standings));
        let modules: BTreeMap<&'static str, ModuleReadiness> = answers.into_iter().collect();
        let about_process = about_process.map(str::to_owned).into_iter();
        let about_modules = with_their_modules(&modules, |module| &module.reasons);
        let reasons: Vec<String> = about_process.chain(about_modules).collect();
        let of_modules = with_their_modules(&modules, |module| &module.degraded);
        let degraded = process.degraded.into_iter().chain(of_modules).collect();
        let details = process.details;
        ReadinessReport { ready: reasons.is_empty(), reasons, degraded, details, modules }
    }

    fn questions(&self) -> (Option<&'static str>, Vec<Question>) {
        let state = self.lock();
        // Modules that have not started yet say so themselves.
        let is_opening = !state.open && state.modules.values().all(|module| module.started);
        let about_process = match (state.stopping, is_opening) {
            (true, _) => Some("the process is stopping"),
            (false, true) => Some("the public routes are not served yet"),
            (false, false) => None,
        };
        let questions = state
            .modules
            .iter()
            .map(|(module, state)| {
                let starting = (!state.started).then(|| "starting".to_owned());
                Question {
                    module,
                    known: state.broken.iter().cloned().chain(starting).collect(),
                    checks: state.checks.clone(),
                    standings: state.standings.clone(),
                }
            })
            .collect();
        (about_process, questions)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_their_modules(
    modules: &BTreeMap<&'static str, ModuleReadiness>,
    sentences: impl Fn(&ModuleReadiness) -> &Vec<String>,
) -> impl Iterator<Item = String> {
    modules.iter().flat_map(move |(name, module)| {
        sentences(module).iter().map(move |sentence| format!("{name}: {sentence}"))
    })
}

/// What is known of one module, and what remains to be asked.
struct Question {
    module: &'static str,
    known: Vec<String>,
    checks: Vec<(String, Check)>,
    standings: Vec<(String, StandingCheck)>,
}

impl Question {
    async fn ask(self) -> (&'static str, ModuleReadiness) {
        let checks = join_all(self.checks.into_iter().map(ask_check));
        let (answers, standings) = tokio::join!(checks, Standings::ask(self.standings));
        let reasons: Vec<String> =
            self.known.into_iter().chain(answers.into_iter().flatten()).collect();
        let Standings { degraded, details } = standings;
        (self.module, ModuleReadiness { ready: reasons.is_empty(), reasons, degraded, details })
    }
}

/// What several standings say together.
#[derive(Default)]
struct Standings {
    degraded: Vec<String>,
    details: BTreeMap<String, Value>,
}

impl Standings {
    async fn ask(standings: Vec<(String, StandingCheck)>) -> Self {
        let mut all = Self::default();
        for (name, standing) in join_all(standings.into_iter().map(ask_standing)).await {
            all.degraded.extend(standing.degraded);
            if !standing.details.is_null() {
                all.details.insert(name, standing.details);
            }
        }
        all
    }
}

async fn ask_check((name, check): (String, Check)) -> Option<String> {
    match tokio::time::timeout(CHECK_LIMIT, check()).await {
        Ok(answer) => answer.err(),
        Err(_) => Some(no_answer(&name)),
    }
}

async fn ask_standing((name, standing): (String, StandingCheck)) -> (String, Standing) {
    let answer = tokio::time::timeout(CHECK_LIMIT, standing()).await;
    let standing = answer.unwrap_or_else(|_| Standing::degraded(no_answer(&name)));
    (name, standing)
}

fn no_answer(name: &str) -> String {
    format!("{name} did not answer within {CHECK_LIMIT:?}")
}
