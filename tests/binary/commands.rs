//! What the commands print.

use crate::program::Program;

#[test]
fn what_makes_no_sense_ends_with_2() {
    let program = Program::new();
    for arguments in [&["sell"][..], &[], &["serve", "--set", "novalue"], &["serve", "--mode", "x"]]
    {
        let outcome = program.run(arguments);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert_eq!(outcome.out, "");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let program = Program::new();
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"], &["help", "migrate"]] {
        let outcome = program.run(arguments);
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!outcome.out.is_empty());
    }
}

#[test]
fn a_configuration_that_is_sound_is_said_to_be() {
    let program = Program::new();
    let outcome = program.run(&["config", "check"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.out, "the configuration is sound\n");
}

#[test]
fn every_fault_of_a_configuration_is_said_at_once() {
    let program = Program::new();
    program.write("box.toml", "[public]\nadress = '0.0.0.0:80'\n[node]\nmode = 'cluster'\n");
    let outcome = program.run_with(
        &[
            "config",
            "check",
            "--config",
            "box.toml",
            "--profile",
            "moon",
            "--set",
            "log.format=xml",
        ],
        &[("BOXOFFICE__SHUTDOWN__DRAIN", "soon")],
    );
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""));
    insta::assert_snapshot!(outcome.err, @r#"
    boxoffice: the configuration is wrong:
    - --profile moon: there is no config/moon.toml here; built in are monolith, micro
    - --set: log.format: is "xml", but must be one of: text, json
    - box.toml: node.mode: is "cluster", but must be one of: monolith, micro
    - box.toml: public.adress: there is no key adress here; [public] knows: address, max_connections, header_timeout, idle_timeout
    - environment variable BOXOFFICE__SHUTDOWN__DRAIN: shutdown.drain: is "soon", but must be a duration such as "5s" or "1m 30s"
    "#);
}

#[test]
fn what_does_not_fit_together_is_said_at_once() {
    let program = Program::new();
    let arguments =
        ["config", "check", "--services", "catalog,katalog", "--set", "log.filter=store=loudly"];
    let outcome = program.run(&arguments);
    assert_eq!(outcome.code, Some(1));
    for expected in [
        "\n- there is no service \"katalog\"; choose from all, ",
        "\n- catalog requires TokenKeys of identity, which is neither hosted here nor addressed; ",
        "\n- log.filter: \"store=loudly\" filters no logs: ",
    ] {
        assert!(outcome.err.contains(expected), "{outcome:?}");
    }
}

#[test]
fn a_configuration_is_shown_with_its_sources_and_without_its_secrets() {
    let program = Program::new();
    program.write("config/default.toml", "[public]\naddress = '127.0.0.1:1'\n");
    let outcome = program.run_with(
        &["config", "show", "--mode", "monolith", "--data-dir", "here"],
        &[("BOXOFFICE__DATABASE__URL", "postgres://u:hunter2@h/d")],
    );
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(!outcome.out.contains("hunter2"));
    let shown = |key: &str| {
        let line = outcome.out.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        shown("url = \"<hidden>\""),
        "url = \"<hidden>\" # environment variable BOXOFFICE__DATABASE__URL"
    );
    assert_eq!(
        shown("address = \"127.0.0.1:1\""),
        "address = \"127.0.0.1:1\" # config/default.toml"
    );
    assert_eq!(shown("mode"), "mode = \"monolith\" # --mode");
    assert_eq!(shown("services"), "services = [\"all\"] # config/monolith.toml (built in)");
    assert_eq!(shown("data_dir"), "data_dir = \"here\" # --data-dir");
    assert_eq!(shown("drain"), "drain = \"15s\" # default");
}

#[test]
fn a_profile_on_disk_replaces_the_one_that_is_built_in() {
    let program = Program::new();
    program.write("config/micro.toml", "[node]\nmode = 'micro'\ndata_dir = 'elsewhere'\n");
    let outcome = program.run(&["config", "show", "--profile", "micro"]);
    assert!(outcome.out.contains("\"elsewhere\""), "{outcome:?}");
    assert!(!outcome.out.contains("[processes]"), "{outcome:?}");
}

#[test]
fn the_openapi_document_is_json_that_names_the_services_paths() {
    let program = Program::new();
    let outcome = program.run(&["openapi"]);
    let document: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert!(document["paths"]["/v1/auth/login"].is_object(), "{}", outcome.out);
}

#[test]
fn health_follows_the_process() {
    let program = Program::new();
    let serving = program.serve(&["--services", "identity"]);
    let line = serving.says("readiness");
    let address = line.trim_start_matches(|c: char| !c.is_ascii_digit()).replace("/readyz", "");
    let admin = format!("admin.address={address}");
    serving.says("stop it with ctrl-c");
    let ready = program.run(&["health", "--set", &admin]);
    assert_eq!(ready.code, Some(0), "{ready:?}");
    assert!(ready.out.contains("\"ready\":true"), "{ready:?}");
    let live = program.run(&["health", "--live", "--set", &admin]);
    assert_eq!((live.code, live.out.as_str()), (Some(0), "alive\n"));
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    let gone = program.run(&["health", "--live", "--set", &admin]);
    assert_eq!((gone.code, gone.out.as_str()), (Some(1), ""));
    assert!(gone.err.contains(&format!("nobody answers at {address}")), "{gone:?}");
}

#[test]
fn databases_go_up_and_down() {
    let program = Program::new();
    let identity = ["--service", "identity"];
    let migrate = |what: &[&str]| {
        let outcome = program.run(&[&["migrate"], what, &identity].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.out
    };
    let applied = |status: &str| {
        let steps = status.lines().filter(|line| line.contains(" identity "));
        steps.filter(|line| line.contains(" yes ")).count()
    };
    assert_eq!(applied(&migrate(&["status"])), 0);
    let up = migrate(&["up"]);
    let made =
        "identity: makes a new database in the data directory data\nidentity: applied store 1";
    assert!(up.starts_with(made), "{up}");
    assert_eq!(migrate(&["up"]), "identity: nothing to do\n");
    assert!(applied(&migrate(&["status"])) > 0);
    let down = migrate(&["down", "--steps", "99"]);
    assert!(down.starts_with("identity: took back identity"), "{down}");
    assert!(down.contains("gone, with all that was in them: accounts"), "{down}");
    assert!(down.contains("`views rebuild identity` fills those that follow"), "{down}");
    assert!(down.contains("the way back to what was in any other is a backup"), "{down}");
    assert_eq!(applied(&migrate(&["status"])), 0);
}

#[test]
fn nobody_takes_back_every_database_by_mistake() {
    let program = Program::new();
    let outcome = program.run(&["migrate", "down"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("name one with --service"), "{outcome:?}");
    let unknown = program.run(&["migrate", "up", "--service", "identitty"]);
    assert!(unknown.err.contains("\"identitty\" has no database; choose from "), "{unknown:?}");
}

#[test]
fn nobody_reading_is_no_failure() {
    let program = Program::new();
    let binary = env!("CARGO_BIN_EXE_boxoffice");
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("{binary} openapi | head -1 >/dev/null; exit ${{PIPESTATUS:-0}}")])
        .current_dir(program.home())
        .status();
    assert!(status.unwrap().success());
}
