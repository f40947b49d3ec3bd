# deploy/setup.sh: sets up what is missing on a Debian machine, and says clearly what went wrong when it cannot.
# Sourced by ./run and ./test, which call setup_build and setup_tests. Both do nothing, and need no network, once all is there.
# Works as root, and as an ordinary user who may use sudo. Only packages by name, through apt and pip.

tools=$root/.tools            # the pinned Zig and the test clients live here, in the checkout
zig_version=0.16.0
zig=$tools/venv/bin/zig

packages_to_build="python3 python3-venv openssl libpq-dev libicu-dev postgresql postgresql-contrib"
packages_newer="liburing-dev libmbedtls-dev libllhttp-dev libyyjson-dev"  # Debian 13's, where this is Debian 12
packages_to_test="clang-19 libclang-rt-19-dev llvm-19 libcmocka-dev spin gcc libc6-dev patch"
free_mib_needed=3000

say()  { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "'$1' needs root: run this as root, or install sudo"
  fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_of() { local p; for p in "$@"; do installed "$p" || printf '%s ' "$p"; done; }

# apt's own message decides what we tell: a lock, a full disk and a missing network need different hands.
apt() {
  local log; log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    if   grep -q 'Could not get lock\|Unable to lock' "$log"; then fail "apt is locked by another program (waited two minutes): let it finish, then run this again"
    elif grep -q 'No space left\|enough free space'   "$log"; then fail "the disk is full: free about $free_mib_needed MiB, then run this again"
    elif grep -q 'Temporary failure\|Could not resolve\|Failed to fetch' "$log"; then fail "no package server can be reached: the first set-up needs a network"
    else fail "apt-get $1 failed (its last lines stand above)"
    fi
  fi
  rm -f "$log"
}

need_disk() {
  local free; free=$(df -Pm "$root" | awk 'NR==2 {print $4}')
  [ "$free" -ge "$free_mib_needed" ] || fail "the disk is almost full: $free MiB free, $free_mib_needed MiB are needed"
}

# Debian 12 lacks four libraries in the versions we need. They come from the Debian 13 suite, pinned so low that nothing
# else follows; liburing's header wants the kernel headers of bookworm-backports. The C library stays as it is.
add_newer_suites() {
  . /etc/os-release
  [ "${VERSION_ID:-}" = 12 ] || return 0
  local archive
  archive=$(sed -nE 's#^(URIs: |deb (\[[^]]*\] )?)(.*/debian)/?( .*)?$#\3#p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true)
  archive=${archive%%$'\n'*}
  [ -n "$archive" ] || fail "no Debian archive in /etc/apt: cannot tell where packages come from"
  as_root tee /etc/apt/sources.list.d/ringmaster.sources >/dev/null <<SOURCES
Types: deb
URIs: $archive
Suites: trixie bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
  as_root tee /etc/apt/preferences.d/ringmaster >/dev/null <<PREFERENCES
Package: *
Pin: release n=trixie
Pin-Priority: 50
PREFERENCES
}

# A private PostgreSQL is all we want: the package would start a second one for the whole machine.
without_system_cluster() {
  local conf=/etc/postgresql-common/createcluster.d/ringmaster.conf
  as_root mkdir -p "${conf%/*}"
  echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
  "$@"
  as_root rm -f "$conf"
}

install_newer() {
  . /etc/os-release
  if [ "${VERSION_ID:-}" = 12 ]; then
    apt install --no-install-recommends linux-libc-dev/bookworm-backports
    apt install --no-install-recommends -t trixie $packages_newer
  else
    apt install --no-install-recommends $packages_newer
  fi
}

install_packages() {
  local wanted newer
  wanted=$(missing_of "$@"); newer=$(missing_of $packages_newer)
  [ -n "$wanted$newer" ] || return 0
  need_disk
  say "setup: installing $wanted$newer"
  add_newer_suites
  apt update
  if [ -n "$wanted" ]; then without_system_cluster apt install --no-install-recommends $wanted; fi
  if [ -n "$newer" ]; then install_newer; fi
}

pip_install() {
  local log; log=$(mktemp)
  "$tools/venv/bin/pip" install -q --disable-pip-version-check "$@" >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    if grep -q 'No space left' "$log"; then fail "the disk is full: free about $free_mib_needed MiB, then run this again"; fi
    fail "pip could not install $* (the first set-up needs a network)"
  }
  rm -f "$log"
}

make_venv() {
  [ -x "$tools/venv/bin/pip" ] && return 0
  mkdir -p "$tools"
  /usr/bin/python3 -m venv "$tools/venv" || fail "python3 -m venv failed"
}

install_zig() {
  if [ "$("$zig" version 2>/dev/null || true)" != "$zig_version" ]; then
    make_venv
    say "setup: installing Zig $zig_version"
    pip_install "ziglang==$zig_version"
    printf '#!/bin/sh\nexec "%s" -m ziglang "$@"\n' "$tools/venv/bin/python" >"$zig"
    chmod +x "$zig"
    [ "$("$zig" version)" = "$zig_version" ] || fail "the Zig that pip installed does not run"
  fi
}

install_test_clients() {
  local stamp=$tools/test-clients wanted; wanted=$(cat "$root/tests/e2e/requirements.txt")
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  say "setup: installing the official clients for the tests"
  pip_install -r "$root/tests/e2e/requirements.txt"
  printf '%s\n' "$wanted" >"$stamp"
}

# One program of the package prometheus, which would also start a server of its own.
install_promtool() {
  local room
  if command -v promtool >/dev/null || [ -x "$tools/promtool" ]; then return 0; fi
  say "setup: fetching promtool"
  room=$(mktemp -d)
  chmod 755 "$room"
  (cd "$room" && apt update && apt download prometheus && dpkg-deb -x prometheus_*.deb unpacked)
  cp "$room/unpacked/usr/bin/promtool" "$tools/promtool"
  rm -rf "$room"
}

setup_build() { install_packages $packages_to_build; install_zig; }

setup_tests() { install_packages $packages_to_build $packages_to_test; install_zig; install_test_clients; install_promtool; }
