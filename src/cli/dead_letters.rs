//! `boxoffice dead-letters`: what services could not take in, for whoever has to decide about it.
//!
//! Works directly on the databases of the configuration, as `migrate` does, whether the services run
//! or not. How it is printed is in `dead_letters/print.rs`.

mod desks;
mod print;

use std::{collections::BTreeSet, io::Write};

use clap::{Args, Subcommand, ValueEnum};
use edge::dead_letters::{
    DeadLetterDetails, DeadLetterResource, is_foreign, mistaken_names, of_event,
};
use runtime::{Faults, StartError};
use serde_json::{Value, json};
use store::{DeadLetter, DeadLetterState, LetterError, StoreError, WantedLetters};
use uuid::Uuid;

use self::desks::{Desk, Desks, Found};
use super::{
    Failure, block_on, complain,
    flags::{ConfigurationFlags, wrong},
};

/// What an operator is called who does not say who it is.
const NOBODY_IN_PARTICULAR: &str = "operator";
/// Letters read at once.
const PAGE: usize = 200;
/// Letters in a table, of which nobody reads more.
const LONGEST_TABLE: usize = 200;
/// What is said before the reasons.
const CANNOT: &str = "cannot do it";
/// The longest reason, as over the API.
const LONGEST_REASON: usize = 500;

