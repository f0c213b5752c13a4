//! The rules of the house that neither the compiler nor clippy can hold: who may depend on whom,
//! which rooms a service has, and what no file may contain. Each message says what to do.

#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

// ---- who may depend on whom

#[test]
fn services_do_not_depend_on_services() {
    let workspace = Workspace::load();
    let offences = workspace.dependencies_between(Layer::Service, Layer::Service);
    assert_none(&offences, "let them talk through contracts and events");
}

#[test]
fn the_platform_does_not_depend_on_what_stands_on_it() {
    let workspace = Workspace::load();
    let offences: Vec<String> = [Layer::Service, Layer::Contracts, Layer::Root]
        .into_iter()
        .flat_map(|above| workspace.dependencies_between(Layer::Platform, above))
        .collect();
    assert_none(&offences, "the platform knows nothing of tickets; move what does out of it");
}

#[test]
fn platform_crates_stand_on_each_other_in_one_order() {
    let order = [
        ("runtime-macros", &[] as &[&str]),
        ("runtime", &["runtime-macros"]),
        ("store", &["runtime"]),
        ("bus", &["runtime", "store"]),
        ("cache", &["runtime"]),
        ("edge", &["cache", "runtime", "store"]),
        ("telemetry", &[]),
        ("testkit", &["bus", "cache", "edge", "runtime", "store", "telemetry"]),
    ];
    let workspace = Workspace::load();
    let mut offences = Vec::new();
    for package in workspace.crates(Layer::Platform) {
        let Some((_, allowed)) = order.iter().find(|(name, _)| *name == package.name.as_str())
        else {
            offences.push(format!("{} has no place in the order", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_ours = dependency.path.is_some();
            let is_for_tests = dependency.kind == DependencyKind::Development;
            if is_ours && !is_for_tests && !allowed.contains(&dependency.name.as_str()) {
                offences.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert_none(&offences, "turn the dependency round, or give the crate its place here");
}

#[test]
fn contracts_stand_on_the_runtime_alone() {
    let banned = ["axum", "bus", "edge", "reqwest", "sqlx", "store", "telemetry", "tokio"];
    let workspace = Workspace::load();
    let mut offences = workspace.dependencies_between(Layer::Contracts, Layer::Service);
    for package in workspace.crates(Layer::Contracts) {
        let direct = package.dependencies.iter().filter(|it| it.kind == DependencyKind::Normal);
        offences.extend(
            direct
                .filter(|dependency| banned.contains(&dependency.name.as_str()))
                .map(|dependency| format!("{} -> {}", package.name, dependency.name)),
        );
    }
    assert_none(&offences, "contracts say what services tell each other, not how");
}

#[test]
fn only_the_runtime_and_the_gateway_make_http_requests() {
    let allowed = ["gateway", "runtime", "testkit"];
    let workspace = Workspace::load();
    let offences: Vec<String> = workspace
        .packages()
        .filter(|package| !allowed.contains(&package.name.as_str()))
        .filter(|package| {
            package
                .dependencies
                .iter()
                .any(|it| it.name == "reqwest" && it.kind == DependencyKind::Normal)
        })
        .map(|package| format!("{} -> reqwest", package.name))
        .collect();
    assert_none(&offences, "call a contract through `Boot::client`");
}

#[test]
fn every_crate_has_the_shared_lints() {
    let workspace = Workspace::load();
    let offences: Vec<String> = workspace
        .packages()
        .filter(|package| {
            let manifest = read(package.manifest_path.as_std_path());
            !manifest.contains("[lints]\nworkspace = true")
        })
        .map(|package| package.manifest_path.to_string())
        .collect();
    assert_none(&offences, "add `[lints] workspace = true` to the manifest");
}

#[test]
fn every_dependency_earns_its_place_in_the_documentation() {
    let explained = read(&root().join("docs/dependencies.md"));
    let workspace = Workspace::load();
    let offences: BTreeSet<String> = workspace
        .packages()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.path.is_none())
        .map(|dependency| dependency.name.clone())
        .filter(|name| !explained.contains(&format!("`{name}`")))
        .collect();
    let offences = Vec::from_iter(offences);
    assert_none(&offences, "say in docs/dependencies.md what it is for, or do without it");
}

#[test]
fn every_dependency_is_used() {
    let mut offences = Vec::new();
    for package in Workspace::load().packages() {
        let sources: String = sources_of(package).iter().map(|file| read(file)).collect();
        let unused = package.dependencies.iter().filter(|dependency| {
            let name = dependency.name.replace('-', "_");
            !sources.contains(&format!("{name}::")) && !sources.contains(&format!(" {name};"))
        });
        offences.extend(unused.map(|it| format!("{} -> {}", package.name, it.name)));
    }
    assert_none(&offences, "take it out of the manifest");
}

// ---- the rooms of a service

#[test]
fn a_service_shows_nothing_but_its_module() {
    let mut offences = Vec::new();
    for service in Workspace::load().services() {
        let file = service.join("src/lib.rs");
        let public: Vec<String> = read(&file)
            .lines()
            .filter(|line| line.starts_with("pub "))
            .map(str::to_owned)
            .collect();
        let is_module_alone = matches!(
            public.as_slice(),
            [only] if only.starts_with("pub static MODULE: ")
        );
        if !is_module_alone {
            offences.push(format!("{}: {public:?}", shown(&file)));
        }
    }
    assert_none(&offences, "the only public item of a service is `pub static MODULE`");
}

#[test]
fn the_registry_lists_every_service() {
    let registry = read(&root().join("src/registry.rs"));
    let workspace = Workspace::load();
    let offences: Vec<String> = workspace
        .crates(Layer::Service)
        .map(|package| format!("&{}::MODULE", package.name))
        .filter(|module| !registry.contains(module))
        .collect();
    assert_none(&offences, "add it to MODULES in src/registry.rs");
}

#[test]
fn every_service_has_the_rooms_of_what_it_declares() {
    let rooms = [
        ("prefixes", "src/http.rs"),
        ("provides", "src/service.rs"),
        ("publishes", "src/domain.rs"),
        ("consumes", "src/reactions.rs"),
        ("schema", "src/views.rs"),
        ("schema", "migrations/sqlite"),
        ("schema", "migrations/postgres"),
    ];
    let mut offences = Vec::new();
    for service in Workspace::load().services() {
        let declaration = read(&service.join("src/lib.rs"));
        for (field, room) in rooms {
            let (is_declared, is_there) =
                (declares(&declaration, field), service.join(room).exists());
            if is_declared && !is_there {
                offences.push(format!("{}: {field} without {room}", shown(&service)));
            }
            // What a service decides need not concern others.
            if is_there && !is_declared && field != "publishes" {
                offences.push(format!("{}: {room} without {field}", shown(&service)));
            }
        }
    }
    assert_none(&offences, "build the room, or take it out of MODULE");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let mut offences = Vec::new();
    let with_migrations = crate_folders().into_iter().map(|folder| folder.join("migrations"));
    for migrations in with_migrations.filter(|folder| folder.is_dir()) {
        let [sqlite, postgres] = ["sqlite", "postgres"].map(|database| {
            files_below(&migrations.join(database))
                .into_iter()
                .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
                .collect::<BTreeSet<String>>()
        });
        let in_one_only = sqlite.symmetric_difference(&postgres);
        offences.extend(in_one_only.map(|name| format!("{}: {name}", shown(&migrations))));
        if sqlite.is_empty() && postgres.is_empty() {
            offences.push(format!("{}: no migration at all", shown(&migrations)));
        }
        let one_way = sqlite.iter().filter(|name| {
            let other_way = name.replace(".up.sql", ".down.sql");
            !name.ends_with(".down.sql") && (other_way == **name || !sqlite.contains(&other_way))
        });
        offences.extend(one_way.map(|name| format!("{}: {name} goes one way", shown(&migrations))));
    }
    assert_none(&offences, "write NUMBER_name.up.sql and .down.sql for both databases");
}

#[test]
fn the_rules_of_a_service_are_pure() {
    let banned = [
        "async fn",
        ".await",
        "tokio::",
        "axum::",
        "sqlx::",
        "edge::",
        "dyn Clock",
        "dyn Random",
        "Ids",
    ];
    let files = service_files().into_iter().filter(|file| in_room(file, "domain"));
    let offences =
        lines_of(files, |line| !is_comment(line) && banned.iter().any(|word| line.contains(word)));
    assert_none(&offences, "time, ids and randomness come into a domain as values; no I/O");
}

#[test]
fn a_service_keeps_its_sql_in_its_views() {
    let statements = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];
    let files = service_files().into_iter().filter(|file| !in_room(file, "views"));
    let offences = lines_of(files, |line| {
        !is_comment(line) && statements.iter().any(|statement| line.contains(statement))
    });
    assert_none(&offences, "move the statement to views.rs, as a named constant");
}

#[test]
fn only_the_store_knows_which_database_it_is() {
    let dialects =
        ["json_each", "unnest(", "UNNEST(", "::jsonb", "PgPool", "SqlitePool", "sqlx::query"];
    let offences = lines_of(service_files(), |line| {
        !is_comment(line) && dialects.iter().any(|word| line.contains(word))
    });
    assert_none(&offences, "use store's macros; what only one database has belongs into store");
}

// ---- what no file may contain

#[test]
fn every_file_says_what_it_is_for() {
    let offences: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| !file.ends_with("tests.rs") && !must_not_compile(file))
        .filter(|file| !read(file).starts_with("//! "))
        .map(|file| shown(&file))
        .collect();
    assert_none(&offences, "begin it with a line or two of `//!`");
}

#[test]
fn lints_are_expected_never_switched_off() {
    let banned = ["#[", "#!["].map(|opening| format!("{opening}allow"));
    let offences =
        lines_of(rust_files(), |line| banned.iter().any(|attribute| line.contains(attribute)));
    assert_none(&offences, "use `#[expect(…, reason = \"…\")]`");
}

#[test]
fn nothing_is_left_for_later() {
    let banned = ["to|do!(", "unimple|mented!(", "TO|DO", "FIX|ME", "XX|X", "HA|CK"]
        .map(|word| word.replace('|', ""));
    let offences = lines_of(text_files(), |line| banned.iter().any(|word| line.contains(word)));
    assert_none(&offences, "do it, or leave it out");
}

#[test]
fn tests_wait_for_conditions_never_for_a_time() {
    let banned = ["thread::|sleep", "time::|sleep"].map(|word| word.replace('|', ""));
    let mut offences = Vec::new();
    for file in rust_files() {
        let is_test = file.components().any(|part| part.as_os_str() == "tests")
            || file.file_name().is_some_and(|name| name == "tests.rs");
        let text = read(&file);
        let tests = match text.split_once("#[cfg(test)]") {
            _ if is_test => text.as_str(),
            Some((_, tests)) => tests,
            None => continue,
        };
        let sleeps = tests.lines().filter(|line| banned.iter().any(|it| line.contains(it)));
        offences.extend(sleeps.map(|line| format!("{}: {}", shown(&file), line.trim())));
    }
    assert_none(&offences, "use `testkit::eventually` or a clock of the testkit's");
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    let banned = ["/ro|ot/", "/wo|rk/", "/Use|rs/", "/ho|me/"].map(|path| path.replace('|', ""));
    let offences = lines_of(text_files(), |line| banned.iter().any(|path| line.contains(path)));
    assert_none(&offences, "make it relative, or a setting");
}

// ---- how the rules look at the house

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Platform,
    Contracts,
    Service,
    Root,
}

struct Workspace(Metadata);

impl Workspace {
    fn load() -> Self {
        let manifest = root().join("Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec();
        Self(metadata.expect("cargo can read the workspace"))
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        self.0.packages.iter()
    }

    fn crates(&self, layer: Layer) -> impl Iterator<Item = &Package> {
        self.packages().filter(move |package| layer_of(package) == layer)
    }

    /// Every `a -> b`, also for tests, from a crate of one layer to one of another.
    fn dependencies_between(&self, from: Layer, to: Layer) -> Vec<String> {
        let targets: BTreeSet<&str> =
            self.crates(to).map(|package| package.name.as_str()).collect();
        self.crates(from)
            .flat_map(|package| package.dependencies.iter().map(move |it| (package, it)))
            .filter(|(_, it)| it.path.is_some() && targets.contains(it.name.as_str()))
            .map(|(package, it)| format!("{} -> {}", package.name, it.name))
            .collect()
    }

    fn services(&self) -> Vec<PathBuf> {
        self.crates(Layer::Service).map(folder_of).collect()
    }
}

fn layer_of(package: &Package) -> Layer {
    let folder = folder_of(package);
    let place: Vec<_> = folder
        .strip_prefix(root())
        .expect("crates are inside the workspace")
        .iter()
        .filter_map(|part| part.to_str())
        .collect();
    match place.as_slice() {
        ["modules", "platform", _] => Layer::Platform,
        ["modules", "contracts"] => Layer::Contracts,
        ["modules", _] => Layer::Service,
        [] => Layer::Root,
        _ => panic!("{} is in no known place", folder.display()),
    }
}

fn folder_of(package: &Package) -> PathBuf {
    package.manifest_path.parent().expect("a manifest is in a folder").into()
}

fn sources_of(package: &Package) -> Vec<PathBuf> {
    let folder = folder_of(package);
    let homes = ["src", "tests", "benches"].map(|home| folder.join(home));
    homes.iter().flat_map(|home| rust_files_below(home)).collect()
}

/// Whether the file is there to show an error of the compiler's.
fn must_not_compile(file: &Path) -> bool {
    file.parent().is_some_and(|folder| folder.ends_with("tests/ui"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn crate_folders() -> Vec<PathBuf> {
    Workspace::load().packages().map(folder_of).collect()
}

fn service_files() -> Vec<PathBuf> {
    let sources = Workspace::load().services().into_iter().map(|folder| folder.join("src"));
    sources.flat_map(|folder| files_below(&folder)).collect()
}

/// Whether a `MODULE` says anything under `field`.
fn declares(module: &str, field: &str) -> bool {
    let mut lines = module.lines().map(str::trim_start);
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
    value.is_some_and(|value| !["&[],", "None,"].contains(&value))
}

/// Whether the file is `src/<room>.rs` or stands in `src/<room>/`.
fn in_room(file: &Path, room: &str) -> bool {
    let below_source = file.iter().skip_while(|part| *part != "src").nth(1);
    below_source.is_some_and(|part| Path::new(part).file_stem() == Some(room.as_ref()))
}

fn rust_files() -> Vec<PathBuf> {
    rust_files_below(root())
}

fn rust_files_below(folder: &Path) -> Vec<PathBuf> {
    files_below(folder)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// Every file that people write: code, documentation, configuration, scripts.
fn text_files() -> Vec<PathBuf> {
    let kinds = ["json", "md", "rs", "sh", "sql", "stderr", "toml", "yaml", "yml"];
    files_below(root())
        .into_iter()
        .filter(|file| {
            let extension = file.extension().and_then(|it| it.to_str());
            extension.is_some_and(|it| kinds.contains(&it)) || file.ends_with("Makefile")
        })
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_made = ["target", "data", ".git"].iter().any(|made| name == *made);
        if path.is_dir() && !is_made {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

/// `file:number: line` for each line that offends.
fn lines_of(
    files: impl IntoIterator<Item = PathBuf>,
    offends: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut offences = Vec::new();
    for file in files {
        for (number, line) in read(&file).lines().enumerate().filter(|(_, line)| offends(line)) {
            offences.push(format!("{}:{}: {}", shown(&file), number + 1, line.trim()));
        }
    }
    offences
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[track_caller]
fn assert_none(offences: &[String], what_to_do: &str) {
    assert!(offences.is_empty(), "{what_to_do}:\n  {}", offences.join("\n  "));
}
