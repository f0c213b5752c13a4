//! Tells all other processes which sessions have ended here, until Redis knows.
//!
//! Whoever ends a session tries once and waits no longer than for that. What Redis did not answer is
//! told again by a task: soon while Redis is there, and once it is back when it was away. Then all is
//! told anew, because Redis may have forgotten; so it is whenever the connection that hears others was
//! made anew, for a restart between two calls is seen by nobody else.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use redis::Script;
use runtime::{CancellationToken, Timestamp};
use tokio::time::timeout;

use crate::{
    follower::{Follower, MESSAGE, millis, revoked_stream, until_up},
    link::{Link, State, Unanswered},
    revoked::{LONGEST_REVOCATION, Revocation},
};

/// The first wait before telling again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So often in a row Redis may fail to answer, while it answers others, before somebody hears of it.
const FAILURES_TO_REPORT: u32 = 2;

/// Adds an entry that matters for so many milliseconds, and lets go of entries that no longer do by
/// Redis' own clock: those that are older than the longest life of any that still matters, which is
/// kept beside them. What is told never shortens the life of what was told before.
static ADD_REVOCATION: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local life = tonumber(ARGV[1]) \
         local longest = math.max(life, tonumber(redis.call('GET', KEYS[2]) or '') or 0) \
         longest = math.min(longest, tonumber(ARGV[2])) \
         redis.call('SET', KEYS[2], string.format('%.0f', longest), 'KEEPTTL') \
         local oldest = string.format('%.0f', redis.call('TIME')[1] * 1000 - longest) \
         redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', ARGV[3], ARGV[4]) \
         for _, key in ipairs(KEYS) do \
           if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, ARGV[1]) end \
         end \
         return 1",
    )
});

/// Tells all others that sessions have ended.
pub(crate) async fn tell_revocation(
    link: &Link,
    told: &Revocation,
    now: Timestamp,
) -> Result<(), Unanswered> {
    let life = Duration::try_from(told.until.duration_since(now)).unwrap_or_default();
    let life = millis(life.min(LONGEST_REVOCATION)).max(1);
    let message = serde_json::to_string(told)
        .map_err(|error| Unanswered::Failed(format!("it cannot be written: {error}")))?;
    let names = [revoked_stream(link), link.key("revoked-life")];
    let added = link.try_call("revoke", |mut redis| async move {
        let [stream, longest] = names;
        let mut invocation = ADD_REVOCATION.key(stream);
        invocation.key(longest).arg(life).arg(millis(LONGEST_REVOCATION));
        invocation.arg(MESSAGE).arg(message);
        invocation.invoke_async::<i64>(&mut redis).await
    });
    added.await.map(|_| ())
}

impl Follower {
    /// Tells all others which sessions this process has ended, where whoever ended them could not, and
    /// all of them whenever Redis has come back, until `stop`.
    pub(crate) async fn tell_own(self: Arc<Self>, stop: CancellationToken) {
        let mut states = self.link.watch();
        let telling = async {
            loop {
                tokio::select! {
                    Ok(()) = states.changed() => {
                        if *states.borrow_and_update() == State::Up {
                            self.shared.revoked.doubt_told();
                        }
                    }
                    () = self.shared.is_untold.notified() => {}
                }
                self.tell_untold(&stop).await;
            }
        };
        stop.run_until_cancelled(telling).await;
    }

    async fn tell_untold(&self, stop: &CancellationToken) {
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        loop {
            until_up(&self.link).await;
            let told = self.try_untold().await;
            let mute = &self.shared.mute;
            match told {
                Ok(()) => return,
                Err(Unanswered::Skipped) => {}
                Err(Unanswered::Failed(reason)) => {
                    failures += 1;
                    if failures >= FAILURES_TO_REPORT && mute.begins(self.clock.now(), &reason) {
                        tracing::warn!(%reason, "other replicas cannot be told of ended sessions");
                    }
                }
            }
            let _ = timeout(pause, stop.cancelled()).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_untold(&self) -> Result<(), Unanswered> {
        let now = self.clock.now();
        for (number, revocation) in self.shared.revoked.untold(now) {
            tell_revocation(&self.link, &revocation, now).await?;
            self.shared.revoked.told(number);
            self.shared.tells();
        }
        Ok(())
    }
}
