package main

import (
	"slices"

	extv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/tools/cache"
)

// listCustomGroups keeps the groups of established CRDs in the plain /apis list
// (their aggregated discovery and /apis/GROUP come from the CRD server itself).
func listCustomGroups(crds *extapiserver.CustomResourceDefinitions) {
	informer := crds.Informers.Apiextensions().V1().CustomResourceDefinitions()
	listed := map[string]bool{}
	update := func() {
		all, _ := informer.Lister().List(labels.Everything())
		versions := map[string][]string{}
		for _, crd := range all {
			if !slices.ContainsFunc(crd.Status.Conditions, func(c extv1.CustomResourceDefinitionCondition) bool {
				return c.Type == extv1.Established && c.Status == extv1.ConditionTrue
			}) {
				continue
			}
			for _, v := range crd.Spec.Versions {
				if g := crd.Spec.Group; v.Served && !slices.Contains(versions[g], v.Name) {
					versions[g] = append(versions[g], v.Name)
				}
			}
		}
		for g, vs := range versions {
			slices.SortFunc(vs, func(a, b string) int { return utilversion.CompareKubeAwareVersionStrings(b, a) })
			apiGroup := metav1.APIGroup{Name: g}
			for _, v := range vs {
				apiGroup.Versions = append(apiGroup.Versions, metav1.GroupVersionForDiscovery{GroupVersion: g + "/" + v, Version: v})
			}
			apiGroup.PreferredVersion = apiGroup.Versions[0]
			crds.GenericAPIServer.DiscoveryGroupManager.AddGroup(apiGroup)
			listed[g] = true
		}
		for g := range listed {
			if versions[g] == nil {
				crds.GenericAPIServer.DiscoveryGroupManager.RemoveGroup(g)
				delete(listed, g)
			}
		}
	}
	informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { update() }, UpdateFunc: func(_, _ any) { update() }, DeleteFunc: func(any) { update() }})
}
