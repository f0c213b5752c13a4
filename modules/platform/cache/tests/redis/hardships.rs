//! Redis answers, and yet not everything is well: what was ended stays ended, and whoever cannot hear
//! or tell says so.

use std::{sync::Arc, time::Duration};

use ::redis::{Client, cmd, pipe};
use cache::Window;
use testkit::redis::{self, RedisPlace};
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    proxy::Proxy,
    replica::{LAPTOP, PHONE, now, start, until},
};

/// A user of Redis who may do only some things.
struct Restricted {
    place: RedisPlace,
    name: String,
}

impl Restricted {
    async fn to(place: &RedisPlace, forbidden: &[&str]) -> Self {
        let name = format!("user-{}", place.prefix.trim_matches(':'));
        let (_, rest) = place.url.rsplit_once('@').expect("it has a password");
        let url = format!("redis://{name}:secret@{rest}");
        let user = Self { place: RedisPlace { url, ..place.clone() }, name };
        user.set(place, &["reset", "on", ">secret", "~*", "&*", "+@all"]).await;
        user.set(place, forbidden).await;
        user
    }

    async fn set(&self, admin: &RedisPlace, rules: &[&str]) {
        let client = Client::open(admin.url.as_str()).expect("it is an address");
        let mut connection =
            client.get_multiplexed_async_connection().await.expect("Redis is there");
        let mut set = cmd("ACL");
        set.arg("SETUSER").arg(&self.name).arg(rules);
        set.query_async::<()>(&mut connection).await.expect("Redis knows users");
    }
}

#[tokio::test]
async fn a_session_that_ends_while_redis_hesitates_is_ended_everywhere() {
    let place = redis::fresh().await;
    let proxy = Proxy::before(&place).await;
    let one = start(&proxy.place(&place)).connected().await;
    let other = start(&place).connected().await;
    proxy.hold();
    while one.cache.count("network", Window(Duration::from_mins(1)), now()).await.is_shared {}
    one.log_out(PHONE).await;
    proxy.go_on();
    until("the other replica to refuse the session", || other.refuses(PHONE)).await;
    assert!(!other.refuses(LAPTOP));
}

/// A Redis that restarts between two calls: whoever calls next connects anew and finds it well.
#[tokio::test]
async fn who_ended_a_session_says_so_again_to_a_redis_that_forgot_and_was_never_away() {
    let (place, _server) = redis::private().await;
    let one = start(&place).connected().await;
    one.log_out(PHONE).await;
    let cache = Arc::clone(&one.cache);
    let mut busy = JoinSet::new();
    busy.spawn(async move {
        loop {
            cache.count("network", Window(Duration::from_mins(1)), now()).await;
            yield_now().await;
        }
    });
    forget_all_and_hang_up(&place).await;
    let late = start(&place).connected().await;
    until("the late replica to refuse the session", || late.refuses(PHONE)).await;
}

async fn forget_all_and_hang_up(place: &RedisPlace) {
    let client = Client::open(place.url.as_str()).expect("it is an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis is there");
    let mut restart = pipe();
    restart.atomic().cmd("FLUSHALL").cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal");
    restart.exec_async(&mut connection).await.expect("Redis takes it");
}

#[tokio::test]
async fn what_is_told_shortens_nothing_that_was_told_before() {
    let place = redis::fresh().await;
    let (one, other) = (start(&place).connected().await, start(&place).connected().await);
    let sessions: Vec<Uuid> = (100..600).map(Uuid::from_u128).collect();
    for session in &sessions {
        one.log_out(*session).await;
    }
    other.log_out_for(PHONE, Duration::from_millis(20)).await;
    until("the phone's tokens to expire", || !other.refuses(PHONE)).await;
    other.log_out_for(PHONE, Duration::from_millis(20)).await;
    until("the phone's tokens to expire", || !other.refuses(PHONE)).await;

    let late = start(&place).connected().await;
    let knows_all = || sessions.iter().all(|session| late.refuses(*session));
    until("the late replica to refuse all sessions", knows_all).await;
}

#[tokio::test]
async fn who_hears_nothing_of_other_replicas_says_so() {
    let place = redis::fresh().await;
    let deaf = Restricted::to(&place, &["-xread"]).await;
    let (one, other) = (start(&deaf.place), start(&place).connected().await);
    until("the replica to say that it is deaf", || one.says("hears nothing of other replicas"))
        .await;
    assert!(!one.is_degraded(), "Redis is there");
    other.log_out(PHONE).await;
    assert!(!one.refuses(PHONE));
    deaf.set(&place, &["+xread"]).await;
    until("the replica to hear again", || one.is_well() && one.refuses(PHONE)).await;
}

#[tokio::test]
async fn who_cannot_tell_that_sessions_ended_says_so_and_tells_it_later() {
    let place = redis::fresh().await;
    let mute = Restricted::to(&place, &["-eval", "-evalsha"]).await;
    let one = start(&mute.place).connected().await;
    let other = start(&place).connected().await;
    one.log_out(PHONE).await;
    until("the replica to say that it is mute", || one.says("cannot tell other replicas")).await;
    assert!(one.refuses(PHONE) && !other.refuses(PHONE));
    mute.set(&place, &["+eval", "+evalsha"]).await;
    until("the other replica to refuse the session", || other.refuses(PHONE)).await;
    until("the replica to be well", || one.is_well()).await;
}

#[tokio::test]
async fn who_has_nothing_left_to_tell_does_not_take_it_that_it_can() {
    let place = redis::fresh().await;
    let mute = Restricted::to(&place, &["-eval", "-evalsha"]).await;
    let one = start(&mute.place).connected().await;
    let other = start(&place).connected().await;
    one.log_out_for(PHONE, Duration::from_secs(5)).await;
    until("the replica to say that it is mute", || one.says("cannot tell other replicas")).await;
    until("the phone's tokens to expire", || !one.refuses(PHONE)).await;
    let well = until("the replica to be well", || one.is_well());
    assert!(timeout(Duration::from_secs(4), well).await.is_err(), "nothing was mended");
    mute.set(&place, &["+eval", "+evalsha"]).await;
    one.log_out(LAPTOP).await;
    until("the other replica to refuse the session", || other.refuses(LAPTOP)).await;
    until("the replica to be well", || one.is_well()).await;
}
