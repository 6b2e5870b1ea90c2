{{- /*
A pod template. Takes (dict "root" $ "component" NAME "serviceAccount" NAME "automount" BOOL "own" VALUES
"containers" TEXT "volumes" LIST "grace" SECONDS): `own` holds what differs between the two Deployments.
*/ -}}
{{- define "euicc-operator.pod" -}}
{{- $root := .root }}
{{- $v := .root.Values -}}
metadata:
  labels:
    {{- include "euicc-operator.labels" (dict "root" $root "component" .component "labels" .own.podLabels) | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .component }}
    {{- with merge (dict) .own.podAnnotations $v.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .serviceAccount }}
  automountServiceAccountToken: {{ .automount }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  {{- with concat $v.global.imagePullSecrets $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with default $v.priorityClassName .own.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $v.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  containers:
    {{- .containers | nindent 4 }}
  {{- with .volumes }}
  volumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with default $v.nodeSelector .own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with default $v.tolerations .own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with default $v.affinity .own.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with default $v.topologySpreadConstraints .own.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- $selector := include "euicc-operator.selectorLabels" (dict "root" $root "component" $.component) | fromYaml }}
    {{- range . }}
    {{- list (merge (dict) . (dict "labelSelector" (dict "matchLabels" $selector))) | toYaml | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with $v.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with $v.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* The callback's certificate as a list of volumes, or no volume. */ -}}
{{- define "euicc-operator.tlsVolumes" -}}
{{- with include "euicc-operator.tlsSecret" . }}
- name: callback-tls
  secret: {secretName: {{ . }}}
{{- end }}
{{- end }}
