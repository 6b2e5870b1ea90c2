// Command controlplane is a Kubernetes API server for tests in one binary:
// upstream's k8s.io/apiserver and k8s.io/apiextensions-apiserver on a real etcd,
// with the built-in kinds that an operator and its Helm chart touch, bearer
// tokens and RBAC. No kubelet, no scheduler, no workload controllers.
//
// Its flags are those of kube-apiserver that run.sh gives, so that run.sh can
// start either.
package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	noop "go.opentelemetry.io/otel/trace/noop"

	"github.com/spf13/pflag"
	extv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	extapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	extoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	extopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	tokenunion "k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	authzunion "k8s.io/apiserver/pkg/authorization/union"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/common"

	builtinopenapi "controlplane/openapi"
)

// options are the command line.
type options struct {
	etcd      *genericoptions.EtcdOptions
	serving   *genericoptions.SecureServingOptionsWithLoopback
	audit     *genericoptions.AuditOptions
	tokenFile string // users who are no service accounts: the administrator
}

func main() {
	o := options{
		etcd:    genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", extapiserver.Codecs.LegacyCodec(v1beta1.SchemeGroupVersion, extv1.SchemeGroupVersion))),
		serving: genericoptions.NewSecureServingOptions().WithLoopback(),
		audit:   genericoptions.NewAuditOptions(),
	}
	o.serving.BindAddress = net.IPv4(127, 0, 0, 1)
	flags := pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
	o.etcd.AddFlags(flags)
	o.serving.AddFlags(flags)
	o.audit.AddFlags(flags)
	flags.StringVar(&o.tokenFile, "token-auth-file", "", "lines of: token,user,uid,\"group,group\"")
	flags.Parse(os.Args[1:])
	// There is no garbage collector that would ever take its finalizers off.
	o.etcd.EnableGarbageCollection = false
	if err := serve(o); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func serve(o options) error {
	config := genericapiserver.NewRecommendedConfig(extapiserver.Codecs)
	run := genericoptions.NewServerRunOptions()
	if err := run.Complete(); err != nil {
		return err
	}
	if err := run.ApplyTo(&config.Config); err != nil {
		return err
	}
	if err := o.etcd.ApplyTo(&config.Config); err != nil {
		return err
	}
	if err := o.serving.MaybeDefaultWithSelfSignedCerts("127.0.0.1", []string{"localhost", "kubernetes.default.svc"}, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return err
	}
	if err := o.serving.ApplyToConfig(&config.Config); err != nil {
		return err
	}
	if err := o.audit.ApplyTo(&config.Config); err != nil {
		return err
	}
	config.ExternalAddress = o.serving.Listener.Addr().String()
	config.LoopbackClientConfig.QPS = -1 // no client-side throttling
	config.ClientConfig = config.LoopbackClientConfig
	kube, err := kubernetes.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	dyn, err := dynamic.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	config.SharedInformerFactory = informers.NewSharedInformerFactory(kube, 0)

	// Who may do what.
	accounts, err := newTokens(o.serving.ServerCert.CertKey.KeyFile)
	if err != nil {
		return err
	}
	users, err := tokenfile.NewCSV(o.tokenFile)
	if err != nil {
		return err
	}
	config.Authentication.Authenticator = group.NewAuthenticatedGroupAdder(bearertoken.New(tokenunion.New(users, accounts)))
	config.Authorization.Authorizer = authzunion.New(authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup),
		newRBAC(config.SharedInformerFactory.Rbac().V1()))

	// Admission: namespace lifecycle and CEL policies. Webhooks would need their
	// configuration kinds, which are not served.
	admission := genericoptions.NewAdmissionOptions()
	admission.DisablePlugins = []string{"MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"}
	if err := admission.ApplyTo(&config.Config, config.SharedInformerFactory, kube, dyn, utilfeature.DefaultFeatureGate, config.EffectiveVersion); err != nil {
		return err
	}

	namer := openapinamer.NewDefinitionNamer(extapiserver.Scheme, clientscheme.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.MergedResourceConfig = extapiserver.DefaultAPIResourceConfigSource()

	// The CRD server is the only server; the built-in groups are installed into
	// it, so that discovery, OpenAPI and admission cover both.
	ext := (&extapiserver.Config{GenericConfig: config, ExtraConfig: extapiserver.ExtraConfig{
		CRDRESTOptionsGetter: extoptions.NewCRDRESTOptionsGetter(*o.etcd, nil, config.StorageObjectCountTracker),
		ServiceResolver:      webhook.NewDefaultServiceResolver(),
		AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, config.LoopbackClientConfig, noop.NewTracerProvider()),
	}}).Complete()
	ext.GenericConfig.EnableDiscovery = true // Complete turns it off: an aggregator normally serves /apis
	crds, err := ext.New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return err
	}
	if err := installBuiltins(crds.GenericAPIServer, builtinGetter(*o.etcd, config), accounts, config); err != nil {
		return err
	}
	listCustomGroups(crds)
	crds.GenericAPIServer.AddPostStartHookOrDie("bootstrap", func(ctx genericapiserver.PostStartHookContext) error {
		return bootstrap(ctx, kube)
	})
	if err := watchNamespaces(config.SharedInformerFactory.Core().V1().Namespaces().Informer(), kube, dyn); err != nil {
		return err
	}
	return crds.GenericAPIServer.PrepareRun().RunWithContext(genericapiserver.SetupSignalContext())
}

// definitions are the OpenAPI schemas of the built-in types (generated by
// setup.sh with upstream's openapi-gen) and of the CRD API.
func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	out := builtinopenapi.GetOpenAPIDefinitions(ref)
	for k, v := range extopenapi.GetOpenAPIDefinitions(ref) {
		out[k] = v
	}
	return out
}

// builtinGetter stores the built-in kinds beside the custom ones, in their own encoding.
func builtinGetter(etcd genericoptions.EtcdOptions, config *genericapiserver.RecommendedConfig) generic.RESTOptionsGetter {
	etcd.StorageConfig.Codec = codecs.LegacyCodec(groups...)
	etcd.StorageConfig.EncodeVersioner = schema.GroupVersions(groups)
	etcd.StorageConfig.StorageObjectCountTracker = config.StorageObjectCountTracker
	return etcd.CreateRESTOptionsGetter(&genericoptions.SimpleStorageFactory{StorageConfig: etcd.StorageConfig}, nil)
}

func installBuiltins(server *genericapiserver.GenericAPIServer, getter generic.RESTOptionsGetter, t *tokens, config *genericapiserver.RecommendedConfig) error {
	served, err := builtinStorage(getter)
	if err != nil {
		return err
	}
	core := served[schema.GroupVersion{Version: "v1"}]
	t.accounts = core["serviceaccounts"].(objectREST).Store
	core["serviceaccounts/token"] = tokenREST{t}
	for gv, reviews := range reviewStorage(config.Authorization.Authorizer) {
		served[gv] = reviews
	}
	byName := func(a, b schema.GroupVersion) int { return strings.Compare(a.Group, b.Group) }
	for _, gv := range slices.SortedFunc(maps.Keys(served), byName) { // core first: clients prefer what is listed first
		info := genericapiserver.NewDefaultAPIGroupInfo(gv.Group, scheme, runtime.NewParameterCodec(scheme), codecs)
		info.PrioritizedVersions = []schema.GroupVersion{gv}
		info.VersionedResourcesStorageMap = map[string]map[string]rest.Storage{gv.Version: served[gv]}
		if gv.Group == "" {
			err = server.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, &info)
		} else {
			err = server.InstallAPIGroup(&info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
