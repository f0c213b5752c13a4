//! A contract as data.

use runtime::{Contract, Method};

use crate::desk::Desk;

#[test]
fn a_contract_knows_its_service_and_methods() {
    assert_eq!(<dyn Desk as Contract>::SERVICE, "desk");
    assert_eq!(<dyn Desk as Contract>::NAME, "Desk");
    assert_eq!(
        <dyn Desk as Contract>::METHODS,
        [
            Method { name: "repeat", idempotent: true },
            Method { name: "once", idempotent: false },
            Method { name: "arrival", idempotent: false },
            Method { name: "deliver", idempotent: false },
            Method { name: "private", idempotent: false },
        ]
    );
}

#[test]
fn a_description_holds_every_schema_that_its_methods_need() {
    let mut description = <dyn Desk as Contract>::describe();
    description.methods.truncate(1);
    insta::assert_json_snapshot!(description);
}
