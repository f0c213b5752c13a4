//! What the image and the Compose files set, read as the binary reads it: a setting that was renamed
//! or a service that was forgotten is found here, and not when the containers start.

use std::collections::BTreeMap;

use crate::program::Program;

type Environment = BTreeMap<String, String>;

const PREFIX: &str = "BOXOFFICE__";
/// What Compose puts in where a variable is asked for.
const GIVEN: [(&str, &str); 3] = [
    ("${REDIS_PASSWORD:-boxoffice}", "boxoffice"),
    ("${POSTGRES_PASSWORD:-boxoffice}", "boxoffice"),
    (
        "${FIRST_ADMIN_PASSWORD:?is the password of admin@boxoffice.internal; choose one}",
        "correct-horse-battery",
    ),
];

/// The setting of a line such as `BOXOFFICE__NODE__MODE: micro`, alone or in braces.
fn setting(line: &str, separator: &str) -> Option<(String, String)> {
    let (key, value) = line.get(line.find(PREFIX)?..)?.split_once(separator)?;
    let value = value.trim_end_matches([' ', '\\', '}']).trim_matches('"');
    let value =
        GIVEN.iter().fold(value.to_owned(), |value, (asked, given)| value.replace(asked, given));
    Some((key.to_owned(), value))
}

/// What the image sets.
fn image() -> Environment {
    include_str!("../../Dockerfile").lines().filter_map(|line| setting(line, "=")).collect()
}

/// What each container of a Compose file sets beyond what the image does, by its name: a key at the
/// second level, after what is said for all of them.
fn containers(compose: &str) -> BTreeMap<String, Environment> {
    let (for_all, services) = compose.split_once("\nservices:\n").expect("it has services");
    let for_all: Environment = for_all.lines().filter_map(|line| setting(line, ": ")).collect();
    let mut containers: BTreeMap<String, Environment> = BTreeMap::new();
    let mut name = String::new();
    for line in services.lines().take_while(|line| line.is_empty() || line.starts_with(' ')) {
        if let Some(key) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'))
            && !key.starts_with([' ', '#'])
        {
            key.clone_into(&mut name);
        }
        if line.contains("<<: *environment") {
            containers.entry(name.clone()).or_default().extend(for_all.clone());
        }
        if let Some((key, value)) = setting(line, ": ") {
            containers.entry(name.clone()).or_default().insert(key, value);
        }
    }
    containers
}

/// Checks the configuration that a container of the image has, on this machine's paths.
fn check(program: &Program, settings: &Environment) {
    let home = program.home().display().to_string();
    let mut environment = image();
    environment.extend(settings.clone());
    for value in environment.values_mut().filter(|value| value.starts_with('/')) {
        value.insert_str(0, &home);
    }
    let environment: Vec<_> =
        environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let checked = program.run_with(&["config", "check"], &environment);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""), "{environment:?}");
}

#[test]
fn the_image_is_a_monolith_as_it_is() {
    check(&Program::new(), &Environment::new());
}

#[test]
fn each_container_of_the_split_has_a_configuration_that_is_right() {
    let containers = containers(include_str!("../../docker-compose.micro.yml"));
    let names: Vec<&str> = containers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "catalog",
            "gateway",
            "identity",
            "inventory",
            "notifications",
            "orders",
            "payments",
            "reporting",
            "tickets"
        ]
    );
    let program = Program::new();
    assert_eq!(program.run(&["keys", "keys"]).code, Some(0));
    for (name, settings) in containers {
        assert_eq!(settings["BOXOFFICE__NODE__SERVICES"], format!("[{name}]"));
        let shares_with_others = name != "gateway";
        assert_eq!(settings["BOXOFFICE__BUS__KIND"] == "kafka", shares_with_others, "{name}");
        assert_eq!(settings["BOXOFFICE__CACHE__KIND"] == "redis", shares_with_others, "{name}");
        check(&program, &settings);
    }
}

/// What a Compose file says of one container, from its name to the next one's.
fn said_of<'a>(compose: &'a str, name: &str) -> &'a str {
    let (_, said) = compose.split_once(&format!("\n  {name}:\n")).expect("there is one");
    let is_next = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let next = said.lines().find(is_next);
    next.and_then(|next| said.split_once(next)).map_or(said, |(before, _)| before)
}

#[test]
fn services_start_when_what_they_stand_on_answers_and_nobody_else_reaches_it() {
    let compose = include_str!("../../docker-compose.micro.yml");
    let (_, awaited) = compose.split_once("depends_on: &dependencies").expect("they wait");
    for name in ["postgres", "kafka", "redis"] {
        assert!(
            awaited.contains(&format!("\n    {name}: {{ condition: service_healthy }}")),
            "{name}"
        );
        let said = said_of(compose, name);
        assert!(said.contains("healthcheck:"), "nobody can tell whether {name} is well");
        assert!(said.contains("networks: [data]") && !said.contains("ports:"), "{name}: {said}");
    }
    let gateway = said_of(compose, "gateway");
    assert!(gateway.contains("networks: [public, services]"), "{gateway}");
    assert!(compose.contains("\n  data: { internal: true }"), "the network leads somewhere");
}

#[test]
fn redis_forgets_no_ended_session_to_make_room_and_asks_for_a_password() {
    let said = said_of(include_str!("../../docker-compose.micro.yml"), "redis");
    assert!(said.contains("--maxmemory-policy, noeviction"), "{said}");
    assert!(said.contains("--requirepass"), "{said}");
}
