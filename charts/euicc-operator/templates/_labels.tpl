{{- /* Labels and annotations. Each takes (dict "root" $ "component" NAME "labels" MAP "annotations" MAP). */ -}}

{{- define "euicc-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "euicc-operator.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "euicc-operator.labels" -}}
{{- $standard := dict
      "app.kubernetes.io/name" (include "euicc-operator.name" .root)
      "app.kubernetes.io/instance" .root.Release.Name
      "app.kubernetes.io/component" .component
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/part-of" "euicc-operator"
      "app.kubernetes.io/managed-by" .root.Release.Service
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_")) }}
{{- merge (dict) $standard (default (dict) .labels) .root.Values.commonLabels | toYaml }}
{{- end }}

{{- /* labels, and annotations if there are any, to stand below a name. */ -}}
{{- define "euicc-operator.metadata" -}}
labels:
  {{- include "euicc-operator.labels" . | nindent 2 }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
