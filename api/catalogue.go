package api

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxSearchCharacters bounds what is searched for.
const maxSearchCharacters = 100

// CourseFilter says which courses are listed; what is empty does not filter.
type CourseFilter struct {
	Provider, Category string
	Status             CourseStatus
	// Search are words that are all found in title, code, provider or its name.
	Search string
	// Within is an organization, whose own and whose descendants' courses are listed.
	Within string
	// Level filters where it is not nil.
	Level *int
	// ValidOn is YYYY-MM-DD: courses that count for learning that ends on this day.
	ValidOn     string
	HasCapacity bool
}

// Catalogue is a page of the catalogue.
type Catalogue struct {
	Courses []Course
	// Next is where to go on; empty on the last page.
	Next string
	// Total is how many courses there are on all pages together.
	Total int
}

// ListCourses answers a page of the public catalogue, in the order in which the courses were proposed.
func (b *Bank) ListCourses(ctx context.Context, filter CourseFilter, page Page) (Catalogue, error) {
	size, fault := page.size(usualDirectoryPage, maxDirectoryPage)
	if fault != nil {
		return Catalogue{}, fault
	}
	if fault := checkText("search", strings.TrimSpace(filter.Search), 0, maxSearchCharacters); fault != nil {
		return Catalogue{}, fault
	}
	day, fault := parseDay("valid_on", filter.ValidOn, true)
	if fault != nil {
		return Catalogue{}, fault
	}
	var from uint64
	if err := parsePageToken(page.Token, filter, &from); err != nil {
		return Catalogue{}, err
	}
	d, err := b.newestDirectory(ctx)
	if err != nil {
		return Catalogue{}, err
	}
	var (
		found    Catalogue
		next     uint64
		now      = b.config.Now()
		policies = make(map[string]*published)
		takes    = filter.takes(d, day)
	)
	among := d.courses
	if filter.Provider != "" {
		among = d.provided[filter.Provider]
	}
	for _, c := range among {
		if !takes(c) {
			continue
		}
		found.Total++
		switch {
		case c.GetIndex() < from || next != 0:
		case len(found.Courses) == size:
			next = c.GetIndex()
		default:
			found.Courses = append(found.Courses, d.courseOf(c, d.policyOnce(policies, c.fact.GetProvider(), now)))
		}
	}
	if next != 0 {
		found.Next, err = pageToken(filter, next)
	}
	return found, err
}

// policyOnce is policyFor, which is asked once for each provider.
func (d *directory) policyOnce(known map[string]*published, provider string, now time.Time) *published {
	p, ok := known[provider]
	if !ok {
		p = d.policyFor(provider, now)
		known[provider] = p
	}
	return p
}

// takes answers the filter's question of a course. The day of ValidOn is given, 0: none.
func (f CourseFilter) takes(d *directory, day int32) func(c *course) bool {
	words := strings.Fields(folded(f.Search))
	inside := make(map[string]bool)
	within := func(provider string) bool {
		answer, known := inside[provider]
		if !known {
			answer = d.Within(provider, f.Within)
			inside[provider] = answer
		}
		return answer
	}
	return func(c *course) bool {
		return (f.Category == "" || f.Category == c.fact.GetCategory()) &&
			(f.Status == 0 || f.Status == c.status()) &&
			(f.Level == nil || *f.Level == int(c.fact.GetLevel())) &&
			(!f.HasCapacity || c.fact.GetCapacity() > 0) &&
			(day == 0 || c.counts() && contains(c.open, day)) &&
			(f.Within == "" || within(c.fact.GetProvider())) &&
			!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(c.words, word) })
	}
}

// searchable joins texts so that each can be searched, and no word is found across two of them.
func searchable(texts ...string) string { return folded(strings.Join(texts, "\x00")) }

// folded writes a text as all its spellings are: in small letters, and as narrow as they come (the full-width forms of Unicode's block
// FF00 to FFEF are written by Chinese keyboards).
func folded(text string) string {
	narrow := func(r rune) rune {
		switch {
		case r >= '\uff01' && r <= '\uff5e':
			r -= '\uff01' - '!'
		case r == '\u3000':
			return ' '
		}
		return unicode.ToLower(unicode.ToUpper(r)) // sigma has two small forms
	}
	return strings.Map(narrow, text)
}
