//! Running the binary in a directory of its own.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// On ports that the system chooses.
const PORTS: [&str; 3] =
    ["public.address=127.0.0.1:0", "internal.address=127.0.0.1:0", "admin.address=127.0.0.1:0"];

/// How long the binary may be silent. It says nothing on standard output before it is ready, and a
/// machine that starts many at once and does much else besides takes its time.
const PATIENCE: Duration = Duration::from_mins(3);

/// The binary, in an empty directory, with an empty environment.
pub struct Program {
    home: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Program {
    pub fn new() -> Self {
        Self { home: TempDir::new().expect("a temporary directory") }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Puts a file into the program's directory.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.home().join(name);
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxoffice"));
        command.args(arguments).current_dir(self.home()).env_clear();
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, &[])
    }

    /// Runs a command to its end, in this environment.
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(arguments);
        let output = command.envs(environment.iter().copied()).output().expect("it runs");
        Outcome {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts `serve` with more arguments, on ports that the system chooses.
    pub fn serve(&self, arguments: &[&str]) -> Serving {
        let ports = PORTS.iter().flat_map(|port| ["--set", port]);
        self.start(&ports.chain(arguments.iter().copied()).collect::<Vec<_>>())
    }

    /// Starts `serve` with more arguments.
    pub fn start(&self, arguments: &[&str]) -> Serving {
        let mut command = self.command(&["serve"]);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdin = child.stdin.take();
        let out = lines_of(child.stdout.take().expect("it is piped"));
        let err = lines_of(child.stderr.take().expect("it is piped"));
        Serving { child, stdin, out, err }
    }
}

/// A process that serves. Dropping it kills it.
pub struct Serving {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Serving {
    /// Waits for a line with `words` on standard output, and gives it.
    ///
    /// # Panics
    /// When it does not come in time; the message shows what was said instead, and the log.
    pub fn says(&self, words: &str) -> String {
        wait_for(&self.out, words).unwrap_or_else(|fault| {
            let log: String = self.err.try_iter().collect();
            panic!("{fault}its log:\n{log}")
        })
    }

    /// Waits for a line with `words` in the log, and gives it.
    ///
    /// # Panics
    /// When it does not come in time; the message shows the log.
    pub fn logs(&self, words: &str) -> String {
        wait_for(&self.err, words).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.expect("kill is there").success(), "the process is gone already");
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time; the message shows its log.
    pub fn end(mut self) -> ExitStatus {
        let mut seen = String::new();
        loop {
            match self.err.recv_timeout(PATIENCE) {
                Ok(line) => seen.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("it ends"),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{seen}"),
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thread of its own reads, so that a test can stop waiting.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut line = String::new();
            match output.read_line(&mut line) {
                Ok(length) if length > 0 && sender.send(line).is_ok() => {}
                _ => return,
            }
        }
    });
    lines
}

fn wait_for(lines: &Receiver<String>, words: &str) -> Result<String, String> {
    let mut seen = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(words) => return Ok(line.trim_end().to_owned()),
            Ok(line) => seen.push_str(&line),
            Err(error) => return Err(format!("it does not say {words:?} ({error}):\n{seen}")),
        }
    }
}
