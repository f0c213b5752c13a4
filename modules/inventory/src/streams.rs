//! Those who follow what is available: each keeps a connection, so they are so many and no more, some
//! of each network, and none for ever.

use std::time::Duration;

use edge::{ConcurrencyLimit, ConcurrencyPermit, LimitReached, Network, Problem};
use runtime::PublicSettings;

use crate::{problems, settings::InventorySettings};

/// Of how many connections one may be a stream, so that others get in.
const SHARE: usize = 4;
/// How long those who are sent away are asked to stay there.
const COME_BACK_AFTER: Duration = Duration::from_secs(30);
const ALL_TAKEN: &str =
    "all streams are taken; GET /v1/availability/{event_id} tells the same meanwhile";

/// The places of those who follow.
#[derive(Clone)]
pub(crate) struct Streams {
    limit: ConcurrencyLimit<Network>,
    most_of_network: u32,
    /// How long one lasts.
    pub(crate) lifetime: Duration,
}

impl Streams {
    pub(crate) fn new(settings: &InventorySettings, public: &PublicSettings) -> Self {
        let most = settings.streams.map_or((public.max_connections / SHARE).max(1), size);
        let most_of_network = settings.streams_per_network;
        let limit = ConcurrencyLimit::new(most, size(most_of_network));
        Self { limit, most_of_network, lifetime: settings.stream_lifetime }
    }

    /// A place for one more, or a problem when there is none.
    pub(crate) fn open(&self, network: Network) -> Result<ConcurrencyPermit<Network>, Problem> {
        self.limit.acquire(network).map_err(|reached| match reached {
            LimitReached::OfKey => Problem::new(&problems::TOO_MANY_STREAMS)
                .with("most", self.most_of_network)
                .retry_after(COME_BACK_AFTER),
            LimitReached::All => Problem::new(&edge::problems::SERVICE_UNAVAILABLE)
                .detail(ALL_TAKEN)
                .retry_after(COME_BACK_AFTER),
        })
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
