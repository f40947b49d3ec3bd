#!/usr/bin/env bash
# Rewrites the tables of the manuals that the binaries print, between their markers: settings and metrics in OPERATING.md, faults in SIMULATED_CALCOM.md.
#
#   docs/regenerate.sh            write them
#   docs/regenerate.sh --check    say whether they are as the binaries have them; exit status 1 if not
#
# The binaries are those of the last build, or of $RINGMASTER_PREFIX/bin.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binaries=${RINGMASTER_PREFIX:-$root/zig-out}/bin
check=${1:-}
for binary in ringmaster ringsim; do
  [ -x "$binaries/$binary" ] || { echo "regenerate: $binaries/$binary is not built" >&2; exit 1; }
done

# print_with_table BINARY NAME < manual: the manual with the table NAME as the binary prints it.
print_with_table() {
  TABLE=$("$binaries/$1" "$2") awk -v open="<!-- $2 -->" -v close_="<!-- /$2 -->" '
    $0 == close_ { inside = 0 }
    !inside      { print }
    $0 == open   { inside = 1; print ENVIRON["TABLE"] }
  '
}

# settle MANUAL NEW: NEW ends in a dot, which keeps its last line ends.
settle() {
  if [ "$check" != --check ]; then
    printf '%s' "${2%.}" >"$1"
  elif [ "$2" != "$(cat "$1"; echo .)" ]; then
    echo "regenerate: docs/$(basename "$1") is not what the binary prints: run docs/regenerate.sh" >&2
    exit 1
  fi
}

operating=$root/docs/OPERATING.md simulated=$root/docs/SIMULATED_CALCOM.md
settle "$operating" "$(print_with_table ringmaster settings <"$operating" | print_with_table ringmaster metrics; echo .)"
settle "$simulated" "$(print_with_table ringsim faults <"$simulated"; echo .)"
