package main

// Whether they may: the stored roles and bindings.

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	informers "k8s.io/client-go/informers/rbac/v1"
	listers "k8s.io/client-go/listers/rbac/v1"
)

// rbac evaluates the stored roles and bindings.
type rbac struct {
	roles               listers.RoleLister
	bindings            listers.RoleBindingLister
	clusterRoles        listers.ClusterRoleLister
	clusterRoleBindings listers.ClusterRoleBindingLister
}

func newRBAC(i informers.Interface) *rbac {
	return &rbac{i.Roles().Lister(), i.RoleBindings().Lister(), i.ClusterRoles().Lister(), i.ClusterRoleBindings().Lister()}
}

func subjectIs(s rbacv1.Subject, u user.Info, bindingNamespace string) bool {
	switch s.Kind {
	case rbacv1.UserKind:
		return s.Name == u.GetName()
	case rbacv1.GroupKind:
		return slices.Contains(u.GetGroups(), s.Name)
	case rbacv1.ServiceAccountKind:
		ns := s.Namespace
		if ns == "" {
			ns = bindingNamespace
		}
		return ns != "" && serviceaccount.MakeUsername(ns, s.Name) == u.GetName()
	}
	return false
}

// refRules returns the rules that a role reference grants.
func (a *rbac) refRules(namespace string, ref rbacv1.RoleRef) ([]rbacv1.PolicyRule, error) {
	if ref.Kind == "ClusterRole" {
		role, err := a.clusterRoles.Get(ref.Name)
		if err != nil {
			return nil, err
		}
		return role.Rules, nil
	}
	role, err := a.roles.Roles(namespace).Get(ref.Name)
	if err != nil {
		return nil, err
	}
	return role.Rules, nil
}

// rulesFor returns all rules that apply to u in a namespace ("" for cluster-wide
// requests), and the reason for every binding that could not be resolved.
func (a *rbac) rulesFor(u user.Info, namespace string) (rules []rbacv1.PolicyRule, problems []string) {
	add := func(ns string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		if slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return subjectIs(s, u, ns) }) {
			granted, err := a.refRules(ns, ref)
			if err != nil {
				problems = append(problems, err.Error())
			}
			rules = append(rules, granted...)
		}
	}
	crbs, _ := a.clusterRoleBindings.List(labels.Everything())
	for _, b := range crbs {
		add("", b.RoleRef, b.Subjects)
	}
	if namespace != "" {
		rbs, _ := a.bindings.RoleBindings(namespace).List(labels.Everything())
		for _, b := range rbs {
			add(namespace, b.RoleRef, b.Subjects)
		}
	}
	return rules, problems
}

func hasOrAll(list []string, v string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, v)
}

func ruleAllows(r rbacv1.PolicyRule, a authorizer.Attributes) bool {
	if !hasOrAll(r.Verbs, a.GetVerb()) {
		return false
	}
	if !a.IsResourceRequest() {
		return slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
			prefix, wild := strings.CutSuffix(u, "*")
			return u == a.GetPath() || (wild && strings.HasPrefix(a.GetPath(), prefix))
		})
	}
	resource := a.GetResource()
	if sub := a.GetSubresource(); sub != "" {
		resource += "/" + sub
		if slices.Contains(r.Resources, "*/"+sub) {
			r.Resources = []string{"*"}
		}
	}
	return hasOrAll(r.APIGroups, a.GetAPIGroup()) && hasOrAll(r.Resources, resource) &&
		(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.GetName()))
}

func (a *rbac) Authorize(_ context.Context, attr authorizer.Attributes) (authorizer.Decision, string, error) {
	rules, problems := a.rulesFor(attr.GetUser(), attr.GetNamespace())
	if slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return ruleAllows(r, attr) }) {
		return authorizer.DecisionAllow, "", nil
	}
	if len(problems) > 0 {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("RBAC: %v", problems), nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// reviewREST serves the create-only kinds behind `kubectl auth can-i` and `kubectl auth whoami`.
type reviewREST struct {
	obj    runtime.Object
	review func(u user.Info, obj runtime.Object)
}

func (r reviewREST) New() runtime.Object     { return r.obj.DeepCopyObject() }
func (r reviewREST) Destroy()                {}
func (r reviewREST) NamespaceScoped() bool   { return false }
func (r reviewREST) GetSingularName() string { return strings.ToLower(fmt.Sprintf("%T", r.obj)[4:]) }
func (r reviewREST) Create(ctx context.Context, obj runtime.Object, _ rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	u, ok := request.UserFrom(ctx)
	if !ok {
		return nil, fmt.Errorf("no user in the request")
	}
	r.review(u, obj)
	return obj, nil
}

func reviewStorage(authz authorizer.Authorizer) map[schema.GroupVersion]map[string]rest.Storage {
	mayI := func(u user.Info, obj runtime.Object) {
		review, attr := obj.(*authorizationv1.SelfSubjectAccessReview), authorizer.AttributesRecord{User: u}
		if r := review.Spec.ResourceAttributes; r != nil {
			attr = authorizer.AttributesRecord{User: u, Verb: r.Verb, Namespace: r.Namespace, APIGroup: r.Group, APIVersion: r.Version,
				Resource: r.Resource, Subresource: r.Subresource, Name: r.Name, ResourceRequest: true}
		} else if r := review.Spec.NonResourceAttributes; r != nil {
			attr.Verb, attr.Path = r.Verb, r.Path
		}
		decision, reason, _ := authz.Authorize(context.Background(), attr)
		review.Status.Allowed, review.Status.Reason = decision == authorizer.DecisionAllow, reason
	}
	whoAmI := func(u user.Info, obj runtime.Object) {
		obj.(*authenticationv1.SelfSubjectReview).Status.UserInfo = authenticationv1.UserInfo{Username: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups()}
	}
	return map[schema.GroupVersion]map[string]rest.Storage{
		authorizationv1.SchemeGroupVersion:  {"selfsubjectaccessreviews": reviewREST{&authorizationv1.SelfSubjectAccessReview{}, mayI}},
		authenticationv1.SchemeGroupVersion: {"selfsubjectreviews": reviewREST{&authenticationv1.SelfSubjectReview{}, whoAmI}},
	}
}
