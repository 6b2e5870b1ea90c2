{{- /* Peers and ports of a rule. Takes (dict "direction" "to" or "from" "peers" LIST "ports" LIST "protocols" LIST). */ -}}
{{- define "euicc-operator.networkRule" -}}
- ports:
    {{- range $port := .ports }}
    {{- range default (list "TCP") $.protocols }}
    - {protocol: {{ . }}, port: {{ $port }}}
    {{- end }}
    {{- end }}
  {{- with .peers }}
  {{ $.direction }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* The port of a URL, written or not. */ -}}
{{- define "euicc-operator.portOf" -}}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- default (ternary 443 80 (eq $url.scheme "https")) $port }}
{{- end }}

{{- /* One Deployment's policy. Takes (dict "root" $ "component" NAME "name" NAME "controller" BOOL "callback" BOOL). */ -}}
{{- define "euicc-operator.networkPolicy" -}}
{{- $v := .root.Values }}
{{- $policy := $v.networkPolicy }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ include "euicc-operator.namespace" .root }}
  {{- include "euicc-operator.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "euicc-operator.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- $metricsFrom := $policy.metricsFrom }}
    {{- if $metricsFrom }}
    {{- /* And the pod of `helm test`. */ -}}
    {{- $test := include "euicc-operator.selectorLabels" (dict "root" .root "component" "test") | fromYaml }}
    {{- $metricsFrom = append $metricsFrom (dict "podSelector" (dict "matchLabels" $test)) }}
    {{- end }}
    {{- if .controller }}
    {{- include "euicc-operator.networkRule" (dict "direction" "from" "peers" $metricsFrom "ports" (list "metrics")) | nindent 4 }}
    {{- end }}
    {{- if .callback }}
    {{- include "euicc-operator.networkRule" (dict "direction" "from" "peers" $metricsFrom "ports" (list "callback-admin")) | nindent 4 }}
    {{- $from := $policy.callbackFrom }}
    {{- /* With externalTrafficPolicy Cluster, calls come from nodes; the load balancer has the list all the same. */ -}}
    {{- if and (not $from) (eq $v.callback.service.type "LoadBalancer") (ne $v.callback.service.externalTrafficPolicy "Cluster") (not $v.callback.ingress.enabled) (not $v.callback.httpRoute.enabled) }}
    {{- range $v.callback.allowedSources }}
    {{- $from = append $from (dict "ipBlock" (dict "cidr" .)) }}
    {{- end }}
    {{- end }}
    {{- include "euicc-operator.networkRule" (dict "direction" "from" "peers" $from "ports" (list "callback")) | nindent 4 }}
    {{- end }}
    {{- with $policy.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "euicc-operator.networkRule" (dict "direction" "to" "peers" $policy.dns.to "ports" $policy.dns.ports "protocols" (list "UDP" "TCP")) | nindent 4 }}
    {{- include "euicc-operator.networkRule" (dict "direction" "to" "peers" $policy.apiServer.to "ports" $policy.apiServer.ports) | nindent 4 }}
    {{- if .controller }}
    {{- include "euicc-operator.networkRule" (dict "direction" "to" "peers" $policy.thingspace.to "ports" $policy.thingspace.ports) | nindent 4 }}
    {{- end }}
    {{- with $v.otlp.endpoint }}
    {{- include "euicc-operator.networkRule" (dict "direction" "to" "ports" (list (include "euicc-operator.portOf" .))) | nindent 4 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{ end }}
