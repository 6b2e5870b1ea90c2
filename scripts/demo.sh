#!/usr/bin/env bash
# From `kubectl apply` to Active, on a real Kubernetes API server. Only Verizon is simulated.
#
#   demo.sh        shows it and leaves nothing running            (make demo)
#   demo.sh keep   leaves it up for you to try                    (make demo KEEP=1)
#   demo.sh stop   ends what `keep` has left                      (make demo-stop)
#
# Everything is on loopback, and all its state in target/demo. With KUBECONFIG set, that cluster is used instead of one
# of its own; it must not know the operator yet, and is left as it was.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
'') keep= ;;
keep) keep=yes ;;
stop) keep=stop ;;
*) echo "usage: demo.sh [keep|stop]" >&2 && exit 2 ;;
esac

namespace=fleet
journal='/admin/journal?direction=in&method=POST&path=/devices/profile/actions/activate'
deadline=90 # seconds for anything to come about; it takes about five

needs
target=$(target)
state=$target/demo
cluster=$state/cluster
PATH=$PATH:$(tests/controlplane/setup.sh --print-bin)
# Proxies are for the world outside.
export NO_PROXY=127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}
export no_proxy=$NO_PROXY
# The demo is the same on every machine.
unset "${!EUICC_@}" "${!SIM_@}"

# ---- ending ----

building='' setting_up='' helpers='' failed='' uses_cluster=''
declare -A pid # by name; also in $state/pids, for `stop`

# ours says whether a process is still the one that was started: its id may have been given away since.
ours() {
	local marker=$target/debug
	[ "$1" != api-server ] || marker=$cluster
	tr '\0' ' ' 2>/dev/null <"/proc/${2:-none}/cmdline" | grep -qF -- "$marker"
} 2>/dev/null

# end ends processes that were started here and waits until they are gone: end NAME...
end() {
	local name until=$((SECONDS + 15))
	for name; do ! ours "$name" "${pid[$name]:-}" || kill -TERM "${pid[$name]}" 2>/dev/null || true; done
	for name; do
		while ours "$name" "${pid[$name]:-}"; do
			if ((SECONDS > until)); then kill -KILL "${pid[$name]}" 2>/dev/null || true; fi
			sleep 0.1
		done
	done
}

end_all() {
	[ ! "$uses_cluster" ] || say "taking the demo out of the cluster"
	[ ! "$uses_cluster" ] || leave_cluster || true
	uses_cluster=
	end controller callback simulator
	end api-server
	rm -f "$state/pids" "$state/uses-cluster"
}

# leave_cluster takes everything of ours out of somebody's cluster. The controller must still run: an activation with
# deletionPolicy Deactivate is let go once its lines are deactivated.
leave_cluster() {
	local name
	if ! kubectl delete euicc --all -n $namespace --timeout=60s; then
		for name in $(kubectl get euicc -n $namespace -o name); do
			kubectl patch -n $namespace "$name" --type=merge -p '{"metadata":{"finalizers":null}}'
		done
	fi
	kubectl delete namespace $namespace --timeout=60s
	kubectl delete -f crds/ --timeout=60s
} >>"$state/leave.log" 2>&1

at_exit() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	local job
	for job in "$building" "$setting_up"; do [ ! "$job" ] || kill -TERM -- "-$job" 2>/dev/null; done
	# shellcheck disable=SC2086 # a list of words
	[ ! "$helpers" ] || kill $helpers 2>/dev/null
	if ((status != 0 && status < 128)) && [ ! "$failed" ]; then
		printf '%sThe demo failed in scripts/demo.sh.%s\n' "$red" "$plain" >&2
	fi
	if [ "$keep" != yes ] || ((status)); then end_all; fi
	exit $status
}

# fail ends the demo: fail SENTENCE [LOG]
fail() { failed_with "${2:-}" "$1"; }
failed_with() {
	failed=yes
	if [ "$1" ] && [ -s "$1" ]; then
		printf '\n%s---- the last lines of %s%s\n' "$dim" "$1" "$plain" >&2
		tail -n 20 "$1" >&2
	fi
	printf '\n%sThe demo failed: %s.%s\n' "$red" "$2" "$plain" >&2
	exit 1
}

read_pids() {
	local name id
	while read -r name id; do pid[$name]=$id; done <"$state/pids"
}

if [ "$keep" = stop ]; then
	[ -s "$state/pids" ] || { echo "No demo is up." && exit 0; }
	read_pids
	if [ -s "$state/uses-cluster" ]; then
		uses_cluster=yes
		KUBECONFIG=$(<"$state/uses-cluster")
		export KUBECONFIG
	fi
	end_all
	echo "The demo is down."
	exit 0
fi

