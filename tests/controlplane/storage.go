package main

// How the resources are stored and served: create, update and delete strategies,
// the REST handlers, and the subresources.

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// strategy implements the create/update/delete strategies for one resource, or
// for its status subresource.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	*resource
	forStatus bool
}

func topField(obj runtime.Object, name string) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName(name)
}

func (s strategy) NamespaceScoped() bool                                            { return !s.has(cluster) }
func (s strategy) AllowCreateOnUpdate() bool                                        { return s.has(upsert) }
func (s strategy) AllowUnconditionalUpdate() bool                                   { return !s.has(needRV) }
func (s strategy) Canonicalize(runtime.Object)                                      {}
func (s strategy) WarningsOnCreate(context.Context, runtime.Object) []string        { return nil }
func (s strategy) WarningsOnUpdate(_ context.Context, _, _ runtime.Object) []string { return nil }

func (s strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	if s.has(status) {
		topField(obj, "Status").SetZero()
	}
	if m, _ := meta.Accessor(obj); s.has(generation) {
		m.SetGeneration(1)
	}
	if s.prepare != nil {
		s.prepare(obj, nil)
	}
}

func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	m, _ := meta.Accessor(obj)
	before, _ := meta.Accessor(old)
	switch {
	case s.forStatus: // keep everything but .status (and metadata, less its labels)
		topField(obj, "Spec").Set(topField(old, "Spec"))
		m.SetLabels(before.GetLabels())
		return
	case s.has(status):
		topField(obj, "Status").Set(topField(old, "Status"))
	}
	if s.prepare != nil {
		s.prepare(obj, old)
	}
	if s.has(generation) && !equality.Semantic.DeepEqual(topField(obj, "Spec").Interface(), topField(old, "Spec").Interface()) {
		m.SetGeneration(before.GetGeneration() + 1)
	}
}

func (s strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	m, _ := meta.Accessor(obj)
	var errs field.ErrorList
	check := validation.NameIsDNSSubdomain
	if s.has(labelName) {
		check = validation.NameIsDNSLabel
	}
	if !s.has(pathName) {
		for _, msg := range check(m.GetName(), false) {
			errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), m.GetName(), msg))
		}
	}
	if s.validate != nil {
		errs = append(errs, s.validate(obj, nil)...)
	}
	return errs
}

func (s strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	if s.validate != nil && !s.forStatus {
		return s.validate(obj, old)
	}
	return nil
}

// GetResetFields keeps server-side apply from claiming fields that the write ignores.
func (s strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	ignored := fieldpath.NewSet()
	if s.forStatus {
		ignored = fieldpath.NewSet(fieldpath.MakePathOrDie("spec"), fieldpath.MakePathOrDie("metadata", "labels"))
	} else if s.has(status) {
		ignored = fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(s.gvk.GroupVersion().String()): ignored}
}

// objectREST serves a resource, statusREST its status subresource.
type objectREST struct {
	*registry.Store
	*resource
}

func (r objectREST) ShortNames() []string { return strings.Fields(r.short) }
func (r objectREST) Categories() []string {
	if r.has(all) {
		return []string{"all"}
	}
	return nil
}

type statusREST struct{ store *registry.Store }

func (r statusREST) New() runtime.Object { return r.store.New() }
func (r statusREST) Destroy()            {}
func (r statusREST) Get(ctx context.Context, name string, o *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, o)
}
func (r statusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, vc rest.ValidateObjectFunc,
	vu rest.ValidateObjectUpdateFunc, _ bool, o *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, vc, vu, false, o)
}
func (r statusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}
func (r statusREST) ConvertToTable(ctx context.Context, o, t runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, o, t)
}

