#!/usr/bin/env bash
# Lays out the root file system of the image: the operator, and the few files that it needs of a system.
#
#   rootfs.sh BINARY DIR     (DIR must not be there yet)
#
# The operator is linked to the C library like any Rust program on Linux, so the library comes along: loader, libc, libm
# and libgcc_s, 3 MB. A statically linked glibc cannot resolve host names; musl could, but it is one more toolchain, and
# its allocator is slow. And so names resolve as they do everywhere else.
set -euo pipefail
[ $# = 2 ] || { echo "usage: rootfs.sh BINARY DIR" >&2 && exit 2; }
binary=$(realpath "$1")
dir=$(realpath -m "$2")
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

certificates=/etc/ssl/certs/ca-certificates.crt
[ ! -e "$dir" ] || missing "$dir is there already: take it away, or name another folder"
[ -s $certificates ] || missing "$certificates is missing: apt-get install ca-certificates"
# Since 2.34 what asks /etc/hosts and DNS is part of libc itself.
libc=$(getconf GNU_LIBC_VERSION) || missing "the image needs glibc 2.34 or later, and this machine has another C library"
printf '%s\n' 'glibc 2.34' "$libc" | sort --check=quiet --version-sort || missing "the image needs glibc 2.34 or later, and this machine has $libc"

# add copies a file to where it is here: add MODE FILE
add() { install -D --mode="$1" "$2" "$dir$2"; }

install -D --mode=755 "$binary" "$dir/euicc-operator"
install -D --mode=644 LICENSE "$dir/usr/share/doc/euicc-operator/copyright"
mapfile -t libraries < <(ldd "$binary" | grep -o '/[^ ]*')
for file in "${libraries[@]}"; do add 755 "$file"; done
add 644 $certificates
add 644 /etc/os-release
echo 'hosts: files dns' >"$dir/etc/nsswitch.conf"

# Scanners learn from these which Debian packages there are, as in distroless images.
command -v dpkg-query >/dev/null || exit 0
mkdir -p "$dir/var/lib/dpkg/status.d"
for file in "${libraries[@]}" /usr/share/doc/ca-certificates; do
	# Debian may know a file by its name in /usr, or by that in /.
	package=$(dpkg-query --search "$file" || dpkg-query --search "/usr$file" || dpkg-query --search "${file#/usr}") 2>/dev/null
	package=${package%%: *}
	[ "$package" ] || missing "no Debian package has $file"
	name=${package%%:*}
	dpkg-query --status "$package" >"$dir/var/lib/dpkg/status.d/$name"
	add 644 "/usr/share/doc/$name/copyright"
done
