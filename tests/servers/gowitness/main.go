// Others' witness and others' client (github.com/transparency-dev/witness), to be tried against ours.
//
//	gowitness serve LOG_VKEY...             a witness in memory; prints its URL and its vkey
//	gowitness submit URL FILE VKEY...       hands in what FILE says, a JSON request a line; prints what came back
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	f_note "github.com/transparency-dev/formats/note"
	wit_http "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

type request struct {
	Old        uint64   `json:"old"`
	Proof      [][]byte `json:"proof"`
	Checkpoint []byte   `json:"checkpoint"`
}

type reply struct {
	Error string   `json:"error"`
	Size  uint64   `json:"size"`
	Keys  []string `json:"keys"`
}

func main() {
	switch {
	case len(os.Args) > 2 && os.Args[1] == "serve":
		serve(os.Args[2:])
	case len(os.Args) > 4 && os.Args[1] == "submit":
		submit(os.Args[2], os.Args[3], os.Args[4:])
	default:
		panic("serve LOG_VKEY... | submit URL FILE VKEY...")
	}
}

func serve(vkeys []string) {
	logs := map[string]note.Verifier{}
	for _, vkey := range vkeys {
		verifier := must(note.NewVerifier(vkey))
		logs[verifier.Name()] = verifier
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "go.example/witness")
	check(err)
	signer := must(f_note.NewSignerForCosignatureV1(skey))
	w := must(witness.New(context.Background(), witness.Opts{
		Persistence: inmemory.New(),
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			v, ok := logs[origin]
			return v, ok, nil
		},
	}))
	http.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Printf("{\"url\": \"http://%s\", \"vkey\": %q}\n", listener.Addr(), vkey)
	check(http.Serve(listener, nil))
}

func submit(where, file string, vkeys []string) {
	verifiers := []note.Verifier{}
	for _, vkey := range vkeys {
		if v, err := f_note.NewMLDSAVerifier(vkey); err == nil {
			verifiers = append(verifiers, v)
		} else {
			verifiers = append(verifiers, must(f_note.NewVerifierForCosignatureV1(vkey)))
		}
	}
	client := wit_http.NewWitness(must(url.Parse(where)), http.DefaultClient)
	in := must(os.Open(file))
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked request
		check(json.Unmarshal(lines.Bytes(), &asked))
		signatures, size, err := client.Update(context.Background(), asked.Old, asked.Checkpoint, asked.Proof)
		said := reply{Size: size, Error: name(err)}
		if err == nil {
			opened, err := note.Open(append(asked.Checkpoint, signatures...), note.VerifierList(verifiers...))
			if err != nil {
				said.Error = err.Error()
			} else {
				for _, one := range opened.Sigs {
					said.Keys = append(said.Keys, fmt.Sprintf("%s+%08x", one.Name, one.Hash))
				}
			}
		}
		check(out.Encode(said))
	}
}

func name(err error) string {
	for known, text := range map[error]string{
		witness.ErrCheckpointStale:  "stale",
		witness.ErrUnknownLog:       "unknown log",
		witness.ErrNoValidSignature: "no signature",
		witness.ErrOldSizeInvalid:   "old size",
		witness.ErrInvalidProof:     "proof",
	} {
		if errors.Is(err, known) {
			return text
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
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
