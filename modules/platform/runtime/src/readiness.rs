//! Whether each module can do its work, and if not, why.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;

/// A check that does not answer within this time has failed.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether the process should get traffic: every module is ready and no stop is under way.
    pub ready: bool,
    /// Why not, one sentence a reason, each beginning with the module it is about.
    pub reasons: Vec<String>,
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
}

/// Collects what modules say about themselves. Shared between the node and its admin listener.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether requests are answered by modules yet.
    open: bool,
    stopping: bool,
    modules: BTreeMap<&'static str, ModuleState>,
}

#[derive(Default)]
struct ModuleState {
    started: bool,
    broken: Vec<String>,
    checks: Vec<(String, Check)>,
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

    pub(crate) fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// Asks every module, all at once. Takes a second at most.
    pub(crate) async fn report(&self) -> ReadinessReport {
        let (about_process, questions) = self.questions();
        let modules: BTreeMap<&'static str, ModuleReadiness> =
            join_all(questions.into_iter().map(Question::ask)).await.into_iter().collect();
        let about_modules = modules.iter().flat_map(|(module, readiness)| {
            readiness.reasons.iter().map(move |reason| format!("{module}: {reason}"))
        });
        let about_process = about_process.map(str::to_owned).into_iter();
        let reasons: Vec<String> = about_process.chain(about_modules).collect();
        ReadinessReport { ready: reasons.is_empty(), reasons, modules }
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
                }
            })
            .collect();
        (about_process, questions)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one module, and what remains to be asked.
struct Question {
    module: &'static str,
    known: Vec<String>,
    checks: Vec<(String, Check)>,
}

impl Question {
    async fn ask(self) -> (&'static str, ModuleReadiness) {
        let answers = join_all(self.checks.into_iter().map(|(name, check)| async move {
            match tokio::time::timeout(CHECK_LIMIT, check()).await {
                Ok(Ok(())) => None,
                Ok(Err(reason)) => Some(reason),
                Err(_) => Some(format!("{name} did not answer within {CHECK_LIMIT:?}")),
            }
        }))
        .await;
        let reasons: Vec<String> =
            self.known.into_iter().chain(answers.into_iter().flatten()).collect();
        (self.module, ModuleReadiness { ready: reasons.is_empty(), reasons })
    }
}
