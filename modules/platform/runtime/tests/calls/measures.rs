//! Every call is counted, with how it ended.

use metrics_exporter_prometheus::PrometheusBuilder;
use runtime::{Contract, LocalCalls, Tasks};

use crate::{
    desk::{Clerk, Desk, Errand, context, context_for, say},
    peer::{Conduct, Peer},
};

#[tokio::test]
async fn calls_in_process_are_counted_by_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let desk = metrics::with_local_recorder(&recorder, || {
        <dyn Desk>::local(std::sync::Arc::new(Clerk::default()), LocalCalls::new(Tasks::default()))
    });
    desk.once(&context(), say("hello")).await.unwrap();
    desk.once(&context(), say("hello")).await.unwrap();
    desk.once(&context(), Errand::Refuse).await.unwrap_err();
    desk.once(&context(), Errand::Panic).await.unwrap_err();
    desk.once(&context_for(std::time::Duration::ZERO), say("late")).await.unwrap_err();
    desk.repeat(&context_for(std::time::Duration::from_millis(100)), Errand::Wait)
        .await
        .unwrap_err();
    let text = recorder.handle().render();
    let count = |method: &str, outcome: &str| {
        let labels = format!(
            r#"{{service="desk",method="{method}",transport="local",outcome="{outcome}"}} "#
        );
        let line = text
            .lines()
            .find(|line| line.starts_with("boxoffice_calls_total") && line.contains(&labels));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, count)| count.to_owned())
    };
    assert_eq!(count("once", "ok").as_deref(), Some("2"), "{text}");
    assert_eq!(count("once", "error").as_deref(), Some("1"));
    assert_eq!(count("once", "failed").as_deref(), Some("1"));
    assert_eq!(count("once", "not_sent").as_deref(), Some("1"));
    assert_eq!(count("repeat", "unknown").as_deref(), Some("1"));
    assert!(
        text.contains(
            r#"boxoffice_call_seconds_count{service="desk",method="once",transport="local"} 5"#
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_call_over_http_is_counted_once_however_often_it_is_sent() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let peer = Peer::new([Conduct::HangUp, Conduct::report()]).await;
    let desk = metrics::with_local_recorder(&recorder, || peer.desk());
    desk.repeat(&context(), say("hello")).await.unwrap();
    assert_eq!(peer.requests(), 2);
    let text = recorder.handle().render();
    assert!(
        text.contains(
            r#"boxoffice_calls_total{service="desk",method="repeat",transport="http",outcome="ok"} 1"#
        ),
        "{text}"
    );
}
