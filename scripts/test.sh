#!/usr/bin/env bash
# Everything that says whether this tree is good, from nothing (make test): format, clippy, unit, property and doc
# tests, and the promises, which run on a real Kubernetes API server. The API server is built meanwhile: that is mostly
# downloading, while cargo mostly compiles.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs fmt clippy

# The crash matrix ends and pauses the processes at points that only a feature compiles in; traces are another.
tests=(--locked --features fault-points,otlp)
# The image's promises run containers.
left_out=()
[ "$(id -u)" = 0 ] || left_out=(--skip image::)

rm -rf "$(target)/reliability"
log=$(mktemp)
setsid tests/controlplane/setup.sh --helm >"$log" 2>&1 </dev/null &
setup=$!
# shellcheck disable=SC2317 # called by the trap
at_exit() {
	[ ! "$setup" ] || kill -TERM -- "-$setup" 2>/dev/null || true
	rm -f "$log"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title "Format"
cargo fmt --check
say "good"

title "Clippy"
cargo clippy --locked -- -D warnings # as it is shipped
cargo clippy "${tests[@]}" --all-targets -- -D warnings

title "Building the tests"
cargo test "${tests[@]}" --no-run

if ((!${#left_out[@]})); then
	title "Building the operator as the image has it"
	scripts/release.sh
fi

title "The Kubernetes API server"
wait "$setup" || {
	setup=
	cat "$log" >&2
	missing "The Kubernetes API server could not be built: see above."
}
setup=
cat "$log"
say "ready"

title "Tests"
# All of them, even when some fail; the promises last, so that the closing line is theirs.
status=0
cargo test "${tests[@]}" --doc || status=$?
cargo test "${tests[@]}" --no-fail-fast --lib --bins --tests -- "${left_out[@]}" || status=$?
if ((status == 0)); then # what was tried how often, and what was found
	printf '%-20s %10s %10s %10s %6s %6s\n' family runs faults duplicates lost stuck
	cat "$(target)"/reliability/*.txt
fi
if ((${#left_out[@]})); then
	say "Left out: the promises of the image (tests/image.rs), because running containers takes root"
fi
exit $status
