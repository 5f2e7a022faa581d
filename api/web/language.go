package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// language is what a page is written in. A page is written in one.
type language string

const (
	chinese language = "zh"
	english language = "en"
)

func languages() []language { return []language{chinese, english} }

// phrase is said in both languages.
type phrase struct{ zh, en string }

func (l language) say(zh, en string) string {
	if l == english {
		return en
	}
	return zh
}

func (l language) of(p phrase) string { return l.say(p.zh, p.en) }

// name is what the language calls itself.
func (l language) name() string { return l.say("中文", "English") }

// tag is the language for browsers and screen readers (BCP 47).
func (l language) tag() string { return l.say("zh-CN", "en") }

func (l language) other() language {
	if l == english {
		return chinese
	}
	return english
}

// text is the bank's words in this language, or in the other one where it has none.
func (l language) text(t api.Text) string {
	if words := l.say(t.ZH, t.EN); words != "" {
		return words
	}
	return l.other().say(t.ZH, t.EN)
}

// foreign is the tag of a text that was not written for this page, such as the title of a course, where it is in Chinese and
// the page is not; otherwise empty. Screen readers change their voice by it.
func (l language) foreign(s string) string {
	if l != chinese && strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return chinese.tag()
	}
	return ""
}

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

// amount: "90 分钟", "1 minute".
func (l language) amount(n int64, zh, one, many string) string {
	unit := l.say(zh, many)
	if n == 1 {
		unit = l.say(zh, one)
	}
	return strconv.FormatInt(n, 10) + nbsp + unit
}

func (l language) minutes(n unit.Minutes) string {
	return l.amount(int64(n), "分钟", "minute", "minutes")
}

// hours are minutes in learning hours as far as they make whole ones: "2 学时 10 分钟". Hour is how many minutes the policy
// makes one of; 0 where that is not known.
func (l language) hours(n, hour unit.Minutes) string {
	if hour <= 0 || n < hour {
		return l.minutes(n)
	}
	whole := l.amount(int64(n/hour), "学时", "learning hour", "learning hours")
	if n%hour == 0 {
		return whole
	}
	return whole + " " + l.minutes(n%hour)
}

// learned is hours with the minutes that they are: "2 学时 10 分钟（100 分钟）".
func (l language) learned(n, hour unit.Minutes) string {
	if hour <= 0 || n < hour {
		return l.minutes(n)
	}
	return l.hours(n, hour) + fmt.Sprintf(l.say("（%s）", " (%s)"), l.minutes(n))
}

// credits: "0.1 学分".
func (l language) credits(c unit.Credits) string {
	return l.decimal(creditNumber(c), "学分", "credit", "credits")
}

// points: "1.8 积分".
func (l language) points(p unit.Points) string {
	return l.decimal(pointNumber(p), "积分", "point", "points")
}

func (l language) decimal(number, zh, one, many string) string {
	if number == "1" {
		return number + nbsp + l.say(zh, one)
	}
	return number + nbsp + l.say(zh, many)
}

// creditNumber is an amount without idle zeros: "0.1".
func creditNumber(c unit.Credits) string { return withoutIdleZeros(c.String()) }

// pointNumber is an amount without idle zeros: "1.8".
func pointNumber(p unit.Points) string { return withoutIdleZeros(p.String()) }

func withoutIdleZeros(decimal string) string {
	return strings.TrimSuffix(strings.TrimRight(decimal, "0"), ".")
}

// date: "2026年3月5日".
func (l language) date(t time.Time) string {
	return l.say(fmt.Sprintf("%d年%d月%d日", t.Year(), t.Month(), t.Day()), t.Format("2 January 2006"))
}

func (l language) year(year string) string { return l.say(year+" 年", year) }

// size is how large the type of a page is.
type size string

const (
	standard size = "standard"
	large    size = "large"
	largest  size = "largest"
)

func sizes() []size { return []size{standard, large, largest} }

func (s size) name() phrase {
	switch s {
	case large:
		return phrase{"大", "Large"}
	case largest:
		return phrase{"特大", "Largest"}
	default:
		return phrase{"标准", "Standard"}
	}
}

// Parameters of pages, and the cookies in which a browser keeps them.
const (
	languageParam  = "lang"
	sizeParam      = "size"
	languageCookie = "creditbank_language"
	sizeCookie     = "creditbank_size"
	preferenceLife = 365 * 24 * time.Hour
)

// taste is how a reader wants pages.
type taste struct {
	language language
	size     size
}

// tasteOf is what the address says, or else the browser's cookie, or else for the language what the browser prefers. What the
// address says is kept in a cookie.
func (s *site) tasteOf(w http.ResponseWriter, r *http.Request) taste {
	query := r.URL.Query()
	t := taste{language: preferred(r.Header.Get("Accept-Language")), size: standard}
	if l, ok := oneOf(languages(), cookieValue(r, languageCookie)); ok {
		t.language = l
	}
	if size, ok := oneOf(sizes(), cookieValue(r, sizeCookie)); ok {
		t.size = size
	}
	if l, ok := oneOf(languages(), query.Get(languageParam)); ok {
		t.language = l
		s.keep(w, languageCookie, string(l))
	}
	if size, ok := oneOf(sizes(), query.Get(sizeParam)); ok {
		t.size = size
		s.keep(w, sizeCookie, string(size))
	}
	return t
}

func oneOf[T ~string](known []T, s string) (T, bool) {
	for _, k := range known {
		if string(k) == s {
			return k, true
		}
	}
	return "", false
}

// preferred is the first language of Accept-Language (RFC 9110 §12.5.4) that there are pages in; Chinese if there is none.
// Browsers list languages in the order of preference, so their weights are not read.
func preferred(accepted string) language {
	for tag := range strings.SplitSeq(accepted, ",") {
		tag, _, _ = strings.Cut(tag, ";")
		primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
		if l, ok := oneOf(languages(), strings.ToLower(primary)); ok {
			return l
		}
	}
	return chinese
}

func (s *site) keep(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is for the operator to say: a demo has no TLS
		Name: name, Value: value, Path: "/", MaxAge: int(preferenceLife / time.Second),
		HttpOnly: true, Secure: s.config.Secure, SameSite: http.SameSiteLaxMode,
	})
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}
