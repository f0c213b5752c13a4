//! The trail of everything that changes: for each event of a service's log who did what to which
//! thing, when and why, and never what the event holds.
//!
//! It travels as integration events do, from the log itself, on a feed of its own: the service
//! `orders` publishes `orders.audit`. Whoever keeps the trail takes it in by pages, each written as
//! one set in one commit together with how far it has come, so that each record is kept once. There
//! is nothing in a record that could not be taken in, so none is ever put aside.

mod keeper;

use std::sync::Arc;

use runtime::{
    Boot, FIRST_EVENT_VERSION, Method, StartError, Timestamp, async_trait, describe_schema,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Committer, Feed, RawRecorded, Tx};
use utoipa::ToSchema;
use uuid::Uuid;

use self::keeper::Keeper;
use crate::{
    BusKind, BusSettings, Entry, Envelope, Hub, Page, Query, Source, SourceError,
    publish::{hub, relay},
    remote,
};

/// How the name of a feed of this kind ends: `orders.audit`.
pub(crate) const SUFFIX: &str = ".audit";
const AUDIT: Method = Method { name: "audit", idempotent: true };
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

/// One change of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The identity of the event.
    pub id: Uuid,
    /// The service it happened in.
    pub service: &'static str,
    /// What kind of thing changed, such as `order`.
    pub aggregate: String,
    /// Which one.
    pub stream: Uuid,
    /// How many changes it has seen with this one.
    pub version: u64,
    /// What happened, such as `places_confirmed`.
    pub event_type: String,
    /// When.
    pub recorded_at: Timestamp,
    /// Who was behind it: `user:<id>`, `service:<name>` or `anonymous`.
    pub actor: String,
    /// What ties together everything that one request caused.
    pub correlation_id: String,
    /// The event that caused it, if one did.
    pub causation_id: Option<Uuid>,
    /// Why, where the event says so in a text called `reason` or `cause`.
    pub reason: Option<String>,
}

/// One change of one thing: who did what, and why, without what the thing holds.
#[derive(Serialize, Deserialize, ToSchema)]
struct Particulars {
    /// What kind of thing changed, such as `order`. Which one is the envelope's key.
    aggregate: String,
    /// How many changes the thing has seen with this one.
    version: u64,
    /// What happened, such as `places_confirmed`.
    event: String,
    /// Who was behind it: `user:<id>`, `service:<name>` or `anonymous`.
    actor: String,
    /// Why, where the event says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The JSON schema (draft 7) of what a trail tells of each change: the payload of the envelope.
pub fn audit_schema() -> Value {
    describe_schema::<Particulars>()
}

/// The events of a service and its trail, for what its module publishes:
/// `with_audit!(TicketEvent::NAMES, "tickets")`.
#[macro_export]
macro_rules! with_audit {
    ($names:expr, $service:literal) => {
        &{
            const NAMES: &[&str] = $names;
            const ALL: [&str; NAMES.len() + 1] = {
                let mut all = [concat!($service, ".audit"); NAMES.len() + 1];
                let mut at = 0;
                while at < NAMES.len() {
                    all[at] = NAMES[at];
                    at += 1;
                }
                all
            };
            ALL
        }
    };
}

/// Publishes the trail of the committer's database, the module's own. The module lists `<name>.audit` under its
/// `publishes`.
///
/// # Errors
/// When it does not.
pub fn publish_audit(boot: &mut Boot, committer: &Committer) -> Result<(), StartError> {
    let module = boot.module();
    let is_it = |name: &&&str| name.strip_suffix(SUFFIX) == Some(module.name);
    let Some(name) = module.publishes.iter().find(is_it) else {
        return Err(StartError::new(format!(
            "{0} publishes {0}{SUFFIX} without saying so; list it under its publishes",
            module.name
        )));
    };
    let trail: Arc<dyn Source> =
        Arc::new(Trail { name, feed: Feed::of_everything(committer.database()) });
    relay(boot, committer.database(), name, &[name], &trail);
    hub(boot)?.offer(name, Arc::clone(&trail));
    let routes = remote::routes(boot, AUDIT, module.name, trail);
    boot.internal(routes);
    Ok(())
}

/// A service's log without what the events hold.
pub(crate) struct Trail {
    pub(crate) name: &'static str,
    pub(crate) feed: Feed,
}

#[async_trait]
impl Source for Trail {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let stretch = self.feed.wait(query.after, query.limit.max(1), query.wait).await?;
        let head = if stretch.is_end { None } else { self.feed.head().await? };
        let reached = stretch.reached;
        let behind =
            head.map_or(0, |head| u64::try_from(head.seq - reached.seq).unwrap_or_default());
        let entries = stretch.events.into_iter().map(|raw| enter(self.name, raw)).collect();
        Ok(Page { entries, reached, behind })
    }
}

