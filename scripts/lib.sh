# What the other scripts share; sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# Colours for people only.
bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
: "$dim" "$green" # not every script uses them

title() { printf '\n%s==> %s%s\n' "$bold" "$1" "$plain"; }
say() { printf '    %s\n' "$*"; }

# needs says what a machine lacks before minutes are spent on it: needs [CARGO-SUBCOMMAND...]
needs() {
	local part
	command -v cargo >/dev/null || missing "cargo is missing: install a Rust toolchain, see https://rustup.rs"
	command -v cc >/dev/null || missing "cc is missing, which Rust links with: apt-get install gcc libc6-dev"
	for part; do
		cargo "$part" --version >/dev/null 2>&1 || missing "cargo $part is missing: rustup component add clippy rustfmt"
	done
}

missing() {
	printf '%s%s%s\n' "$red" "$1" "$plain" >&2
	exit 1
}

# target prints the folder that cargo builds in.
target() {
	cargo metadata --locked --offline --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# clock prints seconds as people write them.
clock() { if (($1 < 60)); then echo "$1s"; else printf '%dm%02ds\n' $(($1 / 60)) $(($1 % 60)); fi; }
