package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/certify/policy"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

const (
	// entriesOnPage is how many entries are shown at once: with large type on a phone a page of them is a long way already.
	entriesOnPage = 20
	// transfersOnPage is how many transfers are shown: the newest.
	transfersOnPage = 20
	pageParam       = "page"
)

// portfolio answers the record of whoever is signed in. Browsers without a session are sent to sign in; programs, and those
// who hold no account, are refused.
func (s *site) portfolio(w http.ResponseWriter, r *http.Request) error {
	caller, err := s.caller(r)
	switch e := api.AsError(err); {
	case e != nil && e.Kind == api.Unauthenticated && bearer(r) == "":
		s.tasteOf(w, r)
		s.setSession(w, "", -1)
		http.Redirect(w, r, signInPath+"?"+endedParam, http.StatusSeeOther)
		return nil
	case err != nil:
		return err
	case caller.Kind == access.Anonymous:
		s.tasteOf(w, r)
		http.Redirect(w, r, signInPath, http.StatusSeeOther)
		return nil
	case caller.Kind != access.Resident:
		s.showFault(w, r, holdersFault())
		return nil
	}
	return s.showPortfolio(w, r, caller)
}

func (s *site) showPortfolio(w http.ResponseWriter, r *http.Request, caller access.Caller) error {
	ctx, bank := r.Context(), s.config.Bank
	place := r.URL.Query().Get(pageParam)
	account, err := bank.GetAccount(ctx, caller, caller.Account)
	if err != nil {
		return err
	}
	sum, err := bank.GetPortfolio(ctx, caller, caller.Account, 0)
	if err != nil {
		return err
	}
	entries, next, err := bank.ListPortfolioEntries(
		ctx, caller, caller.Account, "", true, api.Page{Size: entriesOnPage, Token: place})
	if err != nil {
		return err
	}
	var transfers []api.Transfer
	if place == "" {
		transfers, _, err = bank.ListTransfers(ctx, caller, api.TransferFilter{Account: caller.Account}, api.Page{Size: transfersOnPage})
		if err != nil {
			return err
		}
	}
	decided, err := s.rulesOf(ctx, entries)
	if err != nil {
		return err
	}

	t := s.tasteOf(w, r)
	p := s.pageFor(t, r, t.language.say("我的终身学习档案", "My lifelong learning record"))
	p.SignedIn = true
	view := recordView{language: t.language, rules: decided}
	view.usual = view.last(entries)
	content := view.record(account, sum, entries, place == "", next)
	content.Transfers = view.transfers(transfers)
	if content.First {
		institutions, err := s.tookOver(ctx, caller, t.language)
		if err != nil {
			return err
		}
		content.Export = view.exportForm(institutions)
		if content.Looks, err = s.looksOf(ctx, caller, view); err != nil {
			return err
		}
	}
	p.Content = content
	return s.show(w, portfolioName, http.StatusOK, p)
}

// rules are what a page says of a policy version.
type rules struct {
	title   api.Text
	version string
	// hour is the minutes of a learning hour, zone that of its days.
	hour unit.Minutes
	zone *time.Location
}

type policyHash [sha256.Size]byte

// rulesOf answers the policies that decided on entries, by hash.
func (s *site) rulesOf(ctx context.Context, entries []api.PortfolioEntry) (map[policyHash]rules, error) {
	decided := make(map[policyHash]rules)
	for _, entry := range entries {
		if len(entry.Decision.PolicyHash) != sha256.Size {
			continue
		}
		hash := policyHash(entry.Decision.PolicyHash)
		if _, ok := decided[hash]; ok {
			continue
		}
		known, ok := s.policies.Get(hash)
		if !ok {
			_, yaml, err := s.config.Bank.GetPolicy(ctx, hash[:])
			if err != nil {
				return nil, err
			}
			compiled, err := policy.Load(yaml)
			if err != nil {
				return nil, fmt.Errorf("web: published policy %x: %w", hash, err)
			}
			known = rules{
				title: compiled.Title(), version: compiled.Version(), hour: unit.Minutes(compiled.LearningHour()), zone: compiled.Zone(),
			}
			s.policies.Add(hash, known)
		}
		decided[hash] = known
	}
	return decided, nil
}

