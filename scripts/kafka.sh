#!/usr/bin/env bash
# Fetches Apache Kafka for the tests: the jars that kafka.sha256 names, from Maven Central or the
# mirror that MAVEN_REPOSITORY_URL names, into the user's cache, where the testkit looks for them.
# Nothing is fetched twice, and nothing is kept that is not what its checksum says.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
pins=$here/kafka.sha256
repository=${MAVEN_REPOSITORY_URL:-https://repo.maven.apache.org/maven2}
version=$(sed -n 's|.*/kafka_[0-9.]*/\([0-9.]*\)/.*|\1|p' "$pins")
folder=${XDG_CACHE_HOME:-$HOME/.cache}/boxoffice-test/kafka-$version

is_whole() { [ -d "$1" ] && (cd "$1" && sha256sum --check --quiet --strict "$pins" >/dev/null 2>&1); }

is_whole "$folder" && exit

echo "kafka: fetching version $version into $folder" >&2
mkdir -p "$(dirname "$folder")"
fetched=$(mktemp -d -p "$(dirname "$folder")")
trap 'rm -rf "$fetched"' EXIT
while read -r _ path; do
    printf 'url = "%s/%s"\noutput = "%s/%s"\n' "$repository" "$path" "$fetched" "$path"
done <"$pins" |
    curl --config - --parallel --create-dirs --fail --location --retry 3 --no-progress-meter
(cd "$fetched" && sha256sum --check --quiet --strict "$pins") >&2
chmod 755 "$fetched"
rm -rf "$folder"
# Whoever fetched it at the same time has the same.
mv -T "$fetched" "$folder" 2>/dev/null || is_whole "$folder"
