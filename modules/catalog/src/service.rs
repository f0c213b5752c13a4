//! What catalog does for others: its contract, and who may see and change what, for the public
//! endpoints.

use std::sync::Arc;

use contracts::catalog::{
    Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms, TicketTypeTerms,
};
use edge::{IfMatch, Problem};
use runtime::{Clock, Context, Ids, Role, Timestamp, async_trait};
use store::{Database, Events, ExecuteError, StoreError};
use uuid::Uuid;

use crate::{
    domain::{
        Event, Organizer, Venue,
        event::{Command, EventState, Phase, Setting, TicketType},
        organizer::Asker,
    },
    shown::Shown,
    views::{
        events::{self, EventRow},
        organizers::{self, OrganizerRow},
        venues::{self, VenueRow},
    },
};

/// Everything catalog works with.
pub(crate) struct Programme {
    pub(crate) database: Database,
    pub(crate) organizers: Events<Organizer>,
    pub(crate) venues: Events<Venue>,
    pub(crate) events: Events<Event>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    /// The programme as everybody sees it.
    pub(crate) shown: Shown,
}

/// Who asks for a change of an organizer; a 401 problem when nobody has logged in, and a 403 problem
/// for a member whose role of organizer was taken away.
pub(crate) fn asker(cx: &Context) -> Result<Asker, Problem> {
    let user = edge::require(cx, Role::Organizer)?;
    let is_admin = cx.principal().has_role(Role::Admin);
    Ok(if is_admin { Asker::Admin } else { Asker::Account(user) })
}

fn forbidden(words: &str) -> Problem {
    Problem::new(&edge::problems::FORBIDDEN).detail(words)
}

impl Programme {
    async fn is_member(&self, organizer_id: Uuid, user_id: Uuid) -> Result<bool, StoreError> {
        let member = organizers::find_member(&self.database, organizer_id, user_id).await?;
        Ok(member.is_some())
    }

