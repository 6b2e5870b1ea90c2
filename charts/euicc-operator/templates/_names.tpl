{{- /* What objects are called, and where they are. */ -}}

{{- define "euicc-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Room is left for -callback-metrics, which Services need within 63 characters. */ -}}
{{- define "euicc-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "euicc-operator.callback.fullname" -}}
{{ include "euicc-operator.fullname" . }}-callback
{{- end }}

{{- define "euicc-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "euicc-operator.serviceAccountName" -}}
{{- default (ternary (include "euicc-operator.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "euicc-operator.callback.serviceAccountName" -}}
{{- $own := .Values.callback.serviceAccount }}
{{- default (ternary (include "euicc-operator.callback.fullname" .) "default" $own.create) $own.name }}
{{- end }}

{{- /* The Secret with the callback's certificate; empty: it speaks plain HTTP. */ -}}
{{- define "euicc-operator.tlsSecret" -}}
{{- with .Values.callback.tls }}
{{- if .secretName }}
{{- .secretName }}
{{- else if .certManager.enabled }}
{{- include "euicc-operator.callback.fullname" $ }}-tls
{{- end }}
{{- end }}
{{- end }}

{{- define "euicc-operator.image" -}}
{{- $image := .Values.image }}
{{- $registry := default $image.registry .Values.global.imageRegistry }}
{{- if $registry }}{{ $registry }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{- /* What the callback endpoint's pods are part of. */ -}}
{{- define "euicc-operator.callback.component" -}}
{{- ternary "callback" "controller" (eq .Values.callback.mode "standalone") }}
{{- end }}
