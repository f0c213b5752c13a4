use proptest::prelude::*;

use super::*;

fn sheet(name: &str) -> Sheet {
    Sheet {
        event_name: name.to_owned(),
        venue_name: "Boathouse".to_owned(),
        starts_at: "2027-06-18T18:00:00Z".parse().expect("an instant"),
        time_zone: "Europe/Berlin".to_owned(),
        ticket_type_name: "Stalls".to_owned(),
        seat: Some("Stalls, row A, seat 12".to_owned()),
        ticket_id: Uuid::from_u128(7),
        code: format!("BX2.{}", "A".repeat(203)),
    }
}

fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page\n").count() + text.matches("/Type/Page/").count()
}

#[test]
fn a_document_has_a_page_for_each_ticket() {
    let pdf = document(&[sheet("Quartet by the river"), sheet("Quartet by the river")]);
    let pdf = pdf.expect("a document");
    assert!(pdf.starts_with(b"%PDF-"), "it is a PDF");
    assert_eq!(pages(&pdf), 2);
    assert!(pdf.len() < 100_000, "only the letters that are used are embedded: {}", pdf.len());
}

#[test]
fn names_in_any_script_are_printed() {
    for name in [
        "Ünïcödé — Čajkovskij",
        "Концерт у реки",
        "Κουαρτέτο δίπλα στο ποτάμι",
        "رباعية على ضفاف النهر",
        "רביעייה על הנהר",
        "川辺のカルテット",
        "नदी के किनारे",
        "🎻🎻🎻 𝒬uartet",
        "mixed العربية and 漢字 e\u{301}\u{301}\u{301}",
        "\u{202e}turned round\u{0}\n\t",
        "",
    ] {
        let pdf = document(&[sheet(name)]).expect(name);
        assert_eq!(pages(&pdf), 1, "{name}");
    }
}

#[test]
fn a_name_that_does_not_fit_is_broken_and_in_the_end_cut() {
    let lines = wrapped(&"quartet ".repeat(40), 26.0);
    assert_eq!(lines.len(), MOST_LINES);
    assert!(lines.iter().all(|line| line.chars().count() <= 31), "{lines:?}");
    assert!(lines.last().is_some_and(|line| line.ends_with('…')));
    assert_eq!(wrapped("Quartet by the river", 26.0), ["Quartet by the river"]);
    assert_eq!(wrapped(&"x".repeat(40), 26.0).len(), 2);
}

#[test]
fn the_time_is_that_of_the_venue() {
    let summer = "2027-06-18T18:00:00Z".parse().expect("an instant");
    assert_eq!(local(summer, "Europe/Berlin"), "Friday, 18 June 2027, 20:00 (CEST)");
    let winter = "2027-12-31T23:30:00Z".parse().expect("an instant");
    assert_eq!(local(winter, "Europe/Berlin"), "Saturday, 1 January 2028, 00:30 (CET)");
    assert_eq!(local(summer, "no such zone"), "Friday, 18 June 2027, 18:00 (UTC)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_name_keeps_a_ticket_from_being_printed(name in "\\PC{0,60}", seat in any::<String>()) {
        let sheet = Sheet { seat: Some(seat), ..sheet(&name) };
        let pdf = document(&[sheet]).expect("a document");
        prop_assert_eq!(pages(&pdf), 1);
    }
}
