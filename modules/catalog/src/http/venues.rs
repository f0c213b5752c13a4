//! `/v1/venues`: where events take place. Only members of a venue's organizer see the venue itself;
//! everybody else sees it with the events that take place there.

pub(super) mod change;
pub(super) mod create;
pub(super) mod get;
pub(super) mod list;

use edge::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::text;
use crate::{
    domain::venue::{Place, Zone},
    views::venues::VenueRow,
};

/// A venue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Venue, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c002",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "name": "Boathouse",
    "address": "3 Quay Street, 10115 Berlin",
    "time_zone": "Europe/Berlin",
}))]
pub(super) struct VenueResource {
    id: Uuid,
    organizer_id: Uuid,
    name: String,
    address: String,
    /// The IANA name of its time zone, spelled as the time zone database spells it.
    time_zone: String,
}

impl VenueResource {
    fn of(id: Uuid, organizer_id: Uuid, place: &Place) -> Self {
        let Place { name, address, time_zone } = place.clone();
        Self { id, organizer_id, name, address, time_zone: time_zone.as_str().to_owned() }
    }
}

impl From<VenueRow> for VenueResource {
    fn from(row: VenueRow) -> Self {
        let VenueRow { id, organizer_id, name, address, time_zone, .. } = row;
        Self { id, organizer_id, name, address, time_zone }
    }
}

fn place(name: &str, address: &str, time_zone: &str) -> Result<Place, Problem> {
    let unknown_zone = || Problem::invalid_field("/time_zone", "is no IANA time zone");
    Ok(Place {
        name: text::trimmed(name),
        address: text::trimmed(address),
        time_zone: Zone::named(time_zone).ok_or_else(unknown_zone)?,
    })
}
