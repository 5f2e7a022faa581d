package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// readyFile is what "creditbankd demo" writes when it is ready; other members are not needed here.
type readyFile struct {
	GRPC      string `json:"grpc"`
	HTTP      string `json:"http"`
	BankID    string `json:"bank_id"`
	Platforms []struct {
		ID          string `json:"id"`
		KeyFile     string `json:"key_file"`
		AuthKeyFile string `json:"auth_key_file"`
	} `json:"platforms"`
	TokenKeyFile string `json:"token_key_file"`

	name string
}

// readReady reads a ready file.
func readReady(name string) (readyFile, error) {
	ready := readyFile{name: name}
	content, err := os.ReadFile(name)
	if err != nil {
		return ready, usagef("--ready-file: %v", err)
	}
	if err := json.Unmarshal(content, &ready); err != nil {
		return ready, usagef("--ready-file: %s: %v", name, err)
	}
	ready.TokenKeyFile = beside(name, ready.TokenKeyFile)
	return ready, nil
}

// callers are the flags with addresses, names and keys from the file: those of the platform that --organization names, or
// of each.
func (r readyFile) callers(g *globals) ([]globals, error) {
	var all []globals
	for _, platform := range r.Platforms {
		if g.Organization != "" && g.Organization != platform.ID {
			continue
		}
		one := *g
		one.GRPC, one.HTTP, one.Bank, one.Organization = r.GRPC, "http://"+r.HTTP, r.BankID, platform.ID
		one.SignKey, one.AuthKey, one.TokenFile = beside(r.name, platform.KeyFile), beside(r.name, platform.AuthKeyFile), ""
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, usagef("--ready-file: %s names no platform %s", r.name, g.Organization)
	}
	return all, nil
}

// beside resolves a file name that stands in another file.
func beside(file, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}
