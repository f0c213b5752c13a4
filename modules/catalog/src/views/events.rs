//! Events with their ticket types. What a reader sees of organizer and venue is joined, so that it
//! is never older than they are.

use contracts::{
    catalog::{Capacity, Quota},
    money::TaxRounding,
};
use runtime::{Timestamp, async_trait};
use serde::Serialize;
use store::{At, Change, Database, Json, Sql, StoreError, Tx, View};
use uuid::Uuid;

use super::{EARLIEST, Names, UnknownValue, name_key, organizers::OrganizerRow, venues::VenueRow};
use crate::domain::{
    Event,
    event::{EventState, Phase, Plan, TicketType, supply},
};

const PUT: Sql = store::sql!(
    "INSERT INTO event_view (id, version, organizer_id, venue_id, name, name_key, description, \
     phase, starts_at, ends_at, currency, tax_rounding, ticket_types, quotas, cancellation) \
     SELECT id, version, organizer_id, venue_id, name, name_key, description, \
     phase, starts_at, ends_at, currency, tax_rounding, ticket_types, quotas, cancellation FROM ",
    rows(
        "$1", id uuid, version bigint, organizer_id uuid, venue_id uuid, name text,
        name_key text, description text, phase text, starts_at instant, ends_at instant,
        currency text, tax_rounding text, ticket_types json, quotas json, cancellation text
    ),
    " WHERE true ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
     venue_id = excluded.venue_id, name = excluded.name, name_key = excluded.name_key, \
     description = excluded.description, phase = excluded.phase, \
     starts_at = excluded.starts_at, ends_at = excluded.ends_at, \
     currency = excluded.currency, tax_rounding = excluded.tax_rounding, \
     ticket_types = excluded.ticket_types, quotas = excluded.quotas, \
     cancellation = excluded.cancellation",
);
const DROP: Sql = store::sql!(
    "DELETE FROM event_view WHERE id IN (SELECT id FROM ",
    rows("$1", id uuid),
    ")",
);

/// Reads events out of `$from`, together with what is shown of their organizers and venues.
macro_rules! select_events {
    ($from:expr, $order:literal) => {
        concat!(
            "SELECT event.id, event.version, \
             event.organizer_id, organizer.version AS organizer_version, \
             organizer.name AS organizer_name, \
             event.venue_id, venue.version AS venue_version, venue.name AS venue_name, \
             venue.address AS venue_address, venue.time_zone, event.name, event.description, event.phase, event.starts_at, \
             event.ends_at, event.currency, event.tax_rounding, event.ticket_types, event.quotas, \
             event.cancellation FROM ",
            $from,
            " AS event JOIN organizer_view AS organizer ON organizer.id = event.organizer_id \
             JOIN venue_view AS venue ON venue.id = event.venue_id",
            $order,
        )
    };
}

/// Lists the events that `$whose` picks. The range of `starts_at` follows an index.
macro_rules! list_events {
    ($whose:literal) => {
        select_events!(
            concat!(
                "(SELECT * FROM event_view WHERE ",
                $whose,
                " AND (starts_at, id) > ($1, $2) AND starts_at < $3 \
                 AND name_key >= $4 AND name_key < $5 \
                 AND ($6 = 'any' OR $6 = CASE WHEN ends_at <= $7 \
                 AND phase IN ('published', 'on_sale', 'sales_closed') THEN 'ended' ELSE phase END) \
                 ORDER BY starts_at, id LIMIT $8)"
            ),
            " ORDER BY event.starts_at, event.id"
        )
    };
}

const FIND: &str = select_events!("(SELECT * FROM event_view WHERE id = $1)", "");
const LIST: &str = list_events!("phase <> 'draft'");
const LIST_OF_VENUE: &str = list_events!("venue_id = $9 AND phase <> 'draft'");
const LIST_OF_ORGANIZER: &str = list_events!(
    "organizer_id = $9 AND (phase <> 'draft' OR $10) AND (venue_id = $11 OR $11 IS NULL)"
);

/// One of the events that take place there and are neither over nor cancelled.
const FIND_AHEAD: &str = "SELECT id FROM event_view WHERE venue_id = $1 \
     AND phase IN ('published', 'on_sale', 'sales_closed') AND ends_at > $2 LIMIT 1";

pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![PUT, DROP, FIND, LIST, LIST_OF_VENUE, LIST_OF_ORGANIZER, FIND_AHEAD];