// The record as the template shows it: all amounts in words.
type (
	record struct {
		// First is the page of the newest entries, which also has everything that is not an entry.
		First          bool
		Number, Status string
		Totals         []total
		// Rare are amounts that most residents do not have.
		Rare []total
		// Points are the reward points, shown apart from the credits; nil where there never were any.
		Points     *pointsCard
		Categories []categoryLine
		Sum        categoryLine
		Years      []requiredYear
		Transfers  []transferLine
		Entries    []entryYear
		// Looks are who looked at the record, on the first page.
		Looks *looks
		// Older is the address of the next page, empty on the last one.
		Older   string
		LogSize uint64
		// Hour is the minutes of a learning hour; 0 where there is no entry to tell.
		Hour int64
		// Export is how to take the record along.
		Export exportForm
	}
	total struct {
		Label, Amount, Unit, Words string
	}
	pointsCard struct {
		Amount, Unit string
		Lines        []string // when they lapse, and what is in the way of spending them
	}
	categoryLine struct {
		Name, Tag, Hours, Credits, Pending string
		// Available and Waiting are the lengths of the bar, as SVG says them.
		Available, Waiting string
	}
	requiredYear struct {
		Year  string
		Lines []requirementLine
	}
	requirementLine struct {
		Met               bool
		Words, Tag, Share string
	}
	entryYear struct {
		Year    string
		Entries []entry
	}
	entry struct {
		Title, TitleTag, Provider, ProviderTag string
		Date, ISODate                          string
		Class, Sign, Outcome                   string
		// Learned and Credits are what counts, Pending what of it waits; Nothing says why nothing does. Points come beside.
		Learned, Credits, Pending, Nothing, Points string
		// Moved says what institutions were asked to take over of it, and have.
		Moved                        []string
		Reasons                      []reason
		OfficerReason, Note, NoteTag string
		Case                         *caseShown
		// Source is the other system under which it was earned, Facts are what is known of that; empty: it was learned here.
		Source, SourceTag string
		Facts             []fact
		// Claim says that it is a claim to prior learning; Facts are what is claimed then, beside its reasons.
		Claim bool
		// Merged says that it came over from another account of the same person.
		Merged                     bool
		Policy, PolicyTag, Version string
		Index                      uint64
		Recorded                   string
	}
	fact   struct{ Label, Words, Tag string }
	reason struct {
		Stage, Words, Tag, Chain string
	}
)

// recordView says a record in a language.
type recordView struct {
	language

	rules map[policyHash]rules
	// usual are the rules that decided last: by them is said what no rule decided. They are zero where there are none.
	usual rules
}

func (v recordView) record(
	account api.Account, sum *api.Portfolio, entries []api.PortfolioEntry, first bool, next string,
) record {
	c := record{
		First: first, Number: account.Number.Grouped(), Status: v.accountStatus(account.Status), LogSize: sum.LogSize,
	}
	hour := v.usual.hour // how many minutes make a learning hour
	c.Hour = int64(hour)
	if next != "" {
		c.Older = homePath + "?" + url.Values{pageParam: {next}}.Encode()
	}
	for _, e := range entries {
		year, _, _ := cutYear(e.EndDate)
		if n := len(c.Entries); n == 0 || c.Entries[n-1].Year != v.year(year) {
			c.Entries = append(c.Entries, entryYear{Year: v.year(year)})
		}
		group := &c.Entries[len(c.Entries)-1]
		group.Entries = append(group.Entries, v.entry(e))
	}
	if first {
		c.Totals, c.Rare = v.totals(sum, hour), v.rare(sum.Totals)
		c.Points = v.points(sum.Points)
		c.Categories, c.Sum = v.categories(sum, hour)
		c.Years = v.requirements(sum.Requirements)
	}
	return c
}

