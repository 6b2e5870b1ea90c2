{{- /* What each process may do, exactly: tests/chart_rights.rs takes away each verb, and something breaks. */ -}}

{{- define "euicc-operator.controller.rules" -}}
- apiGroups: [euicc-operator.io]
  resources: [euiccactivations]
  verbs: [get, list, watch, patch] # patch: the finalizer of deletionPolicy Deactivate
- apiGroups: [euicc-operator.io]
  resources: [euiccactivations/status]
  verbs: [update]
- apiGroups: [euicc-operator.io]
  resources: [thingspaceconnections]
  verbs: [get, list, watch, patch] # patch: the finalizer of onDelete Deregister
- apiGroups: [euicc-operator.io]
  resources: [thingspaceconnections/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets, configmaps] # only those that connections name are read, each by its name
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "euicc-operator.callback.rules" -}}
- apiGroups: [euicc-operator.io]
  resources: [euiccactivations]
  verbs: [get, list, watch]
- apiGroups: [euicc-operator.io]
  resources: [euiccactivations/status]
  verbs: [update]
- apiGroups: [euicc-operator.io]
  resources: [thingspaceconnections]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [secrets] # only those that connections name for callbacks are read, each by its name
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "euicc-operator.namespaces.rules" -}}
- apiGroups: [""]
  resources: [namespaces] # only read while a connection has an allowedNamespaces.selector
  verbs: [list, watch]
{{- end }}

{{- define "euicc-operator.leaderElection.rules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create] # which cannot be confined to a name
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "euicc-operator.fullname" . | quote }}]
  verbs: [get, patch]
{{- end }}
