#!/bin/sh
# Prints what CHANGELOG.md says of the version that a tag names, if the tag, the package and the changelog agree.
#
#     scripts/release_notes.sh v0.1.0
set -eu
cd "$(dirname "$0")/.."
version="$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/calltransfer/__init__.py)"
if [ "$1" != "v$version" ]; then
  echo "the tag is $1, and src/calltransfer/__init__.py has $version: tag v$version, or change the version" >&2
  exit 1
fi
notes="$(awk -v heading="## $version (" 'index($0, "## ") == 1 { here = index($0, heading) == 1; next } here' CHANGELOG.md)"
if [ -z "$notes" ] || grep -q "^## $version (unreleased)" CHANGELOG.md; then
  echo "CHANGELOG.md has no section '## $version (YYYY-MM-DD)'" >&2
  exit 1
fi
printf '%s\n' "$notes"
