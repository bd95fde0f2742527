#!/usr/bin/env bash
# Installs one major version of PostgreSQL from apt.postgresql.org when this machine lacks it: the runner's image brings
# one version only, and a dump needs the client of the server's own major, a drill the server too.
#   PG_MAJOR=17 scripts/install-postgres.sh client|server
set -euo pipefail

what="${1:-}"
major="${PG_MAJOR:-}"
case "$what" in
  client) package="postgresql-client-$major" program=pg_dump ;;
  server) package="postgresql-$major" program=initdb ;;
  *) echo "usage: PG_MAJOR=17 $0 client|server" >&2; exit 2 ;;
esac
if ! [[ "$major" =~ ^[1-9][0-9]$ ]]; then
  echo "PG_MAJOR is '$major', and must be a major version such as 17" >&2
  exit 2
fi
if [ -x "/usr/lib/postgresql/$major/bin/$program" ]; then
  echo "PostgreSQL $major ($what) is here already"
  exit 0
fi

keyring=/usr/share/postgresql-common/pgdg/apt.postgresql.org.asc
codename="$(. /etc/os-release && echo "$VERSION_CODENAME")"
sudo install -d "$(dirname "$keyring")" /etc/postgresql-common
sudo curl --fail --silent --show-error --location --proto '=https' --retry 3 --max-time 60 \
  --output "$keyring" https://www.postgresql.org/media/keys/ACCC4CF8.asc
echo "deb [signed-by=$keyring] https://apt.postgresql.org/pub/repos/apt $codename-pgdg main" |
  sudo tee /etc/apt/sources.list.d/pgdg.list >/dev/null
# Only the programs are wanted: the package would start a server of its own.
echo 'create_main_cluster = false' | sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
sudo apt-get update -qq
sudo DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package"
