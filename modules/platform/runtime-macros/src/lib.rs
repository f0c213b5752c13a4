//! `#[service]`: makes a contract of a plain trait. What it generates is in `expand`, what it
//! demands of the trait in `parse`.

mod expand;
mod parse;

use proc_macro::TokenStream;

/// Makes a contract of an async trait: `impl Contract for dyn Trait`, with the in-process wrapper,
/// the HTTP stub, the internal router and the description. Implementors write
/// `#[runtime::async_trait]` over their `impl`.
///
/// The argument is the name of the service that provides the contract. Each method takes
/// `(&self, cx: &Context, request: Request)` and answers with a `Result` of the contract's own
/// reply and error. A method whose execution twice is as good as once carries `#[idempotent]`. One
/// that is about an aggregate names the field of its request that holds the aggregate's id,
/// `#[routed_by(event_id)]`, so that all callers prefer the same replica for it.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match parse::contract(arguments.into(), item.into()) {
        Ok(contract) => expand::contract(&contract).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
