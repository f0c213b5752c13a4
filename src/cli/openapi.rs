//! `boxoffice openapi`: the API's document, for whoever generates clients.

use std::io::Write;

use super::Failure;
use crate::registry::MODULES;

pub(super) fn run(out: &mut impl Write) -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(&edge::openapi::merge(MODULES))
        .map_err(|error| Failure::error("cannot write the document", error))?;
    writeln!(out, "{document}")?;
    Ok(())
}