mkdir -p "$state"
exec 9>"$target/demo.lock"
flock -n 9 || { echo "Another demo is running here; wait for its end." >&2 && exit 1; }
if [ -s "$state/pids" ]; then
	read_pids
	for name in "${!pid[@]}"; do
		! ours "$name" "${pid[$name]}" || { echo "A demo is up already. End it first: make demo-stop" >&2 && exit 1; }
	done
fi
trap at_exit EXIT
trap 'echo; echo "Stopped."; exit 130' INT
trap 'exit 143' TERM HUP

# ---- starting ----

# start runs a program in the background, in a session of its own: Ctrl-C is for this script, which ends them in order.
# Unless it is to stay, it dies with us even when we get SIGKILL. start NAME COMMAND...
start() {
	local name=$1 tie=()
	shift
	if [ ! "$keep" ] && command -v setpriv >/dev/null; then tie=(setpriv --pdeathsig KILL); fi
	# 9 is the lock: it must not outlive us.
	setsid "${tie[@]}" "$@" <>"${stdin:-/dev/null}" >"$state/$name.log" 2>&1 9>&- &
	pid[$name]=$!
	echo "$name $!" >>"$state/pids"
}

# said waits until a program has written a line, and prints the word after a marker in it: said NAME MARKER
said() {
	local until=$((SECONDS + deadline)) word
	while ((SECONDS < until)); do
		word=$(sed -n "s|$2\([^ ]*\).*|\1|p" "$state/$1.log" 2>/dev/null | head -n 1)
		[ ! "$word" ] || { echo "$word" && return; }
		kill -0 "${pid[$1]}" 2>/dev/null || break
		sleep 0.1
	done
	return 1
}

# get prints what an address on loopback answers to an HTTP GET, without curl: get HOST:PORT PATH
get() { get_from "${1%:*}" "${1##*:}" "$2" 2>/dev/null; }
get_from() {
	local status line
	printf 'GET %s HTTP/1.0\r\nHost: %s:%s\r\n\r\n' "$3" "$1" "$2" >&3
	read -rt 10 _ status _ <&3
	while read -rt 10 line <&3 && [ "$line" != $'\r' ]; do :; done
	cat <&3
	[ "$status" = 200 ]
} 3<>"/dev/tcp/$1/$2"

# ready waits for a /readyz: ready NAME HOST:PORT
ready() {
	local until=$((SECONDS + deadline)) why=''
	while ((SECONDS < until)); do
		! why=$(get "$2" /readyz) || return 0
		kill -0 "${pid[$1]}" 2>/dev/null || fail "the $1 ended while it was starting" "$state/$1.log"
		sleep 0.1
	done
	fail "the $1 does not become ready: ${why:-it does not answer}" "$state/$1.log"
}

