package main

// The built-in API groups. Each resource is one row of `resources`: the
// versioned k8s.io/api Go type is served *and* stored (as JSON, in etcd) by
// k8s.io/apiserver's generic registry, with one configurable strategy.

import (
	"maps"
	"reflect"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

type flags uint

const (
	cluster    flags = 1 << iota // cluster scoped
	status                       // has a /status subresource; plain writes cannot touch .status
	generation                   // metadata.generation counts .spec changes
	upsert                       // PUT of a missing object creates it
	needRV                       // PUT must carry a resourceVersion
	all                          // in `kubectl get all`
	pathName                     // any path segment is a valid name (RBAC)
	labelName                    // name must be a DNS label, not merely a DNS subdomain
)

type resource struct {
	obj      runtime.Object // prototype of the served and stored type
	plural   string
	short    string
	flags    flags
	fields   []string                                      // field selectors beyond metadata.name/namespace
	prepare  func(obj, old runtime.Object)                 // before validation; old is nil on create
	validate func(obj, old runtime.Object) field.ErrorList // old is nil on create
	gvk      schema.GroupVersionKind
}

func (r *resource) has(f flags) bool { return r.flags&f != 0 }

var eventFields = []string{"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
	"involvedObject.apiVersion", "involvedObject.fieldPath", "reason", "type", "reportingComponent"}

var resources = []*resource{
	{obj: &corev1.Namespace{}, plural: "namespaces", short: "ns", flags: cluster | status | labelName, fields: []string{"status.phase"}, prepare: prepareNamespace},
	{obj: &corev1.Secret{}, plural: "secrets", fields: []string{"type"}, validate: validateSecret},
	{obj: &corev1.ConfigMap{}, plural: "configmaps", short: "cm", validate: validateConfigMap},
	{obj: &corev1.Event{}, plural: "events", short: "ev", flags: upsert, fields: eventFields},
	{obj: &corev1.Service{}, plural: "services", short: "svc", flags: status | all | labelName, prepare: prepareService},
	{obj: &corev1.ServiceAccount{}, plural: "serviceaccounts", short: "sa"},
	{obj: &corev1.Pod{}, plural: "pods", short: "po", flags: status | all, fields: []string{"spec.nodeName", "status.phase"}},
	{obj: &appsv1.Deployment{}, plural: "deployments", short: "deploy", flags: status | generation | all, validate: validateDeployment},
	{obj: &coordinationv1.Lease{}, plural: "leases", flags: upsert | needRV},
	{obj: &networkingv1.Ingress{}, plural: "ingresses", short: "ing", flags: status | generation},
	{obj: &networkingv1.NetworkPolicy{}, plural: "networkpolicies", short: "netpol", flags: generation},
	{obj: &policyv1.PodDisruptionBudget{}, plural: "poddisruptionbudgets", short: "pdb", flags: status | generation | needRV},
	{obj: &rbacv1.Role{}, plural: "roles", flags: upsert | pathName},
	{obj: &rbacv1.RoleBinding{}, plural: "rolebindings", flags: upsert | pathName, validate: validateRoleRef},
	{obj: &rbacv1.ClusterRole{}, plural: "clusterroles", flags: cluster | upsert | pathName},
	{obj: &rbacv1.ClusterRoleBinding{}, plural: "clusterrolebindings", flags: cluster | upsert | pathName, validate: validateRoleRef},
	{obj: &admissionv1.ValidatingAdmissionPolicy{}, plural: "validatingadmissionpolicies", flags: cluster | status | generation | needRV},
	{obj: &admissionv1.ValidatingAdmissionPolicyBinding{}, plural: "validatingadmissionpolicybindings", flags: cluster | needRV},
}

var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	groups []schema.GroupVersion // every built-in group version, in table order
)

func init() {
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, coordinationv1.AddToScheme,
		eventsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, admissionv1.AddToScheme,
		authenticationv1.AddToScheme, authorizationv1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	scheme.AddUnversionedTypes(schema.GroupVersion{Version: "v1"}, &metav1.Status{}, &metav1.APIVersions{},
		&metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	// The request handlers decode into a group's "internal" version. Registering
	// the versioned Go types there too makes that conversion the identity.
	// events.k8s.io has core's Event as its internal type, so that both groups
	// show the same stored objects, as in a real cluster.
	for gvk, typ := range maps.Clone(scheme.AllKnownTypes()) {
		internal := schema.GroupVersionKind{Group: gvk.Group, Version: runtime.APIVersionInternal, Kind: gvk.Kind}
		if strings.HasPrefix(typ.PkgPath(), "k8s.io/api/") && gvk.Group != eventsv1.GroupName {
			scheme.AddKnownTypeWithName(internal, reflect.New(typ).Interface().(runtime.Object))
		}
	}
	scheme.AddKnownTypes(schema.GroupVersion{Group: eventsv1.GroupName, Version: runtime.APIVersionInternal}, &corev1.Event{}, &corev1.EventList{})
	registerEventConversions()
	registerDefaults()
	for _, r := range resources {
		kinds, _, err := scheme.ObjectKinds(r.obj)
		utilruntime.Must(err)
		for _, gvk := range kinds {
			if gvk.Version != runtime.APIVersionInternal {
				r.gvk = gvk
			}
		}
		if gv := r.gvk.GroupVersion(); len(groups) == 0 || groups[len(groups)-1] != gv {
			groups = append(groups, gv)
		}
		utilruntime.Must(scheme.AddFieldLabelConversionFunc(r.gvk, r.convertFieldLabel))
	}
	utilruntime.Must(scheme.AddFieldLabelConversionFunc(eventsv1.SchemeGroupVersion.WithKind("Event"), func(l, v string) (string, string, error) {
		l = strings.Replace(strings.Replace(l, "regarding.", "involvedObject.", 1), "reportingController", "reportingComponent", 1)
		return (&resource{fields: eventFields}).convertFieldLabel(l, v)
	}))
}

func (r *resource) convertFieldLabel(label, value string) (string, string, error) {
	for _, f := range r.fields {
		if f == label {
			return label, value, nil
		}
	}
	return runtime.DefaultMetaV1FieldSelectorConversion(label, value)
}

// attrs returns what label and field selectors can match.
func (r *resource) attrs(obj runtime.Object) (labels.Set, fields.Set, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, nil, err
	}
	set := fields.Set{"metadata.name": m.GetName(), "metadata.namespace": m.GetNamespace()}
	if len(r.fields) > 0 {
		u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range r.fields {
			set[f], _, _ = unstructured.NestedString(u, strings.Split(f, ".")...)
		}
	}
	return m.GetLabels(), set, nil
}
