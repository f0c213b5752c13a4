//! A service as the registry sees it. What follows from many of them is in `registry`.

use std::{any::TypeId, fmt};

use futures_util::future::BoxFuture;

use crate::{
    Boot, Contract, ContractDescription, Method, Migrations, SectionSpec, StartError, Views,
};

/// The name of the module that forwards to all others. `all` leaves it out, since nobody needs it
/// when nothing is remote, and it needs to know where the others' public listeners are.
pub const GATEWAY: &str = "gateway";

/// One service, as the registry sees it. Each service crate has exactly one public item:
/// `pub static MODULE: Module`.
pub struct Module {
    /// Its name: in lists of services, in addresses, in tokens, and for its database.
    pub name: &'static str,
    /// What it is for, in a few words: "the purchase, from hold to fulfilment".
    pub about: &'static str,
    /// The public paths it owns, with everything below them: `/v1/orders`.
    pub prefixes: &'static [&'static str],
    /// The contracts it implements: `Provided::of::<dyn Orders>()`.
    pub provides: &'static [Provided],
    /// The methods of others that it may call: `Needed::of::<dyn Inventory>(&["hold"])`.
    pub requires: &'static [Needed],
    /// The integration events it publishes: `orders.order_confirmed`.
    pub publishes: &'static [&'static str],
    /// The integration events of others that it reacts to.
    pub consumes: &'static [&'static str],
    /// Its table of the configuration.
    pub settings: Option<SectionSpec>,
    /// Its database schema, for `boxoffice migrate`.
    pub schema: Option<&'static dyn Migrations>,
    /// What it shows and can make anew from events, for `boxoffice views`.
    pub views: Option<&'static dyn Views>,
    /// Its public API, known without starting anything.
    pub openapi: fn() -> utoipa::openapi::OpenApi,
    /// Starts it: opens its database, provides its contracts, adds its routes and tasks.
    pub start: for<'a> fn(&'a mut Boot) -> BoxFuture<'a, Result<(), StartError>>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({})", self.name)
    }
}

/// A contract that a module implements.
#[derive(Clone, Copy)]
pub struct Provided {
    /// The service the contract belongs to; the module's name.
    pub service: &'static str,
    /// The contract's name, such as `Payments`.
    pub contract: &'static str,
    /// Its methods.
    pub methods: &'static [Method],
    /// Its methods with their JSON schemas.
    pub describe: fn() -> ContractDescription,
    pub(crate) id: TypeId,
}

impl Provided {
    /// The contract `C`, as in `Provided::of::<dyn Payments>()`.
    pub const fn of<C: Contract + ?Sized>() -> Self {
        Self {
            service: C::SERVICE,
            contract: C::NAME,
            methods: C::METHODS,
            describe: C::describe,
            id: TypeId::of::<C>(),
        }
    }
}

/// A contract that a module calls, and which of its methods: nothing else is allowed to it.
#[derive(Debug, Clone, Copy)]
pub struct Needed {
    /// The service that provides the contract.
    pub service: &'static str,
    /// The contract's name, such as `Payments`.
    pub contract: &'static str,
    /// The methods the module may call.
    pub methods: &'static [&'static str],
    /// The methods there are.
    pub(crate) known: &'static [Method],
    pub(crate) id: TypeId,
}

impl Needed {
    /// The methods `methods` of the contract `C`.
    pub const fn of<C: Contract + ?Sized>(methods: &'static [&'static str]) -> Self {
        Self {
            service: C::SERVICE,
            contract: C::NAME,
            methods,
            known: C::METHODS,
            id: TypeId::of::<C>(),
        }
    }
}
