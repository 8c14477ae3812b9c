// Command vault-server is Vault's core, HTTP API and PKI engine, from the published module, in development mode: in memory,
// unsealed, with the root token it is given. Vault's own command needs modules that are not published.
//
//	vault-server version
//	vault-server server -dev -dev-root-token-id=TOKEN -dev-listen-address=HOST:PORT
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"

	log "github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/logical/pki"
	"github.com/hashicorp/vault/helper/namespace"
	"github.com/hashicorp/vault/helper/testhelpers/corehelpers"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
	"github.com/hashicorp/vault/version"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Printf("Vault v%s\n", version.GetVersion().Version)
		return
	}
	if err := serve(context.Background(), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, words []string) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.Bool("dev", true, "")
	token := flags.String("dev-root-token-id", "root", "")
	address := flags.String("dev-listen-address", "127.0.0.1:8200", "")
	if err := flags.Parse(words); err != nil {
		return err
	}
	logger := log.New(&log.LoggerOptions{Level: log.Info})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:        storage,
		Logger:          logger,
		DisableMlock:    true,
		LogicalBackends: map[string]logical.Factory{"pki": pki.Factory},
		BuiltinRegistry: corehelpers.NewMockBuiltinRegistry(),
	})
	if err != nil {
		return err
	}
	made, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if err != nil {
		return err
	}
	if unsealed, err := core.Unseal(made.SecretShares[0]); err != nil || !unsealed {
		return fmt.Errorf("still sealed: %w", err)
	}
	response, err := core.HandleRequest(namespace.RootContext(ctx), &logical.Request{
		Operation:   logical.UpdateOperation,
		Path:        "auth/token/create",
		ClientToken: made.RootToken,
		Data:        map[string]any{"id": *token, "policies": []string{"root"}, "no_parent": true},
	})
	if err != nil || response.IsError() {
		return fmt.Errorf("no root token: %v %w", response, err)
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	return http.ListenAndServe(*address, handler)
}
