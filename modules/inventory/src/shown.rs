//! What is available, as it is shown: made once, then served from memory to everybody.

use edge::{Pages, Problem, Shown};
use runtime::Timestamp;
use store::{Events, Loaded};
use uuid::Uuid;

use crate::{domain::Stock, http::render};

/// What is available of the event at `now`; `None` when nobody knows the event. Where the version
/// of the stock is still the one that is remembered, nothing is made anew.
pub(crate) async fn page(
    pages: &Pages,
    stocks: &Events<Stock>,
    event_id: Uuid,
    now: Timestamp,
) -> Result<Option<Shown>, Problem> {
    let known = pages.find(event_id);
    if let Some(page) = known.trusted_at(now) {
        return Ok(Some(page.clone()));
    }
    let still_holds = known.page.as_ref().filter(|page| page.holds_at(now));
    let look = |stock: &Loaded<Stock>| {
        let changes_at = stock.state.changes_after(now);
        match still_holds.filter(|page| page.version == stock.version) {
            Some(page) => Ok(page.seen_again(now, changes_at)),
            None => render(event_id, stock, now, changes_at),
        }
    };
    let Some(page) = stocks.read(event_id, look).await?.transpose()? else {
        return Ok(None);
    };
    pages.remember(event_id, &known, &page);
    Ok(Some(page))
}