func cutYear(date string) (year, rest string, ok bool) {
	const digits = len("2006")
	if len(date) < digits {
		return date, "", false
	}
	return date[:digits], date[digits:], true
}

// last are the rules that decided last.
func (v recordView) last(entries []api.PortfolioEntry) rules {
	for _, e := range entries {
		if decided, ok := v.decidedUnder(e); ok {
			return decided
		}
	}
	return rules{}
}

func (v recordView) decidedUnder(e api.PortfolioEntry) (rules, bool) {
	if len(e.Decision.PolicyHash) != sha256.Size {
		return rules{}, false
	}
	decided, ok := v.rules[policyHash(e.Decision.PolicyHash)]
	return decided, ok
}

func (v recordView) totals(p *api.Portfolio, hour unit.Minutes) []total {
	learned := total{Label: v.say("累计学习", "Time learned"), Amount: strconv.FormatInt(int64(p.Totals.Minutes), 10), Unit: v.say("分钟", "minutes")}
	if hour > 0 {
		learned.Amount = strconv.FormatInt(int64(p.Totals.Minutes/hour), 10)
		learned.Unit = v.say("学时", "learning hours")
		if rest := p.Totals.Minutes % hour; rest > 0 {
			learned.Unit += " " + v.minutes(rest)
		}
		learned.Words = fmt.Sprintf(v.say("共 %s", "%s in all"), v.minutes(p.Totals.Minutes))
	}
	return []total{
		{
			v.say("可用学分", "Available"), creditNumber(p.Totals.Available), v.say("学分", "credits"),
			v.say("已认定，可以使用", "certified, yours to use"),
		},
		{
			v.say("待计入学分", "Pending"), creditNumber(p.Totals.Pending), v.say("学分", "credits"),
			v.say("超出上限，暂缓计入", "above a limit, waiting"),
		},
		learned,
		{
			v.say("学习记录", "Entries"), strconv.FormatInt(p.EntryCount, 10), v.say("条", "entries"),
			v.say("全部记入账本", "all in the log"),
		},
	}
}

// rare are the amounts in the other states, where there are any.
func (v recordView) rare(t api.Totals) []total {
	var rare []total
	for _, state := range []struct {
		label  string
		amount unit.Credits
	}{
		{v.say("已预留", "Reserved"), t.Reserved},
		{v.say("已转换", "Transferred"), t.Transferred},
		{v.say("已过期", "Expired"), t.Expired},
		{v.say("已冲回", "Reversed"), t.Reversed},
	} {
		if state.amount != 0 {
			rare = append(rare, total{Label: state.label, Amount: v.credits(state.amount)})
		}
	}
	return rare
}

// points are the reward points: how many, until when, and what is in the way of spending them.
func (v recordView) points(t api.PointTotals) *pointsCard {
	if t.Points == 0 && t.Lapsed == 0 {
		return nil
	}
	card := &pointsCard{Amount: pointNumber(t.Points), Unit: v.say("积分", "points")}
	for _, lapse := range t.Lapses {
		words := v.say("长期有效", "They do not lapse")
		if day, err := time.Parse(time.DateOnly, lapse.LastDate); err == nil {
			words = fmt.Sprintf(v.say("有效期至%s，逾期失效", "Valid until %s; after that they lapse"), v.date(day))
		}
		if len(t.Lapses) > 1 {
			words = v.language.points(lapse.Points) + v.say("：", ": ") + words
		}
		card.Lines = append(card.Lines, words)
	}
	if t.Lapsed != 0 {
		card.Lines = append(card.Lines, fmt.Sprintf(v.say("%s 已失效", "%s have lapsed"), v.language.points(t.Lapsed)))
	}
	if t.WaitsForVerification {
		card.Lines = append(card.Lines, v.say("身份核验后方可使用", "They can be spent once your identity is verified"))
	}
	return card
}

