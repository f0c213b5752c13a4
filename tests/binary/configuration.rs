//! The files in `config/`, and the page that describes them.

use std::{collections::BTreeMap, path::Path};

use boxoffice::node;
use runtime::{Addresses, Config, Entry, PeersSettings, Plan, ProcessesSettings, Sources};

fn file(name: &str) -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Sources::new().file(&root.join("config").join(name))
}

fn by_key(config: &Config) -> BTreeMap<String, Entry> {
    config.entries().into_iter().map(|it| (format!("{}.{}", it.section, it.key), it)).collect()
}

#[test]
fn the_default_file_documents_every_key_with_its_default() {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join("default.toml"),
    );
    let text = text.unwrap();
    let documented = by_key(&node::configuration(file("default.toml")).unwrap());
    for (key, default) in by_key(&node::configuration(Sources::new()).unwrap()) {
        let entry = documented.get(&key).unwrap();
        assert_eq!(entry.value, default.value, "config/default.toml has another {key}");
        if default.value.is_some() {
            assert_ne!(entry.source, "default", "config/default.toml lacks {key}");
        } else {
            let line = format!("# {} = ", default.key);
            assert!(text.contains(&line), "config/default.toml does not mention {key}");
        }
    }
}

#[test]
fn the_page_about_configuration_has_every_key_with_its_default() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join("configuration.md");
    let text = std::fs::read_to_string(page).unwrap();
    for (key, default) in by_key(&node::configuration(Sources::new()).unwrap()) {
        let (_, after) = text.split_once(&format!("### `[{}]`", default.section)).unwrap();
        let section = after.split_once("\n### ").map_or(after, |(section, _)| section);
        let value = match default.value.as_deref() {
            None => "none".to_owned(),
            Some("\"\"" | "\"<hidden>\"") => "empty".to_owned(),
            Some(value) => format!("`{}`", value.trim_matches('"')),
        };
        let row = format!("\n| `{}` | {value} | ", default.key);
        assert!(section.contains(&row), "docs/configuration.md lacks {key} with {value}");
    }
}

#[test]
fn the_monolith_is_what_runs_without_a_configuration() {
    let profile = by_key(&node::configuration(file("monolith.toml")).unwrap());
    for (key, default) in by_key(&node::configuration(Sources::new()).unwrap()) {
        assert_eq!(profile.get(&key).unwrap().value, default.value, "{key}");
    }
}

#[test]
fn every_service_has_its_place_in_the_split() {
    let config = node::configuration(file("micro.toml")).unwrap();
    let processes = config.section::<ProcessesSettings>().0;
    let peers = config.section::<PeersSettings>().0;
    for module in boxoffice::registry::MODULES {
        let name = module.name;
        let services = [name.to_owned()];
        Plan::new(boxoffice::registry::MODULES, &services, &peers).unwrap();
        let process = processes.get(name).unwrap();
        if name == runtime::GATEWAY {
            continue;
        }
        let peer = peers.get(name).unwrap();
        let url = |address: Option<std::net::SocketAddr>| -> Addresses {
            address.map(|it| format!("http://{it}")).into_iter().collect()
        };
        assert_eq!(peer.internal, url(process.internal), "{name}");
        assert_eq!(peer.public, url(process.public), "{name}");
    }
}

#[test]
fn no_two_processes_of_the_split_share_a_port() {
    let config = node::configuration(file("micro.toml")).unwrap();
    let processes = config.section::<ProcessesSettings>().0;
    let mut ports: Vec<u16> = processes
        .values()
        .flat_map(|process| [process.public, process.internal, process.admin])
        .map(|address| address.unwrap().port())
        .collect();
    let all = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), all);
}
