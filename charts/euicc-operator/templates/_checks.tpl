{{- /* What a schema cannot say: values that contradict each other. One sentence each: what is wrong, and what helps. */ -}}

{{- define "euicc-operator.checks" -}}
{{- $v := .Values }}
{{- if and (gt (int $v.replicaCount) 1) (not $v.leaderElection.enabled) }}
{{- fail "replicaCount above 1 needs leaderElection.enabled=true: several controllers would do the same work. Set it, or replicaCount=1." }}
{{- end }}
{{- range $key, $budget := dict "podDisruptionBudget" $v.podDisruptionBudget "callback.podDisruptionBudget" $v.callback.podDisruptionBudget }}
{{- if and $budget.enabled (ne (toString $budget.minAvailable) "") (ne (toString $budget.maxUnavailable) "") }}
{{- fail (printf "%s has both minAvailable and maxUnavailable, and Kubernetes takes one of them. Remove one." $key) }}
{{- end }}
{{- end }}
{{- range $key, $of := dict "podDisruptionBudget" $v "callback.podDisruptionBudget" $v.callback }}
{{- $budget := $of.podDisruptionBudget }}
{{- if $budget.enabled }}
{{- $may := toString $budget.maxUnavailable }}
{{- $must := toString (ternary 1 $budget.minAvailable (eq (toString $budget.minAvailable) "")) }}
{{- $share := hasSuffix "%" $must }}
{{- $all := ternary (or (eq $must "100%") (and (ne $must "0%") (lt (int $of.replicaCount) 2))) (ge (int $must) (int $of.replicaCount)) $share }}
{{- if ternary $all (has $may (list "0" "0%")) (eq $may "") }}
{{- fail (printf "%s would hold up every drain: with %v replicas none may ever be missing. Set a higher replicaCount there, a lower minAvailable, or leave the budget out." $key $of.replicaCount) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.callback.tls.certManager }}
{{- if and .enabled (or (not .issuerRef.name) (not .dnsNames)) }}
{{- fail "callback.tls.certManager.enabled needs issuerRef.name and dnsNames: who issues the certificate, and for which names. Give both." }}
{{- end }}
{{- end }}
{{- if and $v.callback.ingress.enabled (not $v.callback.ingress.hosts) }}
{{- fail "callback.ingress.enabled needs callback.ingress.hosts: the host names that ThingSpace calls. Give at least one." }}
{{- end }}
{{- if and $v.callback.httpRoute.enabled (not $v.callback.httpRoute.parentRefs) }}
{{- fail "callback.httpRoute.enabled needs callback.httpRoute.parentRefs: the Gateway that the route belongs to. Give at least one." }}
{{- end }}
{{- if and $v.callback.httpRoute.envoySecurityPolicy (not $v.callback.allowedSources) }}
{{- fail "callback.httpRoute.envoySecurityPolicy with an empty callback.allowedSources would let nobody in. Give addresses, or set it to false." }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled $v.metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would read every metric twice. Enable one of them." }}
{{- end }}
{{- if and $v.metrics.serviceMonitor.enabled (not $v.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled=true: it finds pods by that Service. Set it, or use metrics.podMonitor." }}
{{- end }}
{{- range $v.connections }}
{{- $namespace := default (include "euicc-operator.namespace" $) .namespace }}
{{- if and $v.watchNamespaces (not (has $namespace $v.watchNamespaces)) }}
{{- fail (printf "connection %s is for namespace %s, which is not in watchNamespaces, so the operator would not see it. Add it there." .name $namespace) }}
{{- end }}
{{- end }}
{{- end }}
