package rules

import (
	"strconv"
	"strings"

	policyv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/policy/v1"

	"github.com/learning-credit-bank/creditbank/ledger/unit"
)

// Text is said in the languages of the pages.
type Text struct {
	ZH string // simplified Chinese
	EN string
}

// TextOf is a text of the schema.
func TextOf(t *policyv1.Text) Text { return Text{ZH: t.GetZh(), EN: t.GetEn()} }

// In is the text in a language: Chinese for "zh" and its regions ("zh-CN"), English for every other.
func (t Text) In(lang string) string {
	if IsChinese(lang) {
		return t.ZH
	}
	return t.EN
}

// IsChinese says whether a language is Chinese.
func IsChinese(lang string) bool { return lang == "zh" || strings.HasPrefix(lang, "zh-") }

// Placeholders are what stands for numbers in words.
func Placeholders() []string { return []string{"{before}", "{after}", "{limit}", "{carried}"} }

// Fill puts numbers into words.
func Fill(words, before, after, limit, carried string) string {
	words = strings.TrimSpace(words)
	numbers := [...]string{before, after, limit, carried} // none of them has braces
	for i, name := range Placeholders() {
		words = strings.ReplaceAll(words, name, numbers[i])
	}
	return words
}

// strangePlaceholder is the first thing in braces that is no placeholder; empty where there is none.
func strangePlaceholder(words string, known []string) string {
	for _, name := range known {
		words = strings.ReplaceAll(words, name, "")
	}
	i := strings.IndexAny(words, "{}")
	if i < 0 {
		return ""
	}
	if end := strings.IndexByte(words[i:], '}'); end >= 0 {
		return words[i : i+end+1]
	}
	return words[i : i+1]
}

// CreditWords says milli-credits without idle zeros: "0.5 学分", "1 credit".
func CreditWords(n int64, lang string) string {
	return amountWords(unit.Credits(n).String(), "学分", "credit", lang)
}

// PointWords says milli-points without idle zeros: "1.8 积分", "1 point".
func PointWords(n int64, lang string) string {
	return amountWords(unit.Points(n).String(), "积分", "point", lang)
}

func amountWords(amount, zh, en, lang string) string {
	number := strings.TrimSuffix(strings.TrimRight(amount, "0"), ".")
	switch {
	case IsChinese(lang):
		return number + " " + zh
	case number == "1":
		return number + " " + en
	default:
		return number + " " + en + "s"
	}
}

// MonthWords says months.
func MonthWords(n int64, lang string) string {
	if IsChinese(lang) {
		return Count(n) + " 个月"
	}
	return Plural(n, "month")
}

// CompletionWords says completions.
func CompletionWords(n int64, lang string) string {
	if IsChinese(lang) {
		return Count(n) + " 人次"
	}
	return Plural(n, "completion")
}

// Count says a number.
func Count(n int64) string { return strconv.FormatInt(n, 10) }

// Plural says a number of things in English.
func Plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return Count(n) + " " + word + "s"
}
