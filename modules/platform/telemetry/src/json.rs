//! Log lines as JSON objects, in which the fields of the spans around an event stand beside its
//! own, so that a collector finds `correlation_id` in one place.

use std::{fmt, io::Write};

use serde_json::{Map, Value};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// Writes each event as one line to what `make_writer` makes.
pub(crate) struct JsonLines<W> {
    make_writer: W,
    process: Option<String>,
}

impl<W> JsonLines<W> {
    pub(crate) fn new(make_writer: W) -> Self {
        Self { make_writer, process: None }
    }

    /// Says in each line which process it is from.
    pub(crate) fn of_process(self, process: Option<&str>) -> Self {
        Self { process: process.map(str::to_owned), ..self }
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        if let Some(process) = &self.process {
            fields.0.insert("process".to_owned(), process.as_str().into());
        }

        let mut line = Value::Object(line_of(event.metadata(), fields)).to_string();
        line.push('\n');
        // Where standard error is gone there is nobody left to tell.
        let _gone = self.make_writer.make_writer().write_all(line.as_bytes());
    }
}

fn line_of(metadata: &Metadata<'_>, Fields(mut fields): Fields) -> Map<String, Value> {
    let mut time = String::new();
    let _infallible = SystemTime.format_time(&mut Writer::new(&mut time));
    let message = fields.remove("message").unwrap_or_default();
    // Events that come from the `log` crate carry where they come from as fields.
    let target = fields.remove("log.target").unwrap_or_else(|| metadata.target().into());
    fields.retain(|name, _| !name.starts_with("log."));

    let mut line = Map::from_iter([
        ("time".to_owned(), time.into()),
        ("level".to_owned(), metadata.level().as_str().into()),
        ("target".to_owned(), target),
        ("message".to_owned(), message),
    ]);
    for (name, value) in fields {
        line.entry(name).or_insert(value);
    }
    line
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(work: impl FnOnce()) -> Vec<Map<String, Value>> {
        let written = Written::default();
        let writer = written.clone();
        let layer = JsonLines::new(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let bytes = written.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_when_how_grave_where_and_what() {
        let lines = lines_of(|| tracing::warn!(target: "orders", "the order expired"));
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "orders");
        assert_eq!(line["message"], "the order expired");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line:?}");
    }

    #[test]
    fn the_fields_of_the_spans_around_it_stand_beside_its_own() {
        let lines = lines_of(|| {
            let outer = tracing::info_span!("request", correlation_id = "c-1", status = 0);
            outer.in_scope(|| {
                tracing::info_span!("call", method = "hold").in_scope(|| {
                    tracing::info!(seats = 2, free = true, "held");
                });
            });
            outer.record("status", 201);
            outer.in_scope(|| tracing::info!("answered"));
        });
        let [held, answered] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(
            (&held["correlation_id"], &held["method"], &held["seats"], &held["free"]),
            (&"c-1".into(), &"hold".into(), &2.into(), &true.into())
        );
        assert_eq!(answered["status"], 201);
        assert!(!answered.contains_key("method"));
    }

    #[test]
    fn a_field_cannot_pass_itself_off_as_the_time_or_the_level() {
        let lines = lines_of(|| tracing::info!(level = "FATAL", time = "never", "said"));
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["level"], "INFO");
        assert_ne!(line["time"], "never");
    }
}
