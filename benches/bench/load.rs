//! The shop under load: real server processes, commits synced to disk, and a generator that shares
//! the processors with them.

mod beside;
mod delay;
mod driver;
mod premises;
mod scenes;
mod shop;
mod start;
mod wire;

use testkit::Storage;

use self::{
    premises::{Bus, Grouping, Premises, Replicas},
    scenes::{Played, Scene, Stage},
};
use crate::figures::{Effort, Filter, Row, Table};

/// Shows the shop in every shape and on both databases, then shops beside each other, as far as
/// `filter` wants them.
pub async fn measure(effort: Effort, filter: &Filter, show: impl Fn(&Table)) {
    if filter.wants("start") {
        show(&start::measure(effort).await);
    }
    for grouping in [Grouping::Monolith, Grouping::Split, Grouping::Mixed] {
        for storage in [Storage::Sqlite, Storage::Postgres] {
            let database = if storage == Storage::Sqlite { "sqlite" } else { "postgres" };
            let name = format!("{}-{database}", grouping.name());
            let scenes = wanted(filter, &name, Scene::ALL);
            if !scenes.is_empty() {
                let premises = Premises::new(grouping, storage);
                show(&measure_one(effort, &name, &premises, &scenes).await);
            }
        }
    }
    let scenes = wanted(filter, "split-kafka", Scene::ALL);
    if !scenes.is_empty() {
        let sides =
            [Bus::Feed, Bus::Kafka].map(|bus| (bus.name().to_owned(), Premises::split_over(bus)));
        let title = "split-kafka: events over Kafka beside the feed, on PostgreSQL";
        show(&beside::compare(effort, title, sides.into(), &scenes).await);
    }
    let scenes = wanted(filter, "replicas", Scene::SELLING);
    if !scenes.is_empty() {
        let sides = (1..=effort.most_replicas).map(|count| {
            let replicas = Replicas::OfWhatSells(count);
            (count.to_string(), Premises { replicas, ..Premises::split_over(Bus::Kafka) })
        });
        let title = "replicas: processes of inventory and of orders, each";
        show(&beside::compare(effort, title, sides.collect(), &scenes).await);
    }
    if let Some(table) = delay::measure(effort, filter).await {
        show(&table);
    }
}

fn wanted(filter: &Filter, shape: &str, scenes: &[Scene]) -> Vec<Scene> {
    let is_wanted = |scene: &Scene| filter.wants_in(shape, scene.name());
    scenes.iter().copied().filter(is_wanted).collect()
}

async fn measure_one(effort: Effort, name: &str, premises: &Premises, scenes: &[Scene]) -> Table {
    let stage = Stage::open(premises, effort).await;
    let at_rest = stage.shop.usage().await.resident_bytes;
    let headings = ["", "a second", "p50", "p99", "p99.9", "server CPU each"];
    let mut table = Table::new(name, &headings);
    for scene in scenes {
        let Played { outcome, processor_seconds } = scene.play(&stage).await;
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let each = processor_seconds * 1e3 / outcome.count.max(1) as f64;
        let time = |quantile| format!("{:.1} ms", outcome.quantile(quantile).as_secs_f64() * 1e3);
        table.row(Row::from([
            scene.title(),
            format!("{:.0}", outcome.rate()),
            time(0.5),
            time(0.99),
            time(0.999),
            format!("{each:.3} ms"),
        ]));
        if *scene == Scene::Chase {
            let seconds = outcome.elapsed.as_secs_f64();
            table.note(format!("The last tickets were sold within {seconds:.2} s."));
        }
    }
    let after = stage.shop.usage().await.resident_bytes;
    let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1024.0 / 1024.0);
    table.note(format!(
        "Memory of all processes: {} before, {} after the run.",
        mebibytes(at_rest),
        mebibytes(after)
    ));
    stage.shop.close().await;
    table
}
