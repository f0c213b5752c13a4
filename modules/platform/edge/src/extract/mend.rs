//! Finds everything that is wrong with an input, though serde stops at the first fault: mends that
//! fault with a value that fits, reads again, and goes on until all can be read.
//!
//! What a fault is called is in `words.rs`.

use std::collections::VecDeque;

use garde::Validate;
use serde_json::{Value, json};

use super::{broken_rules, escape, words};
use crate::{FieldFault, RequestPart};

/// How often an input is read to find its faults.
const MOST_READINGS: usize = 200;
/// How many bytes are read to find them, all readings together, so that a large body costs no more
/// than many small ones.
const MOST_BYTES: usize = 8 << 20;
/// How many members an object may have to be searched for the one at fault.
const MOST_MEMBERS: usize = 8;

/// Where an input does not fit its type, and what serde says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pointer: String,
    message: String,
}

impl Misfit {
    /// A fault where serde found it. Of a field that is missing or unknown serde may name the
    /// parent, so the field is added.
    pub(super) fn new(mut pointer: String, message: String) -> Self {
        if let Some(name) = words::missing_field(&message) {
            pointer = format!("{pointer}/{}", escape(name));
        } else if let Some(name) = words::surplus_field(&message) {
            let token = format!("/{}", escape(name));
            if !pointer.ends_with(&token) {
                pointer.push_str(&token);
            }
        }
        Self { pointer, message }
    }
}

/// What is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) part: RequestPart,
    /// Fields that others read, and that are therefore not in this input.
    pub(super) also_taken: &'a [&'a str],
    /// The input's length in bytes.
    pub(super) size: usize,
}

impl Reading<'_> {
    /// All faults of `input`, of which `first` is known: those that are there whatever the faulty
    /// values were meant to be. What else an object must have may follow from one of them, and so may
    /// whether a rule is broken.
    pub(super) fn faults<T: Validate<Context: Default>>(
        &self,
        first: Misfit,
        input: Value,
        read: impl Fn(&Value) -> Result<T, Misfit>,
    ) -> Vec<FieldFault> {
        let (value, mending) = self.mended(&first, input.clone(), &read, Choice::First);
        let Mending { mut faults, stand_ins, .. } = mending;
        let mut broken = self.rules_broken_by(value.as_ref());
        broken.retain(|fault| !stand_ins.iter().any(|it| is_within(&fault.pointer, it)));
        if !stand_ins.is_empty() {
            let (value, otherwise) = self.mended(&first, input, &read, Choice::Last);
            let broken_too = self.rules_broken_by(value.as_ref());
            broken.retain(|fault| broken_too.contains(fault));
            let is_there_too =
                |fault: &FieldFault| otherwise.faults.iter().any(|it| it.pointer == fault.pointer);
            if value.is_some() {
                faults.retain(is_there_too);
            }
        }
        if faults.is_empty() && broken.is_empty() {
            let detail = words::of_misfit(&first.message, None, self.also_taken);
            faults.push(FieldFault::new(self.part, first.pointer, detail));
        }
        faults.extend(broken);
        faults.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        faults
    }

    fn mended<'a, T, R: Fn(&Value) -> Result<T, Misfit>>(
        &'a self,
        first: &Misfit,
        input: Value,
        read: &'a R,
        choice: Choice,
    ) -> (Option<T>, Mending<'a, R>) {
        let mut mending = Mending::new(*self, read, input, choice);
        if words::is_duplicate(&first.message) {
            mending.note(first, None);
        }
        (mending.run(), mending)
    }

    fn rules_broken_by<T: Validate<Context: Default>>(&self, value: Option<&T>) -> Vec<FieldFault> {
        value.map(|value| broken_rules(self.part, value)).unwrap_or_default()
    }
}

/// Which of the values that fit stands in for a faulty one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    First,
    Last,
}

struct Mending<'a, R> {
    reading: Reading<'a>,
    read: &'a R,
    input: Value,
    choice: Choice,
    readings_left: usize,
    faults: Vec<FieldFault>,
    /// Where values stand in for faulty ones.
    stand_ins: Vec<String>,
}

impl<'a, T, R: Fn(&Value) -> Result<T, Misfit>> Mending<'a, R> {
    fn new(reading: Reading<'a>, read: &'a R, input: Value, choice: Choice) -> Self {
        let readings_left = (MOST_BYTES / reading.size.max(1)).clamp(2, MOST_READINGS);
        let (faults, stand_ins) = (Vec::new(), Vec::new());
        Self { reading, read, input, choice, readings_left, faults, stand_ins }
    }

    /// What the input reads as once it is mended; `None` when it cannot be.
    fn run(&mut self) -> Option<T> {
        let mut outcome = self.read_once()?;
        loop {
            match outcome {
                Ok(value) => return Some(value),
                Err(misfit) => outcome = self.mend(&misfit)?,
            }
        }
    }

    fn read_once(&mut self) -> Option<Result<T, Misfit>> {
        self.readings_left = self.readings_left.checked_sub(1)?;
        Some((self.read)(&self.input))
    }

