//! Tables as CSV (RFC 4180), for spreadsheets.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use contracts::money::Money;
use futures_util::Stream;

/// What a spreadsheet takes for a formula when a cell begins with it.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// One line of a table.
#[derive(Debug, Default)]
pub(crate) struct Line {
    cells: usize,
    text: String,
}

impl Line {
    /// A line of names.
    pub(crate) fn of(names: &[&str]) -> Self {
        names.iter().fold(Self::default(), |line, name| line.text(name))
    }

    /// Adds a text. What a spreadsheet would run is made harmless by an apostrophe.
    pub(crate) fn text(self, text: &str) -> Self {
        let guarded = if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() };
        if guarded.contains(['"', ',', '\n', '\r']) {
            return self.raw(&format!("\"{}\"", guarded.replace('"', "\"\"")));
        }
        self.raw(&guarded)
    }

    /// Adds a number.
    pub(crate) fn number(self, number: i64) -> Self {
        self.raw(&number.to_string())
    }

    /// Adds an amount in the currency's own unit, such as 25.00, without the currency.
    pub(crate) fn money(self, money: Money) -> Self {
        let shown = money.to_string();
        self.raw(shown.split(' ').next().unwrap_or_default())
    }

    /// The line with its end.
    pub(crate) fn finish(self) -> String {
        self.text + "\r\n"
    }

    fn raw(mut self, cell: &str) -> Self {
        if self.cells > 0 {
            self.text.push(',');
        }
        self.cells += 1;
        self.text.push_str(cell);
        self
    }
}

/// A table that is sent line by line, to be saved under `name`.
pub(crate) fn table<E>(
    name: &str,
    lines: impl Stream<Item = Result<String, E>> + Send + 'static,
) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    let csv = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(header::CONTENT_TYPE, csv);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;

    use super::*;

    #[test]
    fn cells_with_commas_quotes_and_line_breaks_are_quoted() {
        let line = Line::default().text("a,b").text("say \"hi\"").text("two\nlines").text("plain");
        assert_eq!(line.finish(), "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",plain\r\n");
    }

    #[test]
    fn an_empty_cell_is_a_cell_wherever_it_stands() {
        assert_eq!(Line::of(&["", "b", ""]).finish(), ",b,\r\n");
        assert_eq!(Line::of(&["", "", "c"]).finish(), ",,c\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"] {
            assert!(Line::default().text(text).finish().starts_with('\''), "{text}");
        }
        assert_eq!(Line::default().text("\r=1").finish(), "\"'\r=1\"\r\n");
        assert_eq!(Line::default().text("\n=1").finish(), "\"'\n=1\"\r\n");
    }

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        let line = Line::default()
            .money(Money::new(-2_505, Currency::EUR))
            .money(Money::new(1_200, Currency::JPY))
            .money(Money::new(1_200, Currency::KWD))
            .number(7);
        assert_eq!(line.finish(), "-25.05,1200,1.200,7\r\n");
    }
}
