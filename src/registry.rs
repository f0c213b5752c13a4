//! The one list of services. What a process hosts, in which order it starts, who may call whom,
//! where the gateway forwards to and what the API's document says all follow from it.

use runtime::{Module, SectionSpec};

/// Every service.
pub static MODULES: &[&Module] = &[
    &identity::MODULE,
    &catalog::MODULE,
    &inventory::MODULE,
    &payments::MODULE,
    &tickets::MODULE,
    &orders::MODULE,
    &notifications::MODULE,
    &reporting::MODULE,
    &gateway::MODULE,
];

/// The tables of the configuration that belong to neither the runtime nor a service.
pub const SECTIONS: &[SectionSpec] = &[
    SectionSpec::of::<store::DatabaseSettings>(),
    SectionSpec::of::<bus::BusSettings>(),
    SectionSpec::of::<cache::CacheSettings>(),
    SectionSpec::of::<edge::EdgeSettings>(),
];
