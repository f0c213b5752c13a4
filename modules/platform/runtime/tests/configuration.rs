//! What people read when their configuration is wrong, and where values come from.

use std::{io::Write as _, time::Duration};

use runtime::{
    Addresses, Config, Mode, NodeSettings, PublicSettings, Secret, Section, SectionSpec,
    ShutdownSettings, Sources, duration,
};
use serde::{Deserialize, Serialize};

/// A section as a service has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Shop {
    hold: Hold,
    #[serde(with = "duration")]
    patience: Duration,
    currencies: Vec<String>,
    password: Secret,
    code: String,
    limit: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Hold {
    minutes: u32,
    secret_note: Option<Secret>,
}

impl Default for Hold {
    fn default() -> Self {
        Self { minutes: 15, secret_note: None }
    }
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            hold: Hold::default(),
            patience: Duration::from_secs(90),
            currencies: vec!["EUR".to_owned()],
            password: Secret::default(),
            code: String::new(),
            limit: 10,
        }
    }
}

impl Section for Shop {
    const NAME: &'static str = "shop";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.limit == 0 {
            faults.push("limit: is 0, which sells nothing; use at least 1".to_owned());
        }
        if self.hold.minutes > 60 {
            faults.push("hold.minutes: is over 60; nobody waits that long".to_owned());
        }
        faults
    }
}

fn load(sources: Sources) -> Result<Config, String> {
    Config::load([SectionSpec::of::<Shop>()], sources).map_err(|faults| faults.to_string())
}