/// An event with what is shown of its organizer and venue.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct EventRow {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) organizer_id: Uuid,
    pub(crate) organizer_version: i64,
    pub(crate) organizer_name: String,
    pub(crate) venue_id: Uuid,
    pub(crate) venue_version: i64,
    pub(crate) venue_name: String,
    pub(crate) venue_address: String,
    pub(crate) time_zone: String,
    pub(crate) name: String,
    pub(crate) description: String,
    #[sqlx(try_from = "String")]
    pub(crate) phase: Phase,
    pub(crate) starts_at: At,
    pub(crate) ends_at: At,
    pub(crate) currency: String,
    #[sqlx(try_from = "String")]
    pub(crate) tax_rounding: Rounding,
    pub(crate) ticket_types: Json<Vec<TicketType>>,
    pub(crate) quotas: Json<Vec<Quota>>,
    pub(crate) cancellation: Option<String>,
}

impl EventRow {
    /// A draft that is about to be made.
    pub(crate) fn draft(id: Uuid, plan: &Plan, organizer: &OrganizerRow, venue: &VenueRow) -> Self {
        Self {
            id,
            version: 0,
            organizer_id: organizer.id,
            organizer_version: organizer.version,
            organizer_name: organizer.name.clone(),
            venue_id: venue.id,
            venue_version: venue.version,
            venue_name: venue.name.clone(),
            venue_address: venue.address.clone(),
            time_zone: venue.time_zone.clone(),
            name: plan.name.clone(),
            description: plan.description.clone(),
            phase: Phase::Draft,
            starts_at: plan.starts_at.into(),
            ends_at: plan.ends_at.into(),
            currency: plan.currency.code().to_owned(),
            tax_rounding: Rounding(plan.tax_rounding),
            ticket_types: Json(Vec::new()),
            quotas: Json(Vec::new()),
            cancellation: None,
        }
    }

    /// Where the event stands at `now`.
    pub(crate) fn state(&self, now: Timestamp) -> EventState {
        self.phase.state(self.ends_at.into(), now)
    }

    /// The event's ticket type with this id, and the capacity of the smallest of its quotas.
    pub(crate) fn ticket_type(self, id: Uuid) -> Option<(TicketType, Capacity)> {
        let found = self.ticket_types.0.into_iter().find(|ticket_type| ticket_type.id == id);
        found.map(|ticket_type| (ticket_type, supply(&self.quotas.0, id)))
    }

    /// The event's quota with this id.
    pub(crate) fn quota(self, id: Uuid) -> Option<Quota> {
        self.quotas.0.into_iter().find(|quota| quota.quota_id == id)
    }

    /// What the entity tag of the event says at `now`. What a reader sees follows from the event,
    /// its organizer, its venue and the clock, and so does the tag.
    pub(crate) fn tag(&self, now: Timestamp) -> u64 {
        self.tag_at(self.version.unsigned_abs(), now)
    }

    /// As [`EventRow::tag`], for the event at another `version` with all else unchanged.
    pub(crate) fn tag_at(&self, version: u64, now: Timestamp) -> u64 {
        let low_bits = |number: u64, bits: u32| number & ((1 << bits) - 1);
        low_bits(version, 24) << 40
            | low_bits(self.organizer_version.unsigned_abs(), 20) << 20
            | low_bits(self.venue_version.unsigned_abs(), 19) << 1
            | u64::from(self.state(now) == EventState::Ended)
    }

    /// Where it is in a list: what the next page starts after.
    pub(crate) fn key(&self) -> (At, Uuid) {
        (self.starts_at, self.id)
    }
}

/// How taxes are rounded, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rounding(pub(crate) TaxRounding);

impl TryFrom<String> for Rounding {
    type Error = UnknownValue;

    fn try_from(value: String) -> Result<Self, UnknownValue> {
        match value.as_str() {
            "per_line" => Ok(Self(TaxRounding::PerLine)),
            "per_order" => Ok(Self(TaxRounding::PerOrder)),
            _ => Err(UnknownValue { what: "the rounding of taxes", value }),
        }
    }
}

impl TryFrom<String> for Phase {
    type Error = UnknownValue;