func newStore(r *resource, getter generic.RESTOptionsGetter) (*registry.Store, error) {
	gr := schema.GroupResource{Group: r.gvk.Group, Resource: r.plural}
	s := strategy{ObjectTyper: scheme, NameGenerator: names.SimpleNameGenerator, resource: r}
	store := &registry.Store{
		NewFunc: func() runtime.Object { return r.obj.DeepCopyObject() },
		NewListFunc: func() runtime.Object {
			list, err := scheme.New(r.gvk.GroupVersion().WithKind(r.gvk.Kind + "List"))
			utilruntime.Must(err)
			return list
		},
		DefaultQualifiedResource:  gr,
		SingularQualifiedResource: schema.GroupResource{Group: gr.Group, Resource: strings.ToLower(r.gvk.Kind)},
		CreateStrategy:            s,
		UpdateStrategy:            s,
		DeleteStrategy:            s,
		ResetFieldsStrategy:       s,
		TableConvertor:            rest.NewDefaultTableConvertor(gr),
	}
	if r.plural == "events" {
		store.TTLFunc = func(runtime.Object, uint64, bool) (uint64, error) { return 3600, nil }
	}
	return store, store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: r.attrs})
}

// namespaceREST turns DELETE into "mark Terminating"; the object goes away when
// the namespace controller has emptied it and clears spec.finalizers through
// the finalize subresource.
type namespaceREST struct{ objectREST }

func (r namespaceREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, o *metav1.DeleteOptions) (runtime.Object, bool, error) {
	obj, err := r.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	if ns := obj.(*corev1.Namespace); len(ns.Spec.Finalizers) == 0 {
		return r.Store.Delete(ctx, name, validate, o)
	}
	key, err := r.KeyFunc(ctx, name)
	if err != nil {
		return nil, false, err
	}
	pre := &storage.Preconditions{}
	if o.Preconditions != nil {
		pre.UID, pre.ResourceVersion = o.Preconditions.UID, o.Preconditions.ResourceVersion
	}
	out := r.New()
	err = r.Storage.GuaranteedUpdate(ctx, key, out, false, pre, storage.SimpleUpdate(func(in runtime.Object) (runtime.Object, error) {
		ns := in.(*corev1.Namespace)
		if err := validate(ctx, ns); err != nil {
			return nil, err
		}
		if ns.DeletionTimestamp == nil {
			now := metav1.Now()
			ns.DeletionTimestamp = &now
		}
		ns.Status.Phase = corev1.NamespaceTerminating
		return ns, nil
	}), len(o.DryRun) > 0, nil)
	return out, false, err
}

// finalizeStrategy lets only spec.finalizers change.
type finalizeStrategy struct{ strategy }

func (finalizeStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	obj.(*corev1.Namespace).Status = old.(*corev1.Namespace).Status
}

// builtinStorage creates the REST storage of every built-in resource:
// group version -> resource path -> storage.
func builtinStorage(getter generic.RESTOptionsGetter) (map[schema.GroupVersion]map[string]rest.Storage, error) {
	out := map[schema.GroupVersion]map[string]rest.Storage{}
	for _, gv := range append(groups, eventsv1.SchemeGroupVersion) {
		out[gv] = map[string]rest.Storage{}
	}
	for _, r := range resources {
		store, err := newStore(r, getter)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.plural, err)
		}
		m, main := out[r.gvk.GroupVersion()], objectREST{store, r}
		m[r.plural] = main
		if r.has(status) {
			sub := *store
			s := store.UpdateStrategy.(strategy)
			s.forStatus = true
			sub.UpdateStrategy, sub.ResetFieldsStrategy = s, s
			m[r.plural+"/status"] = statusREST{&sub}
		}
		switch r.obj.(type) {
		case *corev1.Event:
			out[eventsv1.SchemeGroupVersion][r.plural] = main
		case *corev1.Namespace:
			store.ShouldDeleteDuringUpdate = func(_ context.Context, _ string, obj, _ runtime.Object) bool {
				return len(obj.(*corev1.Namespace).Spec.Finalizers) == 0
			}
			sub := *store
			sub.UpdateStrategy = finalizeStrategy{store.UpdateStrategy.(strategy)}
			m["namespaces"], m["namespaces/finalize"] = namespaceREST{main}, statusREST{&sub}
		}
	}
	return out, nil
}
