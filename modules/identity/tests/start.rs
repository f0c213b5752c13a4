//! What keeps identity from starting.

#![expect(clippy::panic, reason = "what goes wrong here fails a test")]

use runtime::{Config, Launch, Module, SectionSpec, Sources};
use store::DatabaseSettings;

static MODULES: &[&Module] = &[&identity::MODULE];

/// Why a node with this configuration does not start.
async fn fault(configuration: &str) -> String {
    let sections = MODULES.iter().filter_map(|module| module.settings);
    let sections = sections.chain([SectionSpec::of::<DatabaseSettings>()]);
    let sources = Sources::new().toml("the test", configuration);
    let config = match Config::load(sections, sources) {
        Ok(config) => config,
        Err(faults) => return faults.to_string(),
    };
    match Launch::new(config, MODULES).start().await {
        Ok(_) => panic!("it started"),
        Err(faults) => faults.to_string(),
    }
}

fn listening_anywhere(rest: &str) -> String {
    format!("public.address = \"127.0.0.1:0\"\nadmin.address = \"127.0.0.1:0\"\n{rest}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_its_data_asks_for_keys_of_the_operators_own() {
    let server = "database.url = \"postgres://nobody@127.0.0.1:1/nothing\"";
    let fault = fault(&listening_anywhere(server)).await;
    assert!(fault.contains("identity.signing_keys_dir: is missing"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_keys_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().display();
    let fault =
        fault(&listening_anywhere(&format!("identity.signing_keys_dir = \"{path}\""))).await;
    assert!(fault.contains(&format!("no .pem file in {path}")), "{fault}");
}

#[tokio::test]
async fn every_fault_of_its_settings_is_told_at_once_and_no_secret() {
    let fault = fault(
        "[identity]\nfirst_admin_password = \"too short\"\naccess_token_life = \"0s\"\n\
         [identity.password]\niterations = 0\n",
    )
    .await;
    for key in ["first_admin_email", "first_admin_password", "access_token_life", "password"] {
        assert!(fault.contains(key), "{key} is missing in:\n{fault}");
    }
    assert!(!fault.contains("too short"), "{fault}");
}
