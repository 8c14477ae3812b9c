{{- define "federate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "federate.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "federate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: federate
{{ include "federate.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "federate.image" -}}
{{- $name := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "federate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "federate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The agent's config: the user's, with what the chart decides. */}}
{{- define "federate.config" -}}
{{- $own := dict
  "store" "/var/lib/federate/federate.db"
  "admin_socket" "/run/federate/admin.sock"
  "metrics" (printf "0.0.0.0:%v" .Values.metrics.port)
  "endpoint" (dict "listen" "0.0.0.0:8443") -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $own "endpoint" (dict "listen" "0.0.0.0:8443" "certificate_file" "/run/federate-tls/tls.crt" "key_file" "/run/federate-tls/tls.key") -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}

{{/* What may be wrong although every single value is right. */}}
{{- define "federate.check" -}}
{{- $config := .Values.config -}}
{{- $endpoint := default dict $config.endpoint -}}
{{- if not $config.mesh -}}
{{- fail "config.mesh is missing: which mesh does this agent serve? For Istio: --set config.mesh.kind=istio" -}}
{{- end -}}
{{- if not $endpoint.url -}}
{{- fail "config.endpoint.url is missing: the https URL at which peers reach this agent. The chart cannot guess it." -}}
{{- end -}}
{{- if and (eq (default "" $endpoint.profile) "https_web") (not .Values.tls.secretName) -}}
{{- fail "config.endpoint.profile https_web needs tls.secretName: a Secret with tls.crt and tls.key, for instance of cert-manager" -}}
{{- end -}}
{{- if and (eq (default "" $endpoint.profile) "https_spiffe") .Values.tls.secretName -}}
{{- fail "tls.secretName goes with config.endpoint.profile https_web; https_spiffe serves the agent's own SVID" -}}
{{- end -}}
{{- end -}}

{{- define "federate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "federate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* A mesh must not give the agent the trust that the agent gives the mesh. */}}
{{- define "federate.notInTheMesh" -}}
sidecar.istio.io/inject: 'false'
linkerd.io/inject: disabled
consul.hashicorp.com/connect-inject: 'false'
kuma.io/sidecar-injection: disabled
{{- end -}}

{{/* Whether the agent talks to the API server of its own cluster. */}}
{{- define "federate.needsKubernetes" -}}
{{- $config := .Values.config -}}
{{- $kind := dig "mesh" "kind" "" $config -}}
{{- $elsewhere := or (dig "mesh" "kubeconfig" "" $config) (dig "mesh" "address" "" $config) (dig "mesh" "mesh_config_file" "" $config) -}}
{{- if and (has $kind (list "istio" "linkerd" "kuma")) (not $elsewhere) -}}
true
{{- else if hasKey $config "cluster_trust_bundles" -}}
true
{{- else -}}
false
{{- end -}}
{{- end -}}

{{- define "federate.binding" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "federate.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end -}}
