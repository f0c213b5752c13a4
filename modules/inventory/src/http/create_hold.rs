//! `POST /v1/holds`: keeps places for a while.

use axum::extract::State;
use contracts::{
    inventory::{HoldPlaces, Places},
    seating::Seat,
};
use edge::{Answered, Caller, IdempotencyKey, Json, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::{Answer, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, HoldResource};
use crate::{domain::Stock, measures, problems, service::described, views};

/// Places to be held together.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "items": [{"ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004", "quantity": 2}],
}))]
pub(super) struct NewHold {
    #[garde(skip)]
    event_id: Uuid,
    /// Each ticket type once.
    #[garde(length(min = 1, max = 20), dive)]
    #[schema(min_items = 1, max_items = 20)]
    items: Vec<NewHoldItem>,
}

/// So many places of one ticket type.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewHoldItem {
    #[garde(skip)]
    ticket_type_id: Uuid,
    #[garde(range(min = 1, max = 20))]
    #[schema(minimum = 1, maximum = 20)]
    quantity: u32,
    /// Which numbered seats, as many as `quantity`. Leave it out for general admission, and for the
    /// best seats that are free: side by side, near to the front and to the middle.
    #[garde(length(max = 20))]
    #[schema(max_items = 20)]
    #[serde(default)]
    seats: Vec<Seat>,
}

edge::problem_responses! {
    /// What holding may be refused with.
    pub(super) HoldProblems:
        problems::SOLD_OUT,
        problems::NOT_ON_SALE,
        problems::SALES_NOT_STARTED,
        problems::SALES_ENDED,
        problems::NOT_SELLABLE,
        problems::BELOW_MINIMUM,
        problems::ABOVE_MAXIMUM,
        problems::SEAT_TAKEN,
        problems::SEAT_UNKNOWN,
        problems::NOT_SEATED,
        problems::TOO_MANY_HOLDS,
        problems::HOLD_RELEASED,
        problems::HOLD_DIFFERS,
        edge::problems::ACCOUNT_NEEDED,
}

/// Hold places
///
/// All of them or none, until `expires_at`. Place an order with the hold's id to buy them. Guests
/// order without a hold of their own.
#[utoipa::path(
    post,
    path = "/v1/holds",
    request_body = NewHold,
    responses(
        (
            status = 201,
            description = "The places are held",
            body = HoldResource,
            headers(("location" = String)),
        ),
        HoldProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create_hold(
    State(app): State<App>,
    cx: Context,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(new): Json<NewHold>,
) -> Result<Answered, Problem> {
    caller.needs_account()?;
    let holder_id = caller.user;
    let hold_id = key.as_ref().map_or_else(|| app.ids.next(), IdempotencyKey::id);
    let event_id = new.event_id;
    if key.is_some() && app.is_of_another_event(hold_id, event_id).await? {
        return Err(Problem::new(&problems::HOLD_DIFFERS));
    }
    let items = new.items.into_iter().map(|NewHoldItem { ticket_type_id, quantity, seats }| {
        Places { ticket_type_id, quantity, seats }
    });
    let request =
        HoldPlaces { hold_id, event_id, holder_id, order_id: None, items: items.collect() };
    let now = app.service.clock.now();
    let execution = app.service.stocks.execute(&cx, event_id, app.service.hold_command(request));
    let answer = move |after: &Loaded<Stock>| {
        let hold = described(event_id, hold_id, &after.state, now).map(HoldResource::from);
        Answer::json(201, &hold).header("location", format!("/v1/holds/{hold_id}"))
    };
    let answered = match key {
        Some(key) => {
            let execution = execution.answer(&key, move |_, after| answer(after));
            app.service.execute(event_id, execution).await
        }
        None => app.service.execute(event_id, execution.read(answer)).await,
    };
    measures::count_hold(&answered);
    Ok(Answered(answered?))
}

impl App {
    /// Whether the key was used for a hold of another event, so long ago that it was forgotten.
    async fn is_of_another_event(&self, hold_id: Uuid, event_id: Uuid) -> Result<bool, Problem> {
        let earlier = views::event_of_hold(&self.database, hold_id).await?;
        Ok(earlier.is_some_and(|earlier| earlier != event_id))
    }
}
