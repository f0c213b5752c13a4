//! A session: opened by a login, kept alive by rotating its refresh token, ended by a logout, by the
//! reuse of a token that was rotated away, or by time.

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

use crate::{domain::epoch::Epoch, tokens::TokenHash};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session(Option<Opened>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) account_id: Uuid,
    /// Of the one refresh token that is good.
    pub(crate) token: TokenHash,
    /// When that token stops being good, and the session with it.
    pub(crate) expires_at: Timestamp,
    /// The account's when it was opened: whether the session may go on, the account says, too.
    pub(crate) epoch: Epoch,
    ended: Option<Ending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    LoggedOut,
    TokenReused,
    Expired,
}

#[derive(Debug, Clone)]
pub(crate) enum SessionCommand {
    Open {
        account_id: Uuid,
        token: TokenHash,
        expires_at: Timestamp,
        epoch: Epoch,
    },
    /// `presented` is, or once was, a token of this session. When it no longer is the current one,
    /// somebody else has used it, and the session ends: [`Session::holds`] tells which it was.
    Rotate {
        presented: TokenHash,
        next: TokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    },
    LogOut,
    /// The timer's: ends the session when its time has come.
    Expire {
        now: Timestamp,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SessionEvent {
    Opened {
        account_id: Uuid,
        token: TokenHash,
        expires_at: Timestamp,
        #[serde(default, skip_serializing_if = "Epoch::is_first")]
        epoch: Epoch,
    },
    Rotated {
        token: TokenHash,
        expires_at: Timestamp,
    },
    ReuseDetected,
    LoggedOut,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionRejection {
    #[error("the session is open already; use an id that is not taken")]
    OpenAlready,
    #[error("there is no such session; log in")]
    Unknown,
    #[error("the session has ended; log in again")]
    Ended,
    #[error("the refresh token was used before; log in again")]
    TokenReused,
}

impl Session {
    /// The session, unless it was never opened.
    pub(crate) fn opened(&self) -> Option<&Opened> {
        self.0.as_ref()
    }

    /// Whether `token` is the session's current one.
    pub(crate) fn holds(&self, token: &TokenHash) -> bool {
        self.0.as_ref().is_some_and(|session| session.token == *token)
    }

    fn require(&self) -> Result<&Opened, SessionRejection> {
        self.0.as_ref().ok_or(SessionRejection::Unknown)
    }
}

impl Opened {
    fn rotate(
        &self,
        presented: &TokenHash,
        next: TokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Vec<SessionEvent>, SessionRejection> {
        match (*presented == self.token, self.ended) {
            (true, None) if now < self.expires_at => {
                Ok(vec![SessionEvent::Rotated { token: next, expires_at }])
            }
            (true, _) => Err(SessionRejection::Ended),
            (false, None) => Ok(vec![SessionEvent::ReuseDetected]),
            (false, Some(_)) => Err(SessionRejection::TokenReused),
        }
    }
}

impl Aggregate for Session {
    const NAME: &'static str = "session";
    const STATE_SCHEMA: u16 = 2;
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Rejection = SessionRejection;

    fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionRejection> {
        match command {
            SessionCommand::Open { account_id, token, expires_at, epoch } => match self.0 {
                None => Ok(vec![SessionEvent::Opened { account_id, token, expires_at, epoch }]),
                Some(_) => Err(SessionRejection::OpenAlready),
            },
            SessionCommand::Rotate { presented, next, now, expires_at } => {
                self.require()?.rotate(&presented, next, now, expires_at)
            }
            SessionCommand::LogOut => Ok(match self.require()?.ended {
                None => vec![SessionEvent::LoggedOut],
                Some(_) => vec![],
            }),
            SessionCommand::Expire { now } => {
                let session = self.require()?;
                let is_over = session.ended != Some(Ending::Expired) && session.expires_at <= now;
                Ok(if is_over { vec![SessionEvent::Expired] } else { vec![] })
            }
        }
    }

    fn evolve(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Opened { account_id, token, expires_at, epoch } => {
                self.0 = Some(Opened {
                    account_id: *account_id,
                    token: *token,
                    expires_at: *expires_at,
                    epoch: *epoch,
                    ended: None,
                });
            }
            SessionEvent::Rotated { token, expires_at } => {
                if let Some(session) = &mut self.0 {
                    session.token = *token;
                    session.expires_at = *expires_at;
                }
            }
            SessionEvent::ReuseDetected => self.end(Ending::TokenReused),
            SessionEvent::LoggedOut => self.end(Ending::LoggedOut),
            SessionEvent::Expired => self.end(Ending::Expired),
        }
    }

    /// An ended session is kept until its tokens would have expired, so that they are still told
    /// from invented ones.
    fn wake_at(&self) -> Option<Timestamp> {
        let session = self.0.as_ref()?;
        (session.ended != Some(Ending::Expired)).then_some(session.expires_at)
    }
}

impl Session {
    fn end(&mut self, ending: Ending) {
        if let Some(session) = &mut self.0 {
            session.ended = Some(ending);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(number: u8) -> TokenHash {
        TokenHash::of(&[number])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn open() -> Session {
        let mut session = Session::default();
        let command = SessionCommand::Open {
            account_id: Uuid::from_u128(1),
            token: token(0),
            expires_at: at(100),
            epoch: Epoch::default(),
        };
        carry_out(&mut session, command).unwrap();
        session
    }

    fn carry_out(
        session: &mut Session,
        command: SessionCommand,
    ) -> Result<Vec<SessionEvent>, SessionRejection> {
        let events = session.decide(command)?;
        for event in &events {
            session.evolve(event);
        }
        Ok(events)
    }

    fn rotate(presented: u8, next: u8, now: i64) -> SessionCommand {
        SessionCommand::Rotate {
            presented: token(presented),
            next: token(next),
            now: at(now),
            expires_at: at(now + 100),
        }
    }

    #[test]
    fn events_are_read_and_written_as_they_ever_were() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("golden/session.v1.json")).unwrap();
        let events: Vec<SessionEvent> = serde_json::from_value(golden.clone()).unwrap();
        assert_eq!(serde_json::to_value(events).unwrap(), golden);
    }

    #[test]
    fn each_rotation_makes_the_token_before_it_worthless() {
        let mut session = open();
        carry_out(&mut session, rotate(0, 1, 10)).unwrap();
        carry_out(&mut session, rotate(1, 2, 20)).unwrap();
        assert!(session.holds(&token(2)));
        assert_eq!(session.wake_at(), Some(at(120)));
        let reuse = carry_out(&mut session, rotate(1, 3, 30));
        assert_eq!(reuse, Ok(vec![SessionEvent::ReuseDetected]));
        assert!(!session.holds(&token(3)));
    }

    #[test]
    fn a_reused_token_ends_the_session_for_everybody() {
        let mut session = open();
        carry_out(&mut session, rotate(0, 1, 10)).unwrap();
        carry_out(&mut session, rotate(0, 2, 11)).unwrap();
        assert_eq!(carry_out(&mut session, rotate(1, 3, 12)), Err(SessionRejection::Ended));
        assert_eq!(carry_out(&mut session, rotate(0, 4, 13)), Err(SessionRejection::TokenReused));
    }

    #[test]
    fn a_token_is_worthless_from_the_instant_it_expires() {
        assert!(open().decide(rotate(0, 1, 99)).is_ok());
        assert_eq!(open().decide(rotate(0, 1, 100)), Err(SessionRejection::Ended));
    }

    #[test]
    fn logging_out_ends_the_session_and_may_be_repeated() {
        let mut session = open();
        let events = carry_out(&mut session, SessionCommand::LogOut);
        assert_eq!(events, Ok(vec![SessionEvent::LoggedOut]));
        assert_eq!(carry_out(&mut session, SessionCommand::LogOut), Ok(vec![]));
        assert_eq!(session.decide(rotate(0, 1, 10)), Err(SessionRejection::Ended));
    }

    #[test]
    fn the_timer_ends_the_session_when_its_time_has_come_and_not_before() {
        let mut session = open();
        let early = carry_out(&mut session, SessionCommand::Expire { now: at(99) });
        assert_eq!(early, Ok(vec![]));
        let due = carry_out(&mut session, SessionCommand::Expire { now: at(100) });
        assert_eq!(due, Ok(vec![SessionEvent::Expired]));
        assert_eq!(session.wake_at(), None);
        assert_eq!(session.decide(SessionCommand::Expire { now: at(200) }), Ok(vec![]));
    }

    #[test]
    fn nothing_happens_to_a_session_that_was_never_opened() {
        let nobody = Session::default();
        assert_eq!(nobody.decide(SessionCommand::LogOut), Err(SessionRejection::Unknown));
        assert_eq!(nobody.decide(rotate(0, 1, 1)), Err(SessionRejection::Unknown));
        let expire = SessionCommand::Expire { now: at(1) };
        assert_eq!(nobody.decide(expire), Err(SessionRejection::Unknown));
    }

    proptest! {
        /// Whoever copies a token and whoever owns it cannot both go on: once a token was presented
        /// a second time, no token of the session is good any more.
        #[test]
        fn no_token_is_good_after_one_was_presented_twice(
            presented in proptest::collection::vec(0_u8..8, 1..20),
        ) {
            let mut session = open();
            let mut spent = std::collections::BTreeSet::new();
            let mut reused = false;
            for (turn, guess) in (0_i64..).zip(presented) {
                let newest = u8::try_from(spent.len()).unwrap();
                let token_of_session = guess.min(newest);
                let outcome =
                    carry_out(&mut session, rotate(token_of_session, newest + 1, turn));
                let won = matches!(outcome.as_deref(), Ok([SessionEvent::Rotated { .. }]));
                prop_assert_eq!(won, !reused && !spent.contains(&token_of_session));
                reused |= spent.contains(&token_of_session);
                if won {
                    spent.insert(token_of_session);
                }
            }
        }
    }
}