# free prints an address with the port that the examples name, or port 0, some other, if that is taken.
free() { if (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then echo 127.0.0.1:0; else echo "127.0.0.1:$1"; fi; }

# shown runs a command as a user would, and shows it.
shown() {
	say "$dim\$ $*$plain"
	"$@" 2>&1 | sed 's/^/    /'
}

# progress says in one line how far the two builds are.
progress() {
	local crates=ready last=ready
	if [ "$building" ]; then
		crates=$(grep -c '^ *Compiling ' "$state/build.log" || true)
		if ((crates)); then crates="$crates crates"; else crates=downloading; fi
	fi
	if [ "$setting_up" ]; then
		last=$(tail -n 1 "$state/setup.log")
		last=${last#setup: }
		last=${last%% (*}
	fi
	printf '%s   operator: %s   API server: %.60s' "$(clock "$SECONDS")" "$crates" "${last:-starting}"
}

printf '%seuicc-operator: from kubectl apply to Active%s\n' "$bold" "$plain"
echo "On a real Kubernetes API server, with the operator's real processes; only Verizon is simulated."
[ "$keep" ] || echo "Nothing is installed, and nothing stays running."

title "Building the operator, and a Kubernetes API server to run it on"
rm -rf "$state"
mkdir -p "$state"
# Side by side: one mostly compiles while the other mostly downloads. Each has a session of its own, so that it can be
# ended with all that it has started.
setsid cargo build --locked --bins >"$state/build.log" 2>&1 </dev/null 9>&- &
building=$!
setsid tests/controlplane/setup.sh >"$state/setup.log" 2>&1 </dev/null 9>&- &
setting_up=$!
SECONDS=0
told='' next=20
while [ "$building$setting_up" ]; do
	sleep 0.1
	if [ "$building" ] && ! kill -0 "$building" 2>/dev/null; then
		wait "$building" || { building='' && fail "the operator does not build" "$state/build.log"; }
		building=
	fi
	if [ "$setting_up" ] && ! kill -0 "$setting_up" 2>/dev/null; then
		wait "$setting_up" || { setting_up='' && fail "the Kubernetes API server does not build" "$state/setup.log"; }
		setting_up=
	fi
	((SECONDS >= 2)) || continue
	if [ ! "$told" ]; then
		say "The first time this takes some minutes: Rust crates are compiled, and a Kubernetes API server is built from"
		say "Debian's packages, into a cache of yours. The next time it takes a second."
		told=yes
	fi
	if [ -t 1 ]; then
		printf '\r\e[K    %s' "$(progress)"
	elif ((SECONDS >= next)); then
		say "$(progress)"
		next=$((next + 20))
	fi
done
[ ! -t 1 ] || printf '\r\e[K'
say "done in $(clock "$SECONDS")"

title "Starting"
if [ "${KUBECONFIG:-}" ]; then
	kubectl get --raw /readyz >"$state/leave.log" 2>&1 || fail "the cluster of KUBECONFIG does not answer" "$state/leave.log"
	if kubectl get crd euiccactivations.euicc-operator.io >/dev/null 2>&1 || kubectl get ns $namespace >/dev/null 2>&1; then
		fail "the cluster of KUBECONFIG has the operator's CRDs or a namespace $namespace already, and the demo would disturb them; unset KUBECONFIG"
	fi
	echo "$KUBECONFIG" >"$state/uses-cluster"
	uses_cluster=yes
else
	mkfifo -m 600 "$state/open" # it runs as long as its standard input is open, and this one never ends
	stdin=$state/open start api-server tests/controlplane/run.sh "$cluster"
	KUBECONFIG=$(said api-server "^READY ") || fail "the Kubernetes API server does not start" "$state/api-server.log"
	export KUBECONFIG
fi
say "Kubernetes API server  $(kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}')"

# A second for the reply and three more to the result, so that each state can be seen. Verizon takes minutes.
start simulator "$target/debug/thingspace-simulator" --listen "$(free 8480)" --any-callback-port \
	--fault activate:delay=1s --activation-time 3s
simulator=$(said simulator "^listening on http://") || fail "the simulator does not start" "$state/simulator.log"
say "ThingSpace, simulated  http://$simulator"

kubectl apply -f crds/ >"$state/crds.log" 2>&1 || fail "the CRDs are not accepted" "$state/crds.log"
kubectl wait --for=condition=Established -f crds/ --timeout=${deadline}s >>"$state/crds.log" 2>&1 ||
	fail "the CRDs are not established" "$state/crds.log"

common=(--admin-listen 127.0.0.1:0 --watch-namespace "$namespace" --log-format text)
start callback "$target/debug/euicc-operator" callback --listen "$(free 8443)" "${common[@]}"
start controller "$target/debug/euicc-operator" controller "${common[@]}"
callback=$(said callback ".*callbacks listening on ") || fail "the callback sidecar does not start" "$state/callback.log"
ready callback "$(said callback ".*admin listening on ")"
say "callback sidecar       http://$callback"
ready controller "$(said controller ".*admin listening on ")"
say "controller             ready"

title "Applying the manifests"
examples=examples
if [ "$simulator $callback" != "127.0.0.1:8480 127.0.0.1:8443" ]; then
	say "(a port that the examples name is taken here, so a copy of them names others)"
	examples=$state/examples
	cp -r examples "$examples"
	sed -i "s|127.0.0.1:8480|$simulator|; s|127.0.0.1:8443|$callback|" "$examples/connection.yaml"
fi
shown kubectl apply -f "$examples/namespace.yaml" -f "$examples/" || fail "the examples are not accepted"

# ---- showing ----

# What is shown of an activation; a column without a value is <none>.
columns='NAME:.metadata.name,REASON:.status.conditions[?(@.type=="Ready")].reason,DEVICES:.status.counts.devices'
columns+=',ACTIVE:.status.counts.active,FAULT:.status.devices[0].faultCode,MDN:.status.devices[0].deviceIds[?(@.kind=="mdn")].id'
columns+=',REQUEST:.status.requestId'

# tell turns each change of an activation into one line.
tell() {
	local name reason devices active fault mdn request colour detail
	declare -A before
	while read -r name reason devices active fault mdn request; do
		colour='' detail=''
		[ "$request" = '<none>' ] || detail="requestId $request"
		if ((${devices/'<none>'/0} > 1 && active > 0)); then detail="$active of $devices devices are active"; fi
		case $reason in
		'<none>') continue ;;
		Activated)
			colour=$green
			[ "$devices" != 1 ] || detail="phone number $mdn"
			;;
		ActivationFailed | Refused) colour=$red detail=$fault ;;
		esac
		[ "${before[$name]:-}" != "$reason $detail" ] || continue
		before[$name]="$reason $detail"
		printf '    %5ss  %-16s %s%-18s%s %s\n' "$(tenths)" "$name" "$colour" "$reason" "$plain" "$detail"
	done
}
begun=${EPOCHREALTIME/[.,]/}
tenths() {
	local t=$(((${EPOCHREALTIME/[.,]/} - begun) / 100000))
	echo "$((t / 10)).$((t % 10))"
}

