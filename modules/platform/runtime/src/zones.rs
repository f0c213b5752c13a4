//! Time zones as a parameter of nobody's machine: the only place that looks one up.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The time zone with this IANA name, in whatever case; `None` when there is none.
///
/// It is looked up in the database that this program brings along, so that every machine answers
/// alike, and one without a database of its own answers at all.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_by_its_name_in_whatever_case_and_nothing_else_is_a_zone() {
        let berlin = time_zone("europe/berlin").expect("Berlin has a zone");
        assert_eq!(berlin.iana_name(), Some("Europe/Berlin"));
        for name in ["", "Europe/Atlantis", "+02:00", "CEST-1", "../etc/passwd"] {
            assert_eq!(time_zone(name), None, "{name}");
        }
    }
}
