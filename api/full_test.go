package api_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
)

// taught are the minutes of two classes that give 20 credits each.
const taught = 2 * 2 * wholeCourse

// beyond is somebody with 24 credits, as many as the caps allow, and 16.2 that wait since entries that were settled already.
func beyond(t *testing.T) (*bank, api.Account) {
	t.Helper()
	b := newBank(t)
	account := b.Open()
	for _, days := range []int{60, 30} {
		b.one(b.learned(account, apitest.Welding, days, 2*wholeCourse))
	}
	b.little(account, 9)
	b.little(account, 8)
	b.has(account, taught+2*90, 24_000, 16_200, 0)
	return b, account
}

// little records a completion of a tenth of a credit that ended so many days ago.
func (b *bank) little(account api.Account, daysAgo int) {
	b.t.Helper()
	end := b.Clock.Now().Truncate(time.Hour).AddDate(0, 0, -daysAgo)
	b.one(b.learnedUntil(account, apitest.Calligraphy, end, 90))
}

// Whatever makes room under the caps, the next completion finds that what waited was released before it.
func TestReleaseBeforeTheNextCompletion(t *testing.T) {
	t.Parallel()
	t.Run("a day", func(t *testing.T) {
		t.Parallel()
		b, account := beyond(t)
		b.Clock.Advance(20 * 24 * time.Hour) // another half-year, of the same year: 18 of 42 are left
		b.little(account, 0)
		b.has(account, taught+3*90, 24_000+16_200+100, 0, 0)
	})
	t.Run("a policy", func(t *testing.T) {
		t.Parallel()
		b, account := beyond(t)
		yaml := beishanPolicy(t, "1", "2024-03-30", "")
		b.publish(bytes.Replace(yaml, []byte("milli_credits: 24000"), []byte("milli_credits: 34000"), 1)) // for its classes, at once
		b.little(account, 7)
		b.has(account, taught+3*90, 24_300, 16_000, 0)
	})
	t.Run("a period in which there is room", func(t *testing.T) {
		t.Parallel()
		b, account := beyond(t)
		for _, days := range []int{45, 75} {
			b.one(b.learned(account, apitest.Welding, days, 2*wholeCourse))
		}
		b.Clock.Advance(200 * 24 * time.Hour) // 2027, with 6 left of its first half; of the institution there are 60
		b.little(account, 0)
		b.has(account, 2*taught+3*90, 60_300, 20_000, 0)
		b.little(account, 20) // of 2026, which is full
		b.has(account, 2*taught+4*90, 60_300, 20_200, 0)
		b.little(account, 0)
		b.has(account, 2*taught+5*90, 60_600, 20_000, 0)
	})
}
