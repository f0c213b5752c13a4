//! Tables for terminals.

/// The lines of one cell.
pub(super) type Cell = Vec<String>;

/// The rows under `head`, each column as wide as its widest line.
pub(super) fn render(head: &[&str], rows: &[Vec<Cell>]) -> String {
    let head: Vec<Cell> = head.iter().map(|title| vec![(*title).to_owned()]).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.flatten().map(|line| line.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let rule: Vec<Cell> = widths.iter().map(|width| vec!["-".repeat(*width)]).collect();
    [&head, &rule].into_iter().chain(rows).map(|row| render_row(row, &widths)).collect()
}

fn render_row(row: &[Cell], widths: &[usize]) -> String {
    let height = row.iter().map(Vec::len).max().unwrap_or(0);
    let line = |index: usize| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let text = cell.get(index).map_or("", String::as_str);
            format!("{text:<width$}")
        });
        let cells: Vec<String> = cells.collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    (0..height).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn columns_are_as_wide_as_their_widest_line() {
        let cell = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let rows = [
            vec![cell(&["orders"]), cell(&["inventory.hold", "payments.open"])],
            vec![cell(&["tickets"]), cell(&[])],
        ];
        insta::assert_snapshot!(render(&["service", "requires"], &rows), @r"
        service  requires
        -------  --------------
        orders   inventory.hold
                 payments.open
        tickets
        ");
    }
}
