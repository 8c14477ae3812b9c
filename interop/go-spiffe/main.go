// Command go-spiffe lets the published go-spiffe library talk to Federate, as its users' programs do. Each verb prints
// one line of JSON per result; what the library refuses is a line with "error".
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// verbs by name; each gets the words after it.
var verbs = map[string]func(context.Context, []string) error{
	"fetch":        fetch,
	"watch":        watch,
	"serve-bundle": serveBundle,
	"verify":       verify,
	"serve":        serve,
	"call":         call,
	"workload":     workload,
	"grpc-bundles": grpcBundles,
	"pool":         pool,
	"anchors":      anchors,
	"source-serve": sourceServe,
	"source-call":  sourceCall,
	"grpc-serve":   grpcServe,
	"grpc-call":    grpcCall,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "go-spiffe fetch|watch|serve-bundle|verify|serve|call|workload|grpc-bundles|pool|anchors|source-serve|source-call|grpc-serve|grpc-call …")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](ctx, os.Args[2:]); err != nil && ctx.Err() == nil {
		say(map[string]any{"error": err.Error()})
		os.Exit(1)
	}
}

// say prints one result.
func say(result any) {
	line, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