fn enter(name: &str, raw: RawRecorded) -> Entry {
    let position = raw.position();
    let particulars = Particulars {
        reason: reason(&raw.payload),
        aggregate: raw.category,
        version: raw.version,
        event: raw.event_type,
        actor: raw.actor,
    };
    let envelope = Envelope {
        id: raw.id,
        event_type: name.to_owned(),
        schema_version: FIRST_EVENT_VERSION,
        key: raw.stream,
        time: raw.recorded_at.0,
        correlation_id: raw.correlation_id,
        causation_id: raw.causation_id,
        traceparent: raw.traceparent,
        payload: serde_json::to_value(particulars).unwrap_or_default(),
        fault: None,
    };
    Entry { position, envelope }
}

/// Why it happened, in the words of the event, without anything that a database cannot keep.
fn reason(payload: &Value) -> Option<String> {
    let words = ["reason", "cause"].iter().find_map(|name| payload.get(*name)?.as_str())?;
    let is_plain = |character: &char| !character.is_control();
    Some(words.chars().filter(is_plain).take(LONGEST_REASON).collect())
}

/// Why an envelope gives no record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRecord {
    /// A newer build wrote it, and can read it.
    Newer,
    /// It is none.
    Unreadable,
}

impl AuditRecord {
    pub(crate) fn of(service: &'static str, envelope: Envelope) -> Result<Self, NoRecord> {
        if envelope.schema_version > FIRST_EVENT_VERSION {
            return Err(NoRecord::Newer);
        }
        let particulars: Particulars =
            serde_json::from_value(envelope.payload).map_err(|_quotes| NoRecord::Unreadable)?;
        let Particulars { aggregate, version, event, actor, reason } = particulars;
        Ok(Self {
            id: envelope.id,
            service,
            aggregate,
            stream: envelope.key,
            version,
            event_type: event,
            recorded_at: envelope.time,
            actor,
            correlation_id: envelope.correlation_id,
            causation_id: envelope.causation_id,
            reason,
        })
    }
}

/// Keeps the trail of other services.
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Keeps these records, in the transaction that notes how far was read.
    ///
    /// # Errors
    /// When a statement fails; then the same records come again.
    async fn keep(&self, tx: &mut Tx, records: &[AuditRecord]) -> Result<(), store::sqlx::Error>;
}

/// Has `log` keep the trails that the module lists under `consumes` (`orders.audit`), each from the
/// beginning. `consumer` names the place where it remembers how far it has come; never change it.
///
/// # Errors
/// When the module consumes no trail, or a service is not hosted here and nobody said where it is.
pub fn keep_audit(
    boot: &mut Boot,
    committer: &Committer,
    consumer: &'static str,
    log: impl AuditLog,
) -> Result<(), StartError> {
    let module = boot.module();
    let log: Arc<dyn AuditLog> = Arc::new(log);
    let trails =
        module.consumes.iter().filter_map(|name| Some((*name, name.strip_suffix(SUFFIX)?)));
    let trails: Vec<(&'static str, &'static str)> = trails.collect();
    if trails.is_empty() {
        return Err(StartError::new(format!(
            "{} keeps the trails of no service; list <service>{SUFFIX} under its consumes",
            module.name
        )));
    }
    for (name, service) in trails {
        let settings = boot.settings::<BusSettings>();
        let kind = settings.kind;
        let log = Arc::clone(&log);
        let keeper = Keeper::new(name, service, consumer, committer, log, settings, boot.random());
        match kind {
            BusKind::Feed => {
                let place = place_of(boot, name, service)?;
                boot.spawn("audit", move |stop| async move {
                    let source = stop.run_until_cancelled(place.source(name)).await;
                    if let Some(source) = source {
                        keeper.run(source, stop).await;
                    }
                });
            }
            BusKind::Kafka => {
                let standing = keeper.group_standing();
                let reported = Arc::clone(&standing);
                boot.standing(format!("trail of {service}"), move || {
                    let standing = Arc::clone(&reported);
                    Box::pin(async move { standing.report() })
                });
                boot.spawn("audit", move |stop| keeper.run_as_group(standing, stop));
            }
        }
    }
    Ok(())
}