func (v recordView) categories(p *api.Portfolio, hour unit.Minutes) (lines []categoryLine, sum categoryLine) {
	var most unit.Credits
	for _, c := range p.Categories {
		most = max(most, c.Totals.Available+c.Totals.Pending)
	}
	line := func(name string, t api.Totals) categoryLine {
		l := categoryLine{
			Name: name, Tag: v.foreign(name), Hours: v.hours(t.Minutes, hour), Credits: creditNumber(t.Available),
			Available: share(int64(t.Available), int64(most)), Waiting: share(int64(t.Pending), int64(most)),
		}
		if t.Pending != 0 {
			l.Pending = creditNumber(t.Pending)
		}
		return l
	}
	for _, c := range p.Categories {
		lines = append(lines, line(v.text(c.Name), c.Totals))
	}
	return lines, line("", p.Totals)
}

// share is a part of a whole, in tenths of a percent and at most all of it: "37.5%".
func share(part, whole int64) string {
	if whole <= 0 || part <= 0 {
		return "0%"
	}
	const thousand = 1000
	n := thousand
	if part < whole {
		n = int(part * thousand / whole)
	}
	return fmt.Sprintf("%d.%d%%", n/10, n%10)
}

func (v recordView) requirements(all []api.Requirement) (years []requiredYear) {
	for _, r := range all {
		year := v.year(strconv.Itoa(r.Year))
		if n := len(years); n == 0 || years[n-1].Year != year {
			years = append(years, requiredYear{Year: year})
		}
		words := v.text(r.Words)
		last := &years[len(years)-1]
		last.Lines = append(last.Lines, requirementLine{
			Met: r.Met, Words: words, Tag: v.foreign(words), Share: share(int64(r.Minutes), int64(r.Required)),
		})
	}
	return years
}

func (v recordView) entry(e api.PortfolioEntry) entry {
	d := e.Decision
	shown := entry{
		Title: e.Title, Provider: e.ProviderName, Date: e.EndDate, ISODate: e.EndDate, Index: e.Index,
		Class: outcomeClass(d.Outcome), Nothing: v.nothing(d.Outcome), Note: e.Note, NoteTag: v.foreign(e.Note),
		Merged: e.Merged,
	}
	if e.Opening != nil {
		v.opening(e, &shown)
	}
	if e.Claim != nil {
		v.claim(e, &shown)
	}
	if shown.Title == "" {
		shown.Title = e.Course
	}
	if shown.Provider == "" {
		shown.Provider = e.Provider
	}
	shown.TitleTag, shown.ProviderTag = v.foreign(shown.Title), v.foreign(shown.Provider)
	shown.Sign, shown.Outcome = v.outcome(d.Outcome)
	if day, err := time.Parse(time.DateOnly, e.EndDate); err == nil {
		shown.Date = v.date(day)
	}
	zone := time.UTC
	decided, ok := v.decidedUnder(e)
	if ok {
		zone = decided.zone
		shown.Policy, shown.Version = v.text(decided.title), decided.version
		shown.PolicyTag = v.foreign(shown.Policy)
	} else if v.usual.zone != nil {
		decided, zone = v.usual, v.usual.zone
	}
	shown.Recorded = v.date(e.Recorded.In(zone))
	shown.Case = v.progress(e.Case, zone)
	if e.Reserved != 0 {
		shown.Moved = append(shown.Moved, fmt.Sprintf(v.say("另有 %s已预留", "another %sreserved"), v.credits(e.Reserved)+v.say("", " ")))
	}
	if e.Transferred != 0 {
		shown.Moved = append(shown.Moved, fmt.Sprintf(v.say("另有 %s已转换", "another %stransferred"), v.credits(e.Transferred)+v.say("", " ")))
	}
	if shown.Nothing == "" {
		shown.Learned = v.learned(d.Minutes, decided.hour)
		shown.Credits = v.credits(d.Available + d.Pending)
		if d.Points != 0 {
			shown.Points = fmt.Sprintf(v.say("另得 %s", "and %s"), v.language.points(d.Points))
		}
		if e.Opening != nil && d.Minutes == 0 {
			shown.Learned = "" // credits alone, without the hours that led to them
		}
		switch {
		case d.Pending == 0:
		case d.Available == 0:
			shown.Pending = v.say("（待计入）", "(pending)")
		default:
			shown.Pending = fmt.Sprintf(v.say("（其中 %s待计入）", "(%s of it pending)"), v.credits(d.Pending)+v.say(" ", ""))
		}
	}
	if e.ReasonCode != "" {
		shown.OfficerReason = v.decisionReason(e.ReasonCode)
	}
	for _, r := range d.Reasons {
		shown.Reasons = append(shown.Reasons, v.reason(d, r))
	}
	return shown
}

