package main

// Who is asking: signed tokens of service accounts.

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

const issuer = "https://kubernetes.default.svc"

// claims is the payload of our HS256 tokens.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud,omitempty"`
	Expiry   int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	UID      string   `json:"uid"` // of the service account: a new one of the same name is another
}

// tokens signs and checks bearer tokens; accounts is set once storage exists.
type tokens struct {
	key      []byte
	accounts *registry.Store
}

// newTokens signs with a file that only the server has, its TLS key: no further secret to keep.
func newTokens(keyFile string) (*tokens, error) {
	key, err := os.ReadFile(keyFile)
	return &tokens{key: key}, err
}

func (t *tokens) mac(s string) string {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (t *tokens) sign(c claims) string {
	c.Issuer = issuer
	payload, _ := json.Marshal(c)
	s := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return s + "." + t.mac(s)
}

func (t *tokens) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	cut := strings.LastIndex(token, ".")
	if cut < 0 || !hmac.Equal([]byte(t.mac(token[:cut])), []byte(token[cut+1:])) {
		return nil, false, nil
	}
	var c claims
	_, payload, _ := strings.Cut(token[:cut], ".")
	if raw, err := base64.RawURLEncoding.DecodeString(payload); err != nil || json.Unmarshal(raw, &c) != nil {
		return nil, false, fmt.Errorf("malformed token")
	}
	if time.Now().Unix() > c.Expiry {
		return nil, false, fmt.Errorf("token has expired")
	}
	ns, name, err := serviceaccount.SplitUsername(c.Subject)
	if err != nil {
		return nil, false, err
	}
	obj, err := t.accounts.Get(request.WithNamespace(ctx, ns), name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, fmt.Errorf("no service account %s/%s: %v", ns, name, errors.ReasonForError(err))
	}
	if string(obj.(*corev1.ServiceAccount).UID) != c.UID {
		return nil, false, fmt.Errorf("service account UID does not match token")
	}
	return &authenticator.Response{User: &user.DefaultInfo{Name: c.Subject, UID: c.UID, Groups: serviceaccount.MakeGroupNames(ns)}}, true, nil
}

// tokenREST serves serviceaccounts/NAME/token (`kubectl create token`).
type tokenREST struct{ *tokens }

func (tokenREST) New() runtime.Object { return &authenticationv1.TokenRequest{} }
func (tokenREST) Destroy()            {}
func (tokenREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return authenticationv1.SchemeGroupVersion.WithKind("TokenRequest")
}
func (r tokenREST) Create(ctx context.Context, name string, obj runtime.Object, _ rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	sa, err := r.accounts.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	req, seconds := obj.(*authenticationv1.TokenRequest), int64(3600)
	if req.Spec.ExpirationSeconds != nil {
		seconds = *req.Spec.ExpirationSeconds
	}
	now := time.Now()
	req.Name, req.Namespace, req.Spec.ExpirationSeconds = name, request.NamespaceValue(ctx), &seconds
	req.Status.ExpirationTimestamp = metav1.NewTime(now.Add(time.Duration(seconds) * time.Second))
	req.Status.Token = r.sign(claims{Subject: serviceaccount.MakeUsername(req.Namespace, name), Audience: req.Spec.Audiences,
		Expiry: now.Unix() + seconds, IssuedAt: now.Unix(), UID: string(sa.(*corev1.ServiceAccount).UID)})
	return req, nil
}
