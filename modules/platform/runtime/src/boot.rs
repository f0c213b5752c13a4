//! What a module gets when it starts: its settings, clock and ids, the contracts it requires, and
//! the places to put its routes, tasks and checks.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Checked, Clock, Config, Context, Contract, DEFAULT_DEADLINE, HttpClient, Ids, InternalServer,
    LocalCalls, Module, Plan, Principal, Random, Section, Standing, StartError, Tasks,
    TraceContext, check::Checks, network::Network, readiness::Readiness, tasks::panic_message,
};

/// Handed to [`Module::start`], for that module alone.
pub struct Boot {
    module: &'static Module,
    node: Arc<Node>,
    tasks: Tasks,
    public: Router,
    internal: Router,
    at_stop: StopHooks,
}

/// What is done when all tasks of a module have ended, first things first.
pub(crate) type StopHooks = Arc<Mutex<Vec<StopHook>>>;

pub(crate) type StopHook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// What all modules of a process share.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) modules: &'static [&'static Module],
    pub(crate) plan: Plan,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) ids: Ids,
    pub(crate) readiness: Arc<Readiness>,
    /// Cancelled when requests under way are to come to their end.
    pub(crate) draining: CancellationToken,
    pub(crate) checks: Arc<Checks>,
    pub(crate) extensions: Extensions,
    pub(crate) network: Network,
    pub(crate) provisions: Mutex<Provisions>,
}

pub(crate) type Extensions = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// The contracts that modules of this process provide, ready to be called within it.
#[derive(Default)]
pub(crate) struct Provisions {
    services: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    undeclared: Vec<&'static str>,
}

/// A contract's implementation, and who finishes calls whose callers left.
struct Offer<C: ?Sized> {
    service: Arc<C>,
    tasks: Tasks,
}

impl Node {
    fn client(&self, caller: &'static str, service: &'static str) -> Option<HttpClient> {
        if self.plan.hosts(service) { None } else { self.network.client(caller, service) }
    }

    /// The contract `C` of a module that is hosted here, for `caller`, who may call what it
    /// requires, or for the process itself, which may call everything.
    fn local<C: Contract + ?Sized>(&self, caller: Option<&'static Module>) -> Option<Arc<C>> {
        let provisions = self.provisions();
        let offer: &Offer<C> = provisions.services.get(&TypeId::of::<C>())?.downcast_ref()?;
        let calls = LocalCalls::new(offer.tasks.clone());
        let calls = match caller {
            Some(module) => calls.of(module.name, module.requires),
            None => calls,
        };
        Some(C::local(Arc::clone(&offer.service), calls))
    }

    fn provisions(&self) -> MutexGuard<'_, Provisions> {
        self.provisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extension<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.extensions.get(&TypeId::of::<T>())?).downcast().ok()
    }
}

impl Boot {
    pub(crate) fn new(
        module: &'static Module,
        node: Arc<Node>,
        tasks: Tasks,
        at_stop: StopHooks,
    ) -> Self {
        Self { module, node, tasks, public: Router::new(), internal: Router::new(), at_stop }
    }