#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    wish: Wish,
    /// Only this service's, rather than those of every service whose database is there.
    #[arg(long, value_name = "NAME", global = true)]
    service: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// List those that are dead or tried again by themselves.
    List {
        /// Only those of this consumer.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        consumer: String,
        /// Only events of this service.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        publisher: String,
        /// Only those in this state, instead of the dead and the retried.
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// Show one: the event, what went wrong, and what waits behind it.
    Show {
        /// Its id, from the list, the log or an alert.
        id: Uuid,
    },
    /// Have one tried again; those that wait behind it follow in order.
    Retry {
        /// Its id.
        id: Uuid,
    },
    /// Have all of a consumer tried again.
    RetryAll {
        /// The consumer.
        #[arg(long, value_name = "NAME")]
        consumer: String,
        /// Only events of this service.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        publisher: String,
    },
    /// Throw one away for good: it never takes effect, and those that wait behind it follow.
    ///
    /// It is kept with the reason; list those with `--state discarded`. One that waits behind
    /// another cannot be discarded before it.
    Discard {
        /// Its id.
        id: Uuid,
        /// Why, for whoever asks later. No personal data.
        #[arg(long, value_name = "TEXT", value_parser = line)]
        reason: String,
        /// Who decides it [default: USER of the environment].
        #[arg(long, value_name = "NAME", value_parser = line)]
        by: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Retrying,
    Dead,
    Waiting,
    Discarded,
}

impl From<State> for DeadLetterState {
    fn from(state: State) -> Self {
        match state {
            State::Retrying => Self::Retrying,
            State::Dead => Self::Dead,
            State::Waiting => Self::Waiting,
            State::Discarded => Self::Discarded,
        }
    }
}

fn line(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is blank");
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if text.chars().count() > LONGEST_REASON {
        return Err("is longer than 500 characters");
    }
    Ok(text.to_owned())
}

pub(super) fn run(
    args: &DeadLettersArgs,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (config, _) = flags.load_for_databases().map_err(wrong)?;
    block_on(async {
        let desks = Desks::open(args.service.as_deref(), &config).await?;
        let done = fulfil(args, &desks, out).await;
        desks.close().await;
        done
    })
}

async fn fulfil(
    args: &DeadLettersArgs,
    desks: &Desks,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let json = args.json;
    match &args.wish {
        Wish::List { consumer, publisher, state } => {
            let wanted = WantedLetters {
                consumer: consumer.clone(),
                publisher: publisher.clone(),
                state: state.map(DeadLetterState::from),
            };
            if json {
                let mut resources = Vec::new();
                each(desks, &wanted, |found| resources.push(resource(found))).await?;
                warn_of_unseen(desks);
                return write_json(out, &resources.into());
            }
            let (mut first, mut more) = (Vec::new(), 0);
            each(desks, &wanted, |found| match first.len() {
                LONGEST_TABLE => more += 1,
                _ => first.push(found),
            })
            .await?;
            warn_of_unseen(desks);
            if first.is_empty() {
                print::none(out, &wanted, desks, &others(desks, &wanted).await?)
            } else {
                print::list(out, &first, more, wanted.state)
            }
        }
        Wish::Show { id } => {
            let Found { service, letter } = find(desks, *id).await?.0;
            if json {
                let details = DeadLetterDetails::from(letter);
                return write_json(out, &with_service(service, json!(details)));
            }
            print::details(out, service, letter)
        }
        Wish::Retry { id } => {
            let (found, desk) = find(desks, *id).await?;
            if found.letter.discarded.is_none() && is_foreign(&found.letter) {
                let publisher = &found.letter.publisher;
                return Err(cannot(format!(
                    "{id} is no event of the log of {publisher} and never takes effect; find out \
                     who wrote it, and discard it"
                )));
            }
            let letter = desk.letters.retry(*id).await.map_err(|error| refused(*id, error))?;
            let retried = Found { service: desk.service, letter };
            if json { write_json(out, &resource(retried)) } else { print::retried(out, &retried) }
        }
        Wish::RetryAll { consumer, publisher } => {
            let mut retried = 0;
            for desk in &desks.open {
                let some = desk.letters.retry_all(consumer, publisher).await;
                retried += some.map_err(|error| cannot(format!("{}: {error}", desk.service)))?;
            }
            warn_of_unseen(desks);
            if retried == 0 {
                expect_names(desks, consumer, publisher).await?;
            }
            if json {
                return write_json(out, &json!({ "retried": retried }));
            }
            if retried > 0 {
                return print::retried_all(out, consumer, retried);
            }
            let (consumer, publisher) = (consumer.clone(), publisher.clone());
            let state = Some(DeadLetterState::Dead);
            let wanted = WantedLetters { consumer, publisher, state };
            print::none(out, &wanted, desks, &others(desks, &wanted).await?)
        }
        Wish::Discard { id, reason, by } => {
            let (_, desk) = find(desks, *id).await?;
            let by = by.clone().or_else(user).map_or_else(
                || NOBODY_IN_PARTICULAR.to_owned(),
                |name| format!("{NOBODY_IN_PARTICULAR}:{name}"),
            );
            let (letter, is_news) = match desk.letters.discard(*id, reason, &by).await {
                Ok(letter) => (letter, true),
                Err(LetterError::Discarded(before)) => (*before, false),
                Err(error) => return Err(refused(*id, error)),
            };
            let discarded = Found { service: desk.service, letter };
            if json {
                write_json(out, &resource(discarded))
            } else {
                print::discarded(out, &discarded, is_news)
            }
        }
    }
}

/// Who is logged in where the command was given, if that is a name.
fn user() -> Option<String> {
    let (_, name) = std::env::vars_os().find(|(variable, _)| variable == "USER")?;
    line(name.to_str()?).ok()
}

fn warn_of_unseen(desks: &Desks) {
    if let Some(unseen) = desks.unseen() {
        complain(&unseen);
    }
}

/// What there is in the same state where nothing is that was asked for: the consumers and publishers,
/// in case a name was mistaken.
async fn others(desks: &Desks, wanted: &WantedLetters) -> Result<Vec<String>, Failure> {
    if wanted.consumer.is_empty() && wanted.publisher.is_empty() {
        return Ok(Vec::new());
    }
    let all = WantedLetters { state: wanted.state, ..WantedLetters::default() };
    let mut names = BTreeSet::new();
    each(desks, &all, |Found { letter, .. }| {
        names.insert(format!("{} from {}", letter.consumer, letter.publisher));
    })
    .await?;
    Ok(names.into_iter().collect())
}

/// Gives each letter that is `wanted` to `take`, page by page: there may be more of them, with all
/// their events, than there is memory.
async fn each(
    desks: &Desks,
    wanted: &WantedLetters,
    mut take: impl FnMut(Found),
) -> Result<(), Failure> {
    for desk in &desks.open {
        let mut after = None;
        loop {
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            let page = desk.letters.list(wanted, after, limit).await;
            let page = page.map_err(|error| cannot(format!("{}: {error}", desk.service)))?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|letter| letter.id);
            let service = desk.service;
            for letter in page {
                take(Found { service, letter });
            }
            if is_last {
                break;
            }
        }
    }
    Ok(())
}