// opening says what was earned under another system: which, and who answers for it.
func (v recordView) opening(e api.PortfolioEntry, shown *entry) {
	o := e.Opening
	shown.Title, shown.Source, shown.SourceTag = o.Title, o.Source, v.nameTag(o.Source)
	if shown.Title == "" {
		shown.Title = v.say("期初余额", "Opening balance")
	}
	if e.Decision.Outcome == ledgerv1.Outcome_OUTCOME_VOIDED {
		shown.Nothing = v.say("登记有误，已由两名认证员更正，不再计算", "Recorded in error and taken back by two officers; it counts no more")
	}
	for _, f := range []struct{ label, words string }{
		{v.say("原系统编号", "Record there"), o.Record},
		{v.say("提出", "Proposed by"), o.ProposedBy},
		{v.say("复核", "Confirmed by"), o.ConfirmedBy},
		{v.say("批次（账本编号）", "Import (log entry)"), strconv.FormatUint(o.Import, 10)},
	} {
		if f.words != "" {
			shown.Facts = append(shown.Facts, fact{f.label, f.words, v.nameTag(f.words)})
		}
	}
}

// claim says what is claimed of what was learned before or elsewhere, how far it is, and which files show it.
func (v recordView) claim(e api.PortfolioEntry, shown *entry) {
	c := e.Claim
	shown.Claim, shown.Title, shown.Provider = true, c.Title, c.Issuer
	if shown.Title == "" {
		shown.Title = cmp.Or(v.text(c.Name), v.say("先前学习认定", "Claim to prior learning"))
	}
	files := make([]string, len(c.Evidence))
	for i, file := range c.Evidence {
		files[i] = file.Name
	}
	facts := []struct{ label, words string }{
		{v.say("类型", "Kind"), v.text(c.Name)},
		{v.say("说明", "In your words"), c.Description},
		{v.say("证明材料", "Files"), strings.Join(files, v.say("、", ", "))},
		{v.say("代为申请的工作人员", "Filed for you by"), c.FiledBy},
	}
	if c.Claimed.Minutes > 0 {
		facts = append(facts, struct{ label, words string }{
			v.say("申请", "Claimed"),
			fmt.Sprintf(v.say("%d 分钟，%s", "%d minutes, %s"), c.Claimed.Minutes, v.credits(c.Claimed.Credits)),
		})
	}
	if e.Case != nil {
		facts = append(facts, struct{ label, words string }{v.say("案件编号", "Case"), strconv.FormatUint(e.Case.ID, 10)})
	}
	for _, f := range facts {
		if f.words != "" {
			shown.Facts = append(shown.Facts, fact{f.label, f.words, v.nameTag(f.words)})
		}
	}
}

// nameTag is the language of a name in Latin letters, or in Chinese ones, where it is not the page's.
func (v recordView) nameTag(name string) string {
	if tag := v.foreign(name); tag != "" || v.language != chinese {
		return tag
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Latin, r) }) {
		return english.tag()
	}
	return ""
}

// reason says one step. A rule without words is named as the policy names it.
func (v recordView) reason(d *api.Decision, r policy.Reason) reason {
	words := v.text(api.Text{ZH: d.Words(r, string(chinese)), EN: d.Words(r, string(english))})
	if words == "" {
		words = r.Rule
	}
	shown := reason{Stage: v.stage(r.Stage), Words: words, Tag: v.foreign(words)}
	if r.Before != 0 || r.After != 0 {
		shown.Chain = v.chain(r.Stage, r.Before, r.After)
	}
	return shown
}
