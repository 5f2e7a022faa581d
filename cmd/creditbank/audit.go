package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// tilesAStep is how many tiles of leaves are held at the same time: half a MiB.
const tilesAStep = 64

// logKey is whose signature a checkpoint has to bear.
type logKey struct {
	VKey     string `name:"vkey" env:"CREDITBANK_VKEY" placeholder:"KEY" help:"The log's public key: <origin>+<id>+<key>."`
	VKeyFile string `name:"vkey-file" env:"CREDITBANK_VKEY_FILE" placeholder:"FILE" help:"File with that key, where it is not given itself."`
	Origin   string `env:"CREDITBANK_ORIGIN" placeholder:"NAME" help:"Origin of the log; left out: the name of its key."`
}

// verifier answers the key and the origin.
func (k *logKey) verifier() (note.Verifier, string, error) {
	text := k.VKey
	if text == "" && k.VKeyFile != "" {
		content, err := os.ReadFile(k.VKeyFile)
		if err != nil {
			return nil, "", usagef("--vkey-file: %v", err)
		}
		text = string(content)
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil, "", usagef("give the log's public key with --vkey or --vkey-file: without it, nothing that the bank shows can be checked")
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, "", usagef("--vkey: it is no key such as <origin>+<id>+<key>: %v", err)
	}
	origin := k.Origin
	if origin == "" {
		origin = verifier.Name()
	}
	return verifier, origin, nil
}

// servedCheckpoint is what the newest checkpoint of the bank is called.
const servedCheckpoint = "the checkpoint that the bank serves"

// open verifies a signed checkpoint. What does not hold is refused.
func (k *logKey) open(signed []byte, what string) (merkle.Checkpoint, error) {
	verifier, origin, err := k.verifier()
	if err != nil {
		return merkle.Checkpoint{}, err
	}
	checkpoint, err := merkle.OpenCheckpoint(signed, origin, verifier)
	if shown, _, _ := strings.Cut(string(signed), "\n"); err != nil && shown != origin {
		advice := ""
		if what == servedCheckpoint {
			advice = ".\nEither it is another bank, or the log ended and what was left goes on under another origin: the bank's /log/former lists\n" +
				"where logs ended. Take the new key from where you had the old one"
		}
		return merkle.Checkpoint{}, refusef("%s is of another log: %q, not %q%s", what, clean(shown), origin, advice)
	}
	if err != nil {
		return merkle.Checkpoint{}, refusef("%s does not hold: %v", what, err)
	}
	return checkpoint, nil
}

type auditCommand struct {
	logKey
	witnessKeys

	State    string        `placeholder:"FILE" help:"Remember the last checkpoint seen, and check that the log only grew since."`
	Receipts string        `placeholder:"FILE" help:"Check that what these receipts promise is in the log (JSON lines of \"post --receipts\")."`
	NewOnly  bool          `help:"Recompute only what is new since the checkpoint in --state; the tiles before it were checked then."`
	Wait     time.Duration `default:"15s" placeholder:"TIME" help:"How long to wait until the log that everyone is shown has come as far as the receipts, and until enough witnesses have signed it (${default})."`
}

// audited is what was checked.
type audited struct {
	Origin string      `json:"origin"`
	Size   uint64      `json:"size"`
	Root   merkle.Hash `json:"root"`
	// SeenSize is the size of the log when it was last seen; absent the first time.
	SeenSize *uint64 `json:"seen_size,omitempty"`
	// Recomputed is how many leaf hashes the root was recomputed from, and Tiles from how many tiles of all levels.
	Recomputed uint64            `json:"recomputed"`
	Tiles      uint64            `json:"tiles"`
	Receipts   *auditedReceipt   `json:"receipts,omitempty"`
	Witnesses  *auditedWitnesses `json:"witnesses,omitempty"`
}

// Run checks the log, and remembers it only if everything holds.
func (c *auditCommand) Run(ctx context.Context, g *globals, p *process) error {
	if c.NewOnly && c.State == "" {
		return usagef("--new-only: it goes on from the checkpoint in --state")
	}
	policy, err := c.policy()
	if err != nil {
		return err
	}
	var receipts []receipt
	if c.Receipts != "" {
		if receipts, err = readReceipts(c.Receipts); err != nil {
			return err
		}
	}
	remote, err := newRemoteLog(g)
	if err != nil {
		return err
	}
	defer remote.close()
	a := &audit{command: c, remote: remote, witnesses: policy}
	if err := a.promises(receipts); err != nil {
		return err
	}
	if err := a.look(ctx, p); err != nil {
		return err
	}
	if err := a.remember(); err != nil {
		return err
	}
	if err := a.history(ctx); err != nil {
		return err
	}
	if err := a.recompute(ctx); err != nil {
		return err
	}
	if c.Receipts != "" {
		if a.done.Receipts, err = a.receipts(ctx, g, p, receipts); err != nil {
			return err
		}
	}
	if c.State != "" {
		if err := replaceFile(c.State, a.signed); err != nil {
			return err
		}
	}
	return a.print(g, p)
}

