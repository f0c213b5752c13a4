//! Where stories take place: a sandbox with an admin, and the threads it runs on.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use boxoffice::{node, registry};
use runtime::Clock as _;
use store::DatabaseSettings;
use testkit::{Builder, Client, Composition, Sandbox};
use tokio::runtime::Runtime;

use crate::{
    gate::Gate,
    ground::Ground,
    people::{ADMIN, PASSWORD},
    shapes::Shape,
};

/// How long what still runs may take to end when a house is torn down.
const TEAR_DOWN: Duration = Duration::from_secs(5);

/// How long the payment provider may take to answer. Short, since some cards never do.
const PROVIDER_TIMEOUT: &str = "500ms";

/// A running installation.
pub struct House {
    /// Its nodes.
    pub sandbox: Sandbox,
    /// Where the services have their state.
    pub database: DatabaseSettings,
    /// Stops a service right after it has recorded something.
    pub gate: Gate,
}

impl House {
    /// Starts one on servers that tests share; `adjust` may change the sandbox before.
    pub async fn open(shape: Shape, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        Self::open_on(&Ground::shared(shape).await, shape, adjust).await
    }

    /// Starts one on certain servers; `adjust` may change the sandbox before.
    pub async fn open_on(
        ground: &Ground,
        shape: Shape,
        adjust: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let gate = Gate::new();
        let observed = gate.clone();
        let builder = shape
            .nodes(Sandbox::builder(COMPOSITION))
            .adjusted(move |node, launch| launch.extension(Arc::new(observed.observer(node))))
            .setting("identity.first_admin_email", ADMIN)
            .setting("identity.first_admin_password", PASSWORD)
            .setting("identity.access_token_life", "2h")
            .setting("identity.password.memory_kib", "8")
            .setting("identity.password.iterations", "1")
            .setting("payments.provider_timeout", PROVIDER_TIMEOUT);
        let sandbox = adjust(ground.carry(builder)).start().await;
        Self { sandbox, database: ground.database(), gate }
    }

    /// Speaks to the house as nobody.
    pub fn client(&self) -> Client {
        self.sandbox.client()
    }

    /// Lets time pass at once, for every node.
    pub fn pass(&self, time: Duration) {
        let clock = self.sandbox.clock();
        clock.set(clock.now() + time);
    }
}

/// The services as `main` composes them.
const COMPOSITION: Composition =
    Composition { modules: registry::MODULES, sections: registry::SECTIONS, launch: node::launch };

/// Tells a story in a house of its own.
pub fn alone(shape: Shape, story: impl AsyncFnOnce(&House)) {
    Built::build(shape).tell(story);
}

/// Tells a story in a house that the stories of its shape share. It stands as long as one of them
/// is being told, so it is torn down in the end.
pub fn shared(shape: Shape, story: impl AsyncFnOnce(&House)) {
    static HOUSES: [Mutex<Weak<Built>>; Shape::COUNT] =
        [const { Mutex::new(Weak::new()) }; Shape::COUNT];

    let built = {
        let mut house = HOUSES[shape as usize].lock().unwrap_or_else(PoisonError::into_inner);
        house.upgrade().unwrap_or_else(|| {
            let built = Arc::new(Built::build(shape));
            *house = Arc::downgrade(&built);
            built
        })
    };
    built.tell(story);
}

/// A house, and the threads it runs on.
struct Built {
    house: Option<House>,
    threads: Option<Runtime>,
}

impl Built {
    fn build(shape: Shape) -> Self {
        let threads = Runtime::new().expect("a test can have threads");
        let house = threads.block_on(House::open(shape, |builder| builder));
        Self { house: Some(house), threads: Some(threads) }
    }

    fn tell(&self, story: impl AsyncFnOnce(&House)) {
        if let (Some(house), Some(threads)) = (&self.house, &self.threads) {
            threads.block_on(story(house));
        }
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else { return };
        {
            let _inside = threads.enter();
            self.house = None;
        }
        threads.shutdown_timeout(TEAR_DOWN);
    }
}