    fn try_from(value: String) -> Result<Self, UnknownValue> {
        match value.as_str() {
            "draft" => Ok(Self::Draft),
            "published" => Ok(Self::Published),
            "on_sale" => Ok(Self::OnSale),
            "sales_closed" => Ok(Self::SalesClosed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(UnknownValue { what: "the phase", value }),
        }
    }
}

pub(crate) async fn find(database: &Database, id: Uuid) -> Result<Option<EventRow>, StoreError> {
    Ok(store::fetch_optional!(database, EventRow, FIND, id).await?)
}

/// Whether anything that was published takes place at the venue after `now`, or is taking place.
pub(crate) async fn is_venue_awaited(
    database: &Database,
    venue: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ahead = store::fetch_optional!(database, (Uuid,), FIND_AHEAD, venue, At(now)).await?;
    Ok(ahead.is_some())
}

/// Which events to list.
pub(crate) struct Wanted<'a> {
    pub(crate) whose: Whose,
    pub(crate) state: Option<EventState>,
    /// At this instant or later.
    pub(crate) starts_from: Option<Timestamp>,
    /// Before this instant.
    pub(crate) starts_before: Option<Timestamp>,
    pub(crate) name_prefix: Option<&'a str>,
    pub(crate) after: Option<(At, Uuid)>,
    pub(crate) limit: i64,
    pub(crate) now: Timestamp,
}

/// Whose events to list. Drafts are only ever listed for their organizer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Everybodys,
    AtVenue(Uuid),
    OfOrganizer { id: Uuid, drafts: bool, venue: Option<Uuid> },
}

pub(crate) async fn list(
    database: &Database,
    wanted: Wanted<'_>,
) -> Result<Vec<EventRow>, StoreError> {
    let from = (At(wanted.starts_from.unwrap_or(EARLIEST).max(EARLIEST)), Uuid::nil());
    let (starts_at, id) = wanted.after.map_or(from, |after| after.max(from));
    let before = At(wanted.starts_before.unwrap_or(Timestamp::MAX).max(EARLIEST));
    let names = Names::beginning_with(wanted.name_prefix);
    let (name_from, name_before) = (&names.from, &names.before);
    let state = wanted.state.map_or("any", EventState::as_str);
    let (now, limit) = (At(wanted.now), wanted.limit);
    let rows = match wanted.whose {
        Whose::Everybodys => {
            store::fetch_all!(
                database,
                EventRow,
                LIST,
                starts_at,
                id,
                before,
                name_from,
                name_before,
                state,
                now,
                limit
            )
            .await
        }
        Whose::AtVenue(venue) => {
            store::fetch_all!(
                database,
                EventRow,
                LIST_OF_VENUE,
                starts_at,
                id,
                before,
                name_from,
                name_before,
                state,
                now,
                limit,
                venue
            )
            .await
        }
        Whose::OfOrganizer { id: organizer, drafts, venue } => {
            store::fetch_all!(
                database,
                EventRow,
                LIST_OF_ORGANIZER,
                starts_at,
                id,
                before,
                name_from,
                name_before,
                state,
                now,
                limit,
                organizer,
                drafts,
                venue
            )
            .await
        }
    };
    Ok(rows?)
}

/// Keeps events.
pub(crate) struct EventView;

#[derive(Serialize)]
struct Put<'a> {
    id: Uuid,
    version: u64,
    organizer_id: Uuid,
    venue_id: Uuid,
    name: &'a str,
    name_key: String,
    description: &'a str,
    phase: Phase,
    starts_at: At,
    ends_at: At,
    currency: &'static str,
    tax_rounding: TaxRounding,
    ticket_types: &'a [TicketType],
    quotas: &'a [Quota],
    cancellation: Option<&'a str>,
}

#[derive(Serialize)]
struct Drop {
    id: Uuid,
}

#[async_trait]
impl View<Event> for EventView {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Event>]) -> Result<(), sqlx::Error> {
        let kept: Vec<_> = changes.iter().filter_map(event).collect();
        if !kept.is_empty() {
            store::execute!(tx, PUT, Json(&kept)).await?;
        }
        let gone: Vec<_> = changes
            .iter()
            .filter(|change| change.state.show().is_none())
            .map(|change| Drop { id: change.id })
            .collect();
        if !gone.is_empty() {
            store::execute!(tx, DROP, Json(&gone)).await?;
        }
        Ok(())
    }
}

fn event<'a>(change: &'a Change<'_, Event>) -> Option<Put<'a>> {
    let show = change.state.show()?;
    let plan = &show.plan;
    Some(Put {
        id: change.id,
        version: change.version,
        organizer_id: show.organizer_id,
        venue_id: plan.venue_id,
        name: &plan.name,
        name_key: name_key(&plan.name),
        description: &plan.description,
        phase: show.phase,
        starts_at: plan.starts_at.into(),
        ends_at: plan.ends_at.into(),
        currency: plan.currency.code(),
        tax_rounding: plan.tax_rounding,
        ticket_types: &show.ticket_types,
        quotas: &show.quotas,
        cancellation: show.cancellation.as_deref(),
    })
}
