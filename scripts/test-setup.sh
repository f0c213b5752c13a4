#!/usr/bin/env bash
# Installs what the tests need where that is possible, and says what is missing where it is not.
# It never fails for something missing: the test that needs it does, and says so too.
set -uo pipefail

say() { printf 'test-setup: %s\n' "$*" >&2; }

can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

# install PACKAGE...
install() {
    say "installing $*"
    apt-get update -qq >&2 || say "apt-get update failed; trying the lists that are there"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# need WHAT PACKAGE CHECK...: when CHECK fails, installs PACKAGE or says what is missing
need() {
    local what=$1 package=$2
    shift 2
    "$@" && return
    can_install && install "$package" && "$@" && return
    say "missing: $what. Install it by hand (Debian, Ubuntu: apt-get install $package)."
}

# librdkafka asks for all three.
has_compilers() { command -v cc >/dev/null && command -v c++ >/dev/null && command -v make >/dev/null; }

has_curl() { command -v curl >/dev/null; }

has_component() { cargo "$1" --version >/dev/null 2>&1; }

# The places in which testkit looks for PostgreSQL.
has_postgresql() {
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# The place in which testkit looks for Redis.
has_redis() { command -v redis-server >/dev/null; }

# The places in which testkit looks for Java, with which it runs Kafka.
has_java() { command -v "${JAVA_HOME:+$JAVA_HOME/bin/}java" >/dev/null; }

if ! command -v cargo >/dev/null; then
    say "missing: Rust, at least the version that Cargo.toml names as rust-version. See rust-lang.org."
fi
for component in fmt clippy; do
    if command -v cargo >/dev/null && ! has_component "$component"; then
        rustup component add "${component/fmt/rustfmt}" >&2 ||
            say "missing: cargo $component. Install it with rustup or your system's packages."
    fi
done
need "compilers of C and C++, for SQLite, the cryptography and Kafka's client" build-essential has_compilers
need "PostgreSQL's server" postgresql has_postgresql
need "Redis's server" redis-server has_redis
need "curl, with which the README sells a ticket and Kafka is fetched" curl has_curl
need "Java, which runs Kafka" openjdk-17-jre-headless has_java
"$(dirname "$0")/kafka.sh" || say "missing: Apache Kafka. scripts/kafka.sh could not fetch it."
