//! Where stories take place: a sandbox with an admin, and the threads it runs on.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use boxoffice::{node, registry};
use runtime::Clock as _;
use testkit::{Builder, Client, Composition, Sandbox};
use tokio::runtime::Runtime;

use crate::{
    people::{ADMIN, PASSWORD},
    shapes::Shape,
};

/// How long what still runs may take to end when a house is torn down.
const TEAR_DOWN: Duration = Duration::from_secs(5);

/// A running installation.
pub struct House {
    /// Its nodes.
    pub sandbox: Sandbox,
}

impl House {
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
pub fn composition() -> Composition {
    Composition { modules: registry::MODULES, sections: registry::SECTIONS, launch: node::launch }
}

/// Describes a sandbox with an admin. Passwords are hashed as cheaply as they can be.
pub fn builder(shape: Shape) -> Builder {
    shape
        .on(Sandbox::builder(composition()))
        .setting("identity.first_admin_email", ADMIN)
        .setting("identity.first_admin_password", PASSWORD)
        .setting("identity.access_token_life", "1h")
        .setting("identity.password.memory_kib", "8")
        .setting("identity.password.iterations", "1")
}

/// Tells a story in a house of its own.
pub fn alone(shape: Shape, story: impl AsyncFnOnce(&House)) {
    let built = Built::build(shape);
    built.tell(story);
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
        let sandbox = threads.block_on(builder(shape).start());
        Self { house: Some(House { sandbox }), threads: Some(threads) }
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