    /// The module that is starting.
    pub fn module(&self) -> &'static Module {
        self.module
    }

    /// The whole registry, hosted here or not.
    pub fn modules(&self) -> &'static [&'static Module] {
        self.node.modules
    }

    /// A section of the configuration, checked before anything started.
    pub fn settings<T: Section>(&self) -> T {
        self.node.config.section()
    }

    /// The whole configuration.
    pub fn config(&self) -> &Config {
        &self.node.config
    }

    /// Tells the time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.node.clock)
    }

    /// Gives unpredictable bytes.
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.node.random)
    }

    /// Makes identifiers.
    pub fn ids(&self) -> Ids {
        self.node.ids.clone()
    }

    /// A contract the module requires: the local object where its service is hosted here, the HTTP
    /// stub where it is not. An error when the contract is not listed under `requires`.
    pub fn client<C: Contract + ?Sized>(&self) -> Result<Arc<C>, StartError> {
        let is_listed = self.module.requires.iter().any(|needed| needed.id == TypeId::of::<C>());
        if !is_listed {
            let (module, contract) = (self.module.name, C::NAME);
            return Err(StartError::new(format!(
                "{module} asks for {contract}, which it does not require; list \
                 Needed::of::<dyn {contract}>(&[…]) under its requires"
            )));
        }
        if let Some(client) = self.http_client(C::SERVICE) {
            return Ok(C::http(client));
        }
        self.node.local::<C>(Some(self.module)).ok_or_else(|| not_provided(C::SERVICE, C::NAME))
    }

    /// Offers a contract that the module lists under `provides`: to the modules hosted here, and
    /// on the internal listener to all others that require it.
    pub fn provide<C: Contract + ?Sized>(&mut self, service: Arc<C>) {
        let id = TypeId::of::<C>();
        let offer = Offer { service: Arc::clone(&service), tasks: self.tasks() };
        let mut provisions = self.node.provisions();
        if !self.module.provides.iter().any(|provided| provided.id == id) {
            provisions.undeclared.push(C::NAME);
        }
        provisions.services.insert(id, Box::new(offer));
        drop(provisions);
        if self.node.plan.something_is_remote {
            self.internal(C::router(service, self.internal_server()));
        }
    }

    /// Adds public routes. The edge is laid around all of them later.
    pub fn public(&mut self, routes: Router) {
        self.public = std::mem::take(&mut self.public).merge(routes);
    }

    /// Adds routes for other processes beside those of provided contracts. They guard themselves
    /// with [`Boot::internal_server`].
    pub fn internal(&mut self, routes: Router) {
        self.internal = std::mem::take(&mut self.internal).merge(routes);
    }

    /// Recognises callers from other processes and holds them to what they may do.
    pub fn internal_server(&self) -> InternalServer {
        self.node.network.server(self.tasks())
    }

    /// Calls `service` in another process as this module. `None` when it is hosted here, or
    /// nobody said where it is.
    pub fn http_client(&self, service: &'static str) -> Option<HttpClient> {
        self.node.client(self.module.name, service)
    }

    /// Whether `service` is hosted in this process.
    pub fn hosts(&self, service: &str) -> bool {
        self.node.plan.hosts(service)
    }

    /// Adds a check that `/readyz` asks, already while the module starts. It says why the module
    /// cannot do its work: `waiting for PostgreSQL at …`. A check that takes over a second failed.
    pub fn readiness(
        &self,
        name: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) {
        self.node.readiness.check(self.module.name, name, Arc::new(check));
    }

    /// Adds a report on something that the module can do its work without, which `/readyz` shows
    /// under `name`: a cache that is away, brokers that cannot be reached, figures for operators.
    /// What is degraded is told and makes nothing unready. A report that takes over a second is
    /// degraded.
    pub fn standing(
        &self,
        name: impl Into<String>,
        report: impl Fn() -> BoxFuture<'static, Standing> + Send + Sync + 'static,
    ) {
        self.node.readiness.standing(self.module.name, name.into(), Arc::new(report));
    }

    /// Adds a check of something that must always be true of what the module knows. It runs now and
    /// then and on demand, beside everything else: it only reads, and takes its time. An error says
    /// why it could not be made.
    pub fn check(
        &self,
        name: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<Checked, String>> + Send + Sync + 'static,
    ) {
        self.node.checks.add(self.module.name, name, Arc::new(check));
    }

    /// Starts a task that runs as long as the module does. It is told to stop by the token and
    /// waited for. A panic is logged, and the module is not ready from then on.
    pub fn spawn<F>(&self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work = AssertUnwindSafe(task(self.tasks.stopping())).catch_unwind();
        let (module, readiness) = (self.module.name, Arc::clone(&self.node.readiness));
        drop(self.tasks.spawn(async move {
            if let Err(panic) = work.await {
                let words = panic_message(panic.as_ref());
                tracing::error!(module, task = name, panic = words, "a background task panicked");
                readiness.broken(module, format!("its task \"{name}\" panicked: {words}"));
            }
        }));
    }

    /// Cancelled when the process stops and requests under way are to come to their end. Answers
    /// that go on for as long as the client likes end then: modules stop only after them.
    pub fn draining(&self) -> CancellationToken {
        self.node.draining.clone()
    }

    /// For work that outlives the request that started it.
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Adds what to do when all the module's tasks have ended, such as closing its database. The
    /// last that was added is done first.
    pub fn at_stop(&self, hook: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) {
        self.at_stop.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// What the process was composed with beside modules; see
    /// [`Launch::extension`](crate::Launch::extension).
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.node.extension()
    }

    /// A new context for work that the module starts itself.
    pub fn context(&self) -> Context {
        let principal = Principal::Service { name: self.module.name.to_owned() };
        let trace = TraceContext::start(self.node.random.as_ref());
        let correlation_id = self.node.ids.next().to_string();
        Context::new(principal, Instant::now() + DEFAULT_DEADLINE, correlation_id, trace)
    }

    /// The module's public and internal routes, when its start has gone well.
    pub(crate) fn finish(self) -> Result<(Router, Router), StartError> {
        let provisions = self.node.provisions();
        if let Some(contract) = provisions.undeclared.first() {
            return Err(StartError::new(format!(
                "{} provides {contract} without saying so; list Provided::of::<dyn {contract}>() \
                 under its provides",
                self.module.name
            )));
        }
        let is_missing = |id: &TypeId| !provisions.services.contains_key(id);
        if let Some(missing) = self.module.provides.iter().find(|it| is_missing(&it.id)) {
            return Err(not_provided(self.module.name, missing.contract));
        }
        drop(provisions);
        Ok((self.public, self.internal))
    }
}

