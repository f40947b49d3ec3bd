# deploy/build.sh: the two builds. Sourced by ./run and ./test after setup.sh. Both take a second when nothing has changed.

# A release names a processor generation, not this machine's own, so that the binary runs on the next machine, too.
release_cpu() {
  local feature
  for feature in avx avx2 bmi1 bmi2 f16c fma abm movbe; do
    grep -qm1 "^flags.* $feature\( \|$\)" /proc/cpuinfo || { echo baseline; return; }
  done
  echo x86_64_v3
}

# zig_build WHERE ARGUMENT...: quiet unless it fails.
zig_build() {
  local where=$1 log; shift; log=$(mktemp)
  if ! (cd "$root" && "$zig" build --global-cache-dir "$root/.zig-cache/global" --prefix "$where" "$@") >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    if grep -q NoSpaceLeft "$log"; then fail "the disk is full: free some space, then run this again"; fi
    if grep -q AccessDenied "$log"; then fail "some files here belong to another user, probably root: sudo chown -R $(id -un) '$root'"; fi
    fail "the build failed (the compiler's words stand above)"
  fi
  rm -f "$log"
}

say_first_time() { [ -d "$root/.zig-cache" ] || say "setup: building for the first time, which takes a minute or two"; }

# What people run: zig-out/bin.
build_release() {
  say_first_time
  zig_build "$root/zig-out" -Doptimize=ReleaseFast "-Dtarget=$(uname -m)-linux-gnu.2.36" "-Dcpu=$(release_cpu)"
}

# What tests run: every check on, and not over what people run.
build_for_tests() {
  say_first_time
  export RINGMASTER_PREFIX=$root/zig-out/test
  zig_build "$RINGMASTER_PREFIX" install test-programs
}
