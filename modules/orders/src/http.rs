//! Orders' public endpoints, one file each. This is their table of contents, with what several of
//! them share.

mod cancel_order;
mod get_event_cancellation;
mod get_order;
mod get_timeline;
mod list_orders;
mod open_order;
mod place_order;

use std::sync::Arc;

use contracts::catalog::FindMembership;
use edge::{Json, Problem, Routes, Tagged, idempotent_for_everybody, routes};
use runtime::{Context, Role};
use store::Loaded;
use uuid::Uuid;

use crate::{domain::Order, resource::OrderResource, saga::Purchases};

pub(crate) type App = Arc<Purchases>;

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(idempotent_for_everybody(routes!(
            place_order::place_order,
            list_orders::list_orders
        )))
        .routes(routes!(open_order::open_order))
        .routes(routes!(get_event_cancellation::get_event_cancellation))
        .routes(routes!(get_order::get_order))
        .routes(routes!(cancel_order::cancel_order))
        .routes(routes!(get_timeline::get_timeline))
}

/// In which part the caller deals with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Buyer,
    Organizer,
}

impl Purchases {
    /// The order, for its buyer, members of its organizer, and admins, and in which part the caller
    /// sees it. To others it does not exist. Buyers see theirs whether or not catalog is there, and
    /// as buyers even where they are more.
    async fn visible_order(
        &self,
        cx: &Context,
        id: Uuid,
    ) -> Result<(Loaded<Order>, Part), Problem> {
        let caller = edge::user(cx)?;
        let order = self.orders.load(id).await?.ok_or_else(Problem::not_found)?;
        let terms = order.state.terms.as_ref().ok_or_else(Problem::not_found)?;
        if terms.buyer_id == caller {
            return Ok((order, Part::Buyer));
        }
        if self.acts_for(cx, terms.organizer_id).await? {
            return Ok((order, Part::Organizer));
        }
        Err(Problem::not_found())
    }

    /// In which part the caller deals with the order. Who is both its buyer and a member of its
    /// organizer is the latter, who may do more.
    async fn part_in(&self, cx: &Context, id: Uuid) -> Result<Part, Problem> {
        let caller = edge::user(cx)?;
        let order = self.orders.load(id).await?.ok_or_else(Problem::not_found)?;
        let terms = order.state.terms.ok_or_else(Problem::not_found)?;
        if self.acts_for(cx, terms.organizer_id).await? {
            return Ok(Part::Organizer);
        }
        if terms.buyer_id == caller { Ok(Part::Buyer) } else { Err(Problem::not_found()) }
    }

    /// Whether the caller is an admin, or an organizer by role and a member of this one: who has lost
    /// either acts for it no more.
    async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        if !cx.principal().has_role(Role::Organizer) {
            return Ok(false);
        }
        let asked = self.catalog.membership(cx, FindMembership { organizer_id, user_id }).await;
        Ok(asked.map_err(crate::problems::from_catalog)?.is_member)
    }
}

fn tagged(id: Uuid, order: &Loaded<Order>) -> Result<Tagged<Json<OrderResource>>, Problem> {
    let resource = OrderResource::of(id, &order.state).ok_or_else(Problem::not_found)?;
    Ok(Tagged(order.version, Json(resource)))
}
