//! Shops that stand beside each other and take turns, so that what else the machine does meets all
//! alike.

use hdrhistogram::Histogram;

use super::{
    premises::Premises,
    scenes::{Played, Scene, Stage},
};
use crate::figures::{Effort, Row, Table, median};

/// Plays each of `scenes` in each of the shops, round after round.
pub async fn compare(
    effort: Effort,
    title: &str,
    sides: Vec<(String, Premises)>,
    scenes: &[Scene],
) -> Table {
    let mut stages = Vec::with_capacity(sides.len());
    for (label, premises) in sides {
        stages.push((label, Stage::open(&premises, effort).await));
    }
    let headings =
        ["", "", "a second", "beside the first", "p50", "p99", "p99.9", "server CPU each"];
    let mut table = Table::new(title, &headings);
    for scene in scenes {
        let mut rounds: Vec<Vec<Played>> = Vec::with_capacity(effort.rounds);
        for _ in 0..effort.rounds {
            let mut round = Vec::with_capacity(stages.len());
            for (_, stage) in &stages {
                round.push(scene.play(stage).await);
            }
            rounds.push(round);
        }
        for (side, (label, _)) in stages.iter().enumerate() {
            table.row(row(*scene, label, side, &rounds));
        }
    }
    let count = effort.rounds;
    table.note(format!(
        "Rates and ratios are the medians of {count} rounds in which the shops take turns, times are \
         those of all rounds."
    ));
    for (_, stage) in stages {
        stage.shop.close().await;
    }
    table
}

fn row(scene: Scene, label: &str, side: usize, rounds: &[Vec<Played>]) -> Row {
    let mut times = Histogram::<u64>::new(3).expect("three digits are few enough");
    let (mut rates, mut ratios, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    for round in rounds {
        let Played { outcome, processor_seconds } = &round[side];
        times.add(&outcome.times).expect("they are alike");
        rates.push(outcome.rate());
        ratios.push(outcome.rate() / round[0].outcome.rate());
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        processor.push(processor_seconds * 1e3 / outcome.count.max(1) as f64);
    }
    #[expect(clippy::cast_precision_loss, reason = "some minutes of microseconds")]
    let time = |quantile| format!("{:.1} ms", times.value_at_quantile(quantile) as f64 / 1e3);
    Row::from([
        scene.title(),
        label.to_owned(),
        format!("{:.0}", median(rates)),
        format!("{:.2}", median(ratios)),
        time(0.5),
        time(0.99),
        time(0.999),
        format!("{:.3} ms", median(processor)),
    ])
}
