//! What is said about a fault of the input: what to send instead, in the words of the API and not of
//! the libraries that found it.

use super::mend::Kind;

/// Nothing is there but white space, if that.
pub(super) const BLANK: &str = "must not be blank";
/// Nothing is there.
pub(super) const EMPTY: &str = "must not be empty";

const UUID: &str = "must be a UUID, such as 01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001";
const INSTANT: &str = "must be an instant with an offset such as 2027-06-18T18:00:00Z";
const DATE: &str = "must be a date such as 2027-06-18";
const CURRENCY: &str = "must be an ISO 4217 code such as EUR";
const WHOLE: &str = "must be a whole number";
const NOT_NEGATIVE: &str = "must be 0 or more";

/// What serde says about a value that does not fit, where a value of the kind `fits` would.
/// `also_taken` are fields that are known, though not to serde.
pub(super) fn of_misfit(message: &str, fits: Option<&Kind>, also_taken: &[&str]) -> String {
    if missing_field(message).is_some() {
        return "is missing".to_owned();
    }
    if is_duplicate(message) {
        return "is given more than once".to_owned();
    }
    if surplus_field(message).is_some() {
        let known = choices(message);
        let taken: Vec<&str> =
            known.iter().map(String::as_str).chain(also_taken.to_vec()).collect();
        return match &*taken {
            [] => "is unknown: nothing is taken here".to_owned(),
            names => format!("is unknown: what is taken is {}", listed(names, "and")),
        };
    }
    if message.starts_with("unknown variant `") {
        return choice(&choices(message));
    }
    match fits {
        Some(Kind::Uuid) => return UUID.to_owned(),
        Some(Kind::Instant) => return INSTANT.to_owned(),
        Some(Kind::Date) => return DATE.to_owned(),
        Some(Kind::Choice(names)) => return choice(names),
        Some(Kind::Flag) => return "must be true or false".to_owned(),
        Some(Kind::Array) => return "must be an array".to_owned(),
        Some(Kind::Object) => return "must be an object".to_owned(),
        Some(Kind::Text) if message.starts_with("invalid type: ") => {
            return "must be a string".to_owned();
        }
        Some(Kind::Number | Kind::Text | Kind::Nothing) | None => {}
    }
    if let Some((found, wanted)) = mismatch(message) {
        return of_mismatch(found, wanted).unwrap_or_else(|| message.to_owned());
    }
    of_text(message)
}

/// What garde says about a rule that is broken. Our own rules speak for themselves.
pub(super) fn of_rule(message: &str) -> String {
    let limit = |start: &str| message.strip_prefix(start).map(str::to_owned);
    if matches!(message, "is blank" | "blank") {
        return BLANK.to_owned();
    }
    if let Some(least) = limit("length is lower than ") {
        return match &*least {
            "1" => EMPTY.to_owned(),
            _ => format!("must have a length of {least} or more"),
        };
    }
    if let Some(most) = limit("length is greater than ") {
        return format!("must have a length of {most} or less");
    }
    if let Some(least) = limit("lower than ") {
        return format!("must be {least} or more");
    }
    if let Some(most) = limit("greater than ") {
        return format!("must be {most} or less");
    }
    if message.starts_with("not a valid email: ") {
        return "must be an email address such as ada@example.org".to_owned();
    }
    message.to_owned()
}

/// What is said about text that is not of the Rust type `expected`.
pub(super) fn of_type(expected: &str) -> String {
    of_mismatch("string", expected).unwrap_or_else(|| "is not of the type it must be".to_owned())
}

/// The field that is missing, when that is what `message` says.
pub(super) fn missing_field(message: &str) -> Option<&str> {
    quoted_after(message, "missing field `")
}

/// The field that is unknown or there twice, when that is what `message` says.
pub(super) fn surplus_field(message: &str) -> Option<&str> {
    quoted_after(message, "unknown field `").or_else(|| quoted_after(message, "duplicate field `"))
}

/// Whether a field is there twice.
pub(super) fn is_duplicate(message: &str) -> bool {
    message.starts_with("duplicate field `")
}

/// Whether it is an object that is where something else should be, or a member of it is missing.
pub(super) fn is_about_object(message: &str) -> bool {
    message.starts_with("invalid type: map, ") || missing_field(message).is_some()
}

/// The names that serde would have taken instead of one that is unknown.
pub(super) fn choices(message: &str) -> Vec<String> {
    if !message.starts_with("unknown variant `") && !message.starts_with("unknown field `") {
        return Vec::new();
    }
    // What the client sent may have anything in it; what is expected comes last.
    let Some((_, expected)) = message.rsplit_once("`, expected ") else { return Vec::new() };
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    let rest = message.strip_prefix(start)?;
    // What the client sent may have anything in it; what serde adds comes last.
    let ends = ["`, expected ", "`, there are no fields", "`"];
    ends.iter().find_map(|end| rest.rsplit_once(end)).map(|(name, _)| name)
}

fn choice(names: &[String]) -> String {
    if names.iter().any(|name| name == "EUR") {
        return CURRENCY.to_owned();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("must be {}", listed(&names, "or"))
}

/// "`a`, `b` or `c`".
fn listed(names: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {conjunction} {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What was found and what was wanted, as serde says it.
fn mismatch(message: &str) -> Option<(&str, &str)> {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    kinds.iter().find_map(|start| message.strip_prefix(start)?.rsplit_once(", expected "))
}

fn of_mismatch(found: &str, wanted: &str) -> Option<String> {
    let wanted = wanted.strip_prefix("a nonzero ").unwrap_or(wanted);
    if let Some((least, most)) = limits(wanted) {
        let Some(digits) = found.strip_prefix("integer `") else { return Some(WHOLE.to_owned()) };
        let is_negative = digits.starts_with('-');
        return Some(match (is_negative, least) {
            (true, 0) => NOT_NEGATIVE.to_owned(),
            (true, _) => format!("must be {least} or more"),
            (false, _) if digits == "0`" => "must not be 0".to_owned(),
            (false, _) => format!("must be {most} or less"),
        });
    }
    let fixed = match wanted {
        "f32" | "f64" => "must be a number",
        "a boolean" | "bool" => "must be true or false",
        "a string" | "string" | "str" | "a string or map" | "string or map"
        | "variant identifier" => "must be a string",
        "a sequence" => "must be an array",
        "a map" => "must be an object",
        _ if wanted.starts_with("struct ") => "must be an object",
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// The least and the greatest number of a type.
fn limits(name: &str) -> Option<(i128, i128)> {
    let (is_signed, bits) = match name.split_at_checked(1)? {
        ("u", bits) => (false, bits),
        ("i", bits) => (true, bits),
        _ => return None,
    };
    let bits: u32 = if bits == "size" { usize::BITS } else { bits.parse().ok()? };
    if !matches!(bits, 8 | 16 | 32 | 64) {
        return None;
    }
    let half = 1_i128 << (bits - 1);
    Some(if is_signed { (-half, half - 1) } else { (0, 2 * half - 1) })
}

/// What the readers of numbers and identifiers say about text.
fn of_text(message: &str) -> String {
    let known = match message {
        "invalid digit found in string" => "must be a whole number, 0 or more",
        "cannot parse integer from empty string" => WHOLE,
        "number too large to fit in target type" => "is too large a number",
        "number too small to fit in target type" => "is too small a number",
        "provided string was not `true` or `false`" => "must be true or false",
        _ if message.starts_with("UUID parsing failed: ") => UUID,
        _ => message,
    };
    known.to_owned()
}
