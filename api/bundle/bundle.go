// Package bundle checks the bundle of a transfer: what an institution took over of somebody's credits, as one file.
//
// Checking needs the public key of the log that the credits come from, and nothing else: no network, no clock, no account. It
// shows that the entries are in the log under that key, that the log says who took what, and that the platforms named in it
// signed the learning that it stands on. It does not show that nothing was taken back since: a bundle is as old as its checkpoint.
//
// Its one invariant: a file that is accepted holds nothing that was not checked.
package bundle

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	// title is what a bundle's first line begins with; the number of bytes that follow is the rest of it.
	title = "creditbank/v1 transfer bundle "
	// MaxBytes is how large a bundle is at most.
	MaxBytes = 64 << 20
	// maxEntries is how many entries and statements a bundle has at most: some more than the items of the largest transfer need.
	maxEntries = 4_096
	maxProof   = 64
	// maxEntry is how large an entry is at most, as the log takes it, and maxAmount an amount in milli-credits.
	maxEntry  = 65_535
	maxAmount = 1 << 50
	maxOrigin = 255
)

// Marshal writes a bundle as a file.
func Marshal(b *ledgerv1.TransferBundle) ([]byte, error) {
	content, err := b.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("bundle: %v", err)
	}
	return append([]byte(title+strconv.Itoa(len(content))+"\n"), content...), nil
}

// Error is why a bundle was refused: in which part of it, and what is wrong there.
type Error struct {
	Part, Problem string
}

// Error implements error.
func (f *Error) Error() string { return "bundle: " + f.Part + ": " + f.Problem }

func faultf(part, format string, args ...any) *Error {
	return &Error{Part: part, Problem: fmt.Sprintf(format, args...)}
}

func entryPart(index uint64) string { return "entry " + strconv.FormatUint(index, 10) }

// Content answers what follows the first line of a file that is framed as a bundle: its title, and as many bytes as that says.
func Content(file []byte) ([]byte, error) {
	if len(file) > MaxBytes {
		return nil, faultf("file", "it has %d bytes, the most are %d", len(file), MaxBytes)
	}
	first, content, found := bytes.Cut(file, []byte("\n"))
	number, titled := bytes.CutPrefix(first, []byte(title))
	length, err := strconv.Atoi(string(number))
	if !found || !titled || err != nil || strconv.Itoa(length) != string(number) {
		return nil, faultf("file", "it is no transfer bundle: its first line is not %q and a number", title)
	}
	switch {
	case len(content) < length:
		return nil, faultf("file", "it was cut off: %d of %d bytes are there", len(content), length)
	case len(content) > length:
		return nil, faultf("file", "%d bytes follow its end", len(content)-length)
	}
	return content, nil
}

// Bundle is a file that is well-formed. What it says, nobody has checked yet.
type Bundle struct {
	message *ledgerv1.TransferBundle
	origin  string
}

// Open reads a file. What is not well-formed is a [Error].
func Open(file []byte) (*Bundle, error) {
	message, err := parse(file)
	if err != nil {
		return nil, err
	}
	first, _, found := bytes.Cut(message.GetCheckpoint(), []byte("\n"))
	if !found || len(first) == 0 || len(first) > maxOrigin || !utf8.Valid(first) {
		return nil, faultf("checkpoint", "it names no log")
	}
	return &Bundle{message: message, origin: string(first)}, nil
}

// Origin is the log that it says it is of.
func (b *Bundle) Origin() string { return b.origin }

// Transfer is the leaf hash of the entry by which, it says, the credits were taken over: what names a transfer. It is the same in every
// bundle of one, and in each log as which the bank that made it went on. It is false where no such entry is there: then the bundle does
// not hold either.
func (b *Bundle) Transfer() (merkle.Hash, bool) {
	for _, one := range b.message.GetEntries() {
		e := new(ledgerv1.Entry)
		if len(one.GetEntry()) <= maxEntry && proto.Unmarshal(one.GetEntry(), e) == nil && e.GetIndex() == b.message.GetPosted() {
			return merkle.LeafHash(one.GetEntry()), true
		}
	}
	return merkle.Hash{}, false
}

// parse reads a file. What it answers is well-formed, and nothing more.
func parse(file []byte) (*ledgerv1.TransferBundle, error) {
	content, err := Content(file)
	if err != nil {
		return nil, err
	}
	if err := countParts(content); err != nil {
		return nil, err
	}
	b := new(ledgerv1.TransferBundle)
	if err := proto.Unmarshal(content, b); err != nil {
		return nil, faultf("file", "its content cannot be read")
	}
	// What was not written by Marshal could hide something: a field twice, in another order, or one that is not known.
	again, err := b.MarshalVT()
	switch {
	case err != nil:
		return nil, faultf("file", "its content cannot be read")
	case hasUnknown(b.ProtoReflect()):
		return nil, faultf("file", "it holds a field that is not known")
	case !bytes.Equal(again, content):
		return nil, faultf("file", "its content is not written in the one way that there is")
	}
	return b, nil
}

