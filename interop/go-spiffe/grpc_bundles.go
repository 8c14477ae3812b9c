package main

import (
	"context"
	"errors"
	"maps"
	"time"

	"google.golang.org/grpc/credentials/tls/certprovider/pemfile"
)

// grpcBundles follows a bundle map with gRPC's own `file_watcher` certificate provider, and says how many roots each trust
// domain has in it whenever that changes.
func grpcBundles(ctx context.Context, words []string) error {
	if len(words) != 1 {
		return errors.New("grpc-bundles MAP")
	}
	provider, err := pemfile.NewProvider(pemfile.Options{
		SPIFFEBundleMapFile: words[0],
		RefreshDuration:     200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer provider.Close()
	var last map[string]int
	for ctx.Err() == nil {
		material, err := provider.KeyMaterial(ctx)
		if err != nil {
			return err
		}
		now := map[string]int{}
		for trustDomain, bundle := range material.SPIFFEBundleMap {
			now[trustDomain] = len(bundle.X509Authorities())
		}
		if !maps.Equal(now, last) {
			say(now)
			last = now
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
