//! `GET /v1/availability/{event_id}/stream`.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use testkit::{Storage, eventually};

use crate::{
    house::{EVENT, House, availability},
    on_both_databases,
};

on_both_databases! {
    whoever_follows_is_told_at_once_and_of_each_change,
    whoever_comes_back_is_told_only_what_is_new,
    a_stream_ends_when_the_process_stops,
    nobody_follows_an_event_that_does_not_exist,
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who follows.
struct Follower {
    socket: TcpStream,
    heard: String,
}

impl Follower {
    async fn of(house: &House, last_event_id: Option<&str>) -> Self {
        let url = house.sandbox.node("inventory").public_url();
        let authority = url.trim_start_matches("http://").to_owned();
        let mut socket = TcpStream::connect(&authority).await.expect("the node listens");
        let known = last_event_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {}/stream HTTP/1.1\r\nhost: {authority}\r\naccept: text/event-stream\r\n{known}\r\n",
            availability()
        );
        socket.write_all(request.as_bytes()).await.expect("the request is sent");
        Self { socket, heard: String::new() }
    }

    /// Reads on until what was heard satisfies; what was heard so far, or all when it has ended.
    async fn until(&mut self, is_enough: impl Fn(&str) -> bool) -> &str {
        let read = async {
            let mut piece = [0; 4096];
            while !is_enough(&self.heard) {
                let length = self.socket.read(&mut piece).await.expect("it can be read");
                if length == 0 {
                    return;
                }
                let bytes = piece.get(..length).unwrap_or_default();
                self.heard.push_str(&String::from_utf8_lossy(bytes));
            }
        };
        assert!(timeout(PATIENCE, read).await.is_ok(), "nothing more came after {}", self.heard);
        &self.heard
    }

    /// The data of the events so far.
    fn events(&self) -> Vec<Value> {
        let data = self.heard.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|json| serde_json::from_str(json).expect("the data is JSON")).collect()
    }

    fn last_id(&self) -> String {
        let mut ids = self.heard.lines().filter_map(|line| line.strip_prefix("id: "));
        ids.next_back().expect("an event has an id").to_owned()
    }
}

async fn whoever_follows_is_told_at_once_and_of_each_change(house: House) {
    house.on_sale(10).await;
    let mut follower = Follower::of(&house, None).await;
    let opening = follower.until(|heard| heard.contains("data: ")).await.to_lowercase();
    assert!(opening.contains("content-type: text/event-stream"), "{opening}");
    assert!(opening.contains("retry: ") && opening.contains("event: availability"), "{opening}");
    assert_eq!(follower.events(), [house.availability().await]);

    let _held = house.hold(&house.cara(), 4).await.expect(201);
    follower.until(|heard| heard.matches("data: ").count() == 2).await;
    assert_eq!(follower.events()[1]["ticket_types"][0]["free"], 6);
}

async fn whoever_comes_back_is_told_only_what_is_new(house: House) {
    house.on_sale(10).await;
    let mut first = Follower::of(&house, None).await;
    first.until(|heard| heard.contains("data: ")).await;
    let mut second = Follower::of(&house, Some(&first.last_id())).await;
    second.until(|heard| heard.contains("retry: ")).await;
    let _held = house.hold(&house.cara(), 1).await.expect(201);
    second.until(|heard| heard.contains("data: ")).await;
    let frees: Vec<Value> =
        second.events().iter().map(|it| it["ticket_types"][0]["free"].clone()).collect();
    assert_eq!(frees, [9]);
}

async fn a_stream_ends_when_the_process_stops(house: House) {
    house.on_sale(10).await;
    let mut follower = Follower::of(&house, None).await;
    follower.until(|heard| heard.contains("data: ")).await;
    let node = house.sandbox.node("inventory");
    let (ended, ()) = tokio::join!(timeout(PATIENCE, follower.until(|_| false)), async {
        timeout(Duration::from_secs(5), node.stop()).await.expect("the node stops promptly");
    });
    assert!(ended.is_ok_and(|heard| heard.ends_with("0\r\n\r\n")), "the stream ends in order");
}

async fn nobody_follows_an_event_that_does_not_exist(house: House) {
    let path = format!("/v1/availability/{EVENT}/stream");
    let _problem = house.public().get(&path).await.expect_problem(404, "not-found");
}

fn stream() -> String {
    format!("{}/stream", availability())
}

#[tokio::test]
async fn those_who_follow_leave_room_for_others() {
    // A quarter of the connections: three.
    let house = House::set(Storage::Sqlite, "public.max_connections", "12").await;
    house.on_sale(10).await;
    let mut followers = Vec::new();
    for _ in 0..3 {
        let mut follower = Follower::of(&house, None).await;
        follower.until(|heard| heard.contains("data: ")).await;
        followers.push(follower);
    }
    let refused = house.public().get(&stream()).await.expect_problem(503, "service-unavailable");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    let _read = house.public().get(&availability()).await.expect(200);

    followers.pop();
    eventually("a place to be left", || async {
        let mut follower = Follower::of(&house, None).await;
        follower.until(|heard| heard.contains("\r\n\r\n")).await.starts_with("HTTP/1.1 200")
    })
    .await;
}

#[tokio::test]
async fn one_network_leaves_room_for_others() {
    let house = House::set(Storage::Sqlite, "inventory.streams_per_network", "1").await;
    house.on_sale(10).await;
    let mut follower = Follower::of(&house, None).await;
    follower.until(|heard| heard.contains("data: ")).await;
    let refused = house.public().get(&stream()).await.expect_problem(429, "too-many-streams");
    assert_eq!(refused.value()["most"], 1);
}

#[tokio::test]
async fn a_stream_ends_in_order_after_its_time() {
    let house = House::set(Storage::Sqlite, "inventory.stream_lifetime", "300ms").await;
    house.on_sale(10).await;
    let mut follower = Follower::of(&house, None).await;
    let heard = follower.until(|heard| heard.ends_with("\r\n0\r\n\r\n")).await;
    assert!(heard.ends_with("\r\n0\r\n\r\n"), "{heard}");
    assert_eq!(follower.events().len(), 1);
}