// audit is one run of the command.
type audit struct {
	command   *auditCommand
	remote    *remoteLog
	witnesses *cosignature.Policy // nil: whoever cosigned does not matter
	signed    []byte              // the checkpoint that everyone is shown, as it was served
	now       merkle.Checkpoint
	// promised are the checkpoints in the receipts, and reach the largest of their sizes.
	promised map[string]merkle.Checkpoint
	reach    uint64
	// seen is the checkpoint that was remembered, and seenSigned its bytes; nil the first time.
	seen       *merkle.Checkpoint
	seenSigned []byte
	whole      bool // recompute all, whatever the command says
	done       audited
}

// lookAgain is how long it takes until the checkpoint is read once more.
const lookAgain = 500 * time.Millisecond

// look reads the checkpoint that everyone is shown and checks its signatures. A bank with witnesses shows a checkpoint a few
// seconds after it has given receipts for it: look waits for that as long as the command permits.
func (a *audit) look(ctx context.Context, p *process) error {
	for began := p.now(); ; {
		var err error
		if a.signed, err = a.remote.checkpoint(ctx); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if a.now, err = a.command.open(a.signed, servedCheckpoint); err != nil {
			return err
		}
		missing := a.covers()
		if missing == nil {
			missing, err = a.cosigned()
		}
		if err != nil {
			return err
		}
		if missing == nil {
			break
		}
		if p.now().Sub(began) >= a.command.Wait {
			return missing
		}
		if err := p.sleep(ctx, lookAgain); err != nil {
			return err
		}
	}
	a.remote.size = a.now.Size
	a.done.Origin, a.done.Size, a.done.Root = a.now.Origin, a.now.Size, a.now.Root
	return nil
}

// covers says that the checkpoint does not cover the receipts yet, or nil.
func (a *audit) covers() error {
	if a.now.Size >= a.reach {
		return nil
	}
	return refusef("the receipts are not public yet: the log's key signed %d entries for them, and everyone is shown a log of %d, after %s of waiting. "+
		"A bank with witnesses takes some seconds; if it stays so, entries that it has acknowledged are withheld from everyone else, or gone. "+
		"Keep the receipts: they are the proof", a.reach, a.now.Size, a.command.Wait)
}

// remember reads the checkpoint that was seen before, and checks its signature.
func (a *audit) remember() (err error) {
	if a.command.State == "" {
		return nil
	}
	a.seenSigned, err = os.ReadFile(a.command.State)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--state: %v", err)
	}
	seen, err := a.command.open(a.seenSigned, "the checkpoint in "+a.command.State)
	if err != nil {
		return usagef("%v: it is of another log, or was changed", err)
	}
	a.seen, a.done.SeenSize = &seen, &seen.Size
	return nil
}

// history checks that the log of today begins with the one that was seen.
func (a *audit) history(ctx context.Context) error {
	if a.seen == nil {
		return nil
	}
	return a.continues(ctx, *a.seen, a.seenSigned, "seen before")
}

// continues checks that an older checkpoint, signed by the log, is of the same history as the newest one.
func (a *audit) continues(ctx context.Context, old merkle.Checkpoint, signed []byte, what string) error {
	switch {
	case old.Size > a.now.Size:
		return a.twoHistories("ROLLBACK: the log has become shorter", what, signed)
	case old.Size == a.now.Size && old.Root != a.now.Root:
		return a.twoHistories("SPLIT VIEW: the log shows two different histories of the same length", what, signed)
	case old.Size == 0 || old == a.now:
		return nil
	}
	proof, err := merkle.ConsistencyProof(ctx, old.Size, a.now.Size, a.remote)
	if err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	if err := merkle.VerifyConsistency(old.Size, a.now.Size, proof, old.Root, a.now.Root); err != nil {
		// The proof is made of tiles: either they or the history are wrong. If the tiles do give today's root, it is
		// the history.
		a.whole = true
		if err := a.recompute(ctx); err != nil {
			return err
		}
		return a.twoHistories("SPLIT VIEW: the log of today does not continue the one that it has shown", what, signed)
	}
	return nil
}

func (a *audit) twoHistories(words, what string, signed []byte) error {
	return refusef("%s.\nThe log's own key signed both of these checkpoints, and no honest log can have both. Keep them: they are the proof.\n\n"+
		"%s:\n%s\nshown now:\n%s", words, what, bytes.TrimRight(signed, "\n"), bytes.TrimRight(a.signed, "\n"))
}

// recompute adds all leaf hashes up to the root, and compares what comes out at every level with what is served.
func (a *audit) recompute(ctx context.Context) error {
	if a.done.Recomputed > 0 {
		return nil
	}
	edge := new(merkle.Edge)
	if a.command.NewOnly && a.seen != nil && !a.whole {
		var err error
		if edge, err = a.known(ctx); err != nil {
			return err
		}
	}
	a.done.Recomputed = a.now.Size - edge.Size()
	for edge.Size() < a.now.Size {
		if err := a.step(ctx, edge); err != nil {
			return err
		}
	}
	if root := edge.Root(); root != a.now.Root {
		return refusef("the tiles do not give the root that the log has signed.\n  signed: %s\n  tiles:  %s\nof %d entries", a.now.Root, root, a.now.Size)
	}
	var right []merkle.FullTile
	for _, tile := range merkle.TilesFor(a.now.Size) {
		if data, ok := edge.Partial(tile); ok && tile.Level > 0 {
			right = append(right, merkle.FullTile{Tile: tile, Data: data})
		}
	}
	return a.served(ctx, right)
}

