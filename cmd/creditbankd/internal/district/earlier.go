package district

import (
	"fmt"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// EarlierDays is how many days before the district's day its bank was opened: longer ago than an institution has for an answer.
const EarlierDays = 40

const (
	// earlierLearned is how many days before the district's day somebody got the certificate that was posted first.
	earlierLearned = 45
	earlierScore   = 85
	// earlierCourse is the certificate, and earlierPlatform the place of the platform that posts such.
	earlierCourse   = "elderly-care-certificate"
	earlierPlatform = 1
)

// Earlier is what a platform posted when the bank was opened: a certificate of the resident with this account number.
func (d *District) Earlier(number unit.AccountNumber) (Submission, error) {
	p := d.newPlanner([]unit.AccountNumber{number})
	p.count = -1 // all others count from 0
	for _, c := range p.courses[earlierPlatform] {
		if c.Group != earlierCourse {
			continue
		}
		score := int32(earlierScore)
		l := learned{course: c, score: &score}
		p.attend(&l, earlierPlatform, d.Day.AddDate(0, 0, -earlierLearned), true)
		written, err := p.write(earlierPlatform, l, nil)
		return Submission{Platform: earlierPlatform, Statements: [][]byte{written.bytes}, New: 1}, err
	}
	return Submission{}, fmt.Errorf("district: there is no certificate %q", earlierCourse)
}
