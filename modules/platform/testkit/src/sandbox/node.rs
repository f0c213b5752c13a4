//! One node of a sandbox: started, stopped, killed and started again in the same place.

mod command;

use std::{
    fs,
    future::ready,
    path::{Path, PathBuf},
    sync::Arc,
};

use runtime::{CheckReport, Config, RunningNode, Sources};
use tokio::sync::Mutex;

use super::{Adjust, Composition, START_PATIENCE, plan::Site};
use crate::{
    Client, TestClock, eventually,
    process::{Process, Program},
    within,
};

/// One node. It keeps its ports, its configuration and its data over restarts.
pub struct Node {
    site: Site,
    origin: Origin,
    running: Mutex<Option<Running>>,
}

/// What a node is started from.
pub(super) enum Origin {
    /// Code of the test's own process.
    Composition(Recipe),
    /// A program.
    Binary(PathBuf),
}

/// How a node of the test's own process is put together.
pub(super) struct Recipe {
    pub(super) composition: Composition,
    pub(super) clock: TestClock,
    pub(super) adjust: Arc<Adjust>,
}

enum Running {
    Here(Box<RunningNode>),
    Apart(Apart),
}

impl Node {
    pub(super) fn new(site: Site, origin: Origin) -> Self {
        Self { site, origin, running: Mutex::default() }
    }

    /// Its services joined by `+`, or `monolith`; with its number, from the second replica on.
    pub fn name(&self) -> &str {
        &self.site.name
    }

    /// Whether it hosts `service`.
    pub fn hosts(&self, service: &str) -> bool {
        self.site.services.contains(&service)
    }

    /// Where clients reach it.
    pub fn public_url(&self) -> String {
        self.site.ports.public.url()
    }

    /// Where other nodes reach it.
    pub fn internal_url(&self) -> String {
        self.site.ports.internal.url()
    }

    /// Where probes and collectors reach it.
    pub fn admin_url(&self) -> String {
        self.site.ports.admin.url()
    }

    /// Starts it again after a stop or a crash, and waits until it is ready.
    ///
    /// # Panics
    /// When it cannot start or does not become ready; the message says why.
    pub async fn restart(&self) {
        self.launch().await;
        self.ready().await;
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it is not in time; the message says why.
    pub async fn ready(&self) {
        let what = format!("{} to be ready", self.name());
        within(START_PATIENCE, what, || self.readiness()).await;
    }

    /// Stops it politely. Nothing happens when it does not run.
    ///
    /// # Panics
    /// When it is a process that does not stop, or not with success.
    pub async fn stop(&self) {
        match self.running.lock().await.take() {
            Some(Running::Here(node)) => node.stop().await,
            Some(Running::Apart(process)) => process.stop(self.name()).await,
            None => {}
        }
    }

    /// Ends it where it stands: a process gets SIGKILL, a node in the test's process is dropped.
    /// Nothing happens when it does not run.
    pub async fn crash(&self) {
        match self.running.lock().await.take() {
            Some(Running::Here(node)) => node.abort().await,
            Some(Running::Apart(process)) => process.kill().await,
            None => {}
        }
    }

    /// Makes it stand still where it is, as a machine that is overloaded or being moved does: its
    /// connections stay open, and nothing answers.
    ///
    /// # Panics
    /// When it is no process of its own, or does not run.
    pub async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// Lets it go on after [`Node::pause`]; for the node no time has passed.
    ///
    /// # Panics
    /// As [`Node::pause`].
    pub async fn resume(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, signal: &str) {
        match self.running.lock().await.as_ref() {
            Some(Running::Apart(process)) => process.0.signal(signal),
            Some(Running::Here(_)) => panic!("{} is no process of its own", self.name()),
            None => panic!("{} does not run", self.name()),
        }
    }

    pub(super) async fn launch(&self) {
        let running = match &self.origin {
            Origin::Composition(recipe) => {
                Running::Here(Box::new(launch_here(&self.site, recipe).await))
            }
            Origin::Binary(binary) => Running::Apart(Apart::spawn(&self.site, binary)),
        };
        *self.running.lock().await = Some(running);
    }

    /// What the standing check finds, one line each. Nothing when it does not run.
    pub(super) async fn wrongs(&self) -> Vec<String> {
        let report: CheckReport = match self.running.lock().await.as_ref() {
            Some(Running::Here(node)) => node.check().await,
            Some(Running::Apart(_)) => {
                Client::new(self.admin_url()).get("/check").await.expect(200).json()
            }
            None => return Vec::new(),
        };
        let lines = report.checks.into_iter().flat_map(|check| {
            let whose = format!("{}: {}", check.module, check.check);
            let failure = check.failure.map(|why| format!("{whose} was not made: {why}"));
            let findings: Vec<String> = check
                .findings
                .iter()
                .map(|finding| format!("{whose}: {}: {}", finding.about, finding.what))
                .collect();
            findings.into_iter().chain(failure)
        });
        lines.collect()
    }

    /// Whether it is ready; otherwise why not.
    async fn readiness(&self) -> Result<(), String> {
        match self.running.lock().await.as_mut() {
            Some(Running::Here(node)) => {
                let report = node.readiness().await;
                if report.ready { Ok(()) } else { Err(report.reasons.join("; ")) }
            }
            Some(Running::Apart(process)) => process.readiness(&self.admin_url()).await,
            None => Err("it does not run".to_owned()),
        }
    }
}

async fn launch_here(site: &Site, recipe: &Recipe) -> RunningNode {
    let Recipe { composition, clock, adjust } = recipe;
    let sections = composition.modules.iter().filter_map(|module| module.settings);
    let mut sources = Sources::new().toml("the sandbox", &site.configuration);
    for (key, value) in &site.settings {
        sources = sources.set("the test", key, value);
    }
    let config = Config::load(sections.chain(composition.sections.iter().copied()), sources)
        .unwrap_or_else(|faults| panic!("{}: {faults}", site.name));
    let launch = (composition.launch)(config).clock(Arc::new(clock.clone()));
    let launch = adjust(&site.name, launch);
    match launch.start().await {
        Ok(node) => node,
        Err(faults) => panic!("{} cannot start: {faults}", site.name),
    }
}

/// A node that is a process of its own.
struct Apart(Process);

impl Apart {
    fn spawn(site: &Site, binary: &Path) -> Self {
        let configuration = site.configuration_file();
        let log = site.home.join(format!("{}.log", site.name));
        let program = Program::new(&log, "KILL", None).with(|shell| {
            let serve = shell.arg(binary).args(["serve", "--config"]).arg(&configuration);
            serve.envs(site.environment()).current_dir(&site.home)
        });
        let started = fs::write(&configuration, &site.configuration).and_then(|()| program.spawn());
        Self(started.unwrap_or_else(|error| panic!("{} cannot start: {error}", site.name)))
    }