async fn find(desks: &Desks, id: Uuid) -> Result<(Found, &Desk), Failure> {
    for desk in &desks.open {
        let shown: Result<_, StoreError> = desk.letters.show(id).await;
        let shown = shown.map_err(|error| cannot(format!("{}: {error}", desk.service)))?;
        if let Some(letter) = shown {
            return Ok((Found { service: desk.service, letter }, desk));
        }
    }
    warn_of_unseen(desks);
    Err(match letters_of(desks, id).await?.as_slice() {
        [] => refused(id, LetterError::Unknown),
        theirs => {
            let theirs = theirs.join(" and ");
            cannot(format!("{id} is the id of an event, whose dead letter is {theirs}"))
        }
    })
}

/// The dead letters of the event `id`, each with its consumer.
async fn letters_of(desks: &Desks, id: Uuid) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for Desk { service, letters, .. } in &desks.open {
        let theirs = of_event(letters, id).await;
        let theirs = theirs.map_err(|error| cannot(format!("{service}: {error}")))?;
        let words = |it: DeadLetter| format!("{} (of {})", it.id, it.consumer);
        found.extend(theirs.into_iter().map(words));
    }
    Ok(found)
}

/// There may be nothing to retry; there is something wrong where the names are.
async fn expect_names(desks: &Desks, consumer: &str, publisher: &str) -> Result<(), Failure> {
    let mut known = Vec::new();
    for desk in &desks.open {
        let some = desk.letters.consumers().await;
        known.extend(some.map_err(|error| cannot(format!("{}: {error}", desk.service)))?);
    }
    let faults = mistaken_names(consumer, publisher, &known);
    let faults = Faults::check(faults.into_iter().map(|(_, why)| why).collect());
    faults.map_err(|faults| Failure::faults(CANNOT, faults))
}

/// Why a decision was not done, with what to do instead.
fn refused(id: Uuid, error: LetterError) -> Failure {
    cannot(match error {
        LetterError::Unknown => format!(
            "there is no dead letter {id}: either it has taken effect, or it belongs to a service \
             that was not looked at; `boxoffice dead-letters list` shows those that there are"
        ),
        LetterError::Waiting { behind: Some(first) } => format!(
            "{id} waits behind {first}, which is about the same thing; retry or discard that one, \
             and this one follows by itself"
        ),
        LetterError::Waiting { behind: None } => {
            format!("the turn of {id} has come: it is tried within a second, by itself")
        }
        LetterError::Discarded(letter) => {
            format!("{id} was discarded before and cannot be brought back: {}", print::why(&letter))
        }
        LetterError::Store(error) => error.to_string(),
    })
}

fn cannot(why: String) -> Failure {
    Failure::error(CANNOT, StartError::new(why))
}

fn resource(found: Found) -> Value {
    with_service(found.service, json!(DeadLetterResource::from(found.letter)))
}

fn with_service(service: &str, mut letter: Value) -> Value {
    if let Some(members) = letter.as_object_mut() {
        members.insert("service".to_owned(), json!(service));
    }
    letter
}

fn write_json(out: &mut impl Write, value: &Value) -> Result<(), Failure> {
    writeln!(out, "{}", print::json(value))?;
    Ok(())
}
