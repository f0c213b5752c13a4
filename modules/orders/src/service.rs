//! Orders as other services know it: whom to write to, and how orders stand.

use contracts::{
    identity::{FindUser, IdentityError},
    orders::{
        Contact, FindContact, FindOrder, ListOrders, OrderError, OrderPage, OrderSummary, Orders,
    },
};
use runtime::{Context, Fault, async_trait};
use store::StoreError;
use uuid::Uuid;

use crate::{domain::Order, resource::OrderResource, saga::Purchases, views};

const SERVICE: &str = "orders";
/// Orders that are given at once.
const MOST: u32 = 500;

#[async_trait]
impl Orders for Purchases {
    async fn contact(&self, cx: &Context, request: FindContact) -> Result<Contact, OrderError> {
        let order_id = request.order_id;
        let order = self.find(order_id, "contact").await?;
        let unknown = || OrderError::OrderUnknown { order_id };
        let terms = order.terms.as_ref().ok_or_else(unknown)?;
        let access = order.access.as_ref();
        let guest = access.and_then(|access| access.guest.clone());
        let is_guest = guest.is_some();
        let (name, email) = if let Some(guest) = guest {
            (guest.name, guest.email)
        } else {
            let request = FindUser { user_id: terms.buyer_id };
            let found = self.identity.user(cx, request).await;
            let user = found.map_err(|error| from_identity(order_id, error))?;
            (user.name, user.email)
        };
        Ok(Contact {
            order_id,
            order_code: terms.order_code.clone(),
            name,
            email,
            locale: None,
            secret: access.map(|access| access.secret.clone()),
            guest: is_guest,
        })
    }

    async fn find_order(
        &self,
        _cx: &Context,
        request: FindOrder,
    ) -> Result<OrderSummary, OrderError> {
        let order_id = request.order_id;
        let order = self.find(order_id, "find_order").await?;
        let resource = OrderResource::of(order_id, &order);
        Ok(resource.ok_or(OrderError::OrderUnknown { order_id })?.into())
    }

    async fn list_orders(
        &self,
        _cx: &Context,
        request: ListOrders,
    ) -> Result<OrderPage, OrderError> {
        let limit = i64::from(request.limit.min(MOST));
        let rows = views::all_after(&self.database, request.after, limit).await;
        let rows = rows.map_err(|error| fault(error, "list_orders"))?;
        Ok(OrderPage { orders: rows.into_iter().map(OrderSummary::from).collect() })
    }
}

impl Purchases {
    async fn find(&self, order_id: Uuid, method: &'static str) -> Result<Order, OrderError> {
        let found = self.orders.load(order_id).await.map_err(|error| fault(error, method))?;
        Ok(found.ok_or(OrderError::OrderUnknown { order_id })?.state)
    }
}

fn fault(error: StoreError, method: &'static str) -> OrderError {
    OrderError::Fault(error.into_fault(SERVICE, method))
}

fn from_identity(order_id: Uuid, error: IdentityError) -> OrderError {
    match error {
        IdentityError::UserUnknown { .. } => OrderError::BuyerGone { order_id },
        IdentityError::Fault(fault) => OrderError::Fault(fault),
        IdentityError::Unrecognised(_) => OrderError::Fault(Fault::Failed {
            service: SERVICE,
            method: "contact",
            reason: error.to_string(),
        }),
    }
}
