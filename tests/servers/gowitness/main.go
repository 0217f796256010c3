// A log and its witness's client that share no line with Holdfast: golang.org/x/mod's notes, trees and proofs,
// github.com/transparency-dev/formats' verifiers of cosignatures (Ed25519 and ML-DSA-44).
//
//	gowitness URL LOG_SKEY WITNESS_VKEY...
//
// It grows a log, hands each head in, and prints a line of JSON for each answer.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type said struct {
	Old    int64    `json:"old"`
	Size   int64    `json:"size"`
	Status int      `json:"status"`
	Type   string   `json:"type"`
	Body   string   `json:"body"`
	Keys   []string `json:"keys"`
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = h[index]
	}
	return found, nil
}

func tree(size int64, flavour string) hashes {
	var stored hashes
	for n := int64(0); n < size; n++ {
		more := must(tlog.StoredHashes(n, []byte(fmt.Sprintf("%s %d", flavour, n)), stored))
		stored = append(stored, more...)
	}
	return stored
}

func main() {
	url, signer := os.Args[1], must(note.NewSigner(os.Args[2]))
	var verifiers []note.Verifier
	for _, vkey := range os.Args[3:] {
		if v, err := f_note.NewMLDSAVerifier(vkey); err == nil {
			verifiers = append(verifiers, v)
		} else {
			verifiers = append(verifiers, must(f_note.NewVerifierForCosignatureV1(vkey)))
		}
	}
	out := json.NewEncoder(os.Stdout)
	for _, step := range []struct {
		old, size int64
		flavour   string
	}{
		{0, 1, "leaf"}, {1, 2, "leaf"}, {2, 7, "leaf"}, {7, 8, "leaf"}, {8, 8, "leaf"}, {8, 1000, "leaf"},
		{500, 1001, "leaf"},   // stale
		{1000, 1200, "other"}, // another history
		{1000, 1000, "other"}, // of the same length
		{1000, 1003, "leaf"},
	} {
		check(out.Encode(submit(url, signer, verifiers, step.old, step.size, step.flavour)))
	}
}

func submit(url string, signer note.Signer, verifiers []note.Verifier, old, size int64, flavour string) said {
	stored := tree(size, flavour)
	root := must(tlog.TreeHash(size, stored))
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, base64.StdEncoding.EncodeToString(root[:]))
	checkpoint := must(note.Sign(&note.Note{Text: text}, signer))
	body := &bytes.Buffer{}
	fmt.Fprintf(body, "old %d\n", old)
	if old > 0 && old < size {
		for _, hash := range must(tlog.ProveTree(size, old, stored)) {
			fmt.Fprintln(body, base64.StdEncoding.EncodeToString(hash[:]))
		}
	}
	fmt.Fprintln(body)
	body.Write(checkpoint)
	answer := must(http.Post(url+"/add-checkpoint", "", body))
	defer answer.Body.Close()
	data := must(io.ReadAll(answer.Body))
	found := said{Old: old, Size: size, Status: answer.StatusCode, Type: answer.Header.Get("Content-Type")}
	if answer.StatusCode != http.StatusOK {
		found.Body = string(data)
		return found
	}
	opened := must(note.Open(append(checkpoint, data...), note.VerifierList(verifiers...)))
	for _, one := range opened.Sigs {
		found.Keys = append(found.Keys, fmt.Sprintf("%s+%08x", one.Name, one.Hash))
	}
	return found
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
