//! Commands of the program that a node runs, such as those of its operators.

use std::process::Command;

use super::{Node, Origin};

impl Node {
    /// Runs a command with the node's configuration to its end, whether the node runs or not; such as
    /// `["migrate", "status"]`. What it wrote to standard output.
    ///
    /// # Panics
    /// When the node is no process of its own, or the command does not end with success; the message
    /// shows what it wrote to standard error.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let Origin::Binary(binary) = &self.origin else {
            panic!("{} is no process of its own", self.name());
        };
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.site.configuration_file())
            .env_clear()
            .envs(self.site.environment())
            .current_dir(&self.site.home);
        let what = format!("{} of {}", arguments.join(" "), self.name());
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = match ran {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => panic!("{what}: {error}"),
            Err(error) => panic!("{what} broke: {error}"),
        };
        let (said, failed) = (&output.stdout, &output.stderr);
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(failed));
        String::from_utf8_lossy(said).into_owned()
    }
}
