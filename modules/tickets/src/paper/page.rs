//! What stands where on the page of a ticket: first what and when, then for whom there is room where,
//! then the code. All measures are points, from the top left.

use krilla::{
    color::rgb,
    geom::{Path, PathBuilder, Point, Rect, Transform},
    num::NormalizedF32,
    paint::{Fill, FillRule, Stroke},
    surface::Surface,
};
use runtime::Timestamp;

use super::{
    PaperFault, Sheet,
    text::{Frame, Line, Typeface},
};
use crate::qr;

/// A4.
pub(super) const PAGE: (f32, f32) = (595.0, 842.0);
pub(super) const MARGIN: f32 = 56.0;
const WIDTH: f32 = PAGE.0 - 2.0 * MARGIN;
/// How wide the QR code is: some 7.5 cm, which a telephone reads at arm's length.
pub(super) const CODE_SIDE: f32 = 212.0;
/// Between columns. Beside the code it is wider than the border that scanners need.
const GUTTER: f32 = 28.0;
/// From one baseline to the next, in parts of the size.
const LEADING: f32 = 1.25;
/// How thick the bar at the top of the page is.
const BAR: f32 = 12.0;

/// Red, green and blue.
#[derive(Debug, Clone, Copy)]
struct Ink(u8, u8, u8);

const INK: Ink = Ink(23, 27, 38);
const ACCENT: Ink = Ink(29, 62, 121);
const PALE: Ink = Ink(98, 105, 120);
const HAIR: Ink = Ink(205, 209, 218);

const EVENT: Frame = Frame { sizes: &[28.0, 20.0, 13.0], width: WIDTH, most_lines: 3 };
const PLACE: Frame = Frame { sizes: &[15.0, 11.0, 9.0], width: WIDTH, most_lines: 2 };
const TICKET_TYPE: Frame = Frame { sizes: &[18.0, 13.0, 10.0], width: WIDTH, most_lines: 3 };
const LABEL: Frame = Frame { sizes: &[9.0], width: WIDTH, most_lines: 1 };
/// Section, row and seat side by side.
const COLUMNS: [f32; 3] = [211.0, 108.0, 108.0];
const SEAT_SIZES: &[f32] = &[22.0, 16.0, 12.0, 9.0];
const SEAT_LINES: usize = 5;

/// The words of a page and where they stand.
pub(super) struct Layout {
    pub(super) placed: Vec<Placed>,
    /// How far down there are lines across the page.
    rules: Vec<f32>,
    /// How far down the code begins.
    pub(super) code_top: f32,
}

/// A line of text.
pub(super) struct Placed {
    pub(super) line: Line,
    pub(super) size: f32,
    pub(super) left: f32,
    pub(super) baseline: f32,
    ink: Ink,
}

/// Writes from the top of the page down.
struct Pen<'a> {
    typeface: &'a Typeface,
    placed: Vec<Placed>,
}

impl Pen<'_> {
    /// Writes a text that begins this far from the left and from the top, and says where it ends.
    fn write(&mut self, (left, top): (f32, f32), text: &str, frame: &Frame, ink: Ink) -> f32 {
        let block = self.typeface.set(text, frame);
        let size = block.size;
        let mut bottom = top;
        for line in block.lines {
            self.placed.push(Placed { line, size, left, baseline: bottom + size, ink });
            bottom += size * LEADING;
        }
        bottom
    }

    /// The same with a word above that says what it is.
    fn label(&mut self, (left, top): (f32, f32), label: &str, text: &str, frame: &Frame) -> f32 {
        let below = self.write((left, top), label, &LABEL, PALE);
        self.write((left, below + 2.0), text, frame, INK)
    }
}

