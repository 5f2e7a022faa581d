package keyring

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

const (
	submissionTitle   = "creditbank/v1 submission"
	registrationTitle = "creditbank/v1 key registration"
	agreementTitle    = "creditbank/v1 agreement"
	statementType     = "application/vnd.creditbank.statement.v1+protobuf"
	agreementType     = "application/vnd.creditbank.agreement.v1+yaml"

	// MaxStatements is how many statements one submission may carry; it carries at least one.
	MaxStatements = 1000

	maxBankID = 255
	// maxSubmissionText is the length of the longest submission text there is, bytes.
	maxSubmissionText = len(submissionTitle) + maxBankID + 63 + 64 + len(statementType) + 4 + 44 + 7
)

// CheckBankID answers [ErrBankID] unless id is 1 to 255 visible ASCII characters without a space. A bank checks its own id
// once, when it starts; with an id that was checked no text below can be mistaken for another.
func CheckBankID(id string) error {
	if len(id) < 1 || len(id) > maxBankID {
		return fmt.Errorf("%w: %d bytes, not 1 to %d", ErrBankID, len(id), maxBankID)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("%w: not a visible ascii character at position %d", ErrBankID, i+1)
		}
	}
	return nil
}

// SubmissionText is what an organization signs for a submission: seven lines, each ended by one LF, that name the bank, the
// organization, the key, the media type of the statements, their number, and the RFC 6962 tree root over their
// bytes in order (padded standard base64).
//
// It checks nothing: the bank id is checked by [CheckBankID], the organization comes from [unit.ParseOrganizationID], and
// the number is 1 to [MaxStatements]. From anything else comes a text that [ParseSubmissionText] refuses.
func SubmissionText(bankID string, organization unit.OrganizationID, key KeyID, statements int, root [32]byte) []byte {
	return lines(submissionTitle, bankID, string(organization), key.String(), statementType,
		strconv.Itoa(statements), base64.StdEncoding.EncodeToString(root[:]))
}

// A Submission is what a submission text says.
type Submission struct {
	BankID       string
	Organization unit.OrganizationID
	Key          KeyID
	// Statements is their number, 1 to MaxStatements.
	Statements int
	// Root is the RFC 6962 tree root over the statements' bytes, in order.
	Root [32]byte
}

// Text is the submission text of s.
func (s Submission) Text() []byte {
	return SubmissionText(s.BankID, s.Organization, s.Key, s.Statements, s.Root)
}

// ParseSubmissionText is the strict inverse of [SubmissionText]: it accepts exactly the bytes that function writes for valid
// arguments, and answers [ErrText] for all others. It says nothing about a signature.
func ParseSubmissionText(text []byte) (Submission, error) {
	if len(text) > maxSubmissionText {
		return Submission{}, fmt.Errorf("%w: %d bytes, more than %d", ErrText, len(text), maxSubmissionText)
	}
	line := strings.Split(string(text), "\n")
	if len(line) != 8 || line[7] != "" {
		return Submission{}, fmt.Errorf("%w: not seven lines, each ended by a line feed", ErrText)
	}
	if line[0] != submissionTitle {
		return Submission{}, fmt.Errorf("%w: line 1 is not %q", ErrText, submissionTitle)
	}
	if err := CheckBankID(line[1]); err != nil {
		return Submission{}, fmt.Errorf("%w: line 2: %w", ErrText, err)
	}
	organization, err := unit.ParseOrganizationID(line[2])
	if err != nil {
		return Submission{}, fmt.Errorf("%w: line 3: %w", ErrText, err)
	}
	key, err := ParseKeyID(line[3])
	if err != nil {
		return Submission{}, fmt.Errorf("%w: line 4: %w", ErrText, err)
	}
	if line[4] != statementType {
		return Submission{}, fmt.Errorf("%w: line 5 is not %q", ErrText, statementType)
	}
	statements, err := strconv.Atoi(line[5])
	if err != nil || statements < 1 || statements > MaxStatements {
		return Submission{}, fmt.Errorf("%w: line 6 is not a number from 1 to %d", ErrText, MaxStatements)
	}
	root, err := base64.StdEncoding.DecodeString(line[6])
	if err != nil || len(root) != 32 {
		return Submission{}, fmt.Errorf("%w: line 7 is not 32 bytes in base64", ErrText)
	}
	s := Submission{
		BankID: line[1], Organization: organization, Key: key, Statements: statements, Root: [32]byte(root),
	}
	// The readers of numbers and base64 are more lenient than the writers ("+1", "01", loose final bits): what was meant
	// must be what was written.
	if !bytes.Equal(s.Text(), text) {
		return Submission{}, fmt.Errorf("%w: not in canonical form", ErrText)
	}
	return s, nil
}

// RegistrationText is what the holder of a key signs with it to prove possession when it is registered: five lines,
// each ended by one LF, that name the bank, the organization, the key and its purpose. Naming the organization keeps others
// from registering a key that they only saw; naming the bank and the purpose keeps the proof from being used elsewhere.
// As in [SubmissionText] nothing is checked.
func RegistrationText(bankID string, organization unit.OrganizationID, key KeyID, purpose Purpose) []byte {
	return lines(registrationTitle, bankID, string(organization), key.String(), purpose.String())
}

// AgreementText is what an institution signs when it publishes an agreement: six lines, each ended by one LF, that name the bank,
// the institution, the key, the media type of the agreement, and the SHA-256 of its exact bytes (padded standard base64). As in
// [SubmissionText] nothing is checked.
func AgreementText(bankID string, institution unit.OrganizationID, key KeyID, hash [32]byte) []byte {
	return lines(agreementTitle, bankID, string(institution), key.String(), agreementType, base64.StdEncoding.EncodeToString(hash[:]))
}

func lines(line ...string) []byte { return []byte(strings.Join(line, "\n") + "\n") }
