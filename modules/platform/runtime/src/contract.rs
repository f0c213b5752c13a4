//! What a contract is: the trait that `#[service]` implements for `dyn Trait`, what may cross it,
//! and its description for snapshots. How calls travel is in `calls`.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{Fault, HttpClient, InternalServer, LocalCalls};

/// A service's contract, whichever way it is called. Implemented by [`service`](crate::service) for
/// `dyn Trait`.
///
/// ```
/// use runtime::{Context, Contract, Method, service};
/// # use runtime::{ContractError, Fault, Unrecognised};
/// # #[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
/// # #[serde(tag = "code", rename_all = "snake_case")]
/// # enum PaymentError {
/// #     #[error(transparent)]
/// #     #[serde(skip)]
/// #     Fault(#[from] Fault),
/// #     #[error("{0}")]
/// #     #[serde(untagged)]
/// #     Unrecognised(Unrecognised),
/// # }
/// # impl ContractError for PaymentError {}
///
/// /// Charges and refunds.
/// #[service("payments")]
/// trait Payments {
///     /// Charges an order once: the same order charged again returns the first charge.
///     #[idempotent]
///     async fn charge(&self, cx: &Context, request: u64) -> Result<String, PaymentError>;
/// }
///
/// struct Sandbox;
///
/// #[runtime::async_trait]
/// impl Payments for Sandbox {
///     async fn charge(&self, _cx: &Context, order: u64) -> Result<String, PaymentError> {
///         Ok(format!("receipt of order {order}"))
///     }
/// }
///
/// assert_eq!(<dyn Payments>::SERVICE, "payments");
/// assert_eq!(<dyn Payments>::METHODS, [Method { name: "charge", idempotent: true }]);
/// ```
pub trait Contract: Send + Sync + 'static {
    /// The service that provides it: a module's name, such as `payments`.
    const SERVICE: &'static str;

    /// The trait's name, such as `Payments`.
    const NAME: &'static str;

    /// Its methods, in the order in which they are written.
    const METHODS: &'static [Method];

    /// The same contract for callers in this process: `inner` with deadline, containment of
    /// panics, trace and metrics around it.
    fn local(inner: Arc<Self>, calls: LocalCalls) -> Arc<Self>;

    /// The contract for callers in another process.
    fn http(client: HttpClient) -> Arc<Self>;

    /// Serves `inner` to other processes: `POST /internal/{service}/{method}` for each method.
    fn router(inner: Arc<Self>, server: InternalServer) -> axum::Router;

    /// The contract as data.
    fn describe() -> ContractDescription;
}

/// One method of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name, which is also the last segment of its internal path.
    pub name: &'static str,
    /// Whether executing it twice is as good as once, so that a call whose fate is unknown may be
    /// sent again.
    pub idempotent: bool,
}

/// What may cross a contract as a request or a reply. Implemented for every type that derives
/// `Serialize`, `Deserialize` and `ToSchema`.
pub trait Message: Serialize + DeserializeOwned + ToSchema + Send + 'static {}

impl<T: Serialize + DeserializeOwned + ToSchema + Send + 'static> Message for T {}

/// The error of a contract's methods. It crosses the wire as itself.
///
/// An enum tagged by `code`, with a `#[serde(skip)]` variant that holds a [`Fault`] and a last,
/// `#[serde(untagged)]` one that holds an [`Unrecognised`](crate::Unrecognised):
///
/// ```
/// use runtime::{ContractError, Fault, Unrecognised};
/// use serde::{Deserialize, Serialize};
/// use utoipa::ToSchema;
///
/// #[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
/// #[serde(tag = "code", rename_all = "snake_case")]
/// enum PaymentError {
///     #[error("order {order} has no payment")]
///     NotFound { order: u64 },
///     #[error(transparent)]
///     #[serde(skip)]
///     Fault(#[from] Fault),
///     #[error("{0}")]
///     #[serde(untagged)]
///     Unrecognised(Unrecognised),
/// }
/// impl ContractError for PaymentError {}
/// ```
///
/// A fault that an implementation got from somebody else and passes on says nothing true about
/// the call to that implementation. Both transports turn it into a [`Fault::Failed`] of the method
/// that was called, with the original in the reason.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the error of a contract",
    note = "derive what `runtime::ContractError` asks for and add `impl ContractError for {Self} {{}}`"
)]
pub trait ContractError:
    Error + Serialize + DeserializeOwned + From<Fault> + ToSchema + Send + 'static
{
}

/// A contract as data, for a snapshot that shows what a change does to older callers and callees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContractDescription {
    /// The service that provides it.
    pub service: &'static str,
    /// The trait's name.
    pub name: &'static str,
    /// Its methods, in the order in which they are written.
    pub methods: Vec<MethodDescription>,
    /// The JSON schemas that the methods' schemas refer to, by name.
    pub schemas: BTreeMap<String, Value>,
}

/// One method in a [`ContractDescription`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodDescription {
    /// Its name.
    pub name: &'static str,
    /// Its documentation.
    pub about: &'static str,
    /// Whether a call whose fate is unknown may be sent again.
    pub idempotent: bool,
    /// The JSON schema of the request.
    pub request: Value,
    /// The JSON schema of the reply.
    pub reply: Value,
    /// The JSON schema of the error, without what stands for codes this build does not know.
    pub error: Value,
}

impl ContractDescription {
    /// A contract without methods.
    pub fn new(service: &'static str, name: &'static str) -> Self {
        Self { service, name, methods: Vec::new(), schemas: BTreeMap::new() }
    }

    /// The contract with one method more.
    #[must_use]
    pub fn with_method<Request, Reply, E>(mut self, method: Method, about: &'static str) -> Self
    where
        Request: Message,
        Reply: Message,
        E: ContractError,
    {
        let description = MethodDescription {
            name: method.name,
            about,
            idempotent: method.idempotent,
            request: self.schema_of::<Request>(),
            reply: self.schema_of::<Reply>(),
            error: without_unrecognised(self.schema_of::<E>()),
        };
        self.methods.push(description);
        self.schemas.remove(UNRECOGNISED);
        self
    }

    fn schema_of<T: ToSchema>(&mut self) -> Value {
        let mut referenced: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut referenced);
        self.schemas.extend(referenced.into_iter().map(|(name, schema)| (name, json(&schema))));
        json(&T::schema())
    }
}

const UNRECOGNISED: &str = "Unrecognised";

fn json(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or(Value::Null)
}

/// `Unrecognised` is this build's shelf for what it does not know, not something that is sent.
fn without_unrecognised(mut error: Value) -> Value {
    let reference = format!("#/components/schemas/{UNRECOGNISED}");
    if let Some(Value::Array(variants)) = error.get_mut("oneOf") {
        variants.retain(|variant| !refers_to(variant, &reference));
    }
    error
}

fn refers_to(schema: &Value, reference: &str) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            (key == "$ref" && value == reference) || refers_to(value, reference)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, reference)),
        _ => false,
    }
}
