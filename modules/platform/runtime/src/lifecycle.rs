//! The life of a process: ports first, then the modules one after the other, and everything in
//! reverse at the end. Signals and exit codes are the command line's matter.

use std::{
    any::TypeId,
    collections::BTreeSet,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use futures_util::{FutureExt, future::join};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    AdminSettings, Boot, CheckReport, Clock, Config, Faults, Ids, InternalSettings, Mode, Module,
    NodeSettings, Plan, ProcessesSettings, PublicInputs, PublicSettings, Random, ReadinessReport,
    ShutdownSettings, StartError, SystemClock, SystemRandom, Tasks,
    admin::{self, MetricsRender},
    boot::{Extensions, Node, Provisions, StopHooks},
    check::Checks,
    listener::{Bound, Limits, Listener},
    network::Network,
    peers, preflight,
    readiness::Readiness,
    tasks::panic_message,
    unavailable,
};

/// What is laid around the public routes of all modules.
type PublicStack =
    Box<dyn FnOnce(Router, &PublicInputs) -> Result<Router, StartError> + Send + Sync>;

/// The admin listener is for probes and collectors, and so has no settings for this.
const ADMIN_LIMITS: Limits = Limits {
    max_connections: 1_000,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(75),
};
/// How long probes and collectors may take when everything else has stopped.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);
/// How often [`RunningNode::ready`] looks again.
const READY_INTERVAL: Duration = Duration::from_millis(10);

/// A process that is about to start.
pub struct Launch {
    config: Config,
    modules: &'static [&'static Module],
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    public_stack: PublicStack,
    extensions: Extensions,
    metrics: Option<MetricsRender>,
}

impl Launch {
    /// Those of `modules` that `config` chooses, with the machine's clock and randomness, and
    /// nothing around the public routes.
    pub fn new(config: Config, modules: &'static [&'static Module]) -> Self {
        Self {
            config,
            modules,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom::default()),
            public_stack: Box::new(|routes, _| Ok(routes)),
            extensions: Extensions::new(),
            metrics: None,
        }
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws chance from `random`.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Lays `stack` around the public routes of all modules.
    #[must_use]
    pub fn public_stack(
        mut self,
        stack: impl FnOnce(Router, &PublicInputs) -> Result<Router, StartError> + Send + Sync + 'static,
    ) -> Self {
        self.public_stack = Box::new(stack);
        self
    }

    /// Gives modules something that this crate knows nothing of; see [`Boot::extension`]. One of
    /// each type.
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(mut self, extension: Arc<T>) -> Self {
        self.extensions.insert(TypeId::of::<T>(), extension);
        self
    }

    /// Serves what `render` gives under `/metrics`.
    #[must_use]
    pub fn metrics(mut self, render: MetricsRender) -> Self {
        self.metrics = Some(render);
        self
    }

    /// Starts everything. When something cannot start, what had started is stopped again.
    pub async fn start(self) -> Result<RunningNode, Faults> {
        let never = CancellationToken::new();
        let started = self.start_unless(never).await?;
        started.ok_or_else(|| Faults::one("the start was given up"))
    }

    /// Starts everything, unless `stop` is cancelled before the end; then what had started is
    /// stopped again and the answer is `None`.
    pub async fn start_unless(
        self,
        stop: CancellationToken,
    ) -> Result<Option<RunningNode>, Faults> {
        let (plan, faults) = preflight::examine(&self.config, self.modules);
        Faults::check(faults)?;
        let network = Network::open(&self.config, self.modules, &plan, &self.clock, &self.random)?;
        let ports = Ports::bind(&self.config, &plan).await?;
        let readiness = Arc::new(Readiness::default());
        let checks = Arc::new(Checks::new(self.config.section(), Arc::clone(&self.clock)));
        let admin = admin::router(Arc::clone(&readiness), Arc::clone(&checks), self.metrics);
        let mut running = RunningNode::open(
            ports,
            &self.config,
            Arc::clone(&readiness),
            Arc::clone(&checks),
            admin,
        );
        let node = Arc::new(Node {
            ids: Ids::new(Arc::clone(&self.clock), Arc::clone(&self.random)),
            config: self.config,
            modules: self.modules,
            plan,
            clock: self.clock,
            random: self.random,
            readiness,
            draining: running.draining.clone(),
            checks,
            extensions: self.extensions,
            network,
            provisions: Mutex::new(Provisions::default()),
        });
        let start = AssertUnwindSafe(running.start(node, self.public_stack)).catch_unwind();
        let outcome = stop.run_until_cancelled(start).await;
        match outcome {
            Some(Ok(Ok(()))) => Ok(Some(running)),
            Some(Ok(Err(error))) => {
                running.close().await;
                Err(Faults::one(error.to_string()))
            }
            Some(Err(panic)) => {
                running.close().await;
                Err(Faults::one(format!(
                    "panicked while starting: {}",
                    panic_message(panic.as_ref())
                )))
            }
            None => {
                tracing::info!("told to stop while starting");
                running.close().await;
                Ok(None)
            }
        }
    }
}

