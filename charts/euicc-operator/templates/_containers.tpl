{{- /* The two processes, as containers. */ -}}

{{- define "euicc-operator.controller" -}}
- name: controller
  {{- include "euicc-operator.container" . | nindent 2 }}
  args:
    - controller
    - --admin-listen={{ .Values.listenAddress }}:{{ .Values.metrics.port }}
    {{- if .Values.leaderElection.enabled }}
    - --leader-elect=true
    - --leader-election-id={{ include "euicc-operator.fullname" . }}
    - --leader-election-namespace={{ include "euicc-operator.namespace" . }}
    {{- with .Values.leaderElection.leaseDuration }}
    - --lease-duration={{ . }}
    {{- end }}
    {{- end }}
    {{- range $flag, $value := dict
          "poll-after" .Values.controller.pollAfter
          "settle-time" .Values.controller.settleTime
          "request-timeout" .Values.controller.requestTimeout
          "recheck-after" .Values.controller.recheckAfter
          "deregister-timeout" .Values.controller.deregisterTimeout }}
    {{- if $value }}
    - --{{ $flag }}={{ $value }}
    {{- end }}
    {{- end }}
    {{- include "euicc-operator.commonArgs" . | nindent 4 }}
    {{- with .Values.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    {{- include "euicc-operator.commonEnv" . | nindent 4 }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {name: metrics, containerPort: {{ .Values.metrics.port }}, protocol: TCP}
  {{- include "euicc-operator.probes" (dict "root" . "port" "metrics") | nindent 2 }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "euicc-operator.callback" -}}
{{- $tls := include "euicc-operator.tlsSecret" . -}}
- name: callback
  {{- include "euicc-operator.container" . | nindent 2 }}
  args:
    - callback
    - --listen={{ .Values.listenAddress }}:{{ .Values.callback.port }}
    - --admin-listen={{ .Values.listenAddress }}:{{ .Values.callback.metricsPort }}
    {{- if $tls }}
    - --tls-cert=/etc/euicc-operator/tls/tls.crt
    - --tls-key=/etc/euicc-operator/tls/tls.key
    {{- end }}
    {{- include "euicc-operator.commonArgs" . | nindent 4 }}
    {{- with .Values.callback.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    {{- include "euicc-operator.commonEnv" . | nindent 4 }}
    {{- with .Values.callback.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {name: callback, containerPort: {{ .Values.callback.port }}, protocol: TCP}
    - {name: callback-admin, containerPort: {{ .Values.callback.metricsPort }}, protocol: TCP}
  {{- include "euicc-operator.probes" (dict "root" . "port" "callback-admin") | nindent 2 }}
  {{- with .Values.callback.preStopSeconds }}
  lifecycle:
    preStop:
      sleep: {seconds: {{ . }}}
  {{- end }}
  {{- with .Values.callback.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if or $tls .Values.callback.extraVolumeMounts }}
  volumeMounts:
    {{- if $tls }}
    - {name: callback-tls, mountPath: /etc/euicc-operator/tls, readOnly: true}
    {{- end }}
    {{- with .Values.callback.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "euicc-operator.container" -}}
image: {{ include "euicc-operator.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "euicc-operator.commonArgs" -}}
- --log-format={{ .Values.log.format }}
- --log-level={{ .Values.log.level }}
{{- with .Values.watchNamespaces }}
- --watch-namespace={{ join "," . }}
{{- end }}
{{- end }}

{{- define "euicc-operator.commonEnv" -}}
- name: EUICC_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with .Values.otlp.endpoint }}
- name: EUICC_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "euicc-operator.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: {{ .port }}}
  {{- toYaml .root.Values.startupProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: {{ .port }}}
  {{- toYaml .root.Values.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}}
  {{- toYaml .root.Values.readinessProbe | nindent 2 }}
{{- end }}
