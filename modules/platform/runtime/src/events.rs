//! What services tell each other after the fact. How it travels is the bus' matter.

use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;
use uuid::Uuid;

/// The integration events of one service: an enum in the contracts crate, tagged by `type`, with a
/// last `#[serde(other)]` variant for what a newer publisher says and this build does not know.
pub trait IntegrationEvents:
    Serialize + DeserializeOwned + ToSchema + Clone + Send + Sync + 'static
{
    /// The name of the service that publishes these.
    const PUBLISHER: &'static str;

    /// The full name of each event, such as `orders.order_confirmed`.
    const NAMES: &'static [&'static str];

    /// The aggregate the event is about. Events with one key are delivered in their order.
    fn key(&self) -> Uuid;
}