pub(super) fn laid_out(typeface: &Typeface, sheet: &Sheet) -> Layout {
    let mut pen = Pen { typeface, placed: Vec::new() };
    let mut top = pen.write((MARGIN, MARGIN), &sheet.event_name, &EVENT, ACCENT);
    let starts = local(sheet.starts_at, &sheet.time_zone);
    top = pen.write((MARGIN, top + 10.0), &starts, &PLACE, INK);
    top = pen.write((MARGIN, top + 2.0), &sheet.venue_name, &PLACE, PALE);

    let first_rule = top + 16.0;
    let below = (MARGIN, first_rule + 16.0);
    top = pen.label(below, "Ticket", &sheet.ticket_type_name, &TICKET_TYPE);
    if let Some(seat) = &sheet.seat {
        let names = [("Section", &seat.section), ("Row", &seat.row), ("Seat", &seat.number)];
        let (mut left, mut bottom) = (MARGIN, top);
        for ((label, name), width) in names.into_iter().zip(COLUMNS) {
            let frame = Frame { sizes: SEAT_SIZES, width, most_lines: SEAT_LINES };
            bottom = bottom.max(pen.label((left, top + 12.0), label, name, &frame));
            left += width + GUTTER;
        }
        top = bottom;
    }

    let second_rule = top + 16.0;
    let code_top = second_rule + 28.0;
    let left = MARGIN + CODE_SIDE + GUTTER;
    let beside = |sizes| Frame { sizes, width: PAGE.0 - MARGIN - left, most_lines: 3 };
    let show = "Show this code at the entrance.";
    top = pen.write((left, code_top), show, &beside(&[15.0]), INK);
    let keep = "It lets one person in, once. Keep it to yourself.";
    pen.write((left, top + 6.0), keep, &beside(&[10.5]), PALE);
    let small = beside(&[9.0]);
    let number = sheet.ticket_id.to_string();
    pen.label((left, code_top + CODE_SIDE - 25.0), "Ticket number", &number, &small);
    Layout { placed: pen.placed, rules: vec![first_rule, second_rule], code_top }
}

pub(super) fn draw(
    surface: &mut Surface<'_>,
    typeface: &Typeface,
    sheet: &Sheet,
) -> Result<(), PaperFault> {
    let Layout { placed, rules, code_top } = laid_out(typeface, sheet);
    surface.set_fill(Some(filled_with(ACCENT)));
    surface.draw_path(&bar((0.0, 0.0), (PAGE.0, BAR))?);
    surface.set_fill(Some(filled_with(HAIR)));
    for rule in rules {
        surface.draw_path(&bar((MARGIN, rule), (WIDTH, 0.75))?);
    }
    for Placed { line, size, mut left, baseline, ink } in placed {
        surface.set_fill(Some(filled_with(ink)));
        for run in line.0 {
            let (start, font) = (Point::from_xy(left, baseline), typeface.font.clone());
            surface.draw_glyphs(start, &run.glyphs, font, &run.text, size, false);
            left += run.width * size;
        }
    }
    draw_code(surface, &sheet.code, (MARGIN, code_top))
}

fn filled_with(Ink(red, green, blue): Ink) -> Fill {
    let color = rgb::Color::new(red, green, blue);
    Fill { paint: color.into(), opacity: NormalizedF32::ONE, rule: FillRule::default() }
}

fn bar((left, top): (f32, f32), (width, height): (f32, f32)) -> Result<Path, PaperFault> {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(left, top, width, height).ok_or(PaperFault::Layout)?);
    path.finish().ok_or(PaperFault::Layout)
}

/// Draws the code in lines as thick as a module. Measured in modules they are short to write: to compress
/// the shapes of the code takes most of the time that a page takes.
fn draw_code(
    surface: &mut Surface<'_>,
    code: &str,
    (left, top): (f32, f32),
) -> Result<(), PaperFault> {
    let (stretches, width) = qr::stretches(code)?;
    let mut path = PathBuilder::new();
    for stretch in stretches {
        let row = points(stretch.row);
        path.move_to(points(stretch.column), row);
        path.line_to(points(stretch.column + stretch.length), row);
    }
    let path = path.finish().ok_or(PaperFault::Layout)?;
    let module = CODE_SIDE / points(width);
    let middle_of_first_row = top + module / 2.0;
    let modules = Transform::from_row(module, 0.0, 0.0, module, left, middle_of_first_row);
    surface.push_transform(&modules);
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke { width: 1.0, ..Stroke::default() }));
    surface.draw_path(&path);
    surface.set_stroke(None);
    surface.pop();
    Ok(())
}

/// Modules of a code, of which there are fewer than 200 in a row.
fn points(modules: usize) -> f32 {
    u16::try_from(modules).map_or(0.0, f32::from)
}

/// The instant by the venue's clock, with the weekday.
pub(super) fn local(instant: Timestamp, time_zone: &str) -> String {
    let zone = runtime::time_zone(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    instant.to_zoned(zone).strftime("%A, %-d %B %Y, %H:%M (%Z)").to_string()
}
