//! A caller that goes away does not interrupt what it began.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::desk::{Errand, Office, context};

#[tokio::test]
async fn a_call_whose_caller_leaves_is_finished() {
    let office = Office::open().await;
    for (done_before, (_, desk)) in office.ways().into_iter().enumerate() {
        let mut caller = JoinSet::new();
        let leaving = Arc::clone(&desk);
        caller.spawn(async move { leaving.once(&context(), Errand::Wait).await });
        office.clerk.until_begun(done_before + 1).await;
        caller.shutdown().await;
        assert_eq!(office.clerk.done(), done_before);
        office.clerk.go_on();
        office.clerk.until_done(done_before + 1).await;
    }
}

#[tokio::test]
async fn a_panic_after_the_caller_left_is_contained() {
    let office = Office::open().await;
    let mut caller = JoinSet::new();
    let desk = Arc::clone(&office.local);
    caller.spawn(async move { desk.once(&context(), Errand::Wait).await });
    office.clerk.until_begun(1).await;
    caller.shutdown().await;
    office.clerk.go_on();
    office.clerk.until_done(1).await;
    assert!(office.local.once(&context(), Errand::Panic).await.is_err());
}

/// Nothing is left to run on, and nothing breaks.
#[test]
fn a_call_dropped_with_its_runtime_ends_with_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (office, call) = runtime.block_on(async {
        let office = Office::open().await;
        let desk = Arc::clone(&office.local);
        let mut call: std::pin::Pin<Box<dyn Future<Output = _>>> =
            Box::pin(async move { desk.once(&context(), Errand::Wait).await });
        assert!(futures_util::poll!(call.as_mut()).is_pending());
        (office, call)
    });
    drop(runtime);
    drop(call);
    assert_eq!(office.clerk.done(), 0);
}
