//! A request's place in the process: among those that are worked on or, while its body is yet to
//! come, among those that wait. Clients that send slowly fill up the waiting places only.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// As many places to work as to wait for a body.
#[derive(Clone)]
pub(super) struct Places {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new(most: u32) -> Self {
        let permits = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let semaphore = || Arc::new(Semaphore::new(permits));
        Self { working: semaphore(), waiting: semaphore() }
    }

    /// A place to work; none when all are taken.
    pub(super) fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.working).try_acquire_owned().ok()?;
        let held = Held { phase: Phase::Working, permit: Some(permit) };
        Some(Place { places: self.clone(), held: Arc::new(Mutex::new(held)) })
    }
}

/// The place of one request, known to its work and to its body.
#[derive(Clone)]
pub(super) struct Place {
    places: Places,
    held: Arc<Mutex<Held>>,
}

struct Held {
    phase: Phase,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    Waiting,
    Left,
}

impl Place {
    /// The body keeps its reader waiting. Whether there is a place for that.
    pub(super) fn wait(&self) -> bool {
        self.move_on(Phase::Waiting, &self.places.waiting)
    }

    /// More of the body is there. Whether there is a place to work on it.
    pub(super) fn work(&self) -> bool {
        self.move_on(Phase::Working, &self.places.working)
    }

    /// The work is done. What is still to come of the body takes no place.
    pub(super) fn leave(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.phase = Phase::Left;
        drop(held.permit.take());
    }

    fn move_on(&self, to: Phase, places: &Arc<Semaphore>) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.phase == to || held.phase == Phase::Left {
            return true;
        }
        let Ok(permit) = Arc::clone(places).try_acquire_owned() else { return false };
        held.phase = to;
        drop(held.permit.replace(permit));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_makes_room_for_who_works() {
        let places = Places::new(1);
        let slow = places.take().unwrap();
        assert!(places.take().is_none());
        assert!(slow.wait());
        let quick = places.take().unwrap();
        assert!(!slow.work(), "there is no place to work");
        assert!(!quick.wait(), "there is no place to wait");
        quick.leave();
        assert!(slow.work());
        slow.leave();
        assert!(slow.wait(), "who has left needs no place");
        assert!(places.take().is_some());
    }
}
