//! How dead letters look in a terminal.

use std::io::Write;

use edge::dead_letters::{DeadLetterDetails, is_foreign};
use serde_json::{Value, json};
use store::{DeadLetter, DeadLetterState, WantedLetters};

use super::{Desks, Failure, Found};
use crate::cli::table::{Cell, render};

/// The longest line of a table's last column.
const WIDTH: usize = 60;

/// A table of the first of them, how many more there are, and what can be done.
pub(super) fn list(
    out: &mut impl Write,
    found: &[Found],
    more: usize,
    state: Option<DeadLetterState>,
) -> Result<(), Failure> {
    let last = match state {
        Some(DeadLetterState::Discarded) => "event, and why it was discarded",
        _ => "event, and what went wrong",
    };
    let rows: Vec<Vec<Cell>> = found.iter().map(row).collect();
    write!(out, "{}", render(&["id", "service", "state", last], &rows))?;
    if more > 0 {
        writeln!(out, "and {more} more: narrow with --consumer")?;
    }
    if state != Some(DeadLetterState::Discarded) {
        writeln!(out, "\nnext: boxoffice dead-letters show ID")?;
    }
    Ok(())
}

/// That there are none of what was asked for, and where that holds.
pub(super) fn none(
    out: &mut impl Write,
    wanted: &WantedLetters,
    desks: &Desks,
    others: &[String],
) -> Result<(), Failure> {
    let WantedLetters { consumer, publisher, .. } = wanted;
    let of =
        if consumer.is_empty() { String::new() } else { format!(" of the consumer {consumer}") };
    let from = if publisher.is_empty() { String::new() } else { format!(" from {publisher}") };
    writeln!(out, "there are none{of}{from}; looked at {}", desks.looked_at())?;
    if !others.is_empty() {
        writeln!(out, "there are some of {}", plain(&others.join(", ")))?;
    }
    Ok(())
}

fn row(Found { service, letter }: &Found) -> Vec<Cell> {
    let mut state = vec![state_of(letter), format!("tried {}", letter.attempts)];
    if letter.waiting > 0 {
        state.push(format!("{} behind", letter.waiting));
    }
    let what = match (&letter.discarded, &letter.error) {
        (Some(_), _) => why(letter),
        (None, error) => error.clone().unwrap_or_default(),
    };
    let mut event = vec![plain(&format!("{} for {}", letter.event_type, letter.consumer))];
    event.extend(wrapped(&what));
    vec![vec![letter.id.to_string()], vec![(*service).to_owned()], state, event]
}

/// Without characters that a terminal obeys. What an event says may come from anywhere.
fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// The same for JSON: beyond lines, control characters are only in strings, where they may be escaped.
pub(super) fn json(value: &Value) -> String {
    let escape = |one: char| match one {
        '\n' => one.to_string(),
        one if one.is_control() => format!("\\u{:04x}", u32::from(one)),
        one => one.to_string(),
    };
    format!("{value:#}").chars().map(escape).collect()
}

/// In lines that fit, broken between words.
fn wrapped(text: &str) -> Cell {
    let mut lines = vec![String::new()];
    for word in plain(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn state_of(letter: &DeadLetter) -> String {
    let state = edge::dead_letters::DeadLetterStateName::from(letter.state);
    json!(state).as_str().unwrap_or_default().to_owned()
}

/// Everything that is known of one, the event, and what can be done.
pub(super) fn details(
    out: &mut impl Write,
    service: &str,
    letter: DeadLetter,
) -> Result<(), Failure> {
    let (id, state) = (letter.id, state_of(&letter));
    let is_foreign = is_foreign(&letter);
    let reason = letter.discarded.is_some().then(|| why(&letter));
    let details = DeadLetterDetails::from(letter);
    let (of, position) = (&details.letter, details.position);
    let mut lines = vec![
        ("id", Some(id.to_string())),
        ("service", Some(service.to_owned())),
        ("consumer", Some(of.consumer.clone())),
        ("state", Some(state)),
        ("event", Some(of.event_type.clone())),
        ("event id", of.event_id.map(|id| id.to_string())),
        ("about", Some(of.key.to_string())),
        ("tried", Some(of.attempts.to_string())),
        ("what went wrong", of.error.clone()),
        ("next attempt", of.next_attempt_at.map(|at| at.to_string())),
        ("waiting behind", Some(of.waiting.to_string())),
        ("put aside", Some(of.parked_at.to_string())),
        ("position", (!is_foreign).then(|| format!("{}.{}", position.txn, position.seq))),
        ("correlation id", of.correlation_id.clone()),
        ("trace id", of.trace_id.clone()),
    ];
    lines.push(("discarded", reason));
    for (name, value) in lines {
        if let Some(value) = value {
            writeln!(out, "{name:<16} {}", plain(&value))?;
        }
    }
    writeln!(out, "\n{}", json(&details.event))?;
    match DeadLetterState::from(of.state) {
        DeadLetterState::Dead | DeadLetterState::Retrying => {
            let discard = format!("boxoffice dead-letters discard {id} --reason ...");
            if is_foreign {
                writeln!(out, "\nit never takes effect: {discard}")?;
            } else {
                writeln!(out, "\nonce the cause is mended: boxoffice dead-letters retry {id}")?;
                writeln!(out, "if it must never take effect: {discard}")?;
            }
        }
        DeadLetterState::Waiting | DeadLetterState::Discarded => {}
    }
    Ok(())
}

pub(super) fn retried(
    out: &mut impl Write,
    Found { service, letter }: &Found,
) -> Result<(), Failure> {
    let id = letter.id;
    let then = match letter.waiting {
        0 => String::new(),
        waiting => format!(", and then the {waiting} behind it"),
    };
    writeln!(out, "{service} tries {id} within a second where it runs{then}")?;
    writeln!(
        out,
        "whether it worked: boxoffice dead-letters show {id} finds nothing once it has taken effect"
    )?;
    Ok(())
}

pub(super) fn retried_all(
    out: &mut impl Write,
    consumer: &str,
    retried: u64,
) -> Result<(), Failure> {
    match retried {
        1 => writeln!(out, "1 dead letter of {consumer} is tried within a second")?,
        many => writeln!(out, "{many} dead letters of {consumer} are tried within a second")?,
    }
    Ok(())
}

pub(super) fn discarded(
    out: &mut impl Write,
    Found { service, letter }: &Found,
    is_news: bool,
) -> Result<(), Failure> {
    let id = letter.id;
    if is_news {
        writeln!(out, "{service} will never take in {id}; what waits behind it follows")?;
    } else {
        writeln!(out, "{id} was discarded before: {}", why(letter))?;
    }
    Ok(())
}

/// Why it was discarded, by whom and when.
pub(super) fn why(letter: &DeadLetter) -> String {
    letter.discarded.as_ref().map_or_else(String::new, |discarded| {
        plain(&format!("{} ({}, {})", discarded.reason, discarded.by, discarded.at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_printed() {
        let wicked = "left\u{1b}]0;owned\u{7}\u{9b}2J right";
        assert!(!wrapped(wicked).concat().chars().any(char::is_control));
        assert!(!plain(wicked).chars().any(char::is_control));
        let value = json!({ "fault": wicked, "name": "Zo\u{eb}" });
        let printed = super::json(&value);
        assert!(!printed.chars().any(|one| one.is_control() && one != '\n'), "{printed}");
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), value);
    }
}
