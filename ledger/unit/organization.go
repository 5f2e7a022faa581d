package unit

import "strings"

// An OrganizationID names an organization within the bank and in the texts it signs: a slug of 2 to 63 lower-case
// letters, digits and single hyphens that starts and ends with a letter or digit ("xihu-college"). It is a DNS label
// (RFC 1123), so it can stand in host names, file names and URLs unescaped; without double hyphens it is never
// mistaken for an internationalized label (RFC 5890).
type OrganizationID string

// ParseOrganizationID checks a slug. Nothing is folded: an id is signed, so there is one way to write it.
func ParseOrganizationID(s string) (OrganizationID, error) {
	if len(s) < 2 || len(s) > 63 {
		return "", flawed(ErrOrganizationID, FlawLength, 0, "%d bytes, not 2 to 63", len(s))
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c), 'a' <= c && c <= 'z':
		case c != '-':
			return "", flawed(ErrOrganizationID, FlawCharacter, i+1, "neither a lower-case letter, a digit nor a hyphen at position %d", i+1)
		case i == 0 || i == len(s)-1:
			return "", flawed(ErrOrganizationID, FlawCharacter, i+1, "hyphen at an end")
		case s[i-1] == '-':
			return "", flawed(ErrOrganizationID, FlawCharacter, i+1, "double hyphen at position %d", i+1)
		}
	}
	return OrganizationID(s), nil
}

// An OrganizationCode is a unified social credit code (统一社会信用代码, GB 32100-2015): 18 characters of a set of 31,
// namely registration authority, kind, six digits of an administrative division, nine characters of organization, and
// a check character modulo 31. The check catches every single wrong character and every swap of neighbours.
type OrganizationCode string

// organizationCodeAlphabet has the characters in the order of their values; I, O, S, V and Z are left out because
// they are misread.
const organizationCodeAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// ParseOrganizationCode checks the characters, the six digits of the division, and the check character. Lower-case
// letters are folded. The organization part has a check of its own (GB 11714) that is left to the register.
func ParseOrganizationCode(s string) (OrganizationCode, error) {
	if err := checkLength(ErrOrganizationCode, s, 18); err != nil {
		return "", err
	}
	code, err := OrganizationCodeFor(s[:17])
	if err != nil {
		return "", err
	}
	last := strings.ToUpper(s[17:])
	if !strings.Contains(organizationCodeAlphabet, last) {
		return "", flawed(ErrOrganizationCode, FlawCharacter, 18, "character outside the set of gb 32100 at position 18")
	}
	if string(code[17:]) != last {
		return "", flawed(ErrOrganizationCode, FlawCheck, 18, "wrong check character")
	}
	return code, nil
}

// OrganizationCodeFor completes 17 characters with their check character. It is for tests and demonstrations: real
// codes come from a register.
func OrganizationCodeFor(first17 string) (OrganizationCode, error) {
	if err := checkLength(ErrOrganizationCode, first17, 17); err != nil {
		return "", err
	}
	upper := []byte(first17)
	sum, weight := 0, 1
	for i, c := range upper {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
			upper[i] = c
		}
		value := strings.IndexByte(organizationCodeAlphabet, c)
		if value < 0 {
			return "", flawed(ErrOrganizationCode, FlawCharacter, i+1, "character outside the set of gb 32100 at position %d", i+1)
		}
		if 2 <= i && i < 8 && !isDigit(c) {
			return "", flawed(ErrOrganizationCode, FlawCharacter, i+1, "not a digit at position %d", i+1)
		}
		sum += value * weight
		weight = weight * 3 % 31
	}
	return OrganizationCode(upper) + OrganizationCode(organizationCodeAlphabet[(31-sum%31)%31]), nil
}
