//! What the system knows of the process: processor time, memory, threads, open files. Under the
//! names that Prometheus' own client libraries use. Nothing where there is no `/proc`.

use std::{
    fmt::Write,
    fs::{self, ReadDir},
    path::Path,
};

/// Linux counts processor time in this unit for programs, on every architecture it runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Appends the process's metrics to `text`.
pub(crate) fn describe(text: &mut String) {
    describe_from(Path::new("/proc"), text);
}

fn describe_from(proc: &Path, text: &mut String) {
    let own = proc.join("self");
    let stat = fs::read_to_string(own.join("stat")).unwrap_or_default();
    let status = fs::read_to_string(own.join("status")).unwrap_or_default();
    let system = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let open_files = fs::read_dir(own.join("fd")).ok();

    let metrics = [
        ("process_cpu_seconds_total", "counter", processor_seconds(&stat)),
        ("process_resident_memory_bytes", "gauge", resident_bytes(&status)),
        ("process_threads", "gauge", line_value(&status, "Threads:")),
        ("process_open_fds", "gauge", open_files.and_then(count)),
        ("process_start_time_seconds", "gauge", started_at(&stat, &system)),
    ];
    for (name, kind, value) in metrics {
        if let Some(number) = value {
            let _infallible = write!(text, "# TYPE {name} {kind}\n{name} {number}\n\n");
        }
    }
}

fn count(entries: ReadDir) -> Option<f64> {
    u32::try_from(entries.count()).ok().map(f64::from)
}

/// The field of `/proc/self/stat` that the manual numbers `number`. The second field is the
/// program's name, which may contain anything.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn processor_seconds(stat: &str) -> Option<f64> {
    let (in_program, in_kernel) = (stat_field(stat, 14)?, stat_field(stat, 15)?);
    Some((in_program + in_kernel) / TICKS_A_SECOND)
}

/// In seconds since 1970.
fn started_at(stat: &str, system: &str) -> Option<f64> {
    let after_boot = stat_field(stat, 22)? / TICKS_A_SECOND;
    Some(line_value(system, "btime")? + after_boot)
}

fn resident_bytes(status: &str) -> Option<f64> {
    Some(line_value(status, "VmRSS:")? * 1_024.0)
}

fn line_value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_the_system_says() {
        let proc = tempfile::tempdir().unwrap();
        let own = proc.path().join("self");
        fs::create_dir_all(own.join("fd")).unwrap();
        for descriptor in ["0", "1", "2"] {
            fs::write(own.join("fd").join(descriptor), "").unwrap();
        }
        let stat = "7 (box) office) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 4 0 1200 1 1";
        fs::write(own.join("stat"), stat).unwrap();
        fs::write(own.join("status"), "Name:\tbox\nVmRSS:\t  2048 kB\nThreads:\t4\n").unwrap();
        fs::write(proc.path().join("stat"), "cpu 1 2 3\nbtime 1700000000\n").unwrap();

        let mut text = String::new();
        describe_from(proc.path(), &mut text);
        let values: Vec<&str> = text.lines().filter(|line| line.starts_with("process")).collect();
        assert_eq!(
            values,
            [
                "process_cpu_seconds_total 3",
                "process_resident_memory_bytes 2097152",
                "process_threads 4",
                "process_open_fds 3",
                "process_start_time_seconds 1700000012",
            ]
        );
    }

    #[test]
    fn a_system_that_says_nothing_adds_nothing() {
        let empty = tempfile::tempdir().unwrap();
        let mut text = String::new();
        describe_from(empty.path(), &mut text);
        assert_eq!(text, "");
    }
}