fn variables<const N: usize>(of: [(&str, &str); N]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn shown(config: &Config, section: &str) -> String {
    let entries = config.entries().into_iter().filter(|entry| entry.section == section);
    let lines = entries.map(|entry| {
        let value = entry.value.unwrap_or_else(|| "(none)".to_owned());
        format!("{} = {value} from {}\n", entry.key, entry.source)
    });
    lines.collect()
}

#[test]
fn without_any_source_everything_has_its_default() {
    let config = load(Sources::new()).unwrap();
    assert_eq!(config.section::<PublicSettings>(), PublicSettings::default());
    insta::assert_snapshot!(shown(&config, "shop"), @r#"
    code = "" from default
    currencies = ["EUR"] from default
    hold.minutes = 15 from default
    hold.secret_note = (none) from default
    limit = 10 from default
    password = "" from default
    patience = "1m 30s" from default
    "#);
}

#[test]
fn later_sources_win_and_each_value_knows_its_own() {
    let sources = Sources::new()
        .toml("shop.toml", "[shop]\nlimit = 3\ncode = 'a'\ncurrencies = ['EUR', 'CHF']\n")
        .toml("profile.toml", "[shop]\ncode = 'b'\nhold.minutes = 20\n")
        .environment(variables([
            ("BOXOFFICE__SHOP__HOLD__MINUTES", "25"),
            ("BOXOFFICE__SHOP__PASSWORD", "hunter2"),
            ("PATH", "/bin"),
        ]))
        .set("--set", "shop.patience", "2m");
    let config = load(sources).unwrap();
    insta::assert_snapshot!(shown(&config, "shop"), @r#"
    code = "b" from profile.toml
    currencies = ["EUR", "CHF"] from shop.toml
    hold.minutes = 25 from environment variable BOXOFFICE__SHOP__HOLD__MINUTES
    hold.secret_note = (none) from default
    limit = 3 from shop.toml
    password = "<hidden>" from environment variable BOXOFFICE__SHOP__PASSWORD
    patience = "2m" from --set
    "#);
    let shop: Shop = config.section();
    assert_eq!(shop.password.expose(), "hunter2");
    assert_eq!(shop.patience, Duration::from_mins(2));
}

#[test]
fn text_takes_the_type_that_its_key_has() {
    let sources = Sources::new().environment(variables([
        ("BOXOFFICE__SHOP__CODE", "007"),
        ("BOXOFFICE__SHOP__PASSWORD", "12345678"),
        ("BOXOFFICE__SHOP__LIMIT", "7"),
        ("BOXOFFICE__SHOP__CURRENCIES", "EUR, CHF"),
        ("BOXOFFICE__NODE__SERVICES", "shop"),
    ]));
    let config = load(sources).unwrap();
    let shop: Shop = config.section();
    assert_eq!(shop.code, "007");
    assert_eq!(shop.password.expose(), "12345678");
    assert_eq!(shop.limit, 7);
    assert_eq!(shop.currencies, ["EUR", "CHF"]);
    assert_eq!(config.node().services, ["shop"]);
}

#[test]
fn every_fault_is_reported_at_once_with_its_source_and_key() {
    let sources = Sources::new()
        .toml(
            "shop.toml",
            "[shop]\nlimit = 'many'\ncolour = 'red'\nhold = 5\n\
             [public]\nadress = '0.0.0.0:80'\nheader_timeout = 'soon'\n\
             [shopp]\nlimit = 1\n",
        )
        .environment(variables([
            ("BOXOFFICE__PUBLIC__ADDRESS", "localhost"),
            ("BOXOFFICE__NODE__MODE", "cluster"),
            ("BOXOFFICE__SHUTDOWN", "fast"),
        ]))
        .set("--set", "log.format", "xml")
        .set("--set", "shop.patience", "5")
        .set("--set", "nonsense..key", "1");
    insta::assert_snapshot!(load(sources).unwrap_err(), @r#"
    - --set: "nonsense..key" is no key; write it like public.address
    - --set: log.format: is "xml", but must be one of: text, json
    - environment variable BOXOFFICE__NODE__MODE: node.mode: is "cluster", but must be one of: monolith, micro
    - environment variable BOXOFFICE__PUBLIC__ADDRESS: public.address: must be an address with a port, such as 127.0.0.1:8080
    - shop.toml: public.adress: there is no key adress here; [public] knows: address, max_connections, header_timeout, idle_timeout
    - shop.toml: public.header_timeout: is "soon", but must be a duration such as "5s" or "1m 30s"
    - shop.toml: shop.colour: there is no key colour here; [shop] knows: hold, patience, currencies, password, code, limit
    - shop.toml: shop.hold: is 5, but must be a table
    - shop.toml: shop.limit: is "many", but must be a whole number, 0 or more
    - --set: shop.patience: is 5, but must be a duration such as "5s" or "1m 30s"
    - environment variable BOXOFFICE__SHUTDOWN: shutdown is a section, not a value; write [shutdown]
    - shop.toml: [shopp] is no section; there are: admin, check, internal, log, node, peers, processes, public, service_auth, shop, shutdown
    "#);
}

#[test]
fn values_that_are_well_formed_but_make_no_sense_are_reported_with_their_source() {
    let sources = Sources::new().toml("shop.toml", "[shop]\nlimit = 0\nhold.minutes = 90\n").toml(
        "peers.toml",
        "[peers.orders]\ninternal = 'orders:8081'\npublic = 'http://orders/v1'\n\
             [node]\nservices = []\n[public]\nmax_connections = 0\nheader_timeout = '0s'\n\
             [service_auth]\nprivate_keys_dir = 'keys'\n",
    );
    insta::assert_snapshot!(load(sources).unwrap_err(), @r#"
    - peers.toml: node.services: names no service; name some, or say "all"
    - peers.toml: peers.orders.internal: "orders:8081" is not the base URL of a listener; write scheme, host and port only, like http://host:8081
    - peers.toml: peers.orders.public: "http://orders/v1" is not the base URL of a listener; write scheme, host and port only, like http://host:8081
    - peers.toml: public.max_connections: is 0, which lets nobody in; use at least 1
    - peers.toml: public.header_timeout: is 0, which no client can meet; use at least 1s
    - service_auth.public_keys_dir: is missing; private_keys_dir needs it beside
    - shop.toml: shop.limit: is 0, which sells nothing; use at least 1
    - shop.toml: shop.hold.minutes: is over 60; nobody waits that long
    "#);
}

#[test]
fn what_cannot_be_read_hides_nothing_else_that_is_wrong() {
    let sources = Sources::new().toml(
        "shop.toml",
        "[shop]\nlimit = 0\npatience = 'long'\nhold.minutes = 90\n\
         [service_auth]\nprivate_keys_dir = 5\npublic_keys_dir = 'keys'\nissuer = ''\n",
    );
    insta::assert_snapshot!(load(sources).unwrap_err(), @r#"
    - shop.toml: service_auth.private_keys_dir: is 5, but must be a path
    - shop.toml: service_auth.issuer: is empty; give it a name, the same in every process
    - shop.toml: shop.patience: is "long", but must be a duration such as "5s" or "1m 30s"
    - shop.toml: shop.limit: is 0, which sells nothing; use at least 1
    - shop.toml: shop.hold.minutes: is over 60; nobody waits that long
    "#);
}

#[test]
fn a_secret_is_never_shown_not_even_when_it_is_wrong() {
    let right = load(Sources::new().toml("a.toml", "[shop]\npassword = 'hunter2'\n")).unwrap();
    for text in [format!("{right}"), format!("{right:?}"), shown(&right, "shop")] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("<hidden>"), "{text}");
    }
    let wrong = load(Sources::new().toml("a.toml", "[shop]\npassword = 4711\n")).unwrap_err();
    insta::assert_snapshot!(wrong, @"- a.toml: shop.password: is a secret of the wrong type; it must be text");
    let list = load(Sources::new().toml("a.toml", "[shop]\nhold.secret_note = ['hunter2']\n"));
    insta::assert_snapshot!(list.unwrap_err(), @"- a.toml: shop.hold.secret_note: is a secret of the wrong type; it must be text");
}

#[test]
fn a_secret_can_come_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let path = file.path().display().to_string();
    let sources = Sources::new().set("--set a", "shop.password_file", &path).set(
        "--set b",
        "shop.hold.secret_note_file",
        &path,
    );
    let config = load(sources).unwrap();
    let shop: Shop = config.section();
    assert_eq!(shop.password.expose(), "hunter2");
    assert_eq!(shop.hold.secret_note.unwrap().expose(), "hunter2");
    insta::assert_snapshot!(shown(&config, "shop").replace(&path, "FILE"), @r#"
    code = "" from default
    currencies = ["EUR"] from default
    hold.minutes = 15 from default
    hold.secret_note = "<hidden>" from FILE (--set b)
    limit = 10 from default
    password = "<hidden>" from FILE (--set a)
    patience = "1m 30s" from default
    "#);
}

#[test]
fn a_secret_file_must_be_there_and_must_not_contradict_the_secret() {
    let missing = Sources::new().set("--set", "shop.password_file", "/there/is/none");
    insta::assert_snapshot!(load(missing).unwrap_err(), @"- --set: shop.password_file: /there/is/none cannot be read: No such file or directory (os error 2)");

    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let path = file.path().display().to_string();
    let twice = format!("[shop]\npassword = 'x'\npassword_file = '{path}'\n");
    let both = Sources::new().toml("a.toml", &twice);
    insta::assert_snapshot!(load(both).unwrap_err().replace(&path, "FILE"), @"- shop.password is given twice, by a.toml and by FILE (a.toml)");
    let variables = [("SHOP__PASSWORD", "x"), ("SHOP__PASSWORD_FILE", path.as_str())]
        .map(|(name, value)| (format!("BOXOFFICE__{name}"), value.to_owned()));
    let both = Sources::new().environment(variables);
    insta::assert_snapshot!(load(both).unwrap_err().replace(&path, "FILE"), @"- shop.password is given twice, by environment variable BOXOFFICE__SHOP__PASSWORD and by FILE (environment variable BOXOFFICE__SHOP__PASSWORD_FILE)");
}

#[test]
fn of_a_secret_and_its_file_the_stronger_source_wins() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let path = file.path().display().to_string();
    let weak = || Sources::new().toml("a.toml", "[shop]\npassword = 'x'\n");
    let config = load(weak().set("--set", "shop.password_file", &path)).unwrap();
    assert_eq!(config.section::<Shop>().password.expose(), "hunter2");
    let in_file = format!("[shop]\npassword_file = '{path}'\n");
    let config = load(Sources::new().toml("a.toml", &in_file).set("--set", "shop.password", "x"));
    assert_eq!(config.unwrap().section::<Shop>().password.expose(), "x");
}

#[test]
fn only_secrets_can_come_from_files() {
    let sources = Sources::new().set("--set", "shop.code_file", "/dev/null");
    insta::assert_snapshot!(load(sources).unwrap_err(), @"- --set: shop.code_file: there is no key code_file here; [shop] knows: hold, patience, currencies, password, code, limit");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_reported_beside_other_faults() {
    let sources = Sources::new()
        .file(std::path::Path::new("/there/is/none.toml"))
        .toml("broken.toml", "[shop]\nlimit = 1\npassword = = 'hunter2'\n")
        .set("--set", "shop.limit", "x");
    let faults = load(sources).unwrap_err();
    assert!(!faults.contains("hunter2"), "{faults}");
    insta::assert_snapshot!(faults, @r#"
    - /there/is/none.toml: cannot be read: No such file or directory (os error 2)
    - broken.toml, line 3: is not valid TOML: invalid string; expected `"`, `'`
    - --set: shop.limit: is "x", but must be a whole number, 0 or more
    "#);
}

#[test]
fn a_process_of_a_split_listens_where_the_table_of_processes_says() {
    let split = "[node]\nmode = 'micro'\n\
                 [processes.orders]\npublic = '127.0.0.1:8104'\ninternal = '127.0.0.1:8204'\n\
                 admin = '127.0.0.1:8304'\n";
    let sources = || {
        Sources::new().toml("micro.toml", split).set(
            "--services",
            "node.services",
            "orders,payments",
        )
    };
    let config = load(sources()).unwrap();
    insta::assert_snapshot!(shown(&config, "public"), @r#"
    address = "127.0.0.1:8104" from processes.orders
    header_timeout = "10s" from default
    idle_timeout = "1m 15s" from default
    max_connections = 10000 from default
    "#);
    let moved = sources().set("--set", "public.address", "127.0.0.1:1");
    let public: PublicSettings = load(moved).unwrap().section();
    assert_eq!(public.address.port(), 1);

    let elsewhere = sources().set("--services", "node.services", "catalog");
    let public: PublicSettings = load(elsewhere).unwrap().section();
    assert_eq!(public, PublicSettings::default());
}

#[test]
fn the_shape_decides_how_long_a_stopping_process_keeps_serving() {
    let grace = |text: &str| {
        let config = load(Sources::new().toml("a.toml", text)).unwrap();
        let node: NodeSettings = config.node();
        config.section::<ShutdownSettings>().grace(node.mode)
    };
    assert_eq!(Mode::default(), Mode::Monolith);
    assert_eq!(grace(""), Duration::ZERO);
    assert_eq!(grace("node.mode = 'micro'"), Duration::from_secs(5));
    assert_eq!(grace("node.mode = 'micro'\nshutdown.grace = '1s'"), Duration::from_secs(1));
}

#[test]
fn what_is_shown_can_be_read_again() {
    let sources = Sources::new().toml(
        "a.toml",
        "[shop]\ncode = \"quote \\\" and \\n line\"\n[peers.orders]\ninternal = 'http://o:1'\n\
         public = ['http://o:2', 'http://p:2']\n",
    );
    let shown = load(sources).unwrap().to_string();
    let again = load(Sources::new().toml("shown.toml", &shown)).unwrap();
    assert_eq!(again.section::<Shop>().code, "quote \" and \n line");
    let orders = again.peer("orders").unwrap();
    assert_eq!(orders.internal, Addresses::from_iter(["http://o:1"]));
    assert_eq!(orders.public, Addresses::from_iter(["http://o:2", "http://p:2"]));
}

#[test]
fn replicas_are_named_in_a_list_or_in_a_text_with_commas() {
    let replicas = Addresses::from_iter(["http://a:1", "http://b:1"]);
    let of = |sources: Sources| load(sources).unwrap().peer("orders").unwrap().internal;
    let list = "[peers.orders]\ninternal = ['http://a:1', 'http://b:1']\n";
    assert_eq!(of(Sources::new().toml("list.toml", list)), replicas);
    for text in ["http://a:1, http://b:1", "[\"http://a:1\", \"http://b:1\"]"] {
        let name = "BOXOFFICE__PEERS__ORDERS__INTERNAL".to_owned();
        assert_eq!(of(Sources::new().environment([(name, text.to_owned())])), replicas, "{text}");
    }
}

#[test]
fn every_replica_whose_address_is_wrong_is_reported() {
    let list = "[peers.orders]\ninternal = ['a:1', 'http://b:1', 'http://b:1/', 'http://c:1/v1']\n";
    insta::assert_snapshot!(load(Sources::new().toml("list.toml", list)).unwrap_err(), @r#"
    - list.toml: peers.orders.internal: "a:1" is not the base URL of a listener; write scheme, host and port only, like http://host:8081
    - list.toml: peers.orders.internal: "http://c:1/v1" is not the base URL of a listener; write scheme, host and port only, like http://host:8081
    - list.toml: peers.orders.internal: http://b:1/ is named twice; name each replica once
    "#);
    let wrong = "[peers.orders]\ninternal = 5\n";
    insta::assert_snapshot!(load(Sources::new().toml("wrong.toml", wrong)).unwrap_err(), @"- wrong.toml: peers.orders.internal: is 5, but must be a URL or a list of URLs");
}
