{{- /* How one port is scraped, the same for ServiceMonitor and PodMonitor. Takes (dict "monitor" VALUES "port" NAME). */ -}}
{{- define "euicc-operator.scrape" -}}
- port: {{ .port }}
  path: /metrics
  {{- with .monitor.interval }}
  interval: {{ . }}
  {{- end }}
  {{- with .monitor.scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  honorLabels: {{ .monitor.honorLabels }}
  {{- with .monitor.relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .monitor.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "euicc-operator.scrapes" -}}
{{- include "euicc-operator.scrape" (dict "monitor" .monitor "port" "metrics") }}
{{- if .root.Values.callback.enabled }}
{{ include "euicc-operator.scrape" (dict "monitor" .monitor "port" "callback-admin") }}
{{- end }}
{{- end }}
