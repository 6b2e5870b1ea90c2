package main

// What single types need beyond the generic strategy: preparation, validation,
// defaults, and the two shapes of an Event.

import (
	"fmt"
	"math/rand"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func prepareNamespace(obj, old runtime.Object) {
	ns := obj.(*corev1.Namespace)
	if old != nil {
		ns.Spec.Finalizers = old.(*corev1.Namespace).Spec.Finalizers
		return
	}
	ns.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
	ns.Status.Phase = corev1.NamespaceActive
	if ns.Labels == nil {
		ns.Labels = map[string]string{}
	}
	ns.Labels[corev1.LabelMetadataName] = ns.Name
}

// prepareService hands out a random cluster IP (uniqueness is not tracked: nothing routes to it).
func prepareService(obj, old runtime.Object) {
	svc := obj.(*corev1.Service)
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	if old != nil && svc.Spec.ClusterIP == "" {
		svc.Spec.ClusterIP = old.(*corev1.Service).Spec.ClusterIP
	}
	if svc.Spec.ClusterIP == "" {
		svc.Spec.ClusterIP = fmt.Sprintf("10.96.%d.%d", rand.Intn(256), 1+rand.Intn(254))
	}
	svc.Spec.ClusterIPs = []string{svc.Spec.ClusterIP}
}

func validateKeys[V any](errs field.ErrorList, name string, m map[string]V) field.ErrorList {
	for k := range m {
		for _, msg := range utilvalidation.IsConfigMapKey(k) {
			errs = append(errs, field.Invalid(field.NewPath(name).Key(k), k, msg))
		}
	}
	return errs
}

func immutable(errs field.ErrorList, path string, a, b any) field.ErrorList {
	return append(errs, validation.ValidateImmutableField(a, b, field.NewPath(path))...)
}

func validateSecret(obj, old runtime.Object) field.ErrorList {
	s := obj.(*corev1.Secret)
	errs := validateKeys(nil, "data", s.Data)
	if o, _ := old.(*corev1.Secret); o != nil {
		errs = immutable(errs, "type", s.Type, o.Type)
		if o.Immutable != nil && *o.Immutable {
			errs = immutable(immutable(errs, "immutable", s.Immutable, o.Immutable), "data", s.Data, o.Data)
		}
	}
	return errs
}

func validateConfigMap(obj, old runtime.Object) field.ErrorList {
	c := obj.(*corev1.ConfigMap)
	errs := validateKeys(validateKeys(nil, "data", c.Data), "binaryData", c.BinaryData)
	if o, _ := old.(*corev1.ConfigMap); o != nil && o.Immutable != nil && *o.Immutable {
		errs = immutable(immutable(immutable(errs, "immutable", c.Immutable, o.Immutable), "data", c.Data, o.Data), "binaryData", c.BinaryData, o.BinaryData)
	}
	return errs
}

// validateDeployment: the selector is required, matches the template, and never changes.
func validateDeployment(obj, old runtime.Object) field.ErrorList {
	spec, path := obj.(*appsv1.Deployment).Spec, field.NewPath("spec")
	var errs field.ErrorList
	if s, err := metav1.LabelSelectorAsSelector(spec.Selector); spec.Selector == nil || err != nil || s.Empty() {
		errs = append(errs, field.Required(path.Child("selector"), "a valid, non-empty selector"))
	} else if !s.Matches(labels.Set(spec.Template.Labels)) {
		errs = append(errs, field.Invalid(path.Child("template", "metadata", "labels"), spec.Template.Labels, "`selector` does not match template `labels`"))
	}
	containers := path.Child("template", "spec", "containers")
	if len(spec.Template.Spec.Containers) == 0 {
		errs = append(errs, field.Required(containers, ""))
	}
	for i, c := range spec.Template.Spec.Containers {
		if c.Name == "" || c.Image == "" {
			errs = append(errs, field.Required(containers.Index(i), "name and image"))
		}
	}
	if o, _ := old.(*appsv1.Deployment); o != nil {
		errs = immutable(errs, "spec.selector", spec.Selector, o.Spec.Selector)
	}
	return errs
}

func validateRoleRef(obj, old runtime.Object) field.ErrorList {
	ref := topField(obj, "RoleRef").Interface().(rbacv1.RoleRef)
	var errs field.ErrorList
	if ref.Name == "" || (ref.Kind != "Role" && ref.Kind != "ClusterRole") {
		errs = append(errs, field.Invalid(field.NewPath("roleRef"), ref, "must name a Role or ClusterRole"))
	}
	if old != nil {
		errs = immutable(errs, "roleRef", ref, topField(old, "RoleRef").Interface())
	}
	return errs
}

// def sets a zero field, defp a nil pointer.
func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func defp[T any](p **T, v T) {
	if *p == nil {
		*p = &v
	}
}

func onDecode[T any](f func(*T)) {
	obj, _ := any(new(T)).(runtime.Object)
	scheme.AddTypeDefaultingFunc(obj, func(o any) { f(o.(*T)) })
}

// registerDefaults fills in the few fields that clients or admission rely on.
func registerDefaults() {
	onDecode(func(s *corev1.Secret) {
		def(&s.Type, corev1.SecretTypeOpaque)
		for k, v := range s.StringData { // a write-only convenience
			if s.Data == nil {
				s.Data = map[string][]byte{}
			}
			s.Data[k] = []byte(v)
		}
		s.StringData = nil
	})
	onDecode(func(s *corev1.Service) {
		def(&s.Spec.Type, corev1.ServiceTypeClusterIP)
		for i := range s.Spec.Ports {
			p := &s.Spec.Ports[i]
			def(&p.Protocol, corev1.ProtocolTCP)
			def(&p.TargetPort, intstr.FromInt32(p.Port))
		}
	})
	onDecode(func(d *appsv1.Deployment) { defp(&d.Spec.Replicas, 1) })
	match := func(m *admissionv1.MatchResources) {
		defp(&m.MatchPolicy, admissionv1.Equivalent)
		defp(&m.NamespaceSelector, metav1.LabelSelector{})
		defp(&m.ObjectSelector, metav1.LabelSelector{})
		for i := range m.ResourceRules {
			defp(&m.ResourceRules[i].Scope, admissionv1.AllScopes)
		}
	}
	onDecode(func(p *admissionv1.ValidatingAdmissionPolicy) {
		defp(&p.Spec.FailurePolicy, admissionv1.Fail)
		defp(&p.Spec.MatchConstraints, admissionv1.MatchResources{})
		match(p.Spec.MatchConstraints)
	})
	onDecode(func(b *admissionv1.ValidatingAdmissionPolicyBinding) {
		if b.Spec.MatchResources != nil {
			match(b.Spec.MatchResources)
		}
	})
}

// registerEventConversions maps between the stored core Event and events.k8s.io/v1.
func registerEventConversions() {
	toCore := func(in *eventsv1.Event, out *corev1.Event) {
		*out = corev1.Event{ObjectMeta: in.ObjectMeta, InvolvedObject: in.Regarding, Related: in.Related, Reason: in.Reason,
			Message: in.Note, Type: in.Type, Action: in.Action, EventTime: in.EventTime, Source: in.DeprecatedSource,
			FirstTimestamp: in.DeprecatedFirstTimestamp, LastTimestamp: in.DeprecatedLastTimestamp, Count: in.DeprecatedCount,
			ReportingController: in.ReportingController, ReportingInstance: in.ReportingInstance}
		if in.Series != nil {
			out.Series = &corev1.EventSeries{Count: in.Series.Count, LastObservedTime: in.Series.LastObservedTime}
		}
	}
	fromCore := func(in *corev1.Event, out *eventsv1.Event) {
		*out = eventsv1.Event{ObjectMeta: in.ObjectMeta, Regarding: in.InvolvedObject, Related: in.Related, Reason: in.Reason,
			Note: in.Message, Type: in.Type, Action: in.Action, EventTime: in.EventTime, DeprecatedSource: in.Source,
			DeprecatedFirstTimestamp: in.FirstTimestamp, DeprecatedLastTimestamp: in.LastTimestamp, DeprecatedCount: in.Count,
			ReportingController: in.ReportingController, ReportingInstance: in.ReportingInstance}
		if in.Series != nil {
			out.Series = &eventsv1.EventSeries{Count: in.Series.Count, LastObservedTime: in.Series.LastObservedTime}
		}
	}
	add := func(a, b any, f func(a, b any)) {
		utilruntime.Must(scheme.AddConversionFunc(a, b, func(a, b any, _ conversion.Scope) error { f(a, b); return nil }))
	}
	add(&eventsv1.Event{}, &corev1.Event{}, func(a, b any) { toCore(a.(*eventsv1.Event), b.(*corev1.Event)) })
	add(&corev1.Event{}, &eventsv1.Event{}, func(a, b any) { fromCore(a.(*corev1.Event), b.(*eventsv1.Event)) })
	add(&corev1.EventList{}, &eventsv1.EventList{}, func(a, b any) {
		in, out := a.(*corev1.EventList), b.(*eventsv1.EventList)
		out.ListMeta, out.Items = in.ListMeta, make([]eventsv1.Event, len(in.Items))
		for i := range in.Items {
			fromCore(&in.Items[i], &out.Items[i])
		}
	})
}
