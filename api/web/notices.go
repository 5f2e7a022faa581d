package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/learning-credit-bank/creditbank/api"
)

const (
	noticesOnPage = 50
	noticesPath   = "/notices"
)

// notices shows everybody what is under public notice, with masked names. It is the same for all who ask.
func (s *site) notices(w http.ResponseWriter, r *http.Request) error {
	notices, next, err := s.config.Bank.ListNotices(r.Context(), "", api.Page{Size: noticesOnPage, Token: r.URL.Query().Get(pageParam)})
	if err != nil {
		return err
	}
	t := s.tasteOf(w, r)
	p := s.pageFor(t, r, t.language.say("公示", "Public notices"))
	p.Content = t.language.notices(notices, next)
	return s.show(w, noticesName, http.StatusOK, p)
}

// The notices as the template shows them.
type (
	noticeList struct {
		Notices []notice
		// More is the address of the next page, empty on the last one.
		More string
	}
	notice struct {
		Name, NameTag, Title, TitleTag, Provider, ProviderTag string
		Learned, Ended, Until                                 string
		Number                                                uint64
	}
)

func (l language) notices(all []api.Notice, next string) noticeList {
	var list noticeList
	if next != "" {
		list.More = noticesPath + "?" + url.Values{pageParam: {next}}.Encode()
	}
	for _, n := range all {
		shown := notice{
			Name: n.Name, NameTag: l.foreign(n.Name), Title: n.Title, TitleTag: l.foreign(n.Title),
			Provider: n.ProviderName, ProviderTag: l.foreign(n.ProviderName), Ended: n.EndDate, Number: n.Case,
			// A deadline is a midnight: what people want to know is the day before it.
			Until: l.date(n.Ends.Add(-time.Microsecond).In(n.Zone)),
		}
		if n.Minutes > 0 { // of a claim they lie under a seal
			shown.Learned = l.minutes(n.Minutes)
		}
		if day, err := time.Parse(time.DateOnly, n.EndDate); err == nil {
			shown.Ended = l.date(day)
		}
		list.Notices = append(list.Notices, shown)
	}
	return list
}
