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
	Fits         = fits

	ClawbackState = clawbackState
)

// MaxElements is how many a request has at most, ElementBytes what each is reckoned at.
const (
	MaxElements  = maxElements
	ElementBytes = elementBytes
)
