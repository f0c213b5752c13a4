//! Which keys a start needs, what is said when they are missing, and the command that makes them.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::program::{Outcome, Program};

/// Never contacted: a configuration is checked without starting anything.
const SERVER: &str = "database.url=postgres://db.example.org/boxoffice";

fn check(program: &Program, more: &[&str]) -> Outcome {
    program.run(&[&["config", "check"], more].concat())
}

/// What is said of a configuration with the program's directory left out.
fn faults(program: &Program, more: &[&str]) -> String {
    let outcome = check(program, more);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    outcome.err.replace(&program.home().display().to_string(), "HOME")
}

#[test]
fn with_a_database_server_every_missing_key_is_a_fault_and_all_are_said_at_once() {
    let program = Program::new();
    let monolith = ["--set", SERVER, "--set", "public.max_connections=0"];
    insta::assert_snapshot!(faults(&program, &monolith), @r#"
    boxoffice: the configuration is wrong:
    - --set: public.max_connections: is 0, which lets nobody in; use at least 1
    - identity.signing_keys_dir: is missing; name a directory with Ed25519 keys, which are made in the data directory with embedded databases only; `boxoffice keys DIR` makes some
    - tickets.signing_keys_dir: is missing; name a directory with Ed25519 keys, which are made in the data directory with embedded databases only; `boxoffice keys DIR` makes some
    "#);
    let split = ["--mode", "micro", "--set", SERVER, "--set", "orders.payment_margin_seconds=x"];
    insta::assert_snapshot!(faults(&program, &split), @r#"
    boxoffice: the configuration is wrong:
    - --set: orders.payment_margin_seconds: is "x", but must be a whole number, 0 or more
    - identity.signing_keys_dir: is missing; name a directory with Ed25519 keys, which are made in the data directory with embedded databases only; `boxoffice keys DIR` makes some
    - service_auth.private_keys_dir and public_keys_dir: are missing, and the database is a server; keys are made in the data directory only where databases are embedded and every process is on this machine; make them with `boxoffice keys DIR` and name both directories
    - tickets.signing_keys_dir: is missing; name a directory with Ed25519 keys, which are made in the data directory with embedded databases only; `boxoffice keys DIR` makes some
    "#);
}

#[test]
fn serve_says_what_config_check_says() {
    let program = Program::new();
    let arguments = ["--set", SERVER, "--set", "edge.body_limit_bytes=x", "--mode", "micro"];
    let served = program.run(&[&["serve"][..], &arguments].concat());
    let checked = check(&program, &arguments);
    assert_eq!((served.code, served.err), (Some(1), checked.err));
    assert!(!program.home().join("data").exists(), "it started something");
}

#[test]
fn services_that_leave_the_machine_need_keys_that_were_given_to_them() {
    let program = Program::new();
    let orders = |more: &[&str]| {
        let peers = "[peers]\nidentity.internal = 'http://127.0.0.1:1'\n\
                     catalog.internal = 'http://[::1]:1'\ninventory.internal = 'http://localhost:1'\n\
                     payments.internal = 'http://127.0.0.1:2'\ntickets.internal = 'http://127.0.0.1:3'\n\
                     reporting.internal = 'http://elsewhere:1'\n";
        program.write("here.toml", peers);
        check(&program, &[&["--services", "orders", "--config", "here.toml"], more].concat())
    };
    assert_eq!(orders(&[]).code, Some(0), "{:?}", orders(&[]));
    let open = orders(&["--set", "internal.address=0.0.0.0:8081"]);
    insta::assert_snapshot!(open.err, @r#"
    boxoffice: the configuration is wrong:
    - service_auth.private_keys_dir and public_keys_dir: are missing, and internal.address is 0.0.0.0:8081; keys are made in the data directory only where databases are embedded and every process is on this machine; make them with `boxoffice keys DIR` and name both directories
    "#);
    let far = orders(&["--set", "peers.payments.internal=http://payments:8081"]);
    assert!(far.err.contains("peers.payments.internal is http://payments:8081"), "{far:?}");
}

#[test]
fn keys_are_made_once_and_the_configuration_that_names_them_is_printed() {
    let program = Program::new();
    let made = program.run(&["keys", "keys"]);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(made.out.replace(&program.home().display().to_string(), "HOME"), @r#"
    # A process needs the private keys of the services that it hosts only.
    [service_auth]
    private_keys_dir = "HOME/keys/services/private"
    public_keys_dir = "HOME/keys/services/public"

    # Needed by the process that hosts it.
    [identity]
    signing_keys_dir = "HOME/keys/identity/signing_keys"

    # Needed by the process that hosts it.
    [tickets]
    signing_keys_dir = "HOME/keys/tickets/signing_keys"
    "#);
    let private = program.home().join("keys/services/private/orders.pem");
    let first = fs::read_to_string(&private).unwrap();
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(program.run(&["keys", "keys"]).out, made.out);
    assert_eq!(fs::read_to_string(&private).unwrap(), first);

    program.write("box.toml", &made.out);
    let split = ["--mode", "micro", "--set", SERVER, "--config", "box.toml"];
    let sound = check(&program, &split);
    assert_eq!((sound.code, sound.err.as_str()), (Some(0), ""));
}

#[test]
fn a_key_that_is_missing_or_no_key_is_a_fault() {
    let program = Program::new();
    let made = program.run(&["keys", "keys"]);
    program.write("box.toml", &made.out);
    fs::remove_file(program.home().join("keys/services/private/orders.pem")).unwrap();
    fs::remove_file(program.home().join("keys/tickets/signing_keys/0001.pem")).unwrap();
    program.write("keys/identity/signing_keys/0002.pem", "rubbish");
    insta::assert_snapshot!(faults(&program, &["--mode", "micro", "--config", "box.toml"]), @r#"
    boxoffice: the configuration is wrong:
    - box.toml: identity.signing_keys_dir: HOME/keys/identity/signing_keys/0002.pem: there is no `-----BEGIN PRIVATE KEY-----` block
    - box.toml: tickets.signing_keys_dir: no .pem file in HOME/keys/tickets/signing_keys; put an Ed25519 private key there
    - the key of service orders: HOME/keys/services/private/orders.pem: No such file or directory (os error 2)
    "#);
}
