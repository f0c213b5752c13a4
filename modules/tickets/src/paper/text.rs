//! Text on paper: broken into lines that fit by the font's own widths, each put into the order in which
//! it is read (Unicode's bidirectional algorithm), and shaped by its script. Where it goes on a page is
//! not decided here.
//!
//! The font that is embedded is `DejaVu Sans` (`fonts/`, with its licence). It has Latin, Greek,
//! Cyrillic, Hebrew, Arabic and some more; a letter that it has not is printed as a box.

use std::{ops::Range, sync::LazyLock};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, UnicodeBuffer, ttf_parser};
use unicode_bidi::ParagraphBidiInfo;

/// One face of a font, for those who measure and for those who draw.
pub(super) struct Typeface {
    face: Face<'static>,
    pub(super) font: Font,
}

/// The room for a text. Sizes and width in points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// The first size in which the text fits is taken; in the last one words are broken if they must be,
    /// and the end is cut.
    pub(super) sizes: &'static [f32],
    pub(super) width: f32,
    pub(super) most_lines: usize,
}

/// A text as it is printed.
#[derive(Debug)]
pub(super) struct Block {
    /// In points.
    pub(super) size: f32,
    pub(super) lines: Vec<Line>,
}

/// What is printed on one line, from left to right.
#[derive(Debug)]
pub(super) struct Line(pub(super) Vec<Run>);

/// Letters of one direction.
#[derive(Debug)]
pub(super) struct Run {
    /// In the order in which it is read.
    pub(super) text: String,
    /// From left to right.
    pub(super) glyphs: Vec<KrillaGlyph>,
    /// In parts of the size.
    pub(super) width: f32,
}

impl Line {
    /// In parts of the size.
    pub(super) fn width(&self) -> f32 {
        self.0.iter().map(|run| run.width).sum()
    }
}

impl Typeface {
    /// The embedded one. None if it cannot be read.
    pub(super) fn embedded() -> Option<&'static Self> {
        static EMBEDDED: LazyLock<Option<Typeface>> = LazyLock::new(|| {
            let data: &'static [u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
            let (face, font) = (Face::from_slice(data, 0)?, Font::new(data.into(), 0)?);
            Some(Typeface { face, font })
        });
        EMBEDDED.as_ref()
    }

    /// The text in lines that fit into the frame, broken between words where there are any.
    pub(super) fn set(&self, text: &str, frame: &Frame) -> Block {
        let mut words = printable(text);
        let (mut size, mut lines) = (0.0, Vec::new());
        for tried in frame.sizes {
            size = *tried;
            lines = self.broken(&words, frame.width / size);
            if lines.len() <= frame.most_lines && breaks_between_words(&words, &lines) {
                break;
            }
        }
        if lines.len() > frame.most_lines {
            lines.truncate(frame.most_lines);
            self.cut(&mut words, &mut lines, frame.width / size);
        }
        let paragraph = ParagraphBidiInfo::new(&words, None);
        let lines: Vec<Line> = lines.into_iter().map(|line| self.line(&paragraph, line)).collect();
        let widest = lines.iter().map(Line::width).fold(0.0, f32::max);
        let is_too_wide = widest * size > frame.width;
        Block { size: if is_too_wide { frame.width / widest } else { size }, lines }
    }

    /// Where each line starts and ends that is no wider than this.
    fn broken(&self, words: &str, width: f32) -> Vec<Range<usize>> {
        let space = self.advance(' ');
        let mut lines = Vec::new();
        let (mut line, mut used, mut begin) = (0..0, 0.0, 0);
        for word in words.split(' ') {
            let end = begin + word.len();
            let length = self.length(word);
            if !line.is_empty() && used + space + length <= width {
                used += space + length;
            } else {
                lines.push(line.clone());
                line.start = begin;
                used = 0.0;
                for (at, letter) in word.char_indices() {
                    let advance = self.advance(letter);
                    if used > 0.0 && used + advance > width {
                        lines.push(line.start..begin + at);
                        line.start = begin + at;
                        used = 0.0;
                    }
                    used += advance;
                }
            }
            line.end = end;
            begin = end + 1;
        }
        lines.push(line);
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// Ends the last line with an ellipsis, and the text with it.
    fn cut(&self, words: &mut String, lines: &mut [Range<usize>], width: f32) {
        let Some(last) = lines.last_mut() else { return };
        words.truncate(last.end);
        let room = width - self.advance(ELLIPSIS);
        while words.len() > last.start
            && (words.ends_with(' ') || self.length(part(words, last.start..words.len())) > room)
        {
            words.pop();
        }
        words.push(ELLIPSIS);
        last.end = words.len();
    }

    fn line(&self, paragraph: &ParagraphBidiInfo<'_>, line: Range<usize>) -> Line {
        let (levels, runs) = paragraph.visual_runs(line);
        let runs = runs.into_iter().map(|run| {
            let is_rtl = levels.get(run.start).is_some_and(unicode_bidi::Level::is_rtl);
            self.shaped(part(paragraph.text, run), is_rtl)
        });
        Line(runs.collect())
    }

    fn shaped(&self, text: &str, is_rtl: bool) -> Run {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        let direction = if is_rtl { Direction::RightToLeft } else { Direction::LeftToRight };
        buffer.set_direction(direction);
        let shaped = rustybuzz::shape(&self.face, &[], buffer);

        let starts = shaped.glyph_infos().iter().map(|glyph| glyph.cluster as usize);
        let mut clusters: Vec<usize> = starts.chain([text.len()]).collect();
        clusters.sort_unstable();
        let em = self.font.units_per_em();
        let of_em = |units: i32| narrow(units) / em;
        let placed = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
        let glyphs = placed.map(|(glyph, at)| {
            let start = glyph.cluster as usize;
            let next = clusters.partition_point(|cluster| *cluster <= start);
            let end = clusters.get(next).copied().unwrap_or(text.len());
            let (x, y) = (of_em(at.x_offset), of_em(at.y_offset));
            let (right, up) = (of_em(at.x_advance), of_em(at.y_advance));
            KrillaGlyph::new(GlyphId::new(glyph.glyph_id), right, x, y, up, start..end, None)
        });
        let glyphs: Vec<KrillaGlyph> = glyphs.collect();
        let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
        Run { text: text.to_owned(), glyphs, width }
    }

    /// How long the letters are side by side, in parts of their size. Shaped they differ a little.
    fn length(&self, letters: &str) -> f32 {
        letters.chars().map(|letter| self.advance(letter)).sum()
    }

    fn advance(&self, letter: char) -> f32 {
        let glyph = self.face.glyph_index(letter).unwrap_or(ttf_parser::GlyphId(0));
        f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0)) / self.font.units_per_em()
    }
}

const ELLIPSIS: char = '…';

/// Ranges come from where letters begin: there is always such a part.
fn part(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}

fn breaks_between_words(words: &str, lines: &[Range<usize>]) -> bool {
    lines.iter().all(|line| line.start == 0 || part(words, 0..line.start).ends_with(' '))
}

/// Units of a font, of which there are some thousands in an em.
fn narrow(units: i32) -> f32 {
    i16::try_from(units).map_or(0.0, f32::from)
}

/// The words with a space between any two, without what has no shape of its own, and with nothing that
/// turns the writing round.
pub(super) fn printable(text: &str) -> String {
    let turns = |letter: &char| {
        matches!(letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let letters: String = text.chars().filter(|letter| !turns(letter)).map(plain).collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}
