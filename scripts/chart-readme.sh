#!/usr/bin/env bash
# Writes the tables below "## Values" in each chart's README anew, from the comments in its values.yaml.
#
#   # ---- TEXT    begins a section
#   # -- TEXT      explains the value below; further comment lines belong to it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../charts"

tables() {
	awk '
	function head() { print "\n| value | default | what it is |\n|---|---|---|"; open = 1 }
	/^# ---- / { sub(/^# ---- /, ""); sub(/ ----$/, ""); print "\n### " $0; head(); next }
	/^ *# -- / { sub(/^ *# -- /, ""); text = $0; next }
	/^ *# / && text { sub(/^ *# /, ""); text = text " " $0; next }
	/^ *[A-Za-z]+:/ {
		match($0, /^ */); depth = RLENGTH / 2
		line = substr($0, RLENGTH + 1)
		key = line; sub(/:.*/, "", key)
		value = line; sub(/^[^:]*: */, "", value)
		path[depth] = key
		if (!text) next
		name = path[0]
		for (i = 1; i <= depth; i++) name = name "." path[i]
		gsub(/\|/, "\\|", text)
		if (!open) head()
		printf "| `%s` | %s | %s |\n", name, value == "" ? "see values.yaml" : "`" value "`", text
		text = ""
		next
	}
	{ text = "" }
	' "$1"
}

for chart in *; do
	readme=$(sed '/^## Values$/q' "$chart/README.md"; tables "$chart/values.yaml")
	printf '%s\n' "$readme" >"$chart/README.md"
done
