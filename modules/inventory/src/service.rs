//! Implements the contract: commands to the stock of an event, and their outcomes in the words of
//! the contract.

use std::sync::Arc;

use contracts::inventory::{
    ConfirmHold, FindHold, Hold, HoldPlaces, Inventory, InventoryError, ReleaseHold, ReleasePlaces,
    Released,
};
use edge::Pages;
use jiff::SignedDuration;
use runtime::{Clock, Context, Fault, Timestamp, async_trait};
use store::{Events, ExecuteError, Execution, Loaded, StoreError};
use uuid::Uuid;

use crate::{
    domain::{Command, HoldWish, Rejection, Stock},
    measures,
};

/// What inventory does, for other services and for its own endpoints.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) stocks: Events<Stock>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hold_for: SignedDuration,
    /// How many holds of one event a holder may have open at a time; 0: no limit.
    pub(crate) open_holds: u32,
    pub(crate) pages: Arc<Pages>,
}

impl Service {
    /// The command that holds places from now on.
    pub(crate) fn hold_command(&self, request: HoldPlaces) -> Command {
        let now = self.clock.now();
        Command::Hold(HoldWish {
            hold_id: request.hold_id,
            holder_id: request.holder_id,
            order_id: request.order_id,
            items: request.items,
            expires_at: now.saturating_add(self.hold_for).unwrap_or(now),
            now,
            most_open: self.open_holds,
        })
    }

    /// Gives a command to the stock of `event_id`, and sees to it that whoever reads what is
    /// available afterwards sees what it did.
    pub(crate) async fn execute<T: Send + 'static>(
        &self,
        event_id: Uuid,
        execution: Execution<Stock, T>,
    ) -> Result<T, ExecuteError<Rejection>> {
        let outcome = execution.await;
        self.pages.forget(event_id);
        outcome
    }

    /// A hold as it stands now.
    pub(crate) async fn find(
        &self,
        event_id: Uuid,
        hold_id: Uuid,
    ) -> Result<Option<Hold>, StoreError> {
        let now = self.clock.now();
        let look = |stock: &Loaded<Stock>| described(event_id, hold_id, &stock.state, now);
        Ok(self.stocks.read(event_id, look).await?.flatten())
    }

    /// Gives a command to the stock of `event_id` and tells how the hold stands afterwards.
    async fn change(
        &self,
        cx: &Context,
        method: &'static str,
        event_id: Uuid,
        hold_id: Uuid,
        command: Command,
    ) -> Result<Hold, InventoryError> {
        let now = self.clock.now();
        let read = move |after: &Loaded<Stock>| described(event_id, hold_id, &after.state, now);
        let execution = self.stocks.execute(cx, event_id, command).read(read);
        let outcome = self.execute(event_id, execution).await;
        if method == "hold" {
            measures::count_hold(&outcome);
        }
        let after = outcome.map_err(|error| match error {
            ExecuteError::Rejected(rejection) => in_contract(rejection, event_id, hold_id),
            ExecuteError::Stale { current } => {
                let reason = format!("no version was asked for, but {current} was found");
                Fault::Failed { service: "inventory", method, reason }.into()
            }
            ExecuteError::Store(error) => error.into_fault("inventory", method).into(),
        })?;
        after.ok_or(InventoryError::HoldUnknown { hold_id })
    }
}

#[async_trait]
impl Inventory for Service {
    async fn hold(&self, cx: &Context, request: HoldPlaces) -> Result<Hold, InventoryError> {
        let (event_id, hold_id) = (request.event_id, request.hold_id);
        self.change(cx, "hold", event_id, hold_id, self.hold_command(request)).await
    }

    async fn find_hold(&self, _cx: &Context, request: FindHold) -> Result<Hold, InventoryError> {
        let FindHold { event_id, hold_id } = request;
        let found = self.find(event_id, hold_id).await;
        let hold = found.map_err(|error| error.into_fault("inventory", "find_hold"))?;
        hold.ok_or(InventoryError::HoldUnknown { hold_id })
    }