/// All ports, taken before any real work.
struct Ports {
    public: Bound,
    internal: Option<Bound>,
    admin: Bound,
}

impl Ports {
    async fn bind(config: &Config, plan: &Plan) -> Result<Self, Faults> {
        let bind = async |name, address| {
            Bound::bind(&key_of(config, name, address), address).await.map_err(|error| {
                let hosted: Vec<&str> = plan.start_order.iter().map(|module| module.name).collect();
                match config.node().mode {
                    Mode::Monolith => error,
                    Mode::Micro => {
                        StartError::new(format!("the process of {} {error}", hosted.join(", ")))
                    }
                }
            })
        };
        let admin = bind("admin", config.section::<AdminSettings>().address).await;
        let public = bind("public", config.section::<PublicSettings>().address).await;
        let internal = if plan.something_is_remote {
            bind("internal", config.section::<InternalSettings>().address).await.map(Some)
        } else {
            Ok(None)
        };
        match (public, internal, admin) {
            (Ok(public), Ok(internal), Ok(admin)) => Ok(Self { public, internal, admin }),
            (public, internal, admin) => {
                let errors = [public.err(), internal.err(), admin.err()];
                Faults::check(errors.into_iter().flatten().map(|it| it.to_string()).collect())?;
                Err(Faults::one("cannot listen"))
            }
        }
    }
}

/// The key by which the listener called `name` got its address: in a split on one machine, each
/// process has its own in `[processes]`, and tells the others in `[peers]`.
fn key_of(config: &Config, name: &str, address: SocketAddr) -> String {
    let plain = format!("{name}.address");
    let NodeSettings { mode, services, .. } = config.node();
    let processes = config.section::<ProcessesSettings>().0;
    let entry = services.iter().find_map(|service| processes.get_key_value(service));
    let Some((service, process)) = entry.filter(|_| mode == Mode::Micro) else { return plain };
    let given = match name {
        "public" => process.public,
        "internal" => process.internal,
        _ => process.admin,
    };
    if given != Some(address) {
        return plain;
    }
    let own = format!("processes.{service}.{name}");
    let is_told = config.peer(service).is_some() && name != "admin";
    if is_told { format!("{own} and peers.{service}.{name}") } else { own }
}

/// A process that runs. Dropping it is like killing it; [`RunningNode::stop`] is the polite way.
pub struct RunningNode {
    shutdown: ShutdownSettings,
    grace: Duration,
    readiness: Arc<Readiness>,
    /// Cancelled when requests under way are to come to their end.
    draining: CancellationToken,
    checks: Arc<Checks>,
    public: Listener,
    internal: Option<Listener>,
    admin: Listener,
    modules: Vec<RunningModule>,
    /// What belongs to no module.
    tasks: Tasks,
}

