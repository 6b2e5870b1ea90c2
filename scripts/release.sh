#!/usr/bin/env bash
# Builds the operator as it is shipped, and prints where it is. The list of what is in it is kept inside (`cargo
# auditable`), for scanners and for people: docs/image.md.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

features=(--features otlp) # of the shipped operator
auditable=cargo-auditable@0.7.7

needs
target=$(target)
PATH=$target/tools/bin:$PATH
cargo auditable --version >/dev/null 2>&1 ||
	cargo install --quiet --locked --root "$target/tools" "$auditable" >&2 ||
	missing "cargo auditable is missing and could not be fetched: cargo install --locked $auditable"
cargo auditable build --release --locked --bin euicc-operator "${features[@]}" >&2
echo "$target/release/euicc-operator"
