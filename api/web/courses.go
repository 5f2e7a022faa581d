package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
)

const (
	coursesOnPage = 30
	coursesPath   = "/courses"
	searchParam   = "q"
)

// courses shows everybody the accredited courses, and finds some by words. It is the same for all who ask.
func (s *site) courses(w http.ResponseWriter, r *http.Request) error {
	words := strings.TrimSpace(r.URL.Query().Get(searchParam))
	found, err := s.config.Bank.ListCourses(r.Context(), api.CourseFilter{Status: api.CourseAccredited, Search: words},
		api.Page{Size: coursesOnPage, Token: r.URL.Query().Get(pageParam)})
	if err != nil {
		return err
	}
	t := s.tasteOf(w, r)
	p := s.pageFor(t, r, t.language.say("课程目录", "Courses"))
	p.Content = t.language.courses(found, words)
	return s.show(w, coursesName, http.StatusOK, p)
}

// The catalogue as the template shows it.
type (
	courseList struct {
		Search, SearchTag string
		// Count says how many there are on all pages.
		Count   string
		Courses []course
		// More is the address of the next page, empty on the last one.
		More string
	}
	course struct {
		Title, TitleTag, Provider, ProviderTag string
		Category, Level, Learned, Code         string
		Capacity                               int
		Days, Suspended                        []string
	}
)

func (l language) courses(found api.Catalogue, words string) courseList {
	list := courseList{Search: words, SearchTag: l.foreign(words), Count: l.amount(int64(found.Total), "门课程", "course", "courses")}
	if found.Next != "" {
		query := url.Values{pageParam: {found.Next}}
		if words != "" {
			query.Set(searchParam, words)
		}
		list.More = coursesPath + "?" + query.Encode()
	}
	for _, c := range found.Courses {
		shown := course{
			Title: c.Title, TitleTag: l.foreign(c.Title), Provider: c.ProviderName, ProviderTag: l.foreign(c.ProviderName),
			Category: l.text(c.CategoryName), Learned: l.minutes(c.NominalMinutes), Code: c.Code, Capacity: c.Capacity,
			Days: []string{l.days(api.Days{From: c.ValidFrom, Until: c.ValidUntil})},
		}
		if c.Level > 0 {
			shown.Level = l.text(c.LevelName)
		}
		for _, days := range c.Renewed {
			shown.Days = append(shown.Days, l.days(days))
		}
		for _, days := range c.Suspended {
			shown.Suspended = append(shown.Suspended, l.days(days))
		}
		list.Courses = append(list.Courses, shown)
	}
	return list
}

// days says a run of days.
func (l language) days(d api.Days) string {
	if d.Until == "" {
		return l.say(l.dateOf(d.From)+"起", "from "+l.dateOf(d.From))
	}
	return l.say(l.dateOf(d.From)+"至"+l.dateOf(d.Until), "from "+l.dateOf(d.From)+" to "+l.dateOf(d.Until))
}

// dateOf says a day that is written as YYYY-MM-DD.
func (l language) dateOf(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return l.date(t)
}
