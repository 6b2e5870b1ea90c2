#!/usr/bin/env bash
# Makes the container image from an operator built on this machine, with the last stage of the Dockerfile (make image).
#
#   IMAGE            its name; euicc-operator:VERSION unless given
#   VERSION          that of Cargo.toml unless given
#   CONTAINER_TOOL   docker, podman or buildah; the first of them that works unless given
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs

works() { "$1" info >/dev/null 2>&1; } # a docker without its engine does not
tool=${CONTAINER_TOOL:-}
for name in docker podman buildah; do
	[ "$tool" ] || ! works $name || tool=$name
done
[ "$tool" ] || missing "An image is made with docker, podman or buildah, and none of them works here: apt-get install podman"
works "$tool" || missing "CONTAINER_TOOL=$tool does not work here: $tool info says why"

version=${VERSION:-$(cargo metadata --locked --offline --no-deps --format-version 1 | sed -n 's/.*"name":"euicc-operator","version":"\([^"]*\)".*/\1/p')}
image=${IMAGE:-euicc-operator:$version}

binary=$(scripts/release.sh)
context=$(mktemp -d "$(target)/image.XXXXXX")
trap 'rm -rf "$context"' EXIT
scripts/rootfs.sh "$binary" "$context/rootfs"
sed '1,/^# ---- the image ----/d; s|--from=build /rootfs|rootfs|' Dockerfile >"$context/Dockerfile"
# Without its cache: an older buildah takes a version label from there.
"$tool" build --quiet --no-cache --build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)" \
	--tag "$image" "$context" >/dev/null

about() { "$tool" images --no-trunc --format "$1" "$image" | head -n 1; }
digest=$(about '{{.Digest}}')
# Docker gives an image its digest when it is pushed.
case $digest in sha256:*) ;; *) digest="$(about '{{.ID}}') (its id; docker knows the digest once it is pushed)" ;; esac
say "$image  $(about '{{.Size}}')  $digest"
