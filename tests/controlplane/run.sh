#!/usr/bin/env bash
# Runs a Kubernetes API server on a real etcd, on loopback, with all its state in a folder.
#
#   run.sh DIR
#
# Prints one line, `READY DIR/kubeconfig`, once /readyz answers, and stays until its
# standard input ends or it gets SIGTERM or SIGINT; then nothing is left running. The same
# DIR later is the same cluster. A server or etcd that is killed (DIR/server.pid,
# DIR/etcd.pid) is started again on the same address, unless DIR/server.down or
# DIR/etcd.down exists.
# shellcheck disable=SC2046,SC2086 # lists of words are meant to be split
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 1 ] || { echo "usage: run.sh DIR" >&2; exit 2; }
"$here/setup.sh"
PATH=$PATH:$("$here/setup.sh" --print-bin)
umask 077 # keys and tokens
mkdir -p "$1"
cd "$1" # so that socket names stay short: a full path may be too long for one
dir=$PWD
declare -A pid
ready=
die() { echo "run.sh: $*" >&2; exit 1; }

# tied replaces itself by a program that dies with us, even when we get SIGKILL.
tied() {
	if command -v setpriv >/dev/null; then exec setpriv --pdeathsig KILL "$@"; else exec "$@"; fi
}

# Below the range that the system hands out to clients, so that none of them takes
# the port while the server restarts.
new_port() { echo $((20000 + RANDOM % 12000)) >port; }

if [ -x "${KUBEBUILDER_ASSETS:-}/kube-apiserver" ]; then
	PATH=$KUBEBUILDER_ASSETS:$PATH
	server=(kube-apiserver --advertise-address=127.0.0.1 --authorization-mode=RBAC --allow-privileged
		# There is no controller that would create the accounts and tokens that it asks for.
		--disable-admission-plugins=ServiceAccount --service-cluster-ip-range=10.0.0.0/24
		--service-account-issuer=https://kubernetes.default.svc
		--service-account-key-file=apiserver.key --service-account-signing-key-file=apiserver.key)
else
	server=(controlplane)
fi
server+=(--etcd-servers=unix://etcd.sock --bind-address=127.0.0.1 --cert-dir=. --token-auth-file=tokens.csv
	--audit-policy-file="$here/audit-policy.yaml" --audit-log-path=audit.log --audit-log-maxsize=4096)

start_etcd() {
	# Nothing has to survive a power cut, so nothing waits for the disk. What it advertises nobody reads.
	tied etcd --data-dir=etcd --unsafe-no-fsync --quota-backend-bytes=$((8 << 30)) --listen-client-urls=unix://etcd.sock --listen-peer-urls=unix://etcd-peer.sock \
		--advertise-client-urls=http://localhost:1 </dev/null >>etcd.log 2>&1 &
	pid[etcd]=$!
	echo $! >etcd.pid
}

start_server() {
	tied "${server[@]}" --secure-port="$(<port)" </dev/null >>server.log 2>&1 &
	pid[server]=$!
	echo $! >server.pid
}

# revive starts a child again that was killed. One that gave up by itself ends the run.
revive() {
	local name=$1 rc=0
	! kill -0 "${pid[$name]}" 2>/dev/null || return 0
	[ ! -e "$name.down" ] || return 0
	wait "${pid[$name]}" 2>/dev/null || rc=$?
	if [ ! "$ready" ] && tail -n 3 "$name.log" | grep -q "address already in use"; then
		new_port
	elif ((rc != 0 && rc < 128 || rc > 160)); then
		tail -n 20 "$name.log" >&2
		die "$name ended with status $rc ($dir/$name.log)"
	fi
	"start_$name"
}

write_kubeconfig() {
	cat >kubeconfig.new <<-END
		apiVersion: v1
		kind: Config
		current-context: test
		contexts:
		- {name: test, context: {cluster: test, user: test}}
		clusters:
		- name: test
		  cluster:
		    server: https://127.0.0.1:$(<port)
		    certificate-authority-data: $(base64 -w 0 apiserver.crt)
		users:
		- name: test
		  user:
		    token: $(cut -d, -f1 tokens.csv)
	END
	mv kubeconfig.new kubeconfig
}

answers() {
	[ -s apiserver.crt ] && (exec 3<>"/dev/tcp/127.0.0.1/$(<port)") && write_kubeconfig &&
		kubectl --kubeconfig=kubeconfig --request-timeout=2s get --raw=/readyz
}

stop() {
	trap - EXIT
	# Both may die at once: what is stored needs no goodbye.
	kill -KILL $(jobs -p) 2>/dev/null || true
	wait 2>/dev/null
	exit "$1"
}

exec 9>lock
flock -w 5 9 || die "another run.sh uses $dir"
[ -s tokens.csv ] || echo "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n'),kubernetes-admin,admin,system:masters" >tokens.csv
[ -s port ] || new_port
trap 'stop $?' EXIT
trap 'exit 0' TERM INT HUP
SECONDS=0 # bash counts
start_etcd
start_server
while :; do
	# Standard input is also our clock: a read that times out returns more than 128, the end of input 1.
	read -r -t 0.1 _ || (($? > 128)) || break
	revive etcd
	revive server
	if [ ! "$ready" ]; then
		if answers >/dev/null 2>&1; then
			ready=yes
			echo "READY $dir/kubeconfig"
		elif ((SECONDS > 120)); then
			tail -n 20 server.log >&2
			die "the API server does not become ready ($dir/server.log)"
		fi
	fi
done
[ "$ready" ] || die "standard input ended before the API server was ready: keep it open"