/// A module that has started, or is starting.
struct RunningModule {
    name: &'static str,
    tasks: Tasks,
    at_stop: StopHooks,
}

impl RunningNode {
    /// Where clients reach it.
    pub fn public_addr(&self) -> SocketAddr {
        self.public.address
    }

    /// Where other processes reach it; `None` when there are no others.
    pub fn internal_addr(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(|listener| listener.address)
    }

    /// Where probes and collectors reach it.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.address
    }

    /// What `/readyz` says.
    pub async fn readiness(&self) -> ReadinessReport {
        self.readiness.report().await
    }

    /// What `/check` says.
    pub async fn check(&self) -> CheckReport {
        self.checks.run().await
    }

    /// Resolves when `/readyz` says yes.
    pub async fn ready(&self) {
        let mut looks = tokio::time::interval(READY_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.readiness.report().await.ready {
            looks.tick().await;
        }
    }

    /// Stops it politely: not ready, but serving until load balancers have noticed; then no new
    /// connections, requests under way finish, also those whose client has left, modules stop in
    /// reverse order, and the admin listener closes last. Each step has its limit in `[shutdown]`.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.readiness.stopping();
        if !self.grace.is_zero() {
            let never = CancellationToken::new();
            let _ = tokio::time::timeout(self.grace, never.cancelled()).await;
        }
        self.close().await;
        tracing::info!("stopped");
    }

    /// Ends it where it stands, as if it had been killed: nothing is finished, nothing is said.
    pub async fn abort(self) {
        self.public.kill().await;
        if let Some(internal) = &self.internal {
            internal.kill().await;
        }
        for module in &self.modules {
            module.tasks.kill().await;
        }
        self.tasks.kill().await;
        self.admin.kill().await;
    }

    /// Opens the listeners: the admin one in earnest, the others with "not yet".
    fn open(
        ports: Ports,
        config: &Config,
        readiness: Arc<Readiness>,
        checks: Arc<Checks>,
        admin: Router,
    ) -> Self {
        let PublicSettings { max_connections, header_timeout, idle_timeout, .. } = config.section();
        let public_limits = Limits { max_connections, header_timeout, idle_timeout };
        let InternalSettings { max_connections, header_timeout, idle_timeout, .. } =
            config.section();
        let internal_limits = Limits { max_connections, header_timeout, idle_timeout };
        let shutdown: ShutdownSettings = config.section();
        Self {
            grace: shutdown.grace(config.node().mode),
            shutdown,
            admin: ports.admin.serve(admin, ADMIN_LIMITS),
            public: ports.public.serve(unavailable::starting(), public_limits),
            internal: ports
                .internal
                .map(|bound| bound.serve(unavailable::starting_internal(), internal_limits)),
            readiness,
            draining: CancellationToken::new(),
            checks,
            modules: Vec::new(),
            tasks: Tasks::new(),
        }
    }

    /// Starts the modules in order and then serves their routes.
    async fn start(
        &mut self,
        node: Arc<Node>,
        public_stack: PublicStack,
    ) -> Result<(), StartError> {
        for module in &node.plan.start_order {
            self.readiness.expect(module.name);
        }
        self.meet_peers(&node);
        let (mut public, mut internal) = (Router::new(), Router::new());
        for module in &node.plan.start_order {
            let (public_routes, internal_routes) = self.start_module(module, &node).await?;
            public = public.merge(public_routes);
            internal = internal.merge(internal_routes);
            self.serve_internally(
                internal.clone().fallback_service(unavailable::starting_internal()),
            );
            self.readiness.started(module.name);
        }
        let random = Arc::clone(&node.random);
        let inputs = PublicInputs { node, tasks: self.tasks.clone() };
        self.public.replace(public_stack(public, &inputs)?);
        self.serve_internally(internal.fallback_service(unavailable::elsewhere()));
        self.readiness.open();
        let (checks, stop) = (Arc::clone(&self.checks), self.tasks.stopping());
        drop(self.tasks.spawn(async move { checks.repeat(random, stop).await }));
        Ok(())
    }

    fn serve_internally(&self, routes: Router) {
        if let Some(listener) = &self.internal {
            listener.replace(routes);
        }
    }

    /// Begins to look for the services elsewhere that the modules here call.
    fn meet_peers(&self, node: &Arc<Node>) {
        for module in &node.plan.start_order {
            let services: BTreeSet<_> = module.requires.iter().map(|it| it.service).collect();
            for service in services.into_iter().filter(|service| !node.plan.hosts(service)) {
                let Some(acquaintance) = node.network.acquaintance(module.name, service) else {
                    continue;
                };
                let asked = acquaintance.clone();
                let check = move || std::future::ready(asked.check()).boxed();
                self.readiness.check(module.name, service, Arc::new(check));
                let (random, ids) = (Arc::clone(&node.random), node.ids.clone());
                drop(self.tasks.spawn(acquaintance.make(random, ids, self.tasks.stopping())));
            }
        }
    }

    async fn start_module(
        &mut self,
        module: &'static Module,
        node: &Arc<Node>,
    ) -> Result<(Router, Router), StartError> {
        let running =
            RunningModule { name: module.name, tasks: Tasks::new(), at_stop: StopHooks::default() };
        let mut boot = Boot::new(
            module,
            Arc::clone(node),
            running.tasks.clone(),
            Arc::clone(&running.at_stop),
        );
        self.modules.push(running);
        let span = tracing::info_span!("start", module = module.name);
        let start = (module.start)(&mut boot).instrument(span);
        match AssertUnwindSafe(start).catch_unwind().await {
            Ok(Ok(())) => {
                let (public, internal) = boot.finish()?;
                if !node.plan.something_is_remote {
                    return Ok((public, Router::new()));
                }
                let is_up = peers::router(module.name, &node.network.server(Tasks::new()));
                Ok((public, internal.merge(is_up)))
            }
            Ok(Err(error)) => {
                Err(StartError::new(format!("{} cannot start: {error}", module.name)))
            }
            Err(panic) => {
                let words = panic_message(panic.as_ref());
                Err(StartError::new(format!("{} panicked while starting: {words}", module.name)))
            }
        }
    }

    /// Lets requests finish, stops modules in reverse order, closes the admin listener last.
    async fn close(&self) {
        self.draining.cancel();
        let drain_internal = async {
            match &self.internal {
                Some(listener) => listener.drain(self.shutdown.drain).await,
                None => 0,
            }
        };
        let (public, internal) = join(self.public.drain(self.shutdown.drain), drain_internal).await;
        if public + internal > 0 {
            tracing::warn!(connections = public + internal, "requests took too long and were cut");
        }
        // Requests that nobody waits for any more still work with the modules.
        let left = self.tasks.stop(self.shutdown.module).await;
        if left > 0 {
            tracing::warn!(tasks = left, "requests without a client took too long and were cut");
        }
        for module in self.modules.iter().rev() {
            module.stop(self.shutdown.module).await;
        }
        self.admin.drain(ADMIN_DRAIN).await;
    }
}

impl RunningModule {
    async fn stop(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let left = self.tasks.stop(limit).await;
        if left > 0 {
            tracing::warn!(module = self.name, tasks = left, "tasks took too long and were cut");
        }
        while let Some(hook) = self.next_hook() {
            if tokio::time::timeout_at(deadline, hook()).await.is_err() {
                tracing::warn!(module = self.name, "what was to be done at the end took too long");
            }
        }
        tracing::debug!(module = self.name, "stopped");
    }

    fn next_hook(&self) -> Option<crate::boot::StopHook> {
        self.at_stop.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        let listeners = [Some(&self.public), self.internal.as_ref(), Some(&self.admin)];
        for listener in listeners.into_iter().flatten() {
            listener.cut();
        }
        for module in &self.modules {
            module.tasks.cut();
        }
        self.tasks.cut();
    }
}
