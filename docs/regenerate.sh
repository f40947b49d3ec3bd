#!/usr/bin/env bash
# Rewrites the tables of OPERATING.md that the binary prints: settings and metrics, between their markers.
#
#   docs/regenerate.sh            write them
#   docs/regenerate.sh --check    say whether they are as the binary has them; exit status 1 if not
#
# The binary is that of the last build, or $RINGMASTER_PREFIX/bin/ringmaster.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=${RINGMASTER_PREFIX:-$root/zig-out}/bin/ringmaster
manual=$root/docs/OPERATING.md
[ -x "$binary" ] || { echo "regenerate: $binary is not built" >&2; exit 1; }

# print_with_table NAME < manual: the manual with the table NAME as the binary prints it.
print_with_table() {
  TABLE=$("$binary" "$1") awk -v open="<!-- $1 -->" -v close_="<!-- /$1 -->" '
    $0 == close_ { inside = 0 }
    !inside      { print }
    $0 == open   { inside = 1; print ENVIRON["TABLE"] }
  '
}

new=$(print_with_table settings <"$manual" | print_with_table metrics; echo .)
if [ "${1:-}" = --check ]; then
  [ "$new" = "$(cat "$manual"; echo .)" ] || { echo "regenerate: docs/OPERATING.md is not what the binary prints: run docs/regenerate.sh" >&2; exit 1; }
else
  printf '%s' "${new%.}" >"$manual"
fi
