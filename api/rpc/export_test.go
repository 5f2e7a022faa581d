package rpc

// Inner functions whose tables the tests go through.
var (
	StatusOf     = statusOf
	CodeOf       = codeOf
	RetryAfter   = retryAfter
	DocumentKind = documentKind
	CaseStatus   = caseStatus
	CaseState    = caseState
	SendWithin   = sendWithin

	ClawbackState = clawbackState
)
