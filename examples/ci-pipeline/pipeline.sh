#!/bin/sh
# From a pull request to a signed bundle: what a CI job runs for a folder of rules. Every step prints what it found and
# fails the job; see README.md for what belongs around it.
#
#   pipeline.sh RULESET KEY.pem PUB.pem REVISION OUT
#
# OUT is a folder for what the job keeps: findings.sarif, junit.xml, changes.txt and the bundle. $BASELINE is the bundle that serves
# now, and $TRAFFIC a file of requests as JSON, if there are any.
set -eu

if [ $# -ne 5 ]; then
    echo "usage: $0 RULESET KEY.pem PUB.pem REVISION OUT" >&2
    exit 2
fi
ruleset=$1 key=$2 public=$3 revision=$4 out=$5
mkdir -p "$out"
rm -f "$out/rules.bundle" "$out/unverified.bundle"

step() {
    echo "== $1" >&2
}

step "format"
rulec fmt --check "$ruleset"

step "check"
# For services that show findings beside the code, and once more for people, which decides.
rulec check "$ruleset" --format sarif > "$out/findings.sarif" || true
rulec check "$ruleset" --deny warnings

step "test"
rulec test "$ruleset" --format junit > "$out/junit.xml" || {
    rulec test "$ruleset"
    exit 1
}
rulec test "$ruleset" --coverage --min-coverage "${MIN_COVERAGE:-0}"

step "build"
# Nothing unverified is ever under the name that the next job takes.
rulec build "$ruleset" --revision "$revision" --key "$key" --output "$out/unverified.bundle"

step "verify"
rulec verify "$out/unverified.bundle" --trust "$public" --min-revision "$revision"

if [ -n "${BASELINE:-}" ]; then
    step "what changes"
    rulec diff "$BASELINE" "$out/unverified.bundle" > "$out/changes.txt"
    cat "$out/changes.txt"
fi

if [ -n "${TRAFFIC:-}" ]; then
    step "replay"
    set -- --traffic "$TRAFFIC" --max-deny-rate "${MAX_DENY_RATE:-5}"
    if [ -n "${BASELINE:-}" ]; then
        set -- "$@" --baseline "$BASELINE" --max-change "${MAX_CHANGE:-2}"
    fi
    rulec replay "$out/unverified.bundle" "$@"
fi

mv "$out/unverified.bundle" "$out/rules.bundle"
echo "== $out/rules.bundle is ready to publish" >&2
