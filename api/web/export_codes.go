package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/access"
	"github.com/learning-credit-bank/creditbank/api/export"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// transfersAsked is how many transfers are looked at for the institutions that an export can be asked for by: the newest.
const transfersAsked = 200

// exportCodes are fields of an export that only a school knows, for some of the formats.
type exportCodes struct {
	Legend string
	Fields []exportField
}

// exportField is one of them: a text, or one of several codes.
type exportField struct {
	Name, Label, Hint string
	Options           []exportOption
}

type exportOption struct{ Value, Label, Tag string }

// The names of the fields, as the bank calls them in its faults.
const (
	fieldStudent     = "student_number"
	fieldMajor       = "major"
	fieldYear        = "graduation_year"
	fieldLevel       = "level"
	fieldCategory    = "category"
	fieldGraduation  = "graduation"
	fieldSeason      = "season"
	fieldInstitution = "institution"
	fieldSchool      = "school_code"
	fieldConverted   = "converted_level"
)

// exportLabel is what a field is called, and what it may be.
func exportLabel(field string) (label, hint phrase) {
	switch field {
	case fieldStudent:
		return phrase{"学号", "Student number"}, phrase{"最多 64 个字。", "At most 64 characters."}
	case fieldMajor:
		return phrase{"专业名称", "Programme (major)"}, phrase{"最多 64 个字。", "At most 64 characters."}
	case fieldYear:
		return phrase{"届别", "Year of graduation"}, phrase{"四位年份，如 2026。", "Four digits, such as 2026."}
	case fieldLevel:
		return phrase{"教育层次", "Level of education"}, phrase{"从列表中选择，或留空。", "One of the list, or none."}
	case fieldCategory:
		return phrase{"教育类别", "Category of education"}, phrase{"从列表中选择，或留空。", "One of the list, or none."}
	case fieldGraduation:
		return phrase{"毕业或结业", "Graduated or completed"}, phrase{"从列表中选择，或留空。", "One of the list, or none."}
	case fieldSeason:
		return phrase{"毕业季", "Season of graduation"}, phrase{"从列表中选择，或留空。", "One of the list, or none."}
	case fieldInstitution:
		return phrase{"接收学分的院校", "Institution that took credits over"}, phrase{
			"填写转换学校代码或转换后教育层次时，请选择是哪一所院校的。", "With a school code or a level of its programme, choose whose they are.",
		}
	case fieldSchool:
		return phrase{"转换学校代码", "School code of that institution"}, phrase{"学分银行给该院校的代码，最多 64 个字。", "As the credit bank gave it: at most 64 characters."}
	case fieldConverted:
		return phrase{"转换后教育层次", "Level of its programme"}, phrase{"从列表中选择，或留空。", "One of the list, or none."}
	default:
		return phrase{}, phrase{}
	}
}

// codes offers the fields; those of conversions where somebody took something over.
func (v recordView) codes(institutions []exportOption) []exportCodes {
	none := exportOption{Label: v.say("不填", "Leave empty")}
	field := func(name string, options ...exportOption) exportField {
		label, hint := exportLabel(name)
		f := exportField{Name: name, Label: v.of(label)}
		if len(options) > 0 {
			f.Options = append([]exportOption{none}, options...)
		} else {
			f.Hint = v.of(hint)
		}
		return f
	}
	code := func(value, zh, en string) exportOption {
		return exportOption{Value: value, Label: value + " " + v.say(zh, en)}
	}
	levels := []exportOption{
		code(string(export.LevelBachelor), "本科", "Bachelor"), code(string(export.LevelJunior), "专科", "Junior college"),
		code(string(export.LevelUpgrade), "专升本", "Junior college to bachelor"), code(string(export.LevelFromSchool), "高起本", "School to bachelor"),
	}
	groups := []exportCodes{
		{v.say("原学习的专业（各种表格）", "Where it was learned (all tables)"), []exportField{
			field(fieldMajor), field(fieldLevel, levels...),
			field(
				fieldCategory, code(string(export.CategoryAdult), "成人", "Adult"), code(string(export.CategoryRegular), "普高", "Regular"),
				code(string(export.CategoryNetwork), "网络", "Network"), code(string(export.CategoryVocational), "中职", "Vocational school"),
				code(string(export.CategorySelfTaught), "自考", "Self-taught"),
			),
		}},
		{v.say("仅存入表格", "Deposits only"), []exportField{
			field(fieldStudent), field(fieldYear),
			field(fieldGraduation, code(string(export.Graduated), "毕业", "Graduated"), code(string(export.Completed), "结业", "Completed")),
			field(fieldSeason, code(string(export.Spring), "春", "Spring"), code(string(export.Autumn), "秋", "Autumn")),
		}},
	}
	if len(institutions) > 0 {
		chosen := field(fieldInstitution, institutions...)
		chosen.Options[0].Label = v.say("全部院校", "All institutions")
		groups = append(groups, exportCodes{
			v.say("仅转换表格", "Conversions only"), []exportField{chosen, field(fieldSchool), field(fieldConverted, levels...)},
		})
	}
	return groups
}

// tookOver are the institutions that took something over of an account, those that did so last first.
func (s *site) tookOver(ctx context.Context, caller access.Caller, l language) ([]exportOption, error) {
	transfers, _, err := s.config.Bank.ListTransfers(
		ctx, caller, api.TransferFilter{Account: caller.Account, Status: ledgerv1.HoldStatus_HOLD_STATUS_POSTED}, api.Page{Size: transfersAsked},
	)
	if err != nil {
		return nil, err
	}
	var all []exportOption
	known := make(map[string]bool)
	for _, t := range transfers {
		if !known[t.Institution] {
			known[t.Institution] = true
			all = append(all, exportOption{t.Institution, t.InstitutionName, l.foreign(t.InstitutionName)})
		}
	}
	return all, nil
}

// readCodes puts what a form says into an export, as far as its format asks for it.
func readCodes(form url.Values, e *api.Export) {
	said := func(field string) string { return strings.TrimSpace(form.Get(field)) }
	if e.Format.OfConversions() || e.Format.OnlyEarned() {
		e.Deposit = export.Deposit{Major: said(fieldMajor), Level: export.Level(said(fieldLevel)), Category: export.Category(said(fieldCategory))}
	}
	switch {
	case e.Format.OfConversions():
		e.Institution = said(fieldInstitution)
		e.Converted = export.Converted{School: said(fieldSchool), Level: export.Level(said(fieldConverted))}
	case e.Format.OnlyEarned():
		e.Deposit.StudentNumber, e.Deposit.Year = said(fieldStudent), said(fieldYear)
		e.Deposit.Graduation, e.Deposit.Season = export.Graduation(said(fieldGraduation)), export.Season(said(fieldSeason))
	}
}

// codeFault is what a resident reads of a field that cannot be what they said; ok is false where the fault is another one.
func codeFault(e *api.Error, f fault) (told fault, ok bool) {
	label, hint := exportLabel(strings.TrimPrefix(e.Field, "shanghai."))
	if label == (phrase{}) {
		return f, false
	}
	f.title = phrase{fmt.Sprintf("“%s”填写有误", label.zh), fmt.Sprintf("“%s” is not right", label.en)}
	f.text = phrase{"请返回修改。" + hint.zh, "Please go back and correct it. " + hint.en}
	return f, true
}
