package main

// What the controllers of a cluster do and API clients cannot do without: the
// objects that every cluster starts with, and the life of namespaces.

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// bootstrap creates the first objects. It tries again until informers and admission are up.
func bootstrap(ctx context.Context, kube kubernetes.Interface) error {
	return wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := createFirstObjects(ctx, kube)
		if err != nil {
			klog.V(1).InfoS("bootstrap", "err", err)
		}
		return err == nil, nil
	})
}

func createFirstObjects(ctx context.Context, kube kubernetes.Interface) error {
	opts := metav1.CreateOptions{}
	for _, name := range []string{"default", "kube-system"} {
		_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, opts)
		if unlessExists(err) != nil {
			return err
		}
	}
	for _, role := range []struct {
		name, group string
		rules       []rbacv1.PolicyRule
	}{
		{"cluster-admin", "system:masters", []rbacv1.PolicyRule{
			{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
		}},
		{"system:discovery", "system:authenticated", []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{
			"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/readyz", "/openapi", "/openapi/*", "/version", "/version/"}}}},
		{"system:basic-user", "system:authenticated", []rbacv1.PolicyRule{{Verbs: []string{"create"},
			APIGroups: []string{"authorization.k8s.io", "authentication.k8s.io"}, Resources: []string{"selfsubjectaccessreviews", "selfsubjectreviews"}}}},
	} {
		m := metav1.ObjectMeta{Name: role.name, Labels: map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"}}
		_, err := kube.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: m, Rules: role.rules}, opts)
		if unlessExists(err) != nil {
			return err
		}
		_, err = kube.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: m,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: role.group}}}, opts)
		if unlessExists(err) != nil {
			return err
		}
	}
	return nil
}

func unlessExists(err error) error {
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// watchNamespaces gives a new namespace its "default" account, and empties one that is being deleted.
func watchNamespaces(informer cache.SharedIndexInformer, kube kubernetes.Interface, dyn dynamic.Interface) error {
	see := func(ns *corev1.Namespace) {
		until(func(ctx context.Context) (bool, error) {
			if ns.DeletionTimestamp != nil {
				return emptyNamespace(ctx, ns.Name, kube, dyn)
			}
			_, err := kube.CoreV1().ServiceAccounts(ns.Name).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
			// Not found and forbidden: the namespace went away in the meantime.
			return err == nil || errors.IsAlreadyExists(err) || errors.IsNotFound(err) || errors.IsForbidden(err), err
		})
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { go see(o.(*corev1.Namespace)) },
		UpdateFunc: func(old, now any) {
			if ns := now.(*corev1.Namespace); ns.DeletionTimestamp != nil && old.(*corev1.Namespace).DeletionTimestamp == nil {
				go see(ns)
			}
		},
	})
	return err
}

// until repeats a step until it is done: objects with finalizers take their time.
func until(step wait.ConditionWithContextFunc) {
	wait.PollUntilContextCancel(context.Background(), 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		done, err := step(ctx)
		if err != nil {
			klog.V(1).InfoS("namespace", "err", err)
		}
		return done, nil
	})
}

// emptyNamespace deletes what is in a namespace, and releases the namespace once nothing is left.
func emptyNamespace(ctx context.Context, name string, kube kubernetes.Interface, dyn dynamic.Interface) (bool, error) {
	ns, err := kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return errors.IsNotFound(err), err
	}
	lists, err := kube.Discovery().ServerPreferredNamespacedResources()
	if err != nil {
		return false, err // a CRD comes or goes: what we see is incomplete
	}
	left := 0
	for _, list := range lists {
		gv, _ := schema.ParseGroupVersion(list.GroupVersion)
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "deletecollection") {
				continue
			}
			objects := dyn.Resource(gv.WithResource(r.Name)).Namespace(name)
			if err := objects.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
				return false, err
			}
			rest, err := objects.List(ctx, metav1.ListOptions{})
			if err != nil {
				return false, err
			}
			left += len(rest.Items)
		}
	}
	if left > 0 {
		return false, nil
	}
	ns.Spec.Finalizers = nil
	_, err = kube.CoreV1().Namespaces().Finalize(ctx, ns, metav1.UpdateOptions{})
	return err == nil || errors.IsNotFound(err), err
}
