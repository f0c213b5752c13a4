//! What must always be true of a stock, looked at from the holds: for the standing check.

use std::collections::{HashMap, HashSet};

use contracts::inventory::HoldState;
use runtime::Timestamp;
use uuid::Uuid;

use super::{HoldRecord, Line, SeatAt, Share, Stock};

impl Stock {
    /// What is wrong with it at `now`, in words. Nothing, unless there is a fault in the program or
    /// somebody has changed the log.
    pub(crate) fn faults(&self, now: Timestamp) -> Vec<String> {
        let counts = |hold: &&HoldRecord| match hold.state {
            HoldState::Confirmed => true,
            HoldState::Held => now < hold.expires_at,
            HoldState::Expired | HoldState::Released => false,
        };
        let lines: Vec<&Line> =
            self.holds.values().filter(counts).flat_map(|hold| &hold.lines).collect();
        let mut faults = self.faults_of_quotas(&lines);
        faults.extend(self.faults_of_seats(&lines));
        faults
    }

    /// Sold and held never exceed a quota, unless it was changed below them.
    fn faults_of_quotas(&self, lines: &[&Line]) -> Vec<String> {
        let mut places: HashMap<Uuid, u32> = HashMap::new();
        for line in lines {
            *places.entry(line.ticket_type_id).or_default() += line.quantity;
        }
        let excess = |(id, quota): (&Uuid, &Share)| {
            let used: u32 =
                quota.ticket_type_ids.iter().filter_map(|type_id| places.get(type_id)).sum();
            let most = quota.capacity.places()?.max(quota.tolerated);
            (used > most).then(|| format!("{used} places of the quota {id} are gone of {most}"))
        };
        self.quotas.iter().filter_map(excess).collect()
    }

    /// Each seat is had by one hold at most, and each ticket for a seat has one.
    fn faults_of_seats(&self, lines: &[&Line]) -> Vec<String> {
        let mut seen: HashSet<SeatAt> = HashSet::new();
        let mut faults = Vec::new();
        for line in lines {
            if !line.seats.is_empty() && u32::try_from(line.seats.len()) != Ok(line.quantity) {
                let (seats, quantity) = (line.seats.len(), line.quantity);
                faults.push(format!("{quantity} places are held and {seats} seats with them"));
            }
            for at in line.seats.iter().filter(|at| !seen.insert(**at)) {
                let name = self.house.name(*at).map(|seat| seat.to_string());
                faults.push(format!("{} is had twice", name.unwrap_or_default()));
            }
        }
        faults
    }
}
