//! A node with identity and nothing else, and the people in these tests.

use std::sync::Arc;

use bus::BusSettings;
use cache::{Cache, CacheSettings};
use edge::EdgeSettings;
use runtime::{Config, Launch, Module, SectionSpec};
use serde_json::{Value, json};
use store::DatabaseSettings;
use testkit::{Client, Composition, Reply, Sandbox, Storage};

pub const ADMIN: &str = "admin@example.org";
pub const ADMIN_PASSWORD: &str = "the admin's own password";
pub const PASSWORD: &str = "correct horse battery staple";

static MODULES: &[&Module] = &[&identity::MODULE];
static SECTIONS: &[SectionSpec] = &[
    SectionSpec::of::<EdgeSettings>(),
    SectionSpec::of::<DatabaseSettings>(),
    SectionSpec::of::<BusSettings>(),
    SectionSpec::of::<CacheSettings>(),
];

static COMPOSITION: Composition = Composition { modules: MODULES, sections: SECTIONS, launch };

fn launch(config: Config) -> Launch {
    let cache = Cache::new(config.section());
    Launch::new(config, MODULES)
        .public_stack(edge::public_stack)
        .extension(Arc::new(bus::Hub::new()))
        .extension(Arc::new(cache))
}

/// Runs each test, an `async fn(World)`, on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::world::World::start(testkit::Storage::Sqlite).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::world::World::start(testkit::Storage::Postgres).await).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;

pub struct World {
    pub sandbox: Sandbox,
    /// Nobody yet.
    pub client: Client,
}

impl World {
    pub async fn start(storage: Storage) -> Self {
        Self::with(storage, &[]).await
    }

    /// With settings of its own.
    pub async fn with(storage: Storage, settings: &[(&str, &str)]) -> Self {
        Self::replicated(1, storage, settings).await
    }

    /// So many nodes, with settings of their own.
    pub async fn replicated(replicas: usize, storage: Storage, settings: &[(&str, &str)]) -> Self {
        let cheap = [("identity.password.memory_kib", "8"), ("identity.password.iterations", "1")];
        let builder = Sandbox::builder(COMPOSITION)
            .database(storage)
            .replicas(replicas)
            .setting("identity.first_admin_email", ADMIN)
            .setting("identity.first_admin_password", ADMIN_PASSWORD);
        let builder = cheap
            .iter()
            .chain(settings)
            .fold(builder, |builder, (key, value)| builder.setting(key, *value));
        let sandbox = match storage {
            Storage::Sqlite => builder.start().await,
            Storage::Postgres => builder.signing_key("identity.signing_keys_dir").start().await,
        };
        let client = sandbox.client();
        Self { sandbox, client }
    }

    /// Registers somebody and logs in as them.
    pub async fn person(&self, email: &str) -> Client {
        self.client.register(email, PASSWORD).await
    }

    pub async fn admin(&self) -> Client {
        self.client.log_in(ADMIN, ADMIN_PASSWORD).await
    }

    pub async fn log_in(&self, email: &str, password: &str) -> Reply {
        self.client.post("/v1/auth/login", &json!({ "email": email, "password": password })).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Reply {
        self.client.post("/v1/auth/refresh", &json!({ "refresh_token": refresh_token })).await
    }
}

/// A registration that is in order.
pub fn registration(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "name": "Ada Lovelace" })
}
