#!/usr/bin/env bash
# Prints a kubeconfig for somebody else than the administrator of a cluster that runs.
#
#   kubeconfig.sh DIR system:serviceaccount:NAMESPACE:NAME   (which must exist)
#   kubeconfig.sh DIR USER [GROUP,GROUP...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 2 ] || [ $# = 3 ] || { echo "usage: kubeconfig.sh DIR USER [GROUPS]" >&2; exit 2; }
PATH=$PATH:$("$here/setup.sh" --print-bin)
admin=$1/kubeconfig
case $2 in
system:serviceaccount:*)
	IFS=: read -r _ _ namespace name <<<"$2"
	token=$(kubectl --kubeconfig="$admin" create token --namespace="$namespace" --duration=24h "$name")
	sed "s/token: .*/token: $token/" "$admin"
	;;
*) # An API server takes no passwords: for people, the administrator speaks in their name.
	sed "s/token: .*/&\n    as: $2\n    as-groups: [${3:-}]/" "$admin"
	;;
esac
