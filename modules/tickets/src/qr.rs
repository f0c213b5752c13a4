//! A code as a QR code (ISO/IEC 18004) in two kinds of pictures, and in stretches to be
//! drawn by others.

use qrcode::{
    Color, EcLevel,
    bits::encode_auto,
    canvas::{Canvas, MaskPattern},
    ec::construct_codewords,
    render::{Renderer, svg},
};

/// The border that scanners need, in modules.
const QUIET_ZONE: u16 = 4;
/// How many pixels wide a module is in a PNG.
const SCALE: usize = 6;
/// Scanners read a code of which about a seventh is damaged.
const LEVEL: EcLevel = EcLevel::M;
/// The standard has eight masks tried, and the one taken that leaves the fewest patterns which mislead
/// scanners. A code is signed and so looks like chance, with this mask as with any other; to try them all
/// would take longer than everything else on a page.
const MASK: MaskPattern = MaskPattern::Checkerboard;

/// Why a code could not be drawn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QrFault {
    #[error("the code does not fit into a QR code")]
    TooLong(#[from] qrcode::types::QrError),
    #[error("the picture cannot be written")]
    Picture(#[from] png::EncodingError),
}

/// An SVG picture.
pub(crate) fn svg(code: &str) -> Result<String, QrFault> {
    let Drawn { modules, width } = drawn(code)?;
    let mut picture = Renderer::<svg::Color<'_>>::new(&modules, width, u32::from(QUIET_ZONE));
    Ok(picture.min_dimensions(240, 240).build())
}

/// A PNG picture in black and white.
pub(crate) fn png(code: &str) -> Result<Vec<u8>, QrFault> {
    let drawn = drawn(code)?;
    let border = usize::from(QUIET_ZONE);
    let side = (drawn.width + 2 * border) * SCALE;
    let module = |at: usize| (at / SCALE).checked_sub(border).filter(|at| *at < drawn.width);
    let is_dark = |x: usize, y: usize| module(x).zip(module(y)).is_some_and(|at| drawn.is_dark(at));
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        pixels.extend((0..side).map(|x| if is_dark(x, y) { 0 } else { u8::MAX }));
    }
    let width = u32::try_from(side).unwrap_or(u32::MAX);
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, width, width);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(picture)
}

/// The dark stretches of each row of a code, for whoever draws them himself: the row, the first column,
/// and how many columns. With it comes how many modules wide the code is, without its border.
pub(crate) fn stretches(code: &str) -> Result<(Vec<Stretch>, usize), QrFault> {
    let drawn = drawn(code)?;
    let width = drawn.width;
    let mut stretches: Vec<Stretch> = Vec::new();
    for row in 0..width {
        for column in (0..width).filter(|column| drawn.is_dark((*column, row))) {
            match stretches.last_mut() {
                Some(last) if last.row == row && last.column + last.length == column => {
                    last.length += 1;
                }
                _ => stretches.push(Stretch { row, column, length: 1 }),
            }
        }
    }
    Ok((stretches, width))
}

/// Dark modules side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

/// A code row by row.
struct Drawn {
    modules: Vec<Color>,
    width: usize,
}

impl Drawn {
    fn is_dark(&self, (column, row): (usize, usize)) -> bool {
        self.modules.get(row * self.width + column) == Some(&Color::Dark)
    }
}

fn drawn(code: &str) -> Result<Drawn, QrFault> {
    let bits = encode_auto(code.as_bytes(), LEVEL)?;
    let version = bits.version();
    let (data, correction) = construct_codewords(&bits.into_bytes(), version, LEVEL)?;
    let mut canvas = Canvas::new(version, LEVEL);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &correction);
    canvas.apply_mask(MASK);
    let modules = canvas.into_colors();
    let width = modules.len().isqrt();
    Ok(Drawn { modules, width })
}

#[cfg(test)]
mod tests {
    use qrcode::QrCode;

    use super::*;

    #[test]
    fn a_png_is_square_and_has_the_border_that_scanners_need() {
        let picture = png("BX1.abc").expect("a picture");
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(picture)).read_info().expect("a png");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!(info.width, info.height);
        let border = usize::from(QUIET_ZONE) * SCALE * info.width as usize;
        assert!(pixels[..border].iter().all(|pixel| *pixel == u8::MAX));
        assert!(pixels.contains(&0));
    }

    #[test]
    fn the_stretches_are_the_dark_modules() {
        let (stretches, width) = stretches("BX1.abc").expect("a code");
        let code = drawn("BX1.abc").expect("a code");
        let dark = code.modules.into_iter().filter(|color| *color == Color::Dark).count();
        assert_eq!(stretches.iter().map(|it| it.length).sum::<usize>(), dark);
        assert!(stretches.iter().all(|it| it.row < width && it.column + it.length <= width));
    }

    #[test]
    fn a_code_is_drawn_as_the_standard_has_it() {
        let has_our_mask = |code: &String| {
            let standard = QrCode::with_error_correction_level(code, LEVEL).expect("a code");
            drawn(code).expect("a code").modules == standard.into_colors()
        };
        let codes = (0..200).map(|number| format!("BX2.{number}"));
        assert!(codes.filter(has_our_mask).count() > 5, "of eight masks ours is the best at times");
    }

    #[test]
    fn an_svg_is_an_svg() {
        assert!(svg("BX1.abc").expect("a picture").contains("<svg"));
    }
}