    /// Notes a fault and reads on without it.
    fn mend(&mut self, misfit: &Misfit) -> Option<Result<T, Misfit>> {
        if words::surplus_field(&misfit.message).is_some() {
            self.note(misfit, None);
            remove(&mut self.input, &misfit.pointer)?;
            return self.read_once();
        }
        let fitting = match self.within(misfit) {
            Some((inner, kind, outcome)) => {
                self.note(&inner, Some(&kind));
                self.stand_ins.push(inner.pointer);
                return Some(outcome);
            }
            None => self.fitting(&misfit.pointer),
        };
        self.note(misfit, fitting.as_ref().map(|(kind, _)| kind));
        self.stand_ins.push(misfit.pointer.clone());
        fitting.map(|(_, outcome)| outcome)
    }

    /// Serde does not say where in a tagged enum a fault is: the one member of an object without
    /// which it fits is at fault.
    fn within(&mut self, misfit: &Misfit) -> Option<(Misfit, Kind, Result<T, Misfit>)> {
        let object = self.input.pointer(&misfit.pointer)?.as_object()?;
        if object.len() > MOST_MEMBERS || words::is_about_object(&misfit.message) {
            return None;
        }
        for (name, value) in object.clone() {
            let pointer = format!("{}/{}", misfit.pointer, escape(&name));
            if let Some((kind, outcome)) = self.fitting(&pointer) {
                let inner = Misfit { pointer, message: misfit.message.clone() };
                return Some((inner, kind, outcome));
            }
            put(&mut self.input, &pointer, value)?;
        }
        None
    }

    fn note(&mut self, misfit: &Misfit, fits: Option<&Kind>) {
        if self.stand_ins.iter().any(|it| is_within(&misfit.pointer, it)) {
            return;
        }
        let detail = words::of_misfit(&misfit.message, fits, self.reading.also_taken);
        self.faults.push(FieldFault::new(self.reading.part, misfit.pointer.clone(), detail));
    }

    /// Puts a value at `pointer` that fits there; says of which kind it is, and what the reading is
    /// then.
    fn fitting(&mut self, pointer: &str) -> Option<(Kind, Result<T, Misfit>)> {
        let mut candidates = candidates(self.choice);
        if self.reading.part == RequestPart::Query {
            candidates.retain(|(kind, _)| !matches!(kind, Kind::Array | Kind::Object));
        }
        let mut knows_choices = false;
        while let Some((kind, value)) = candidates.pop_front() {
            put(&mut self.input, pointer, value)?;
            let outcome = self.read_once()?;
            let Err(next) = &outcome else { return Some((kind, outcome)) };
            if !is_within(pointer, &next.pointer) {
                return Some((kind, outcome));
            }
            let choices = words::choices(&next.message);
            if !knows_choices && let Some(candidate) = self.one_of(choices) {
                knows_choices = true;
                candidates.push_front(candidate);
            }
        }
        None
    }

    fn one_of(&self, choices: Vec<String>) -> Option<(Kind, Value)> {
        let chosen = match self.choice {
            Choice::First => choices.first(),
            Choice::Last => choices.last(),
        };
        let value = json!(chosen?);
        Some((Kind::Choice(choices), value))
    }
}

/// What a value that fits is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Uuid,
    Date,
    Instant,
    Number,
    Flag,
    Array,
    Object,
    /// One of these words.
    Choice(Vec<String>),
    Nothing,
}

/// Values of every kind, the strictest kind that a field may be of before those it admits besides.
fn candidates(choice: Choice) -> VecDeque<(Kind, Value)> {
    match choice {
        Choice::First => VecDeque::from([
            (Kind::Text, json!("")),
            (Kind::Uuid, json!("00000000-0000-0000-0000-000000000000")),
            (Kind::Date, json!("1970-01-01")),
            (Kind::Instant, json!("1970-01-01T00:00:00Z")),
            (Kind::Number, json!(0)),
            (Kind::Number, json!(1)),
            (Kind::Flag, json!(false)),
            (Kind::Array, json!([])),
            (Kind::Object, json!({})),
            (Kind::Nothing, Value::Null),
        ]),
        Choice::Last => VecDeque::from([
            (Kind::Nothing, Value::Null),
            (Kind::Object, json!({})),
            (Kind::Array, json!([])),
            (Kind::Flag, json!(true)),
            (Kind::Number, json!(100)),
            (Kind::Number, json!(1)),
            (Kind::Instant, json!("9999-01-01T00:00:00Z")),
            (Kind::Date, json!("9999-01-01")),
            (Kind::Uuid, json!("ffffffff-ffff-ffff-ffff-ffffffffffff")),
            (Kind::Text, json!("text")),
        ]),
    }
}

/// Whether `pointer` is `ancestor` or leads into it.
fn is_within(pointer: &str, ancestor: &str) -> bool {
    pointer.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn put(input: &mut Value, pointer: &str, value: Value) -> Option<()> {
    if let Some(place) = input.pointer_mut(pointer) {
        *place = value;
        return Some(());
    }
    let (parent, token) = pointer.rsplit_once('/')?;
    input.pointer_mut(parent)?.as_object_mut()?.insert(unescape(token), value);
    Some(())
}

fn remove(input: &mut Value, pointer: &str) -> Option<()> {
    let (parent, token) = pointer.rsplit_once('/')?;
    input.pointer_mut(parent)?.as_object_mut()?.remove(&unescape(token)).map(drop)
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