// known is the right edge of the log that was seen.
func (a *audit) known(ctx context.Context) (*merkle.Edge, error) {
	edge, err := merkle.OpenEdge(ctx, a.seen.Size, a.remote, func(ctx context.Context, from, to uint64) ([]merkle.Hash, error) {
		if from == to {
			return nil, nil
		}
		return a.leaves(ctx, merkle.Tile{Index: from / merkle.TileWidth, Width: uint16(to - from)})
	})
	if err != nil {
		return nil, fmt.Errorf("tiles: %w", err)
	}
	if edge.Root() != a.seen.Root {
		return nil, refusef("the tiles do not give the root of the log that was seen before (%d entries)", a.seen.Size)
	}
	return edge, nil
}

// step adds the next tiles of leaves to the edge.
func (a *audit) step(ctx context.Context, edge *merkle.Edge) error {
	var tiles []merkle.Tile
	begin := edge.Size() % merkle.TileWidth // within the first tile
	for index := edge.Size() / merkle.TileWidth; len(tiles) < tilesAStep && index*merkle.TileWidth < a.now.Size; index++ {
		width := min(a.now.Size-index*merkle.TileWidth, merkle.TileWidth)
		tiles = append(tiles, merkle.Tile{Index: index, Width: uint16(width)})
	}
	hashes, err := a.leaves(ctx, tiles...)
	if err != nil {
		return err
	}
	a.done.Tiles += uint64(len(tiles))
	var above []merkle.FullTile
	for _, tile := range edge.Append(nil, hashes[begin:]...) {
		if tile.Level > 0 {
			above = append(above, tile)
		}
	}
	return a.served(ctx, above)
}

// leaves reads the leaf hashes in tiles that follow each other.
func (a *audit) leaves(ctx context.Context, tiles ...merkle.Tile) ([]merkle.Hash, error) {
	data, err := a.remote.ReadTiles(ctx, tiles)
	if err != nil {
		return nil, fmt.Errorf("tiles: %w", err)
	}
	var hashes []merkle.Hash
	for _, b := range data {
		for ; len(b) > 0; b = b[merkle.HashSize:] {
			hashes = append(hashes, merkle.Hash(b[:merkle.HashSize]))
		}
	}
	return hashes, nil
}

// served compares tiles that were computed with those that the log hands out: its proofs are made of them.
func (a *audit) served(ctx context.Context, computed []merkle.FullTile) error {
	tiles := make([]merkle.Tile, len(computed))
	for i, tile := range computed {
		tiles[i] = tile.Tile
	}
	data, err := a.remote.ReadTiles(ctx, tiles)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	for i, tile := range computed {
		if !bytes.Equal(tile.Data, data[i]) {
			return refusef("the log's tile %s is not made of the tiles below it", tile.Path())
		}
	}
	a.done.Tiles += uint64(len(tiles))
	return nil
}

// print says what was checked.
func (a *audit) print(g *globals, p *process) error {
	if g.JSON {
		return writeJSON(p.stdout, a.done)
	}
	t := &table{}
	t.row("checkpoint", fmt.Sprintf("%s, %d entries, root %s: signed by the log's key", a.done.Origin, a.done.Size, a.done.Root))
	if w := a.done.Witnesses; w != nil {
		t.row("witnesses", fmt.Sprintf("%d of %d signed it, %d are wanted: %s", len(w.Cosignatures), w.Witnesses, w.Quorum, w))
	}
	switch {
	case a.seen != nil:
		t.row("history", fmt.Sprintf("continues the %d entries that were seen before", a.seen.Size))
	case a.command.State != "":
		t.row("history", "the first look; the next one will be compared with it")
	default:
		t.row("history", "not compared with an earlier look (--state FILE remembers it)")
	}
	t.row("tree", fmt.Sprintf("%d leaf hashes give this root; %d tiles of all levels agree", a.done.Recomputed, a.done.Tiles))
	if r := a.done.Receipts; r != nil {
		t.row("receipts", fmt.Sprintf("%d statements are in the log where the bank promised; of %d the entry was read and holds the statement",
			r.Proved, r.Read))
		if r.Proved > r.Read {
			t.row("", fmt.Sprintf("%d entries may not be read by this caller: the platform that posted them may (--organization, --auth-key)", r.Proved-r.Read))
		}
	}
	t.row("result", "everything holds")
	t.write(p.stdout)
	return nil
}

// writeJSONFile writes a value for programs into a file.
func writeJSONFile(name string, v any) error {
	var b bytes.Buffer
	if err := writeJSON(&b, v); err != nil {
		return err
	}
	return replaceFile(name, b.Bytes())
}

// replaceFile writes a file whole or not at all.
func replaceFile(name string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), ".creditbank-*")
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%v", err)
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return fmt.Errorf("%v", err)
	}
	return nil
}