    async fn confirm(&self, cx: &Context, request: ConfirmHold) -> Result<Hold, InventoryError> {
        let ConfirmHold { event_id, hold_id } = request;
        let command = Command::Confirm { hold_id, now: self.clock.now() };
        self.change(cx, "confirm", event_id, hold_id, command).await
    }

    async fn release(
        &self,
        cx: &Context,
        request: ReleaseHold,
    ) -> Result<Released, InventoryError> {
        let ReleaseHold { event_id, hold_id } = request;
        match self.change(cx, "release", event_id, hold_id, Command::Release { hold_id }).await {
            Ok(_) | Err(InventoryError::HoldUnknown { .. }) => Ok(Released { hold_id }),
            Err(error) => Err(error),
        }
    }

    async fn release_places(
        &self,
        cx: &Context,
        request: ReleasePlaces,
    ) -> Result<Released, InventoryError> {
        let ReleasePlaces { event_id, hold_id, release_id, items } = request;
        let command = Command::ReleasePlaces { hold_id, release_id, items };
        self.change(cx, "release_places", event_id, hold_id, command).await?;
        Ok(Released { hold_id })
    }
}

/// A hold of `stock` in the words of the contract.
pub(crate) fn described(
    event_id: Uuid,
    hold_id: Uuid,
    stock: &Stock,
    now: Timestamp,
) -> Option<Hold> {
    let hold = stock.hold(hold_id, now)?;
    let items = stock.places(&hold);
    Some(Hold {
        hold_id,
        event_id,
        holder_id: hold.holder_id,
        order_id: hold.order_id,
        items,
        state: hold.state,
        expires_at: hold.expires_at,
    })
}

fn in_contract(rejection: Rejection, event_id: Uuid, hold_id: Uuid) -> InventoryError {
    match rejection {
        Rejection::EventUnknown => InventoryError::EventUnknown { event_id },
        Rejection::NotOnSale { .. } => InventoryError::NotOnSale { event_id },
        Rejection::TicketTypeUnknown { ticket_type_id } => {
            InventoryError::TicketTypeUnknown { ticket_type_id }
        }
        Rejection::SalesNotStarted { ticket_type_id, from } => {
            InventoryError::SalesNotStarted { ticket_type_id, from }
        }
        Rejection::SalesEnded { ticket_type_id, until } => {
            InventoryError::SalesEnded { ticket_type_id, until }
        }
        Rejection::QuotaMissing { ticket_type_id } => {
            InventoryError::QuotaMissing { ticket_type_id }
        }
        Rejection::BelowMinimum { ticket_type_id, minimum } => {
            InventoryError::BelowMinimum { ticket_type_id, minimum }
        }
        Rejection::AboveMaximum { ticket_type_id, maximum } => {
            InventoryError::AboveMaximum { ticket_type_id, maximum }
        }
        Rejection::SoldOut { ticket_type_id, requested, left } => {
            InventoryError::SoldOut { ticket_type_id, requested, left }
        }
        Rejection::SeatTaken { seats } => InventoryError::SeatTaken { seats },
        Rejection::SeatUnknown { ticket_type_id, seat } => {
            InventoryError::SeatUnknown { ticket_type_id, seat }
        }
        Rejection::NotSeated { ticket_type_id } => InventoryError::NotSeated { ticket_type_id },
        Rejection::TooManyHolds { open, most } => InventoryError::TooManyHolds { open, most },
        Rejection::Invalid { reason } => InventoryError::Invalid { reason: reason.to_owned() },
        Rejection::HoldUnknown => InventoryError::HoldUnknown { hold_id },
        Rejection::HoldDiffers | Rejection::HoldBelongsToOrder { .. } => {
            InventoryError::HoldDiffers { hold_id }
        }
        Rejection::HoldReleased => InventoryError::HoldReleased { hold_id },
    }
}
