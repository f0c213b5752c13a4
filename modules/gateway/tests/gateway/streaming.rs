//! Bodies pass through in pieces, both ways.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, extract::Request, routing::post};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::world::{Afterwards, World, problem};

const MIB: usize = 1 << 20;

type Piece = Result<Bytes, std::io::Error>;

/// A body whose pieces a test sends one by one.
fn pieces(from: UnboundedReceiver<Bytes>) -> impl Stream<Item = Piece> {
    stream::unfold(from, async |mut from| Some((Ok(from.recv().await?), from)))
}

#[tokio::test]
async fn the_service_reads_what_the_client_has_sent_so_far() {
    let (heard, mut hears) = unbounded_channel();
    let listen = post(async move |request: Request| {
        let mut body = request.into_body().into_data_stream();
        while let Some(piece) = body.next().await {
            heard.send(piece.unwrap()).unwrap();
        }
        "heard"
    });
    let world = World::before(Router::new().route("/v1/orders", listen)).await;
    let (say, said) = unbounded_channel();
    let request = world.post("/v1/orders").body(reqwest::Body::wrap_stream(pieces(said)));
    let talk = async {
        for words in ["one", "two", "three"] {
            say.send(Bytes::from(words)).unwrap();
            assert_eq!(hears.recv().await.unwrap(), words);
        }
        drop(say);
    };
    let (answer, ()) = tokio::join!(request.send(), talk);
    assert_eq!(answer.unwrap().text().await.unwrap(), "heard");
}

#[tokio::test]
async fn the_client_reads_what_the_service_has_sent_so_far() {
    let (say, said): (UnboundedSender<Bytes>, _) = unbounded_channel();
    let said = Arc::new(Mutex::new(Some(said)));
    let talk = post(async move || {
        let said = said.lock().unwrap().take().unwrap();
        Body::from_stream(pieces(said))
    });
    let world = World::before(Router::new().route("/v1/orders", talk)).await;
    let mut answer = world.post("/v1/orders").send().await.unwrap();
    for words in ["one", "two", "three"] {
        say.send(Bytes::from(words)).unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), words);
    }
    drop(say);
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_large_body_comes_back_whole() {
    let echo = post(async |request: Request| Body::new(request.into_body()));
    let routes = Router::new().route("/v1/orders", echo);
    let settings = format!("edge.body_limit_bytes = {}", 64 * MIB);
    let world = World::with(&settings, routes).await;
    let large: Vec<u8> = (0..=250u8).cycle().take(32 * MIB).collect();
    let answer = world.post("/v1/orders").body(large.clone()).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == large, "it is not the same");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_whether_it_is_announced_or_not() {
    let swallow = post(async |request: Request| {
        let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        read.map_or(0, |bytes| bytes.len()).to_string()
    });
    let routes = Router::new().route("/v1/orders", swallow);
    let world = World::with("edge.body_limit_bytes = 1000", routes).await;
    let announced = world.post("/v1/orders").body(vec![0; 1001]).send().await.unwrap();
    assert_eq!(problem(announced, 413).await["type"], "/problems/payload-too-large");
    let parts = stream::iter([500, 500, 1].map(|length| Piece::Ok(vec![0; length].into())));
    let creeping = world.post("/v1/orders").body(reqwest::Body::wrap_stream(parts));
    let answer = creeping.send().await.unwrap();
    assert_eq!(problem(answer, 413).await["type"], "/problems/payload-too-large");
}

#[tokio::test]
async fn a_stream_of_events_ends_in_order_when_the_gateway_stops() {
    const WORDS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                         transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
    let world = World::before_words("", WORDS, Afterwards::KeepsSilent).await;
    let mut answer = world.get("/v1/orders/stream").await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let (end, ()) = tokio::join!(answer.chunk(), world.stop());
    assert_eq!(end.unwrap(), None, "and not an error");
}
