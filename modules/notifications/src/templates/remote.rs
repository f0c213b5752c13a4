//! What a mail would fetch as soon as it is opened. Such a thing tells a stranger that, when and where
//! it was opened, and with a variable in its address what only the buyer is to know: the order's
//! secret, the tickets' codes.
//!
//! The mail itself is looked at and not its template, so that it does not matter how the parts of a
//! word came together. What stands in a text, such as an event's name, is not told from what a
//! program would obey: a mail too many is sent in the built-in words rather than one too few. Links,
//! which only a reader follows, may lead anywhere.

/// Elements that fetch something, run something or turn the page into another.
const ELEMENTS: [&str; 13] = [
    "applet", "base", "embed", "form", "frame", "iframe", "image", "input", "link", "math",
    "object", "script", "svg",
];
/// Attributes that fetch something, whatever stands before their names (`lowsrc`, `xml:base`), with
/// how values begin that fetch nothing.
const ATTRIBUTES: [(&str, &[&str]); 6] = [
    ("src", &["data:"]),
    ("srcset", &[]),
    ("background", &[]),
    ("poster", &[]),
    ("base", &[]),
    ("http-equiv", &["content-type", "x-ua-compatible"]),
];
/// What fetches something in a style sheet, and what could hide it.
const STYLES: [&str; 6] = ["url(", "src(", "image(", "image-set(", "@import", "\\"];

/// What `html` would fetch; `None` when it fetches nothing.
pub(super) fn fetched(html: &str) -> Option<String> {
    let html = decoded(html).to_lowercase();
    let element = ELEMENTS.iter().find(|name| {
        let tag = format!("<{name}");
        html.split(&*tag).skip(1).any(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if let Some(name) = element {
        return Some(format!("<{name}>"));
    }
    let mut attributes = ATTRIBUTES.iter();
    if let Some((name, _)) = attributes.find(|(name, fine)| has_attribute(&html, name, fine)) {
        return Some((*name).to_owned());
    }
    STYLES.iter().find(|word| html.contains(**word)).map(|word| (*word).to_owned())
}

/// Whether an attribute whose name ends with `name` has a value that begins like none of `fine`.
fn has_attribute(html: &str, name: &str, fine: &[&str]) -> bool {
    html.split(name).skip(1).any(|rest| {
        let Some(value) = rest.trim_start().strip_prefix('=') else { return false };
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        !fine.iter().any(|start| value.starts_with(start))
    })
}

/// The text with what is written as `&#117;` and the like as what it stands for.
fn decoded(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let read = reference(after);
        text.push(read.map_or('&', |(letter, _)| letter));
        rest = read.map_or(after, |(_, behind)| behind);
    }
    text.push_str(rest);
    text
}

/// The letter that a reference stands for, and what follows the reference; `None` for those that
/// stand for nothing that matters here.
fn reference(text: &str) -> Option<(char, &str)> {
    for (name, letter) in [("lpar;", '('), ("bsol;", '\\'), ("commat;", '@')] {
        if let Some(rest) = text.strip_prefix(name) {
            return Some((letter, rest));
        }
    }
    let number = text.strip_prefix('#')?;
    let (number, radix) = match number.strip_prefix(['x', 'X']) {
        Some(number) => (number, 16),
        None => (number, 10),
    };
    let rest = number.trim_start_matches(|it: char| it.is_digit(radix));
    let letter = u32::from_str_radix(number.strip_suffix(rest)?, radix).ok()?;
    let letter = char::from_u32(letter)?;
    // What the engine writes for signs of variables is text, and stays so.
    if matches!(letter, '<' | '>' | '"' | '\'' | '&') {
        return None;
    }
    Some((letter, rest.strip_prefix(';').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_fetched_on_opening_is_found_however_it_is_written() {
        for html in [
            "<img src=\"https://example.org/a.png\">",
            "<IMG/SRC = https://example.org/a>",
            "<img alt='>' src='//example.org'>",
            "<img srcset=\"https://example.org/a 2x\">",
            "<img src=\"cid:1\">",
            "<table background=\"https://example.org/a\">",
            "<video poster=https://example.org/a>",
            "<p style=\"background: url(https://example.org/a)\">",
            "<p style=\"background: &#117;rl&#x28;https://example.org/a)\">",
            "<p style=\"background: url&lpar;https://example.org/a)\">",
            "<p style='background: u\\72l(https://example.org/a)'>",
            "<p style='background: u&#92;72l(https://example.org/a)'>",
            "<style>@import 'https://example.org/a';</style>",
            "<style>p { background: -webkit-image-set('https://example.org/a' 1x) }</style>",
            "<link rel=stylesheet href=https://example.org/a>",
            "<meta http-equiv=refresh content='0;url=https://example.org/a'>",
            "<iframe srcdoc='x'></iframe>",
            "<svg><use href='https://example.org/a'/></svg>",
            "<object data='https://example.org/a'></object>",
            "<base href='https://example.org'>",
            "<v:imagedata src='https://example.org/a'/>",
        ] {
            assert!(fetched(html).is_some(), "{html}");
        }
    }

    #[test]
    fn links_colours_and_pictures_that_come_along_are_fine() {
        for html in [
            "<p>Hello <a href=\"https://example.org/orders?s=1&amp;b=2\">there</a></p>",
            "<meta charset=\"utf-8\"><meta name=viewport content=\"width=device-width\">",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">",
            "<body bgcolor=white style=\"background: #fff\">",
            "<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"\">",
            "<p>Background music &#x27;til late, in the source of the river</p>",
            "<p>AT&T; &#; &#x; &#99999999;</p>",
            "<header><section>&euro; 5</section></header>",
        ] {
            assert_eq!(fetched(html), None, "{html}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(html in "(&#?x?|[0-9a-f;]|<|src|meta charset=|=|ß|\\PC){0,40}") {
            let _found = fetched(&html);
        }
    }
}
