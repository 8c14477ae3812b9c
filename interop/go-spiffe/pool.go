package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// pool POOL_FILE CHAIN_FILE…: Go's own verifier with one pool of anchors, which is what programs without SPIFFE use; a line for each chain.
func pool(_ context.Context, words []string) error {
	if len(words) < 2 {
		return errors.New("pool POOL_FILE CHAIN_FILE …")
	}
	anchors, err := poolOf(words[0])
	if err != nil {
		return err
	}
	for _, path := range words[1:] {
		if err := verifyBy(anchors, path); err != nil {
			fmt.Println("refused", err)
		} else {
			fmt.Println("accepted")
		}
	}
	return nil
}

func poolOf(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	anchors := x509.NewCertPool()
	if !anchors.AppendCertsFromPEM(text) {
		return nil, errors.New(path + " holds no certificate")
	}
	return anchors, nil
}

// anchors POOL_FILE: whether Go reads each certificate of a pool, and its key; AppendCertsFromPEM leaves out the others in silence.
func anchors(_ context.Context, words []string) error {
	if len(words) != 1 {
		return errors.New("anchors POOL_FILE")
	}
	text, err := os.ReadFile(words[0])
	if err != nil {
		return err
	}
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		if certificate.PublicKey == nil {
			return errors.New("its key is of a kind that Go does not know")
		}
		count++
	}
	say(map[string]any{"anchors": count})
	return nil
}

func verifyBy(anchors *x509.CertPool, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return errors.New(path + " holds no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	below := x509.NewCertPool()
	below.AppendCertsFromPEM(rest)
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         anchors,
		Intermediates: below,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}
