#!/usr/bin/env bash
# Brings what the image's test runs containers with: podman and runc.
#
#   setup.sh                prints the podman to use, and fetches what is missing (a no-op takes milliseconds)
#
#   EUICC_IMAGE_CACHE       where to work (default: ~/.cache/euicc-operator/image)
#
# What this machine lacks comes from its own Debian release, unpacked into a private folder; nothing is installed. Images
# and containers are in that folder too: a Docker or podman of yours never sees them. Running them takes root.
set -euo pipefail
cache=${EUICC_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/euicc-operator/image}
root=$cache/podman
say() { echo "setup: $*" >&2; }
die() { say "FAILED: $*"; exit 1; }

[ "$(id -u)" = 0 ] || die "the test runs containers in the network of this machine and answers DNS on port 53: run it as root"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
recipe=$(sha256sum <"${BASH_SOURCE[0]}")
if [ "$(cat "$cache/made" 2>/dev/null)" != "$recipe" ]; then
	for tool in apt-get dpkg-deb; do
		command -v $tool >/dev/null || die "$tool is needed (a Debian or Ubuntu machine)"
	done
	apt-get -qq update >&2 || true
	packages=$(apt-get -s install --no-install-recommends podman runc | sed -n 's/^Inst \([^ ]*\).*/\1/p') || die "apt cannot say what podman and runc need"
	rm -rf "$root" "$cache/debs" && mkdir -p "$root" "$cache/debs"
	if [ "$packages" ]; then # none, where both are installed
		say "downloading podman and runc"
		# shellcheck disable=SC2086 # a list of words
		(cd "$cache/debs" && apt-get -qq -o APT::Sandbox::User=root download $packages >&2) || die "download"
		for deb in "$cache"/debs/*.deb; do dpkg-deb -x "$deb" "$root" || die "unpack"; done
	fi
	rm -rf "$cache/debs"

	# Its home has its configuration. The rest is for a machine that is itself a container: plain copies instead of an
	# overlay, no systemd, and no limit above what this machine has.
	seccomp=/usr/share/containers/seccomp.json
	[ ! -e "$root$seccomp" ] || seccomp=$root$seccomp
	mkdir -p "$cache/bin" "$cache/home/.config/containers"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$cache/home/.config/containers/policy.json"
	cat >"$cache/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		seccomp_profile = "$seccomp"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "none"
		runtime = "runc"
		tmp_dir = "$cache/tmp"
		conmon_path = ["$root/usr/bin/conmon", "/usr/bin/conmon"]
		helper_binaries_dir = ["$root/usr/lib/podman", "/usr/lib/podman"]
		[engine.runtimes]
		runc = ["$root/usr/sbin/runc", "/usr/sbin/runc"]
	END
	printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$cache/storage" "$cache/run" >"$cache/storage.conf"
	cat >"$cache/bin/podman" <<-END
		#!/bin/sh
		export HOME=$cache/home CONTAINERS_CONF=$cache/containers.conf CONTAINERS_STORAGE_CONF=$cache/storage.conf
		export LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu) PATH=$root/usr/bin:$root/usr/sbin:\$PATH
		unset XDG_CONFIG_HOME
		exec podman "\$@"
	END
	chmod +x "$cache/bin/podman"
	"$cache/bin/podman" info >/dev/null || die "podman does not work on this machine: see above"
	echo "$recipe" >"$cache/made"
fi
echo "$cache/bin/podman"
