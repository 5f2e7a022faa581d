package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/learning-credit-bank/creditbank/ledger/merkle"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// maxRecordBytes is the longest line of a file of receipts: one checkpoint and little more.
const maxRecordBytes = merkle.MaxCheckpointBytes + 4096

// receipt is a line of a file of receipts: what the bank promised for one statement.
type receipt struct {
	StatementID   string  `json:"statement_id"`
	StatementHash hexHash `json:"statement_hash"` // RFC 6962 leaf hash of its bytes
	EntryIndex    uint64  `json:"entry_index"`
	// LeafHash is the entry's, where the receipt's holder knows it.
	LeafHash   hexHash `json:"leaf_hash,omitempty"`
	Checkpoint string  `json:"checkpoint"`
}

// hexHash is a SHA-256 hash that is written in hex; empty if there is none.
type hexHash []byte

// MarshalText implements encoding.TextMarshaler.
func (h hexHash) MarshalText() ([]byte, error) {
	if len(h) != merkle.HashSize {
		return nil, fmt.Errorf("a hash has %d bytes, not %d", merkle.HashSize, len(h))
	}
	return hex.AppendEncode(nil, h), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hexHash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != merkle.HashSize {
		return fmt.Errorf("a hash is %d hexadecimal digits", hex.EncodedLen(merkle.HashSize))
	}
	*h = b
	return nil
}

// lines is a file to which whole lines are added. A nil *lines is a file that nobody asked for: it takes everything and
// keeps nothing. The first error stays, and is answered by sync and close.
type lines struct {
	file   *os.File
	writer *bufio.Writer
	err    error
}

func createLines(name string) (*lines, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	return &lines{file: file, writer: bufio.NewWriter(file)}, nil
}

// appendLines opens a file to go on writing it. The half line that an interrupted run may have left is cut off.
func appendLines(name string) (*lines, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	if err := cutHalfLine(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lines{file: file, writer: bufio.NewWriter(file)}, nil
}

// cutHalfLine leaves the file at its end, which is empty or behind a line feed.
func cutHalfLine(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	tail := make([]byte, min(size, maxRecordBytes))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%v", err)
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end == 0 && len(tail) < int(size) {
		return fmt.Errorf("%s does not consist of lines: it is not a file that this command wrote", file.Name())
	}
	whole := size - int64(len(tail)) + int64(end)
	if whole < size {
		if err := file.Truncate(whole); err != nil {
			return fmt.Errorf("%v", err)
		}
	}
	if _, err := file.Seek(whole, io.SeekStart); err != nil {
		return fmt.Errorf("%v", err)
	}
	return nil
}

func (l *lines) text(line string) {
	if l == nil || l.err != nil {
		return
	}
	_, l.err = l.writer.WriteString(line + "\n")
}

func (l *lines) json(v any) {
	if l == nil || l.err != nil {
		return
	}
	encoder := json.NewEncoder(l.writer)
	encoder.SetEscapeHTML(false)
	l.err = encoder.Encode(v)
}

// sync makes what was added durable.
func (l *lines) sync() error {
	if l == nil {
		return nil
	}
	if l.err == nil {
		l.err = l.writer.Flush()
	}
	if l.err == nil {
		l.err = l.file.Sync()
	}
	if l.err != nil {
		return fmt.Errorf("%s: %v", l.file.Name(), l.err)
	}
	return nil
}

func (l *lines) close() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.sync(), l.file.Close())
}

// openState opens the file that remembers what was posted: a line that names bank and organization, then for each
// statement on the ledger its id and the hash of its bytes.
func openState(name, bank string, organization unit.OrganizationID) (*lines, map[unit.StatementID]merkle.Hash, error) {
	file, err := appendLines(name)
	if err != nil {
		return nil, nil, err
	}
	posted, err := readState(file, fmt.Sprintf("creditbank/v1 posted %s %s", bank, organization))
	if err != nil {
		return nil, nil, errors.Join(err, file.file.Close())
	}
	return file, posted, nil
}

func readState(file *lines, header string) (map[unit.StatementID]merkle.Hash, error) {
	posted := make(map[unit.StatementID]merkle.Hash)
	if _, err := file.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	scanner := bufio.NewScanner(file.file)
	for number := 1; scanner.Scan(); number++ {
		line := scanner.Text()
		if number == 1 {
			if line != header {
				return nil, usagef("--state: %s is not of this bank and organization: it begins with %q", file.file.Name(), clean(line))
			}
			continue
		}
		id, hash, err := parseStateLine(line)
		if err != nil {
			return nil, usagef("--state: %s, line %d: %v", file.file.Name(), number, err)
		}
		posted[id] = hash
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s: %v", file.file.Name(), err)
	}
	end, err := file.file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("%v", err)
	}
	if end == 0 {
		file.text(header)
	}
	return posted, nil
}

func stateLine(it item) string { return it.id.String() + " " + hex.EncodeToString(it.hash[:]) }

func parseStateLine(line string) (unit.StatementID, merkle.Hash, error) {
	var hash merkle.Hash
	idText, hashText, _ := strings.Cut(line, " ")
	id, err := uuid.Parse(idText)
	if err != nil || len(hashText) != hex.EncodedLen(len(hash)) {
		return id, hash, errors.New("it is not an id and a hash")
	}
	if _, err := hex.Decode(hash[:], []byte(hashText)); err != nil {
		return id, hash, errors.New("it is not an id and a hash")
	}
	return id, hash, nil
}

// readReceipts reads a file of receipts.
func readReceipts(name string) ([]receipt, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("--receipts: %v", err)
	}
	defer hangUp(file)
	var receipts []receipt
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, maxRecordBytes)
	for number := 1; scanner.Scan(); number++ {
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		var r receipt
		if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
			return nil, usagef("--receipts: %s, line %d: %v", name, number, err)
		}
		if _, err := uuid.Parse(r.StatementID); err != nil || len(r.StatementHash) == 0 || r.Checkpoint == "" {
			return nil, usagef("--receipts: %s, line %d: it needs statement_id, statement_hash, entry_index and checkpoint", name, number)
		}
		receipts = append(receipts, r)
	}
	if err := scanner.Err(); err != nil {
		return nil, usagef("--receipts: %s: %v", name, err)
	}
	return receipts, nil
}
