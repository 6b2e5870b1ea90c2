{{- /*
A role and its binding. Takes (dict "root" $ "component" NAME "name" NAME "namespace" NAME "account" NAME "rules" TEXT);
without a namespace it is a ClusterRole.
*/ -}}
{{- define "euicc-operator.role" -}}
{{- $cluster := ternary "" "Cluster" (not (empty .namespace)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $cluster }}Role
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- include "euicc-operator.metadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $cluster }}RoleBinding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- include "euicc-operator.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $cluster }}Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ include "euicc-operator.namespace" .root }}
{{ end }}
