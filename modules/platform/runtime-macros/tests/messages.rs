//! The text of every error that `#[service]` can give. They need nothing of the runtime, since
//! nothing is generated for a contract that is wrong.

#[test]
fn every_misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
