package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// endpointOptions reads how an endpoint proves itself: "web CA_FILE" or "spiffe ENDPOINT_ID BUNDLE_FILE".
func endpointOptions(trustDomain spiffeid.TrustDomain, words []string) (federation.FetchOption, error) {
	if len(words) == 2 && words[0] == "web" {
		pem, err := os.ReadFile(words[1])
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in the CA file")
		}
		return federation.WithWebPKIRoots(roots), nil
	}
	if len(words) == 3 && words[0] == "spiffe" {
		id, err := spiffeid.FromString(words[1])
		if err != nil {
			return nil, err
		}
		bundle, err := spiffebundle.Load(trustDomain, words[2])
		if err != nil {
			return nil, err
		}
		return federation.WithSPIFFEAuth(bundle, id), nil
	}
	return nil, errors.New("web CA_FILE, or spiffe ENDPOINT_ID BUNDLE_FILE")
}

func sayBundle(bundle *spiffebundle.Bundle) {
	sequence, _ := bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	say(map[string]any{
		"trust_domain":  bundle.TrustDomain().Name(),
		"x509":          len(bundle.X509Authorities()),
		"jwt":           len(bundle.JWTAuthorities()),
		"sequence":      sequence,
		"hint_seconds":  hint.Seconds(),
		"first_subject": firstSubject(bundle),
	})
}

func firstSubject(bundle *spiffebundle.Bundle) string {
	for _, authority := range bundle.X509Authorities() {
		return authority.Subject.String()
	}
	return ""
}

// fetch TRUST_DOMAIN URL web|spiffe …: the library's FetchBundle.
func fetch(ctx context.Context, words []string) error {
	trustDomain, url, option, err := endpointOf(words)
	if err != nil {
		return err
	}
	bundle, err := federation.FetchBundle(ctx, trustDomain, url, option)
	if err != nil {
		return err
	}
	sayBundle(bundle)
	return nil
}

func endpointOf(words []string) (trustDomain spiffeid.TrustDomain, url string, option federation.FetchOption, err error) {
	if len(words) < 2 {
		return trustDomain, "", nil, errors.New("TRUST_DOMAIN URL web|spiffe …")
	}
	if trustDomain, err = spiffeid.TrustDomainFromString(words[0]); err != nil {
		return trustDomain, "", nil, err
	}
	option, err = endpointOptions(trustDomain, words[2:])
	return trustDomain, words[1], option, err
}

type watcher struct{}

func (watcher) NextRefresh(time.Duration) time.Duration { return 200 * time.Millisecond }
func (watcher) OnUpdate(bundle *spiffebundle.Bundle)    { sayBundle(bundle) }
func (watcher) OnError(err error)                       { say(map[string]any{"error": err.Error()}) }

// watch TRUST_DOMAIN URL web|spiffe …: the library's WatchBundle, until it is ended.
func watch(ctx context.Context, words []string) error {
	trustDomain, url, option, err := endpointOf(words)
	if err != nil {
		return err
	}
	return federation.WatchBundle(ctx, trustDomain, url, watcher{}, option)
}

// serveBundle TRUST_DOMAIN BUNDLE_FILE CHAIN_FILE KEY_FILE: the library's bundle handler behind an SVID; prints its port.
func serveBundle(ctx context.Context, words []string) error {
	if len(words) != 4 {
		return errors.New("serve-bundle TRUST_DOMAIN BUNDLE_FILE CHAIN_FILE KEY_FILE")
	}
	trustDomain, err := spiffeid.TrustDomainFromString(words[0])
	if err != nil {
		return err
	}
	handler, err := federation.NewHandler(trustDomain, reloading{trustDomain, words[1]})
	if err != nil {
		return err
	}
	svid, err := x509svid.Load(words[2], words[3])
	if err != nil {
		return err
	}
	return serveTLS(ctx, tlsconfig.TLSServerConfig(svid), handler)
}

// reloading reads its file for each request, so that a test can change it.
type reloading struct {
	trustDomain spiffeid.TrustDomain
	path        string
}

func (r reloading) GetBundleForTrustDomain(trustDomain spiffeid.TrustDomain) (*spiffebundle.Bundle, error) {
	return spiffebundle.Load(r.trustDomain, r.path)
}

// serveTLS listens on loopback, prints the port, and serves until it is ended.
func serveTLS(ctx context.Context, config *tls.Config, handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})
	server := &http.Server{Handler: handler, TLSConfig: config, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	return server.ServeTLS(listener, "", "")
}