    /// Whether the caller has the role of organizer and is a member of this one, or is an admin.
    pub(crate) async fn acts_for(
        &self,
        cx: &Context,
        organizer_id: Uuid,
    ) -> Result<bool, StoreError> {
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        match cx.principal().user_id() {
            Some(user) if cx.principal().has_role(Role::Organizer) => {
                self.is_member(organizer_id, user).await
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Passes when the caller is a member of the organizer, or an admin.
    pub(crate) async fn member(&self, cx: &Context, organizer_id: Uuid) -> Result<(), Problem> {
        edge::user(cx)?;
        if self.acts_for(cx, organizer_id).await? {
            return Ok(());
        }
        Err(forbidden(
            "only members of the organizer with the role of organizer may do this: ask one of its \
             owners, or who gives out roles",
        ))
    }

    /// The organizer, for one of its members.
    pub(crate) async fn own_organizer(
        &self,
        cx: &Context,
        id: Uuid,
    ) -> Result<OrganizerRow, Problem> {
        edge::user(cx)?;
        let organizer = organizers::find(&self.database, id).await?;
        let organizer = organizer.ok_or_else(Problem::not_found)?;
        self.member(cx, id).await?;
        Ok(organizer)
    }

    /// The organizer that a body names as `organizer_id`, for one of its members.
    pub(crate) async fn referred_organizer(
        &self,
        cx: &Context,
        id: Uuid,
    ) -> Result<OrganizerRow, Problem> {
        edge::user(cx)?;
        let organizer = organizers::find(&self.database, id).await?;
        let unknown = || Problem::invalid_field("/organizer_id", "no organizer has this id");
        let organizer = organizer.ok_or_else(unknown)?;
        self.member(cx, id).await?;
        Ok(organizer)
    }

    /// The venue that a body names as `venue_id`. Those of others are unknown.
    pub(crate) async fn referred_venue(
        &self,
        organizer_id: Uuid,
        id: Uuid,
    ) -> Result<VenueRow, Problem> {
        let venue = venues::find(&self.database, id).await?;
        venue.filter(|venue| venue.organizer_id == organizer_id).ok_or_else(|| {
            Problem::invalid_field("/venue_id", "no venue of the event's organizer has this id")
        })
    }

    /// The venue, for a member of its organizer. To others it does not exist.
    pub(crate) async fn own_venue(&self, cx: &Context, id: Uuid) -> Result<VenueRow, Problem> {
        edge::user(cx)?;
        let venue = venues::find(&self.database, id).await?.ok_or_else(Problem::not_found)?;
        if self.acts_for(cx, venue.organizer_id).await? {
            return Ok(venue);
        }
        Err(Problem::not_found())
    }

    /// The event, when it is published or the caller is a member of its organizer. To others it
    /// does not exist.
    pub(crate) async fn visible_event(&self, cx: &Context, id: Uuid) -> Result<EventRow, Problem> {
        let event = events::find(&self.database, id).await?.ok_or_else(Problem::not_found)?;
        if event.phase != Phase::Draft || self.acts_for(cx, event.organizer_id).await? {
            return Ok(event);
        }
        Err(Problem::not_found())
    }

    /// The event, for a member of its organizer who wants to change it.
    pub(crate) async fn own_event(&self, cx: &Context, id: Uuid) -> Result<EventRow, Problem> {
        edge::user(cx)?;
        let event = self.visible_event(cx, id).await?;
        self.member(cx, event.organizer_id).await?;
        Ok(event)
    }

    /// What the event takes over from its venue when it is published.
    pub(crate) async fn setting(&self, event: &EventRow) -> Result<Setting, StoreError> {
        let seating = self.venues.read(event.venue_id, |venue| venue.state.seating.clone()).await?;
        Ok(Setting {
            venue_name: event.venue_name.clone(),
            time_zone: event.time_zone.clone(),
            seating: seating.unwrap_or_default(),
        })
    }

    /// Gives the event a command, provided that it is as the caller has `seen` it.
    pub(crate) async fn give(
        &self,
        cx: &Context,
        event: &EventRow,
        seen: Option<IfMatch>,
        command: Command,
    ) -> Result<(), Problem> {
        let mut execution = self.events.execute(cx, event.id, command);
        if let Some(seen) = seen {
            seen.check(event.tag(self.clock.now()))?;
            execution = execution.expect_version(event.version.unsigned_abs());
        }
        let outcome = execution.await;
        self.shown.event_changed(event.id);
        match outcome {
            Ok(_) => Ok(()),
            Err(ExecuteError::Stale { .. }) => {
                let now = self.reread(event.id).await?;
                Err(Problem::stale(now.tag(self.clock.now())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Programme::give`], and then the event as it is now.
    pub(crate) async fn command(
        &self,
        cx: &Context,
        event: &EventRow,
        seen: Option<IfMatch>,
        command: Command,
    ) -> Result<EventRow, Problem> {
        self.give(cx, event, seen, command).await?;
        self.reread(event.id).await
    }

    async fn reread(&self, id: Uuid) -> Result<EventRow, Problem> {
        events::find(&self.database, id).await?.ok_or_else(Problem::not_found)
    }

    async fn find_terms(&self, event_id: Uuid) -> Result<Option<SaleTerms>, StoreError> {
        let event = events::find(&self.database, event_id).await?;
        let now = self.clock.now();
        Ok(event.filter(|event| event.phase != Phase::Draft).map(|event| SaleTerms {
            event_id,
            organizer_id: event.organizer_id,
            on_sale: event.state(now) == EventState::OnSale,
            tax_rounding: event.tax_rounding.0,
            ticket_types: terms(&event, now),
            event_name: event.name,
            starts_at: event.starts_at.into(),
            time_zone: event.time_zone,
            venue_name: event.venue_name,
        }))
    }
}

fn terms(event: &EventRow, now: Timestamp) -> Vec<TicketTypeTerms> {
    let is_on_sale = event.state(now) == EventState::OnSale;
    let of_one = |TicketType { id, offer }: &TicketType| TicketTypeTerms {
        ticket_type_id: *id,
        name: offer.name.clone(),
        price: offer.price,
        tax: offer.tax.clone(),
        sales_from: offer.sales_from,
        sales_until: offer.sales_until,
        min_per_order: offer.min_per_order,
        max_per_order: offer.max_per_order,
        seated: !offer.sections.is_empty(),
        on_sale: is_on_sale && offer.is_in_window(now),
    };
    event.ticket_types.0.iter().map(of_one).collect()
}

#[async_trait]
impl Catalog for Programme {
    async fn sale_terms(
        &self,
        _cx: &Context,
        request: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError> {
        let FindSaleTerms { event_id } = request;
        let terms = self.find_terms(event_id).await;
        terms
            .map_err(|error| error.into_fault("catalog", "sale_terms"))?
            .ok_or(CatalogError::EventUnknown { event_id })
    }

    async fn membership(
        &self,
        _cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError> {
        let FindMembership { organizer_id, user_id } = request;
        let is_member = self.is_member(organizer_id, user_id).await;
        let is_member = is_member.map_err(|error| error.into_fault("catalog", "membership"))?;
        Ok(Membership { is_member })
    }
}
