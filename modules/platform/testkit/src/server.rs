//! A server that a test brings up for itself, stops, starts again and pauses.

use std::{fmt, fs, future::ready, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{
    process::{Process, Program},
    within,
};

/// How long a server may take to start or to stop. Long, for machines that do much else.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a server is, and how it is run.
pub(crate) struct Recipe {
    /// Its name, for messages.
    pub(crate) name: &'static str,
    /// What it writes to its log once it serves.
    pub(crate) ready: &'static str,
    /// The signal that makes it stop politely.
    pub(crate) stop: &'static str,
    /// The signal that ends it where it stands.
    pub(crate) crash: &'static str,
}

/// Says what is run: added to a program, given the server's folder.
type Describe = dyn Fn(Program, &Path) -> Program + Send + Sync;

/// A server of this machine that keeps its address and its data over restarts, and ends with the
/// test that holds it.
pub struct Server {
    recipe: Recipe,
    describe: Box<Describe>,
    process: Mutex<Option<Process>>,
    // Goes last, when nothing runs in it any more.
    home: TempDir,
}

impl Server {
    /// Makes a folder, has `prepare` fill it, and starts the server that `describe` says.
    ///
    /// # Panics
    /// When it does not start; the message shows its log.
    pub(crate) async fn bring_up(
        recipe: Recipe,
        prepare: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
        describe: impl Fn(Program, &Path) -> Program + Send + Sync + 'static,
    ) -> Self {
        let home = tempfile::Builder::new()
            .prefix("boxoffice-server-")
            .tempdir()
            .unwrap_or_else(|error| panic!("cannot make a temporary directory: {error}"));
        let folder = home.path().to_owned();
        match tokio::task::spawn_blocking(move || prepare(&folder)).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => panic!("cannot prepare a private {}: {reason}", recipe.name),
            Err(error) => panic!("preparing a private {} broke: {error}", recipe.name),
        }
        let server = Self { recipe, describe: Box::new(describe), process: Mutex::default(), home };
        server.start().await;
        server
    }

    /// Starts it and waits until it serves. Nothing happens when it runs.
    ///
    /// # Panics
    /// When it does not start; the message shows its log.
    pub async fn start(&self) {
        let mut running = self.process.lock().await;
        if running.is_some() {
            return;
        }
        let name = self.recipe.name;
        let log = self.home.path().join("log");
        let _first_start = fs::remove_file(&log);
        let bare = Program::new(&log, self.recipe.crash, Some(self.home.path()));
        let program = (self.describe)(bare, self.home.path());
        let mut process =
            program.spawn().unwrap_or_else(|error| panic!("cannot run {name}: {error}"));
        within(PATIENCE, format!("{name} to start"), || {
            if let Some(status) = process.ended() {
                panic!("{name} ended with {status}:\n{}", process.last_lines());
            }
            let serves = process.log().contains(self.recipe.ready);
            ready(if serves { Ok(()) } else { Err(process.last_lines()) })
        })
        .await;
        *running = Some(process);
    }

    /// Stops it politely and waits for its end. Nothing happens when it does not run.
    ///
    /// # Panics
    /// When it does not end; the message shows its log.
    pub async fn stop(&self) {
        self.end(self.recipe.stop).await;
    }

    /// Ends it where it stands. Nothing happens when it does not run.
    ///
    /// # Panics
    /// When it does not end; the message shows its log.
    pub async fn crash(&self) {
        self.end(self.recipe.crash).await;
    }

    /// Makes it stand still: connections stay open, and nothing answers.
    pub async fn pause(&self) {
        self.signal_all("STOP").await;
    }

    /// Lets it go on after [`Server::pause`].
    pub async fn resume(&self) {
        self.signal_all("CONT").await;
    }

    async fn signal_all(&self, signal: &str) {
        if let Some(process) = self.process.lock().await.as_ref() {
            process.signal_all(signal);
        }
    }

    async fn end(&self, signal: &str) {
        let Some(mut process) = self.process.lock().await.take() else { return };
        process.signal(signal);
        process.signal_all("CONT");
        within(PATIENCE, format!("{} to stop", self.recipe.name), || {
            ready(if process.ended().is_some() { Ok(()) } else { Err(process.last_lines()) })
        })
        .await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.recipe.name).finish_non_exhaustive()
    }
}