// countParts refuses a file that says little in very many parts before they are unfolded: an empty part takes two bytes of the file,
// and fifty times as much in memory.
func countParts(content []byte) error {
	const (
		bundleEntries    protowire.Number = 4
		bundleStatements protowire.Number = 5
		entryProof       protowire.Number = 2
		statementPath    protowire.Number = 4
	)
	entries, statements := 0, 0
	return parts(content, func(field protowire.Number, part []byte) error {
		list := entryProof
		switch field {
		case bundleEntries:
			entries++
		case bundleStatements:
			statements++
			list = statementPath
		default:
			return nil
		}
		if entries > maxEntries || statements > maxEntries {
			return faultf("file", "it has more than %d entries or statements", maxEntries)
		}
		hashes := 0
		return parts(part, func(field protowire.Number, _ []byte) error {
			if field == list {
				hashes++
			}
			if hashes > maxProof {
				return faultf("file", "a proof or path in it has more than %d hashes", maxProof)
			}
			return nil
		})
	})
}

// parts calls with the fields of a message that are bytes.
func parts(message []byte, with func(field protowire.Number, part []byte) error) error {
	for len(message) > 0 {
		field, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return faultf("file", "its content cannot be read")
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(field, wire, message); n < 0 {
			return faultf("file", "its content cannot be read")
		}
		if wire == protowire.BytesType {
			part, _ := protowire.ConsumeBytes(message)
			if err := with(field, part); err != nil {
				return err
			}
		}
		message = message[n:]
	}
	return nil
}

// hasUnknown says whether a message holds a field that is not known, at any depth.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				found = found || hasUnknown(value.List().Get(i).Message())
			}
		default:
			found = found || hasUnknown(value.Message())
		}
		return !found
	})
	return found
}

// hashes reads a list of hashes.
func hashes(part, what string, list [][]byte) ([]merkle.Hash, error) {
	if len(list) > maxProof {
		return nil, faultf(part, "its %s has %d hashes", what, len(list))
	}
	all := make([]merkle.Hash, len(list))
	for i, h := range list {
		if len(h) != merkle.HashSize {
			return nil, faultf(part, "its %s has a hash of %d bytes", what, len(h))
		}
		all[i] = merkle.Hash(h)
	}
	return all, nil
}

// check is a bundle on its way.
type check struct {
	bundle     *ledgerv1.TransferBundle
	checkpoint merkle.Checkpoint
	entries    map[uint64]*ledgerv1.Entry
	order      []uint64
	// keys are the entries that register keys, by the keys' ids.
	keys map[string]*ledgerv1.Entry
	// used are the entries that something stands on.
	used map[uint64]bool
}

// open verifies the checkpoint under the log's key, and that the entries are in the log.
func (c *check) open(verifier note.Verifier, origin string) error {
	var err error
	c.checkpoint, err = merkle.OpenCheckpoint(c.bundle.GetCheckpoint(), origin, verifier)
	if err != nil {
		return faultf("checkpoint", "it does not hold under the log's key: %v", err)
	}
	for i, one := range c.bundle.GetEntries() {
		e := new(ledgerv1.Entry)
		part := "entry number " + strconv.Itoa(i+1)
		if len(one.GetEntry()) > maxEntry {
			return faultf(part, "it has %d bytes, more than an entry", len(one.GetEntry()))
		}
		if err := proto.Unmarshal(one.GetEntry(), e); err != nil || e.GetFact() == nil || hasUnknown(e.ProtoReflect()) {
			return faultf(part, "its bytes are no entry of a kind that is known")
		}
		index := e.GetIndex()
		part = entryPart(index)
		switch n := len(c.order); {
		case n > 0 && c.order[n-1] == index:
			return faultf(part, "it is there twice")
		case n > 0 && c.order[n-1] > index:
			return faultf(part, "it comes after entry %d: the entries are not in the order of the log", c.order[n-1])
		}
		proof, err := hashes(part, "inclusion proof", one.GetProof())
		if err != nil {
			return err
		}
		if err := merkle.VerifyInclusion(merkle.LeafHash(one.GetEntry()), index, c.checkpoint.Size, proof, c.checkpoint.Root); err != nil {
			return faultf(part, "it is not shown to be in the log: %v", err)
		}
		c.entries[index], c.order = e, append(c.order, index)
		if added := e.GetKeyAdded(); added != nil {
			c.keys[string(added.GetKeyId())] = e
		}
	}
	return nil
}

// take answers an entry that something stands on.
func (c *check) take(index uint64, what string) (*ledgerv1.Entry, error) {
	e := c.entries[index]
	if e == nil {
		return nil, faultf(entryPart(index), "%s is missing", what)
	}
	c.used[index] = true
	return e, nil
}

// leftover refuses what nothing stands on.
func (c *check) leftover() error {
	for _, index := range c.order {
		if !c.used[index] {
			return faultf(entryPart(index), "the transfer does not stand on it")
		}
	}
	return nil
}
