#!/bin/bash
# bench/peers/setup.sh: what the peers are made of, into .tools/peers: Debian's packages, npm's and Go's by name and pinned version. Does nothing once all is there.
# No daemon that a package brings is started or stays enabled: each run starts its own, and stops them.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/deploy/setup.sh"

here=$root/bench/peers
peers=$tools/peers
packages="redis-server nginx-light php-fpm php-redis"

enabled_units() { find /etc/systemd/system -path '*.wants/*' -printf '%f\n' 2>/dev/null | sort -u; }

install_quietly() {
  local policy=/usr/sbin/policy-rc.d before made=
  before=$(enabled_units)
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    made=$policy
  fi
  apt update
  apt install --no-install-recommends "$@"
  [ -z "$made" ] || as_root rm "$made"
  for unit in $(comm -13 <(printf '%s\n' "$before") <(enabled_units)); do as_root systemctl disable --quiet "$unit" 2>/dev/null || true; done
}

# At least version $2 of what `$1` prints.
is_new_enough() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

find_go() {
  for go in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go/bin/go; do
    # From 1.21 on it fetches the version that go.mod wants.
    if [ -x "$go" ] && is_new_enough "$("$go" env GOVERSION)" go1.21; then return 0; fi
  done
  return 1
}

need_languages() {
  local wanted=
  find_go || wanted+=" golang-go"
  command -v npm >/dev/null || wanted+=" nodejs npm"
  [ -z "$wanted" ] || install_quietly $wanted
  find_go || fail "Go 1.21 or newer is needed for the peer in Go, and this system's package is older"
  is_new_enough "$(node --version)" v20 || fail "Node.js 20 or newer is needed for Fastify, and this system's package is older"
}

# make_peer NAME SOURCES… -- COMMAND: in .tools/peers/NAME, anew when a source has changed.
make_peer() {
  local name=$1 sources=() stamp wanted
  shift
  while [ "$1" != -- ]; do sources+=("$1"); shift; done
  shift
  wanted=$(cat "${sources[@]}" | sha256sum)
  stamp=$peers/$name/.made
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
  say "setup: making the peer $name"
  rm -rf "${peers:?}/$name"
  mkdir -p "$peers/$name"
  cp "${sources[@]}" "$peers/$name/"
  (cd "$peers/$name" && "$@" >"$peers/$name.log" 2>&1) || { tail -n 5 "$peers/$name.log" >&2; fail "the peer $name could not be made (the first time needs a network)"; }
  printf '%s\n' "$wanted" >"$stamp"
}

missing=$(missing_of $packages)
[ -z "$missing" ] || { need_disk; say "setup: installing $missing"; install_quietly $missing; }
need_languages
setup_build
make_peer fastify "$here"/fastify/* -- npm install --no-package-lock --omit=dev --ignore-scripts --no-audit --no-fund
make_peer go "$here"/go/* -- env CGO_ENABLED=0 "$go" build -o webhook .
make_peer php "$here"/php/* -- true
make_peer slow_sync "$here/slow_sync.c" -- "$zig" cc -std=gnu23 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -shared -fPIC -o slow_sync.so slow_sync.c
