use proptest::prelude::*;

use super::{
    page::{CODE_SIDE, Layout, MARGIN, laid_out, local},
    text::{Block, Frame, Line},
    *,
};

fn sheet(name: &str) -> Sheet {
    Sheet {
        event_name: name.to_owned(),
        venue_name: "Boathouse".to_owned(),
        starts_at: "2027-06-18T18:00:00Z".parse().expect("an instant"),
        time_zone: "Europe/Berlin".to_owned(),
        ticket_type_name: "Stalls".to_owned(),
        seat: Some(seat("Stalls", "A", "12")),
        ticket_id: Uuid::from_u128(7),
        code: format!("BX2.{}", "A".repeat(203)),
    }
}

fn seat(section: &str, row: &str, number: &str) -> Seat {
    Seat { section: section.to_owned(), row: row.to_owned(), number: number.to_owned() }
}

/// Everything on the page has this name.
fn sheet_of_names(name: &str) -> Sheet {
    Sheet {
        venue_name: name.to_owned(),
        ticket_type_name: name.to_owned(),
        seat: Some(seat(name, name, name)),
        ..sheet(name)
    }
}

fn typeface() -> &'static Typeface {
    Typeface::embedded().expect("the font is there")
}

fn set(text: &str, frame: &Frame) -> Block {
    typeface().set(text, frame)
}

const NARROW: Frame = Frame { sizes: &[20.0, 10.0], width: 200.0, most_lines: 2 };
const WIDE: Frame = Frame { sizes: &[10.0], width: 500.0, most_lines: 1 };

/// The letters of a line as they are read.
fn read(line: &Line) -> String {
    line.0.iter().map(|run| run.text.as_str()).collect()
}

/// The letters of a line from left to right, as the glyphs stand.
fn seen(line: &Line) -> String {
    let letters = |run: &text::Run| {
        let of = |glyph: &krilla::text::KrillaGlyph| {
            run.text.get(glyph.text_range.clone()).expect("letters").to_owned()
        };
        run.glyphs.iter().map(of).collect::<String>()
    };
    line.0.iter().map(letters).collect()
}

fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type /Page\n").count() + text.matches("/Type/Page/").count()
}

fn words(layout: &Layout) -> Vec<String> {
    layout.placed.iter().map(|placed| read(&placed.line)).collect()
}

/// How far to the right and how far down anything goes.
fn extent(layout: &Layout) -> (f32, f32) {
    let ends = layout.placed.iter().map(|it| it.left + it.line.width() * it.size);
    let low = layout.placed.iter().map(|it| it.baseline);
    let code = layout.code_top + CODE_SIDE;
    (ends.fold(0.0, f32::max), low.fold(code, f32::max))
}

#[test]
fn a_document_has_a_page_for_each_ticket() {
    let pdf = document(&[sheet("Quartet by the river"), sheet("Quartet by the river")]);
    let pdf = pdf.expect("a document");
    assert!(pdf.starts_with(b"%PDF-"), "it is a PDF");
    assert_eq!(pages(&pdf), 2);
    assert!(pdf.len() < 60_000, "only the letters that are used are embedded: {}", pdf.len());
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
        "\u{202e}turned round\u{0}\n\t\u{2029}",
        "",
    ] {
        let pdf = document(&[sheet_of_names(name)]).expect(name);
        assert_eq!(pages(&pdf), 1, "{name}");
    }
}

#[test]
fn letters_stand_in_the_order_in_which_they_are_read() {
    for (text, expected) in [
        ("row B, seat 12", "row B, seat 12"),
        ("Boathouse אבג, hall 12", "Boathouse גבא, hall 12"),
        ("אבג, row B, seat 12", "row B, seat 12 ,גבא"),
        ("אבג 12 דה", "הד 12 גבא"),
        ("(אבג)", "(גבא)"),
    ] {
        let block = set(text, &WIDE);
        assert_eq!(
            seen(&block.lines[0]).replace(['(', ')'], "|"),
            expected.replace(['(', ')'], "|")
        );
    }
}