title "What happens"
setsid kubectl get euicc -n $namespace --watch --no-headers -o "custom-columns=$columns" \
	> >(tell 9>&-) 2>"$state/watch.log" 9>&- &
watching=$!
helpers=$watching

refused=$(kubectl get -f examples/refused.yaml -o name)
mapfile -t all < <(kubectl get euicc -n $namespace -o name)
mapfile -t good < <(printf '%s\n' "${all[@]}" | grep -vxF "$refused")
kubectl wait -n $namespace --for=condition=Ready --timeout=${deadline}s "${good[@]}" >"$state/wait.log" 2>&1 9>&- &
waiting_ready=$!
kubectl wait -n $namespace --for=condition=Stalled --timeout=${deadline}s "$refused" >"$state/wait-refused.log" 2>&1 9>&- &
waiting_stalled=$!
helpers+=" $waiting_ready $waiting_stalled"

# Until both have come about, or something ends that should not.
waiting=("$waiting_ready" "$waiting_stalled")
while ((${#waiting[@]})); do
	status=0
	wait -n -p ended "${waiting[@]}" "${pid[@]}" 2>/dev/null || status=$?
	for name in "${!pid[@]}"; do
		[ "$ended" != "${pid[$name]}" ] || fail "the $name ended with status $status" "$state/$name.log"
	done
	((status == 0)) || {
		kubectl get euicc -n $namespace || true
		fail "not every activation came to its end within $deadline seconds" "$state/controller.log"
	}
	if [ "$ended" = "$waiting_ready" ]; then waiting=("${waiting[@]:1}"); else unset 'waiting[-1]'; fi
done
took=$(tenths)
kill "$watching" 2>/dev/null || true
wait "$watching" 2>/dev/null || true
helpers=

title "Every example is active after $took seconds, but the one that ThingSpace refuses"
shown kubectl get euicc -n $namespace -o wide
echo
say "$refused is refused, as it should be:" | sed 's|euiccactivation.euicc-operator.io/||'
kubectl get -n $namespace "$refused" -o 'jsonpath={.status.conditions[?(@.type=="Stalled")].message}' | fold -sw 100 | sed 's/^/      /'
echo

# ---- checking ----

title "Sent once, and never twice"
posts=$(get "$simulator" "$journal") || fail "the simulator's journal cannot be read" "$state/simulator.log"
sent=$(grep -o '"direction":"in"' <<<"$posts" | wc -l)
for name in "${all[@]}"; do
	id=$(kubectl get -n $namespace "$name" -o 'jsonpath={.status.requestId}')
	times=$(grep -oF "\"requestId\":\"${id:-none}\"" <<<"$posts" | wc -l)
	((times == 1)) || fail "${name##*/} was sent $times times instead of once" "$state/controller.log"
done
((sent == ${#all[@]})) || fail "ThingSpace has got $sent activate requests for ${#all[@]} activations" "$state/controller.log"
say "ThingSpace has got $sent activate POSTs for ${#all[@]} activations: one each, with the requestId that stands above."

if [ ! "$keep" ]; then
	title "Ending it all"
	end_all
	say "Nothing is left running. To keep it up and try for yourself: make demo KEEP=1"
	exit 0
fi

title "It is up, and yours"
path=
bin=$(tests/controlplane/setup.sh --print-bin)
# A kubectl that setup.sh has brought is not on the user's PATH.
if [ "$(command -v kubectl)" = "$bin/kubectl" ]; then path=$'\n'"      export PATH=\$PATH:$bin"; fi
cat <<END
    In a shell of yours:
$path
      export KUBECONFIG=$KUBECONFIG

    and then, for example:

      kubectl get euicc -n $namespace                               what there is
      kubectl describe euicc -n $namespace unknown-device           why it was refused
      kubectl apply -f MINE.yaml                             your own: examples/one-device.yaml with another name and
                                                             other ids; the simulator takes any 32 and 15 digits
      kubectl wait -n $namespace --for=condition=Ready euicc/NAME   returns when the device is active
      kubectl delete euicc -n $namespace demo-unit                  deactivates its line first, as its manifest says

    The refused one succeeds once its cause is gone, when it is asked to try again:

      curl -X DELETE http://$simulator/admin/faults
      kubectl annotate euicc -n $namespace unknown-device --overwrite euicc-operator.io/retry="\$(date +%s)"

    What ThingSpace got, and sent:   curl http://$simulator/admin/journal
    The logs of every process:       $state/*.log
    The operator's metrics:          curl http://$(said controller ".*admin listening on ")/metrics

    To end it all:                   make demo-stop
END
