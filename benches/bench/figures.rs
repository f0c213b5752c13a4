//! How much is measured, of what, and how figures are shown.

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Calls in process.
    pub local_calls: u32,
    /// Calls over HTTP.
    pub http_calls: u32,
    /// How long each load lasts.
    pub span: Duration,
    /// How long it lasts before anything is measured.
    pub warm_up: Duration,
    /// Tickets that are checked in.
    pub check_ins: usize,
    /// How often a server is started again.
    pub starts: usize,
    /// How often shops that are compared take turns.
    pub rounds: usize,
    /// The most processes of a service that are compared with one.
    pub most_replicas: usize,
}

impl Effort {
    /// For figures.
    pub const FULL: Self = Self {
        local_calls: 1_000_000,
        http_calls: 20_000,
        span: Duration::from_millis(2_500),
        warm_up: Duration::from_secs(1),
        check_ins: 4_000,
        starts: 5,
        rounds: 3,
        most_replicas: 3,
    };
    /// To see that it runs.
    pub const TRIAL: Self = Self {
        local_calls: 10,
        http_calls: 10,
        span: Duration::from_millis(20),
        warm_up: Duration::from_millis(1),
        check_ins: 1,
        starts: 1,
        rounds: 1,
        most_replicas: 2,
    };
}

/// Which measurements were asked for: those whose names have one of the given words in them. A
/// name is a scene (`chase`), a shape with its database (`monolith-sqlite`), or both with a slash
/// between (`monolith-sqlite/chase`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Everything when nothing is named.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        Self(words.into_iter().collect())
    }

    /// Whether `name` is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| name.contains(word.as_str()))
    }

    /// Whether `scene` is to be measured in `shape`.
    pub fn wants_in(&self, shape: &str, scene: &str) -> bool {
        self.wants(&format!("{shape}/{scene}"))
    }
}

/// The cells of a row, the first of which says what it is about.
pub type Row = Vec<String>;

/// Figures under a heading, shown as Markdown.
pub struct Table {
    title: String,
    headings: Row,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: &str, headings: &[&str]) -> Self {
        let headings = headings.iter().map(|&heading| heading.to_owned()).collect();
        Self { title: title.to_owned(), headings, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a sentence below.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let line = |row: &Row| format!("| {} |\n", row.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(self.headings.len()));
        let rows: String = self.rows.iter().map(line).collect();
        let mut table = format!("### {}\n\n{}{rule}{rows}", self.title, line(&self.headings));
        for note in &self.notes {
            table.extend(["\n", note, "\n"]);
        }
        table
    }
}

/// The time one of `count` took, when all took `elapsed`.
pub fn each(elapsed: Duration, count: u32) -> Duration {
    elapsed / count.max(1)
}

/// The one in the middle; 0 of none.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// `ours` as a multiple of `known`.
pub fn ratio(ours: Duration, known: Duration) -> f64 {
    ours.as_secs_f64() / known.as_secs_f64().max(f64::MIN_POSITIVE)
}
