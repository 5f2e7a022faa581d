package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/learning-credit-bank/creditbank/certify/policy"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	p := defaultPolicy(t)
	if p.Levels() != 10 || p.Framework().ZH == "" || p.Level(1).EN == "" || p.Level(10) == p.Level(9) || p.AppealDays() != 15 {
		t.Errorf("%d levels of %v, %v to %v; %d days", p.Levels(), p.Framework(), p.Level(1), p.Level(10), p.AppealDays())
	}
	for _, level := range []int{-1, 0, 11} {
		if p.Level(level) != (policy.Text{}) {
			t.Errorf("level %d is called %v", level, p.Level(level))
		}
	}
	p = compile(t, minimal)
	if p.Levels() != 0 || p.Level(1) != (policy.Text{}) || p.Framework() != (policy.Text{}) || p.AppealDays() != 0 {
		t.Error("a policy without levels has some")
	}
}

func TestLevelFaults(t *testing.T) {
	t.Parallel()
	named := "levels:\n  name: {zh: 等级, en: Levels}\n  levels:\n"
	for name, c := range map[string]struct{ yaml, field string }{
		"no name":      {strings.Replace(named, "  name: {zh: 等级, en: Levels}\n", "", 1) + "    - {zh: 一, en: one}\n", "levels.name"},
		"no levels":    {"levels:\n  name: {zh: 等级, en: Levels}\n", "levels.levels"},
		"too many":     {named + strings.Repeat("    - {zh: 一, en: one}\n", policy.MaxLevels+1), "levels.levels"},
		"one language": {named + "    - {zh: 一}\n", "levels.levels[0]"},
		"days":         {"accreditation:\n  appeal_days: 366\n", "accreditation.appeal_days"},
	} {
		_, err := policy.Compile([]byte(minimal + c.yaml))
		var fields []string
		for _, fault := range policy.Faults(err) {
			fields = append(fields, fault.Field)
		}
		if !errors.Is(err, policy.ErrPolicy) || !strings.HasPrefix(strings.Join(fields, " "), c.field) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
