#!/bin/sh
# Checks the models of this folder with spin: each must hold as it is, and each mistake planted in it must be found.
# Prints one line per check and "N passed, N failed"; exit status 0 only when none failed. Takes some seconds, at most 512 MB.
set -u
here=$(cd "$(dirname "$0")" && pwd)
for tool in spin cc timeout; do
    command -v "$tool" >/dev/null || { echo "tests/models needs $tool (packages: spin, gcc, coreutils)"; exit 1; }
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# explore MODEL DEFINES: prints "clean", "error" or "incomplete".
explore() {
    rm -rf "$work/run" && mkdir "$work/run" && cd "$work/run" || exit 1
    spin -a $2 "$here/$1" >spin.log 2>&1 && cc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=512 -o pan pan.c >>spin.log 2>&1 || { echo "incomplete"; return; }
    timeout 30 ./pan -m200000 >pan.log 2>&1
    if grep -q 'max search depth too small\|search was incomplete\|reached -DMEMLIM' pan.log || ! grep -q 'errors: ' pan.log; then
        grep -q 'errors: [1-9]' pan.log && echo "error" || echo "incomplete"
    elif grep -q 'errors: 0' pan.log; then
        echo "clean"
    else
        echo "error"
    fi
}

# check WANTED MODEL DEFINES
check() {
    found=$(explore "$2" "$3")
    if [ "$found" = "$1" ]; then
        passed=$((passed + 1))
        states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/run/pan.log")
        echo "ok      $2 ${3:-as it is}: $found (${states:-?} states)"
    else
        failed=$((failed + 1))
        echo "FAILED  $2 ${3:-as it is}: wanted $1, found $found"
        tail -5 "$work/run/spin.log" "$work/run/pan.log" 2>/dev/null
    fi
}

check clean inbox.pml ""
check clean inbox.pml "-DMESSAGES=3 -DTURN=3 -DTIMERS=0"
check clean inbox.pml "-DPRODUCERS=3 -DMESSAGES=1 -DTURN=1 -DTIMERS=2"
for mistake in NO_WAKE WAKE_BEFORE_PUSH LINK_AFTER_PUSH SLEEP_STORE NO_WAKE_UP WAKE_UP_STORE DRAIN_BEFORE_WAIT NO_REVERSE; do
    check error inbox.pml "-DINJECT_$mistake"
done

check clean stop.pml ""
check clean stop.pml "-DSHARDS=2 -DLETTERS=3"
for mistake in IGNORE_HOLDS NO_SIGN_ON; do
    check error stop.pml "-DINJECT_$mistake"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