    async fn readiness(&mut self, admin_url: &str) -> Result<(), String> {
        if let Some(status) = self.0.ended() {
            panic!("the process ended with {status}:\n{}", self.0.last_lines());
        }
        match Client::new(admin_url).get("/readyz").send().await {
            Ok(reply) if reply.status().is_success() => Ok(()),
            Ok(reply) => Err(reply.text()),
            Err(error) => Err(format!("{error}; its log ends:\n{}", self.0.last_lines())),
        }
    }

    async fn stop(mut self, name: &str) {
        self.0.signal("TERM");
        let status = eventually(format!("{name} to stop"), || ready(self.0.ended())).await;
        assert!(status.success(), "{name} stopped with {status}:\n{}", self.0.last_lines());
    }

    async fn kill(mut self) {
        self.0.signal("KILL");
        eventually("a killed process to be gone", || ready(self.0.ended())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::{
        Shape,
        sandbox::plan::{Plan, Replicas},
    };

    /// A shell that runs `script` in place of a node.
    fn spawn(script: &str) -> (Apart, TempDir) {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("serve"), script).unwrap();
        let plan = Plan::new(&[], &Shape::Groups(vec![vec!["any"]]));
        let site =
            plan.into_sites(home.path(), &[], &Replicas { usual: 1, of: Vec::new() }).remove(0);
        (Apart::spawn(&site, Path::new("sh")), home)
    }

    #[tokio::test]
    async fn a_process_is_asked_to_stop() {
        let stops = "tail -f /dev/null &\ntrap 'kill $!; exit 0' TERM\necho ready\nwait\n";
        let (node, _home) = spawn(stops);
        eventually("the script to set its trap", || ready(node.0.log().contains("ready"))).await;
        node.stop("the script").await;
    }

    #[tokio::test]
    #[should_panic(expected = "stopped with exit status: 3:\nlast words")]
    async fn a_stop_without_success_shows_the_log() {
        let fails = "tail -f /dev/null &\ntrap 'kill $!; exit 3' TERM\necho last words\nwait\n";
        let (node, _home) = spawn(fails);
        eventually("the script to set its trap", || ready(node.0.log().contains("words"))).await;
        node.stop("the script").await;
    }

    #[tokio::test]
    async fn a_killed_process_is_gone() {
        let (node, _home) = spawn("exec tail -f /dev/null");
        let id = node.0.id().to_owned();
        node.kill().await;
        let probe = Command::new("sh").args(["-c", &format!("kill -0 {id} 2>/dev/null")]).status();
        assert!(!probe.unwrap().success());
    }
}
