//! Calls within the process: no socket, no serialisation, about a microsecond.

use std::{io, sync::Arc};

use tokio::time::Instant;

use super::{
    Callee,
    guarded::Guarded,
    metrics::{Meter, Transport},
};
use crate::{Context, ContractError, Fault, Method, Needed, Tasks};

/// What the in-process wrappers of contracts need. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalCalls {
    tasks: Tasks,
    caller: Option<Caller>,
}

/// Who calls, and what it may call.
#[derive(Debug, Clone, Copy)]
struct Caller {
    name: &'static str,
    requires: &'static [Needed],
}

impl Caller {
    fn may_call(&self, callee: Callee) -> bool {
        let of_callee = |needed: &&Needed| needed.service == callee.service;
        self.requires.iter().filter(of_callee).any(|it| it.methods.contains(&callee.method))
    }
}

impl LocalCalls {
    /// Calls whose remainder, when the caller leaves, is finished by `tasks`.
    pub fn new(tasks: Tasks) -> Self {
        Self { tasks, caller: None }
    }

    /// Calls of the service `caller`, which may call what it `requires` and nothing else: what
    /// another process would refuse to it, this one does too.
    #[must_use]
    pub fn of(self, caller: &'static str, requires: &'static [Needed]) -> Self {
        Self { caller: Some(Caller { name: caller, requires }), ..self }
    }

    /// One method of a contract, with its metrics.
    pub fn method(&self, service: &'static str, method: &'static Method) -> LocalMethod {
        let callee = Callee { service, method: method.name };
        let refused_to = self.caller.filter(|caller| !caller.may_call(callee));
        LocalMethod {
            callee,
            refused_to: refused_to.map(|caller| caller.name),
            tasks: self.tasks.clone(),
            meter: Arc::new(Meter::new(service, method.name, Transport::Local)),
        }
    }
}

/// One method of a contract as it is called within the process.
#[derive(Debug, Clone)]
pub struct LocalMethod {
    callee: Callee,
    refused_to: Option<&'static str>,
    tasks: Tasks,
    meter: Arc<Meter>,
}

impl LocalMethod {
    /// Runs `work`, unless the caller may not call this or the deadline of `cx` has passed already.
    /// When it passes meanwhile the caller gets a [`Fault::Unknown`]; the work itself goes on, as it
    /// does when the caller goes away. A panic becomes a [`Fault::Failed`].
    pub async fn call<Reply, E, Work>(&self, cx: &Context, work: Work) -> Result<Reply, E>
    where
        Reply: Send + 'static,
        E: ContractError,
        Work: Future<Output = Result<Reply, E>> + Send + 'static,
    {
        let began = Instant::now();
        let outcome = self.run(cx, began, work).await;
        self.meter.count(began, &outcome);
        outcome.unwrap_or_else(|fault| Err(E::from(fault)))
    }

    async fn run<Reply, E, Work>(
        &self,
        cx: &Context,
        began: Instant,
        work: Work,
    ) -> Result<Result<Reply, E>, Fault>
    where
        Reply: Send + 'static,
        E: ContractError,
        Work: Future<Output = Result<Reply, E>> + Send + 'static,
    {
        let callee = self.callee;
        if let Some(caller) = self.refused_to {
            return Err(callee.not_sent(callee.not_required_by(caller)));
        }
        if cx.deadline() <= began {
            return Err(callee.not_sent("the deadline has passed"));
        }
        let span = tracing::debug_span!(
            "call",
            service = callee.service,
            method = callee.method,
            transport = "local",
            trace_id = %cx.trace().trace_id(),
            correlation_id = cx.correlation_id(),
        );
        match Guarded::new(callee, cx.deadline(), &self.tasks, span, work).await? {
            Err(error) if !crosses(&error) => Err(callee.failed(error.to_string())),
            outcome => Ok(outcome),
        }
    }
}

/// Whether the error could cross the wire. One that holds a fault cannot, so both transports
/// report the same thing.
pub(super) fn crosses<E: ContractError>(error: &E) -> bool {
    serde_json::to_writer(io::sink(), error).is_ok()
}
