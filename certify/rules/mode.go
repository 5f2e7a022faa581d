package rules

import (
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// ModeName is the name of a mode of learning in conditions; empty for what is none.
func ModeName(mode statementv1.Mode) string {
	switch mode {
	case statementv1.Mode_MODE_CLASSROOM:
		return "classroom"
	case statementv1.Mode_MODE_ONLINE:
		return "online"
	case statementv1.Mode_MODE_PRACTICE:
		return "practice"
	case statementv1.Mode_MODE_LECTURE:
		return "lecture"
	case statementv1.Mode_MODE_ACHIEVEMENT:
		return "achievement"
	case statementv1.Mode_MODE_UNSPECIFIED:
		return ""
	default:
		return ""
	}
}

// IsMode says whether a mode has this name.
func IsMode(name string) bool {
	for number := range statementv1.Mode_name {
		if name != "" && ModeName(statementv1.Mode(number)) == name {
			return true
		}
	}
	return false
}
