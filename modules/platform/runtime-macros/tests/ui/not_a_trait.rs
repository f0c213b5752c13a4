use runtime_macros::service;

#[service("payments")]
struct Payments;

#[service("payments")]
impl Payments {}

#[service("payments")]
fn charge() {}

#[service("payments")]
mod payments {}

fn main() {}
