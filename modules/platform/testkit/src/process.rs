//! A program under a shell that ends it when the test's process ends, however that ends.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// Runs a command until it ends or standard input does; then the command gets a signal, and a folder
/// is removed. Says the command's process id first, and ends as the command does.
/// `$1`: where the command's output goes, `$2`: the signal, `$3`: the folder, or nothing.
const SUPERVISE: &str = r#"
log=$1 signal=$2 folder=$3; shift 3
ended=
trap 'ended=1' USR1
exec 3<&0
"$@" >>"$log" 2>&1 </dev/null 3<&- &
command=$!
echo $command
{ cat >/dev/null; kill -USR1 $$; kill -$signal $command; kill -CONT $command; } <&3 >/dev/null 2>&1 &
watch=$!
while wait $command; status=$?; kill -0 $command 2>/dev/null; do :; done
kill $watch 2>/dev/null
[ -z "$ended" ] || [ -z "$folder" ] || rm -rf "$folder"
exit $status
"#;

/// How much of a log a failure shows.
const SHOWN_LINES: usize = 40;

/// A program that is to be run, with nothing of the environment but the PATH.
pub(crate) struct Program {
    shell: Command,
    log: PathBuf,
}

impl Program {
    /// Writes to `log`. When the test's process ends it gets `last_signal`, and `folder` is removed.
    pub(crate) fn new(log: &Path, last_signal: &str, folder: Option<&Path>) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SUPERVISE, "sh"])
            .args([log.as_os_str(), last_signal.as_ref()])
            .arg(folder.unwrap_or(Path::new("")))
            .env_clear()
            .envs(search_path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Self { shell, log: log.to_owned() }
    }

    /// What is run, what it is given, and as whom.
    pub(crate) fn with(mut self, describe: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        describe(&mut self.shell);
        self
    }

    /// Runs it.
    pub(crate) fn spawn(mut self) -> io::Result<Process> {
        let mut supervisor = self.shell.spawn()?;
        let output = supervisor.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut id = String::new();
        BufReader::new(output).read_line(&mut id)?;
        Ok(Process { supervisor, id: id.trim().to_owned(), log: self.log })
    }
}

#[expect(clippy::disallowed_methods, reason = "a child gets nothing else of the environment")]
fn search_path() -> Option<(&'static str, OsString)> {
    env::var_os("PATH").map(|path| ("PATH", path))
}

/// A program that runs. It ends when this is dropped.
pub(crate) struct Process {
    supervisor: Child,
    id: String,
    log: PathBuf,
}

impl Process {
    /// Its process id.
    #[cfg(test)]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        send(signal, &self.id);
    }

    /// Sends it and all that it has started a signal: `STOP`, so that all stands still, or `CONT`.
    pub(crate) fn signal_all(&self, signal: &str) {
        send(signal, &self.id);
        for id in children(&self.id) {
            send(signal, &id);
        }
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log)
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// The end of what it wrote.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        let skipped = lines.len().saturating_sub(SHOWN_LINES);
        lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}

fn send(signal: &str, id: &str) {
    let command = format!("kill -{signal} {id} 2>/dev/null");
    let _gone_already = Command::new("sh").args(["-c", &command]).status();
}

/// The processes that a process has started, as Linux tells of them.
fn children(parent: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name, in brackets, may hold anything; the state and the parent follow it.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(parent)
    })
    .collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // The shell ends the process once its standard input is closed.
        drop(self.supervisor.stdin.take());
        let _status = self.supervisor.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tempfile::TempDir;

    use super::*;
    use crate::eventually;

    /// A shell that runs `script`, and whose folder goes with it.
    fn spawn(script: &str) -> (Process, TempDir, TempDir) {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let program = Program::new(&home.path().join("log"), "TERM", Some(folder.path()))
            .with(|shell| shell.args(["sh", "-c", script]));
        (program.spawn().unwrap(), home, folder)
    }

    fn is_there(id: &str) -> bool {
        let probe = Command::new("sh").args(["-c", &format!("kill -0 {id} 2>/dev/null")]).status();
        probe.unwrap().success()
    }

    #[test]
    fn a_process_ends_with_its_test_and_its_folder_is_removed() {
        let (process, _home, folder) = spawn("exec tail -f /dev/null");
        let id = process.id().to_owned();
        assert!(is_there(&id));
        drop(process);
        assert!(!is_there(&id));
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_process_that_is_paused_ends_with_its_test_too() {
        let (process, _home, _folder) = spawn("exec tail -f /dev/null");
        let id = process.id().to_owned();
        process.signal("STOP");
        drop(process);
        assert!(!is_there(&id));
    }

    #[tokio::test]
    async fn a_process_that_ends_by_itself_leaves_its_folder_and_tells_how_it_ended() {
        let (mut process, _home, folder) = spawn("echo last words; exit 3");
        let status = eventually("the script to end", || ready(process.ended())).await;
        assert_eq!((status.code(), process.last_lines().as_str()), (Some(3), "last words"));
        assert!(folder.path().exists());
    }
}
