package main

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// verify TRUST_DOMAIN BUNDLE_FILE CHAIN_FILE: the library's verifier on a chain.
func verify(_ context.Context, words []string) error {
	if len(words) != 3 {
		return errors.New("verify TRUST_DOMAIN BUNDLE_FILE CHAIN_FILE")
	}
	set, err := bundlesOf(words[:2])
	if err != nil {
		return err
	}
	return sayVerified(words[2], set)
}

// sayVerified prints whose chain it is that a file holds, where the bundles prove it.
func sayVerified(file string, bundles x509bundle.Source) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var chain [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		chain = append(chain, block.Bytes)
	}
	id, _, err := x509svid.ParseAndVerify(chain, bundles)
	if err != nil {
		return err
	}
	say(map[string]any{"id": id.String()})
	return nil
}

// bundlesOf reads pairs of TRUST_DOMAIN and BUNDLE_FILE.
func bundlesOf(words []string) (*spiffebundle.Set, error) {
	set := spiffebundle.NewSet()
	for index := 0; index+1 < len(words); index += 2 {
		trustDomain, err := spiffeid.TrustDomainFromString(words[index])
		if err != nil {
			return nil, err
		}
		bundle, err := spiffebundle.Load(trustDomain, words[index+1])
		if err != nil {
			return nil, err
		}
		set.Add(bundle)
	}
	return set, nil
}

// serve CHAIN_FILE KEY_FILE [TRUST_DOMAIN BUNDLE_FILE]…: a server that takes any proved client; prints its port.
func serve(ctx context.Context, words []string) error {
	if len(words) < 4 {
		return errors.New("serve CHAIN_FILE KEY_FILE TRUST_DOMAIN BUNDLE_FILE …")
	}
	svid, err := x509svid.Load(words[0], words[1])
	if err != nil {
		return err
	}
	set, err := bundlesOf(words[2:])
	if err != nil {
		return err
	}
	config := tlsconfig.MTLSServerConfig(svid, set, tlsconfig.AuthorizeAny())
	return serveTLS(ctx, config, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		id, err := x509svid.IDFromCert(request.TLS.PeerCertificates[0])
		if err == nil {
			_, _ = io.WriteString(response, "hello "+id.String())
		}
	}))
}

// call URL SERVER_ID CHAIN_FILE KEY_FILE TRUST_DOMAIN BUNDLE_FILE …: a client that takes only that server.
func call(ctx context.Context, words []string) error {
	if len(words) < 6 {
		return errors.New("call URL SERVER_ID CHAIN_FILE KEY_FILE TRUST_DOMAIN BUNDLE_FILE …")
	}
	id, err := spiffeid.FromString(words[1])
	if err != nil {
		return err
	}
	svid, err := x509svid.Load(words[2], words[3])
	if err != nil {
		return err
	}
	set, err := bundlesOf(words[4:])
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig: tlsconfig.MTLSClientConfig(svid, set, tlsconfig.AuthorizeID(id)),
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, words[0], nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil {
		return err
	}
	say(map[string]any{"status": response.StatusCode, "body": string(body)})
	return nil
}