enum Place {
    Here(Arc<Hub>),
    Elsewhere(Arc<dyn Source>),
}

fn place_of(boot: &Boot, name: &str, service: &'static str) -> Result<Place, StartError> {
    if boot.hosts(service) {
        return hub(boot).map(Place::Here);
    }
    let client = boot.http_client(service).ok_or_else(|| {
        StartError::new(format!(
            "{} consumes {name}, and {service} is neither hosted here nor addressed; set \
             peers.{service}.internal",
            boot.module().name
        ))
    })?;
    Ok(Place::Elsewhere(Arc::new(remote::RemoteFeed::new(boot, &AUDIT, &client))))
}

impl Place {
    async fn source(self, name: &'static str) -> Arc<dyn Source> {
        match self {
            Self::Here(hub) => hub.feed(name).await,
            Self::Elsewhere(feed) => feed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_publishes_its_events_and_its_trail() {
        const PUBLISHED: &[&str] = crate::with_audit!(&["orders.order_confirmed"], "orders");
        assert_eq!(PUBLISHED, ["orders.order_confirmed", "orders.audit"]);
    }

    #[test]
    fn why_is_what_the_event_calls_its_reason_or_its_cause() {
        assert_eq!(reason(&json!({"reason": "rain", "cause": "x"})).as_deref(), Some("rain"));
        assert_eq!(reason(&json!({"cause": "expired"})).as_deref(), Some("expired"));
        assert_eq!(reason(&json!({"reason": {"text": "rain"}})), None);
        assert_eq!(reason(&json!({"amount": 5})), None);
    }

    fn envelope(schema_version: u16, payload: Value) -> Envelope {
        Envelope {
            id: Uuid::from_u128(1),
            event_type: "orders.audit".to_owned(),
            schema_version,
            key: Uuid::from_u128(2),
            time: Timestamp::constant(0, 0),
            correlation_id: "c".to_owned(),
            causation_id: None,
            traceparent: "t".to_owned(),
            payload,
            fault: None,
        }
    }

    #[test]
    fn what_a_newer_build_wrote_is_told_from_what_is_no_record() {
        let written = json!({"aggregate": "order", "version": 1, "event": "e", "actor": "a"});
        let read = |version, payload: &Value| {
            let read = AuditRecord::of("orders", envelope(version, payload.clone()));
            read.map(|record| record.aggregate)
        };
        assert_eq!(read(1, &written).as_deref(), Ok("order"));
        assert_eq!(read(2, &written), Err(NoRecord::Newer));
        assert_eq!(read(1, &json!({"aggregate": 1})), Err(NoRecord::Unreadable));
    }

    #[test]
    fn records_of_all_versions_so_far_are_read_and_nothing_of_them_is_lost() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/events/samples");
        let files = fs::read_dir(samples).unwrap().map(|file| file.unwrap().path());
        let is_record = |file: &Path| file.to_string_lossy().contains(".audit.v");
        let mut versions = BTreeSet::new();
        for file in files.filter(|file| is_record(file)) {
            let text = fs::read_to_string(&file).unwrap();
            let envelope: Envelope = serde_json::from_str(&text).unwrap();
            let read = AuditRecord::of("orders", envelope.clone());
            let record = read.unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
            let mut told = json!({
                "aggregate": record.aggregate,
                "version": record.version,
                "event": record.event_type,
                "actor": record.actor,
            });
            if let Some(reason) = record.reason {
                told["reason"] = reason.into();
            }
            assert_eq!(told, envelope.payload, "{}", file.display());
            assert_eq!((record.id, record.stream), (envelope.id, envelope.key));
            assert_eq!(record.recorded_at, envelope.time);
            assert_eq!(record.correlation_id, envelope.correlation_id);
            assert_eq!(record.causation_id, envelope.causation_id);
            versions.insert(envelope.schema_version);
        }
        assert_eq!(versions, BTreeSet::from([FIRST_EVENT_VERSION]));
    }

    #[test]
    fn a_reason_is_cut_and_holds_nothing_that_a_database_refuses() {
        let long = reason(&json!({"reason": "ab\u{0}\n".repeat(1_000)})).unwrap();
        assert_eq!(long.len(), LONGEST_REASON);
        assert!(!long.contains('\u{0}'));
    }
}
