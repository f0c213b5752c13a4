//! Trouble that may be over before anybody need hear of it.

use std::time::{Duration, Instant};

/// How long trouble is kept to oneself: processes and brokers that start together, and topics that
/// were just made, give some for a moment.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why something does not go on, if it does not.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    reason: Option<String>,
    since: Option<Instant>,
    told: Option<String>,
}

/// What is worth telling of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Nothing,
    /// It lasts, or has another reason now.
    Lasts,
    /// What was told of is over.
    Over,
}

impl Trouble {
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Takes in how it is at `now`; `None` when all is well.
    pub(super) fn note(&mut self, reason: Option<String>, now: Instant) -> News {
        let Some(reason) = reason else {
            let former = std::mem::take(self);
            return if former.told.is_some() { News::Over } else { News::Nothing };
        };
        let since = *self.since.get_or_insert(now);
        let is_news = self.told.as_ref() != Some(&reason);
        self.reason = Some(reason);
        if !is_news || now.duration_since(since) < PATIENCE {
            return News::Nothing;
        }
        self.told.clone_from(&self.reason);
        News::Lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(trouble: &mut Trouble, begun: Instant, notes: &[(u64, Option<&str>)]) -> Vec<News> {
        let note = |(seconds, reason): &(u64, Option<&str>)| {
            trouble.note(reason.map(str::to_owned), begun + Duration::from_secs(*seconds))
        };
        notes.iter().map(note).collect()
    }

    #[test]
    fn what_is_over_soon_is_not_told_and_known_at_once() {
        let (mut trouble, begun) = (Trouble::default(), Instant::now());
        assert_eq!(noted(&mut trouble, begun, &[(0, Some("no topic"))]), [News::Nothing]);
        assert_eq!(trouble.reason(), Some("no topic"));
        assert_eq!(noted(&mut trouble, begun, &[(1, None)]), [News::Nothing]);
        assert_eq!(trouble.reason(), None);
    }

    #[test]
    fn what_lasts_is_told_once_for_each_reason_and_when_it_is_over() {
        let (mut trouble, begun) = (Trouble::default(), Instant::now());
        let (one, other) = (Some("no broker"), Some("other partitions"));
        let notes = [(0, one), (1, other), (2, one), (3, one), (4, other), (5, None), (6, None)];
        let told = noted(&mut trouble, begun, &notes);
        let (nothing, lasts) = (News::Nothing, News::Lasts);
        assert_eq!(told, [nothing, nothing, lasts, nothing, lasts, News::Over, nothing]);
        assert_eq!(noted(&mut trouble, begun, &[(7, one)]), [nothing], "patient again");
    }
}
