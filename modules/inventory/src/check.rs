//! The standing check of inventory: never one place too many, and no seat twice.

use runtime::{Checked, Finding};
use store::{Database, Loaded};

use crate::{domain::Stock, service::Service, views};

/// Looks at the stock of every event of which places were ever held.
pub(crate) async fn places(service: &Service, database: &Database) -> Result<Checked, String> {
    let events = views::events(database).await.map_err(|error| error.to_string())?;
    let mut checked = Checked::default();
    for event_id in events {
        let now = service.clock.now();
        let look = |stock: &Loaded<Stock>| stock.state.faults(now);
        let faults =
            service.stocks.read(event_id, look).await.map_err(|error| error.to_string())?;
        checked.looked_at += 1;
        let about = format!("event {event_id}");
        let faults = faults.unwrap_or_default().into_iter();
        checked.findings.extend(faults.map(|what| Finding::new(about.clone(), what)));
    }
    Ok(checked)
}
