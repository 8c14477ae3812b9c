package main

import (
	"context"
	"errors"
	"net"

	"github.com/spiffe/go-spiffe/v2/spiffegrpc/grpccredentials"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health answers each check by the client's ID: the service that is asked for is the ID that the client must have.
type health struct {
	healthpb.UnimplementedHealthServer
}

func (health) Check(ctx context.Context, request *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	id, ok := grpccredentials.PeerIDFromContext(ctx)
	if !ok || id.String() != request.Service {
		return nil, status.Errorf(codes.NotFound, "the client is %s", id)
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// grpcServe SOCKET CLIENT_ID: a gRPC server with what its Workload API gives it; prints its port.
func grpcServe(ctx context.Context, words []string) error {
	if len(words) != 2 {
		return errors.New("grpc-serve SOCKET CLIENT_ID")
	}
	opened, client, err := openSource(ctx, words[0], words[1])
	if err != nil {
		return err
	}
	defer opened.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})
	server := grpc.NewServer(grpc.Creds(
		grpccredentials.MTLSServerCredentials(opened, opened, tlsconfig.AuthorizeID(client))))
	healthpb.RegisterHealthServer(server, health{})
	go func() {
		<-ctx.Done()
		server.Stop()
	}()
	return server.Serve(listener)
}

// grpcCall SOCKET TARGET SERVER_ID SERVICE: one check of a gRPC server's health; prints its status.
func grpcCall(ctx context.Context, words []string) error {
	if len(words) != 4 {
		return errors.New("grpc-call SOCKET TARGET SERVER_ID SERVICE")
	}
	opened, server, err := openSource(ctx, words[0], words[2])
	if err != nil {
		return err
	}
	defer opened.Close()
	connection, err := grpc.NewClient(words[1], grpc.WithTransportCredentials(
		grpccredentials.MTLSClientCredentials(opened, opened, tlsconfig.AuthorizeID(server))))
	if err != nil {
		return err
	}
	defer connection.Close()
	answer, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{Service: words[3]})
	if err != nil {
		return err
	}
	say(map[string]any{"status": answer.Status.String()})
	return nil
}