#[test]
fn arabic_letters_are_joined() {
    let glyphs = |text: &str| {
        let block = set(text, &WIDE);
        block.lines[0].0[0].glyphs.iter().map(|it| it.glyph_id).collect::<Vec<_>>()
    };
    let (joined, apart) = (glyphs("بيت"), glyphs("ب ي ت"));
    assert_eq!((joined.len(), apart.len()), (3, 5));
    assert!(joined.iter().all(|glyph| !apart.contains(glyph)), "{joined:?}, {apart:?}");
}

#[test]
fn a_seat_is_named_in_words_of_their_own() {
    let layout =
        laid_out(typeface(), &Sheet { seat: Some(seat("القاعة", "B", "12")), ..sheet("x") });
    let words = words(&layout);
    for word in ["Section", "القاعة", "Row", "B", "Seat", "12"] {
        assert!(words.iter().any(|it| it == word), "{word}: {words:?}");
    }
}

#[test]
fn a_name_that_does_not_fit_is_smaller_then_broken_and_in_the_end_cut() {
    let block = set("Quartet", &NARROW);
    assert_eq!((block.size, block.lines.len()), (20.0, 1));
    let block = set("Quartet by the river this summer", &NARROW);
    assert_eq!((block.size, block.lines.len()), (20.0, 2));
    let block = set("Quartet by the river this summer and the next", &NARROW);
    assert_eq!((block.size, block.lines.len()), (10.0, 2));
    let block = set(&"quartet ".repeat(40), &NARROW);
    assert_eq!((block.size, block.lines.len()), (10.0, 2));
    assert_eq!(read(&block.lines[1]), "quartet quartet quartet quartet quart…");
    let block = set(&"x".repeat(20), &NARROW);
    assert_eq!((block.size, block.lines.len()), (10.0, 1), "no word is broken that fits");
    let block = set(&"x".repeat(40), &NARROW);
    assert_eq!(block.lines.iter().map(read).collect::<String>(), "x".repeat(40));
    assert!(set(" \n", &NARROW).lines.is_empty());
}

#[test]
fn no_name_of_a_row_or_seat_is_cut() {
    for name in ["W".repeat(50), "Ж".repeat(50), "12 ".repeat(16), "ש".repeat(50)] {
        let sheet = Sheet { seat: Some(seat(&name, &name, &name)), ..sheet("Quartet") };
        let words = words(&laid_out(typeface(), &sheet)).concat().replace(' ', "");
        assert_eq!(words.matches(&name.replace(' ', "")).count(), 3, "{words}");
    }
}

#[test]
fn the_longest_names_leave_room_for_the_code() {
    for letter in ["W", "&", "漢", "🎻", "م", "W ", "\u{fdfd}"] {
        let layout = laid_out(typeface(), &sheet_of_names(&letter.repeat(200)));
        let (right, low) = extent(&layout);
        assert!(right <= page::PAGE.0 - MARGIN + 0.01, "{letter}: {right}");
        assert!(low <= page::PAGE.1 - MARGIN, "{letter}: {low}");
    }
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
    fn no_name_keeps_a_ticket_from_being_printed(name in "\\PC{0,60}", number in any::<String>()) {
        let sheet = Sheet { seat: Some(seat(&name, &name, &number)), ..sheet(&name) };
        let pdf = document(&[sheet]).expect("a document");
        prop_assert_eq!(pages(&pdf), 1);
    }

    #[test]
    fn nothing_goes_over_the_margins(name in "\\PC{0,200}") {
        let (right, low) = extent(&laid_out(typeface(), &sheet_of_names(&name)));
        prop_assert!(right <= page::PAGE.0 - MARGIN + 0.01, "{}", right);
        prop_assert!(low <= page::PAGE.1 - MARGIN, "{}", low);
    }

    #[test]
    fn seats_are_on_the_page_in_full(number in "[0-9A-Za-z]{1,8}") {
        let sheet = Sheet { seat: Some(seat("Stalls", "A", &number)), ..sheet("Quartet") };
        prop_assert!(words(&laid_out(typeface(), &sheet)).contains(&number));
    }
}
