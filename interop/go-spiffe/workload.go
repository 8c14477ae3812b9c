package main

import (
	"context"
	"errors"
	"sort"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// workload x509-bundles|watch|jwt-bundles|validate|verify|source SOCKET …: the library's Workload API client.
func workload(ctx context.Context, words []string) error {
	if len(words) < 2 {
		return errors.New("workload x509-bundles|watch|jwt-bundles|validate|verify|source SOCKET …")
	}
	client, err := workloadapi.New(ctx, workloadapi.WithAddr("unix://"+words[1]))
	if err != nil {
		return err
	}
	defer client.Close()
	switch words[0] {
	case "x509-bundles":
		set, err := client.FetchX509Bundles(ctx)
		if err != nil {
			return err
		}
		sayX509(set)
		return nil
	case "watch":
		return client.WatchX509Bundles(ctx, x509Watcher{})
	case "jwt-bundles":
		set, err := client.FetchJWTBundles(ctx)
		if err != nil {
			return err
		}
		keys := map[string]int{}
		for _, bundle := range set.Bundles() {
			keys[bundle.TrustDomain().Name()] = len(bundle.JWTAuthorities())
		}
		say(keys)
		return nil
	case "validate":
		if len(words) != 4 {
			return errors.New("workload validate SOCKET TOKEN AUDIENCE")
		}
		svid, err := client.ValidateJWTSVID(ctx, words[2], words[3])
		if err != nil {
			return err
		}
		say(map[string]any{"id": svid.ID.String()})
		return nil
	case "verify":
		if len(words) != 3 {
			return errors.New("workload verify SOCKET CHAIN_FILE")
		}
		set, err := client.FetchX509Bundles(ctx)
		if err != nil {
			return err
		}
		return sayVerified(words[2], set)
	case "source":
		return source(ctx, client)
	}
	return errors.New("workload x509-bundles|watch|jwt-bundles|validate|verify|source SOCKET …")
}

// source opens an X509Source, which needs an SVID, and prints whose it is and which trust domains it can verify.
func source(ctx context.Context, client *workloadapi.Client) error {
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	opened, err := workloadapi.NewX509Source(bounded, workloadapi.WithClient(client))
	if err != nil {
		return err
	}
	defer opened.Close()
	svid, err := opened.GetX509SVID()
	if err != nil {
		return err
	}
	say(map[string]any{"id": svid.ID.String()})
	return nil
}

type x509Watcher struct{}

func (x509Watcher) OnX509BundlesUpdate(set *x509bundle.Set) { sayX509(set) }
func (x509Watcher) OnX509BundlesWatchError(err error)       { say(map[string]any{"error": err.Error()}) }

func sayX509(set *x509bundle.Set) {
	bundles := set.Bundles()
	sort.Slice(bundles, func(a, b int) bool {
		return bundles[a].TrustDomain().Name() < bundles[b].TrustDomain().Name()
	})
	roots := map[string]int{}
	for _, bundle := range bundles {
		roots[bundle.TrustDomain().Name()] = len(bundle.X509Authorities())
	}
	say(roots)
}
