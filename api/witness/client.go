package witness

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/learning-credit-bank/creditbank/api/cosignature"
	"github.com/learning-credit-bank/creditbank/ledger/merkle"
)

// Limits of what is sent and read.
const (
	maxProofLines  = 63 // C2SP tlog-witness
	maxAnswerBytes = 16 << 10
	maxHeaderBytes = 16 << 10
	sizeType       = "text/x.tlog.size"
)

// outcome is how a question ended: the label of metrics.
type outcome string

const (
	cosigned    outcome = "cosigned"
	unreachable outcome = "unreachable" // it gave no answer in time
	unknownLog  outcome = "unknown_log" // it was not told of this log
	refusedKey  outcome = "refused_key" // it knows another key for this log
	disagrees   outcome = "disagrees"   // it signed a history that this log is not the continuation of
	conflict    outcome = "conflict"    // somebody else keeps giving it checkpoints of this log
	malformed   outcome = "malformed"   // it answers what no witness answers
	failed      outcome = "failed"      // anything else
)

// outcomes are all of them.
func outcomes() []outcome {
	return []outcome{cosigned, unreachable, unknownLog, refusedKey, disagrees, conflict, malformed, failed}
}

// failure is a question that brought no cosignature.
type failure struct {
	outcome outcome
	words   string
}

func (f *failure) Error() string { return f.words }

func failuref(as outcome, format string, args ...any) error {
	return &failure{as, fmt.Sprintf(format, args...)}
}

// client speaks to witnesses.
type client struct{ http *http.Client }

func newClient(transport http.RoundTripper) client {
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * time.Minute,
			MaxResponseHeaderBytes: maxHeaderBytes,
		}
	}
	return client{&http.Client{
		Transport: transport,
		// A witness is where the configuration says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c client) close() { c.http.CloseIdleConnections() }

// question asks one witness for its cosignature under one checkpoint.
type question struct {
	log    Log
	url    string
	key    cosignature.Key
	signed []byte
	size   uint64
	// old is the size of the log that the witness signed last, as far as is known. An answer corrects it.
	old uint64
}

// ask asks, and if the witness turns out to stand elsewhere in the log, once more from there. Errors are *failure, or those of
// the log.
func (c client) ask(ctx context.Context, q *question) (cosignature.Cosignature, error) {
	signature, moved, err := c.submit(ctx, q)
	if err == nil && moved {
		signature, moved, err = c.submit(ctx, q)
	}
	if err == nil && moved {
		return signature, failuref(conflict, "it moved on to %d entries between two requests: does another server of this log ask it too?", q.old)
	}
	return signature, err
}

// submit posts the checkpoint with the proof that it continues what the witness signed last. When the witness stands
// elsewhere, q is corrected and moved is true.
func (c client) submit(ctx context.Context, q *question) (_ cosignature.Cosignature, moved bool, err error) {
	none := cosignature.Cosignature{}
	body, err := q.body(ctx)
	if err != nil {
		return none, false, err
	}
	status, contentType, content, err := c.post(ctx, q.url+"/add-checkpoint", body)
	if err != nil {
		return none, false, err
	}
	switch status {
	case http.StatusOK:
		signature, err := q.key.Accept(q.signed, content)
		if err != nil {
			return none, false, failuref(malformed, "its answer holds no cosignature under the configured key %s: %v", q.key, err)
		}
		q.old = q.size
		return signature, false, nil
	case http.StatusConflict:
		return none, true, q.correct(contentType, content)
	case http.StatusNotFound:
		return none, false, failuref(unknownLog, "it does not know this log (404): give its operator origin and verifier key, and check the URL")
	case http.StatusForbidden:
		return none, false, failuref(refusedKey, "it does not take the log's signature (403): the verifier key that its operator has is not this log's")
	case http.StatusUnprocessableEntity:
		return none, false, failuref(disagrees, "it does not take the proof from %d to %d entries (422): what it signed at %d is not this log", q.old, q.size, q.old)
	default:
		return none, false, failuref(failed, "it answers status %d", status)
	}
}

// body is the request (C2SP tlog-witness, "add-checkpoint"): the old size, the proof, and the checkpoint.
func (q *question) body(ctx context.Context) ([]byte, error) {
	var proof []merkle.Hash
	if q.old > 0 && q.old < q.size {
		var err error
		if proof, err = q.log.ConsistencyProof(ctx, q.old, q.size); err != nil {
			return nil, fmt.Errorf("witness: proof from %d to %d entries: %w", q.old, q.size, err)
		}
		if len(proof) > maxProofLines {
			return nil, fmt.Errorf("witness: proof of %d hashes", len(proof))
		}
	}
	b := append(strconv.AppendUint([]byte("old "), q.old, 10), '\n')
	for _, hash := range proof {
		b = append(base64.StdEncoding.AppendEncode(b, hash[:]), '\n')
	}
	return append(append(b, '\n'), q.signed...), nil
}

// correct takes over the size that the witness says it signed last.
func (q *question) correct(contentType string, content []byte) error {
	text := string(bytes.TrimSuffix(content, []byte("\n")))
	size, err := strconv.ParseUint(text, 10, 64)
	switch known := contentType == sizeType && err == nil && strconv.FormatUint(size, 10) == text; {
	case q.old == q.size && (!known || size == q.old):
		return failuref(disagrees, "it signed another log of %d entries (409)", q.size)
	case !known:
		return failuref(malformed, "it says that it stands elsewhere in the log (409), and not where")
	case size > q.size:
		return failuref(disagrees, "it signed %d entries of this log, which has %d (409): another bank signs with the log's key, or entries were lost", size, q.size)
	case size == q.old:
		return failuref(malformed, "it refuses the size %d (409), and says that it is right", size)
	default:
		q.old = size
		return nil
	}
}

// post posts a text, and reads what comes back.
func (c client) post(ctx context.Context, address string, body []byte) (status int, contentType string, content []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, fmt.Errorf("witness: %v", err)
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	request.Header.Set("User-Agent", "creditbankd")
	response, err := c.http.Do(request)
	if err != nil {
		return 0, "", nil, unanswered(err)
	}
	defer response.Body.Close()
	content, err = io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return 0, "", nil, unanswered(err)
	}
	if len(content) > maxAnswerBytes {
		return 0, "", nil, failuref(malformed, "its answer is longer than %d bytes", maxAnswerBytes)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), content, nil
}

func unanswered(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return failuref(unreachable, "it did not answer in time")
	}
	return failuref(unreachable, "it cannot be reached: %v", err)
}
