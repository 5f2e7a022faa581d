package district

import (
	"fmt"
	"math/rand/v2"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Person is somebody who learns, and does not exist.
type Person struct {
	Name string
	// Identity is a number that has the right check digit and belongs to nobody known.
	Identity string
	// Home is the school or learning point near by.
	Home, Contact string
	// Checked says that a registrar saw the identity card; for the others a platform opened the account.
	Checked bool
	// Platform is the platform that opens the account when nobody checked, by its place in Platforms.
	Platform int
}

// People are those who get an account. The first ones are listed: see Listed.
func (d *District) People() ([]Person, error) {
	const (
		surnames = "陈王沈张徐李吴周朱金陆俞钱叶何郑孙方章楼潘胡蒋赵汪余傅许施姚"
		first    = "建国秀志玉桂文雪晓海丽春永水金美国立家慧明伟婷芳华静敏杰宏"
		second   = "英华珍芬兰根法娟祥明芳良琴强平林梅云龙军燕红萍飞霞勇波莲"
	)
	r := d.random("people")
	taken := make(map[unit.IdentityNumber]bool)
	homes := homes()
	people := make([]Person, 0, d.Accounts)
	for len(people) < d.Accounts {
		born := d.Day.AddDate(-age(r), 0, -r.IntN(365))
		identity, err := unit.IdentityNumberFor(fmt.Sprintf("330106%s%03d", born.Format("20060102"), r.IntN(1000)))
		if err != nil {
			return nil, fmt.Errorf("district: %w", err)
		}
		name := pick(r, surnames) + pick(r, first)
		if r.IntN(3) > 0 {
			name += pick(r, second)
		}
		p := Person{
			Name: name, Identity: string(identity), Home: homes[r.IntN(len(homes))],
			Checked: len(people) < maxListed || r.IntN(10) > 0, Platform: r.IntN(len(Platforms())),
		}
		if taken[identity] {
			continue
		}
		taken[identity] = true
		p.Contact = fmt.Sprintf("learner-%05d@example.org", len(people)+1)
		people = append(people, p)
	}
	return people, nil
}

// age is how old somebody is who learns in the neighbourhood: most are retired.
func age(r *rand.Rand) int {
	if r.IntN(10) < 6 {
		return 60 + r.IntN(22)
	}
	return 19 + r.IntN(41)
}

func pick(r *rand.Rand, characters string) string {
	all := []rune(characters)
	return string(all[r.IntN(len(all))])
}

// homes are the schools and the points below them.
func homes() []string {
	var all []string
	for _, s := range schools() {
		all = append(all, s.id)
		for i := 0; i < len(s.points); i += 2 {
			all = append(all, s.points[i])
		}
	}
	return all
}

const maxListed = 8

// Listed is how many of the people are shown by name: they come first, and all they do gives credits.
func (d *District) Listed() int { return min(maxListed, d.Accounts/3, d.Completions/(2*listedCourses)) }
