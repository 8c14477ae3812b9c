package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// openSource opens an X509Source at a socket, as the library's documentation does it, and parses the ID of the other side.
func openSource(ctx context.Context, socket, peer string) (*workloadapi.X509Source, spiffeid.ID, error) {
	id, err := spiffeid.FromString(peer)
	if err != nil {
		return nil, id, err
	}
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	opened, err := workloadapi.NewX509Source(bounded, workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	return opened, id, err
}

// source-serve SOCKET CLIENT_ID: a workload that serves mTLS with what its Workload API gives it; prints its port.
func sourceServe(ctx context.Context, words []string) error {
	if len(words) != 2 {
		return errors.New("source-serve SOCKET CLIENT_ID")
	}
	opened, client, err := openSource(ctx, words[0], words[1])
	if err != nil {
		return err
	}
	defer opened.Close()
	config := tlsconfig.MTLSServerConfig(opened, opened, tlsconfig.AuthorizeID(client))
	return serveTLS(ctx, config, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		id, err := x509svid.IDFromCert(request.TLS.PeerCertificates[0])
		if err == nil {
			_, _ = io.WriteString(response, "hello "+id.String())
		}
	}))
}

// source-call SOCKET URL SERVER_ID: a workload that calls every 100 ms, each time on a new connection, and prints what came of it.
func sourceCall(ctx context.Context, words []string) error {
	if len(words) != 3 {
		return errors.New("source-call SOCKET URL SERVER_ID")
	}
	opened, server, err := openSource(ctx, words[0], words[2])
	if err != nil {
		return err
	}
	defer opened.Close()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   tlsconfig.MTLSClientConfig(opened, opened, tlsconfig.AuthorizeID(server)),
	}}
	for ctx.Err() == nil {
		say(callOnce(ctx, &client, words[1]))
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

func callOnce(ctx context.Context, client *http.Client, url string) map[string]any {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	response, err := client.Do(request)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"body": string(body)}
}
