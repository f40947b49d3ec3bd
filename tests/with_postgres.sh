#!/bin/bash
# tests/with_postgres.sh COMMAND…: runs the command with a PostgreSQL of its own, and takes it away afterwards.
#
# A fresh cluster in a temporary directory, on a unix socket alone, fsync on (a test that kills it must find what was committed). PostgreSQL refuses to
# run as root, so then it runs as nobody. The command finds:
#   RM_TEST_DATABASE_OWNER_URL   role rm_owner, who owns the database (migrations, provisioning)
#   RM_TEST_DATABASE_URL         role rm_runtime, who serves
#   RM_TEST_DATABASE_ADMIN_URL   the superuser
#   RM_TEST_POSTGRES             this script: "$RM_TEST_POSTGRES --stop" (immediate, as in a crash) and "--start" act on the running cluster
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "with_postgres: no PostgreSQL server is installed (package postgresql)" >&2; exit 1; }

unprivileged() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi
}
start() { unprivileged "$bin/pg_ctl" --pgdata="$1/data" --log="$1/log" --wait --silent start </dev/null >/dev/null || { tail -n 5 "$1/log" >&2; exit 1; }; }
stop()  { unprivileged "$bin/pg_ctl" --pgdata="$1/data" --mode=immediate --wait --silent stop >/dev/null 2>&1 || true; }

case ${1:-} in
  --stop)  stop "$RM_TEST_POSTGRES_DIRECTORY"; exit ;;
  --start) start "$RM_TEST_POSTGRES_DIRECTORY"; exit ;;
esac
[ $# -gt 0 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }

directory=$(mktemp -d "${TMPDIR:-/tmp}/rmpg.XXXXXX") # short: a socket's path has 107 bytes
trap 'stop "$directory"; rm -rf "$directory"' EXIT
trap 'exit 143' TERM INT
[ "$(id -u)" != 0 ] || chown nobody "$directory"
chmod 0755 "$directory"

unprivileged "$bin/initdb" --pgdata="$directory/data" --username=rm_admin --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$directory/initdb" 2>&1 \
  || { cat "$directory/initdb" >&2; exit 1; }
unprivileged tee -a "$directory/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$directory'
unix_socket_permissions = 0777
max_connections = 60
shared_buffers = 64MB
CONF
start "$directory"

url() { printf 'postgresql://%s@/rm_test?host=%s' "$1" "$directory"; }
"$bin/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "postgresql://rm_admin@/postgres?host=$directory" <<SQL
CREATE ROLE rm_owner LOGIN;
CREATE ROLE rm_runtime LOGIN;
CREATE DATABASE rm_test OWNER rm_owner;
SQL

RM_TEST_DATABASE_ADMIN_URL=$(url rm_admin) RM_TEST_DATABASE_OWNER_URL=$(url rm_owner) RM_TEST_DATABASE_URL=$(url rm_runtime) \
RM_TEST_POSTGRES_DIRECTORY=$directory RM_TEST_POSTGRES="$(readlink -f "$0")" "$@"
