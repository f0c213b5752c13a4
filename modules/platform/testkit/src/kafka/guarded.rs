//! A broker that asks who comes, and lets each do what it may.

use std::process::Command;

use super::{KafkaPlace, Listeners, class_path, java, start};
use crate::{Port, Server, certificates};

/// How clients get in at the guarded door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// In clear, by user and password.
    Password,
    /// Over TLS, by user and password. The certificate is for `localhost`.
    EncryptedPassword,
    /// Over TLS, by certificate.
    Certificate,
}

impl Door {
    fn protocol(self) -> &'static str {
        match self {
            Self::Password => "SASL_PLAINTEXT",
            Self::EncryptedPassword => "SASL_SSL",
            Self::Certificate => "SSL",
        }
    }
}

/// A broker of the test's own that does nothing for anybody unless it was told that they may.
#[derive(Debug)]
pub struct GuardedKafka {
    /// Where clients come in.
    pub place: KafkaPlace,
    /// The broker.
    pub server: Server,
    /// Where whoever comes may do everything.
    inside: String,
}

impl GuardedKafka {
    /// Starts a broker behind `door` that knows these users and passwords (SASL PLAIN).
    ///
    /// # Panics
    /// When it cannot be started; the message says what to install.
    pub async fn start(door: Door, users: &[(&str, &str)]) -> Self {
        let listeners = Listeners {
            clients: Port::reserve(),
            controller: Port::reserve(),
            inside: Some(Port::reserve()),
        };
        let address = |port: &Port| port.address().to_string();
        let inside = listeners.inside.as_ref().map(address).unwrap_or_default();
        let brokers = format!("localhost:{}", listeners.clients.address().port());
        let settings = settings(door, users, &listeners, &brokers);
        let files = vec![
            ("broker.pem", format!("{}{}", certificates::SERVER_KEY, certificates::SERVER)),
            ("ca.pem", certificates::AUTHORITY.to_owned()),
        ];
        let server = start(listeners, settings, files).await;
        let place = KafkaPlace { brokers, prefix: "boxoffice-test".to_owned() };
        Self { place, server, inside }
    }

    /// Adds a user whose password is proved with SCRAM: `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn add_scram_user(&self, mechanism: &str, user: &str, password: &str) {
        let credentials = format!("{mechanism}=[password={password}]");
        let add = ["--alter", "--entity-type", "users", "--entity-name", user, "--add-config"];
        self.administer("kafka.admin.ConfigCommand", &[&add[..], &[credentials.as_str()]].concat())
            .await;
    }

    /// Lets a user do `operations` with what the rest of the arguments names, as `kafka-acls.sh` takes
    /// them.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn allow(&self, user: &str, operations: &[&str], on: &[&str]) {
        let principal = format!("User:{user}");
        let mut arguments = vec!["--add", "--allow-principal", &principal];
        arguments.extend(operations.iter().flat_map(|operation| ["--operation", *operation]));
        arguments.extend(on);
        self.administer("org.apache.kafka.tools.AclCommand", &arguments).await;
    }

    async fn administer(&self, tool: &str, arguments: &[&str]) {
        let mut command = Command::new(java());
        command.arg("-cp").arg(class_path()).args([tool, "--bootstrap-server", &self.inside]);
        command.args(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran
            .unwrap_or_else(|error| panic!("running {tool} broke: {error}"))
            .unwrap_or_else(|error| panic!("cannot run {tool}: {error}"));
        let words = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy);
        assert!(output.status.success(), "{tool} {arguments:?} failed:\n{}", words.concat());
    }
}

fn settings(door: Door, users: &[(&str, &str)], listeners: &Listeners, brokers: &str) -> String {
    let protocol = door.protocol();
    let known = users.iter().map(|(user, password)| format!(" user_{user}=\"{password}\""));
    let known: String = known.collect();
    let client_auth = if door == Door::Certificate { "required" } else { "none" };
    let security = "org.apache.kafka.common.security";
    format!(
        "{}\
         listener.security.protocol.map=CLIENTS:{protocol},INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=INSIDE\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.clients.plain.sasl.jaas.config={security}.plain.PlainLoginModule required{known};\n\
         listener.name.clients.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;\n\
         listener.name.clients.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location=broker.pem\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location=ca.pem\n\
         ssl.client.auth={client_auth}\n\
         ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n",
        listeners.settings(brokers)
    )
}
