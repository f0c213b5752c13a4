//! `boxoffice events`, for operators of Kafka. What it does to a relay that runs is shown in the
//! bus's own tests.

use testkit::{Client, eventually};

use crate::program::Program;

const KAFKA: &str = "[bus]\nkind = 'kafka'\nkafka.brokers = ['127.0.0.1:1']\n";

#[test]
fn without_kafka_there_is_nothing_to_publish() {
    let outcome = Program::new().run(&["events", "republish", "orders"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("bus.kind is not \"kafka\""), "{outcome:?}");
}

#[test]
fn who_publishes_nothing_cannot_publish_it_again() {
    let program = Program::new();
    program.write("config/default.toml", KAFKA);
    let outcome = program.run(&["events", "republish", "gateway"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("\"gateway\" publishes no events; choose from"), "{outcome:?}");
}

#[test]
fn relays_are_listed_and_told_to_begin_anew_without_any_broker() {
    let program = Program::new();
    program.write("config/default.toml", KAFKA);
    let early = program.run(&["events", "republish", "orders"]);
    assert!(early.err.contains("orders has no database yet"), "{early:?}");
    let none = program.run(&["events", "relays"]);
    assert_eq!((none.code, none.out.as_str()), (Some(1), ""), "{none:?}");
    assert!(
        none.err.contains("no database of a service that publishes in the data directory data;")
    );
    assert_eq!(program.run(&["migrate", "up"]).code, Some(0));
    let relays = program.run(&["events", "relays"]);
    let shown = |topic: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        relays.out.lines().map(words).any(|line| line == format!("orders {topic} 0.0 0"))
    };
    assert!(shown("boxoffice.orders") && shown("boxoffice.orders.audit"), "{relays:?}");
    let again = program.run(&["events", "republish", "orders"]);
    assert_eq!(
        (again.code, again.out.as_str()),
        (
            Some(0),
            "boxoffice.orders: nothing was published to it yet\n\
             boxoffice.orders.audit: nothing was published to it yet\n"
        )
    );
}

#[test]
fn what_brokers_do_not_have_yet_is_counted() {
    let program = Program::new();
    program.write("config/default.toml", KAFKA);
    let serving = program.serve(&[]);
    serving.says("stop it with ctrl-c");
    let relays = program.run(&["events", "relays"]);
    let behind = |topic: &str| {
        let row = relays.out.lines().find(|line| line.contains(&format!(" {topic} ")));
        let cells: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
        let ["identity", _, "0.0", behind] = cells.as_slice() else { panic!("{relays:?}") };
        behind.parse::<u64>().unwrap()
    };
    // The first admin is in the log already.
    assert!(behind("boxoffice.identity") > 0, "{relays:?}");
    assert_eq!(behind("boxoffice.identity"), behind("boxoffice.identity.audit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_the_trail_over_kafka_is_measured_as_reading() {
    let program = Program::new();
    program.write("config/default.toml", KAFKA);
    let serving = program.serve(&[]);
    let metrics = serving.says("metrics ");
    let admin = metrics.split_whitespace().last().unwrap().trim_end_matches("/metrics").to_owned();
    serving.says("stop it with ctrl-c");
    eventually("the trail to be read", || async {
        let text = Client::new(&admin).get("/metrics").await.expect(200).text();
        let is_read = r#"bus_consumer_active{consumer="audit",publisher="orders"} 1"#;
        if text.lines().any(|line| line == is_read) { Ok(()) } else { Err(text) }
    })
    .await;
}

#[test]
fn kafka_without_brokers_and_all_that_is_wrong_beside_is_said_at_once() {
    let settings = [
        "--set",
        "bus.kind=kafka",
        "--set",
        "bus.kafka.security=sasl_ssl",
        "--set",
        "bus.kafka.partitions=0",
    ];
    let outcome = Program::new().run(&[&["config", "check"][..], &settings].concat());
    assert_eq!(outcome.code, Some(1));
    for expected in
        ["kafka.brokers: is empty", "kafka.partitions: must be", "kafka.user: SASL needs"]
    {
        assert!(outcome.err.contains(expected), "{outcome:?}");
    }
}