fn not_provided(service: &str, contract: &str) -> StartError {
    StartError::new(format!(
        "{service} lists {contract} under its provides but did not provide it; call \
         boot.provide::<dyn {contract}>(…) in its start"
    ))
}

/// What is laid around all public routes gets this: what the routes' modules got, taken together.
pub struct PublicInputs {
    pub(crate) node: Arc<Node>,
    pub(crate) tasks: Tasks,
}

impl PublicInputs {
    /// The whole registry, hosted here or not.
    pub fn modules(&self) -> &'static [&'static Module] {
        self.node.modules
    }

    /// The modules that are hosted here, in the order in which they started.
    pub fn hosted(&self) -> &[&'static Module] {
        &self.node.plan.start_order
    }

    /// The whole configuration.
    pub fn config(&self) -> &Config {
        &self.node.config
    }

    /// A section of the configuration.
    pub fn settings<T: Section>(&self) -> T {
        self.node.config.section()
    }

    /// Tells the time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.node.clock)
    }

    /// Gives unpredictable bytes.
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.node.random)
    }

    /// Makes identifiers.
    pub fn ids(&self) -> Ids {
        self.node.ids.clone()
    }

    /// As [`Boot::standing`], of something that all modules stand on.
    pub fn standing(
        &self,
        name: impl Into<String>,
        report: impl Fn() -> BoxFuture<'static, Standing> + Send + Sync + 'static,
    ) {
        self.node.readiness.standing_of_process(name.into(), Arc::new(report));
    }

    /// For work that outlives the request that started it. Waited for before any module stops.
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// What the process was composed with beside modules.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.node.extension()
    }

    /// The contract `C` when a module that is hosted here provides or requires it; called on
    /// behalf of the first that does.
    pub fn client<C: Contract + ?Sized>(&self) -> Option<Arc<C>> {
        if let Some(local) = self.node.local::<C>(None) {
            return Some(local);
        }
        let requires =
            |module: &Module| module.requires.iter().any(|it| it.id == TypeId::of::<C>());
        let caller = self.hosted().iter().find(|module| requires(module))?;
        self.node.client(caller.name, C::SERVICE).map(C::http)
    }
}
