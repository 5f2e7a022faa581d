// Package district makes up a district that learns: its schools, platforms, officers, courses, people, and what the
// platforms post about them. It is what `creditbankd demo` shows.
//
// It does no I/O, reads no clock and posts nothing. Nobody in it exists: names are drawn from lists, identity numbers only
// have the right check digit, and keys follow from the seed, so that none of it may ever stand on a network.
//
// Its one invariant: the same seed, day and counts give the same district, to the last statement; only account numbers
// are the bank's.
package district

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/learning-credit-bank/creditbank/certify/keyring"
	"github.com/learning-credit-bank/creditbank/ledger/unit"
	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
)

// Limits of a district.
const (
	MinAccounts    = 10
	MaxAccounts    = 50_000
	MinCompletions = 100
	MaxCompletions = 2_000_000
)

// District is a made-up district.
type District struct {
	// Seed is what everything follows from.
	Seed uint64
	// Day is the day on which it is looked at: midnight in Zone. Everybody learned before it.
	Day time.Time
	// Accounts is how many people have an account, Completions how many times somebody completes something.
	Accounts, Completions int
}

// Zone is the time of the district.
func Zone() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) } // without summer time since 1991

// DayOf is the day of a moment in the district.
func DayOf(t time.Time) time.Time {
	year, month, day := t.In(Zone()).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, Zone())
}

// hash draws 32 bytes for a name; every part of the district draws under names of its own.
func (d *District) hash(name string, n int) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "creditbank demo %d\n%s\n%d\n", d.Seed, name, n))
}

// random draws numbers for a name.
func (d *District) random(name string) *rand.Rand { return rand.New(d.source(name)) } //nolint:gosec // nothing here is secret

func (d *District) source(name string) *rand.ChaCha8 { return rand.NewChaCha8(d.hash(name, 0)) }

// RequestID is the id of the n-th request of a kind: asked again, the bank answers what it answered before.
func (d *District) RequestID(kind string, n int) string { return d.uuid(kind, n, 0).String() }

// uuid is a UUID of version 7 (RFC 9562): the number of milliseconds after the district's day, and bits that follow from the
// seed.
func (d *District) uuid(name string, n, milliseconds int) uuid.UUID {
	sum := d.hash(name, n)
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(d.Day.UnixMilli()+int64(milliseconds))<<16)
	copy(id[6:], sum[:])
	id[6] = id[6]&0x0f | 7<<4
	id[8] = id[8]&0x3f | 2<<6
	return id
}

// Organization takes part in the network.
type Organization struct {
	ID, Name, Code, Parent string
	Level                  ledgerv1.OrganizationLevel
	Roles                  []ledgerv1.Role
	TrustTier              int
}

// Root is the id of the district's community college.
const Root = "xihu-cc"

const (
	trustOwn    = 5
	trustSchool = 4
)

// RootOrganization is what the bank begins with.
func RootOrganization() Organization {
	return Organization{
		ID: Root, Name: "西湖区社区学院", Code: code(0), Level: ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_DISTRICT,
		Roles:     []ledgerv1.Role{ledgerv1.Role_ROLE_PROVIDER, ledgerv1.Role_ROLE_CERTIFIER},
		TrustTier: trustOwn,
	}
}

// school is a community school of a street or town; points are what lies below it, as id and name in turn.
type school struct {
	id, name string
	points   []string
}

func schools() []school {
	return []school{
		{"school-beishan", "北山街道社区学校", []string{"point-shuguang", "曙光社区老年学堂"}},
		{"school-xixi", "西溪街道社区学校", []string{"point-huayuanting", "花园亭社区老年学堂"}},
		{"school-cuiyuan", "翠苑街道社区学校", []string{"point-cuiyuan1", "翠苑一区老年学堂"}},
		{"school-wenxin", "文新街道社区学校", []string{"point-dejia", "德加社区学习点"}},
		{"school-gudang", "古荡街道社区学校", []string{"point-jialvyuan", "嘉绿苑社区老年学堂"}},
		{"school-jiangcun", "蒋村街道社区学校", []string{"point-jiangcunhuayuan", "蒋村花园社区学习点"}},
		{"school-lingyin", "灵隐街道社区学校", []string{"point-lingyin", "灵隐社区老年学堂"}},
		{"school-zhuantang", "转塘街道社区学校", []string{"point-waitongwu", "外桐坞村教学点", "point-shangchengdai", "上城埭村教学点"}},
		{"school-liuxia", "留下街道社区学校", []string{"point-pingfeng", "屏峰社区学习点"}},
		{"school-sandun", "三墩镇社区学校", []string{"point-lanli", "兰里村教学点"}},
		{"school-shuangpu", "双浦镇社区学校", []string{"point-hubu", "湖埠村教学点"}},
	}
}

// Platform is a partner platform.
type Platform struct {
	Organization
	Algorithm keyring.Algorithm
	// share is how many of a hundred completions it posts.
	share int
	// hour and minute are when learning with it begins: a time of its own for each, so that overlaps are made on purpose.
	hour, minute int
}

// Platforms are the partner platforms, each with other keys and other trust.
func Platforms() []Platform {
	platforms := []Platform{
		{Organization{ID: "study-xihu", Name: "学在西湖线上学堂", TrustTier: 4}, keyring.Ed25519, 35, 20, 15},
		{Organization{ID: "school-register", Name: "镇街社区学校教务平台", TrustTier: 5}, keyring.Ed25519, 27, 9, 0},
		{Organization{ID: "senior-rollcall", Name: "银龄学堂点名平台", TrustTier: 3}, keyring.ECDSAP256SHA256, 23, 14, 0},
		{Organization{ID: "experience-base", Name: "市民体验基地预约平台", TrustTier: 2}, keyring.Ed25519, 15, 16, 0},
	}
	for i := range platforms {
		platforms[i].Code, platforms[i].Parent = code(900+i), Root
		platforms[i].Roles = []ledgerv1.Role{ledgerv1.Role_ROLE_PLATFORM}
	}
	return platforms
}

// Organizations are all organizations below the root, parents first.
func Organizations() []Organization {
	provider := []ledgerv1.Role{ledgerv1.Role_ROLE_PROVIDER}
	var all, points []Organization
	for i, s := range schools() {
		all = append(all, Organization{
			ID: s.id, Name: s.name, Code: code(100 + i), Parent: Root, Roles: provider, TrustTier: trustSchool,
			Level: ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_TOWN,
		})
		for k := 0; k < len(s.points); k += 2 {
			points = append(points, Organization{
				ID: s.points[k], Name: s.points[k+1], Code: code(200 + len(points)), Parent: s.id, Roles: provider, TrustTier: trustSchool,
				Level: ledgerv1.OrganizationLevel_ORGANIZATION_LEVEL_VILLAGE,
			})
		}
	}
	all = append(all, points...)
	for _, p := range Platforms() {
		all = append(all, p.Organization)
	}
	return all
}

// code is a made-up unified social credit code of the district: of an institution (12), or of a company (91) for platforms.
func code(n int) string {
	kind := "12"
	if n >= 900 {
		kind = "91"
	}
	c, err := unit.OrganizationCodeFor(fmt.Sprintf("%s330106MB1A%05d", kind, n))
	if err != nil {
		panic("district: " + err.Error()) // the text above is wrong
	}
	return string(c)
}

// Key is the key of a platform for a purpose. It follows from the seed: it keeps nothing secret.
func (d *District) Key(platform Platform, purpose keyring.Purpose) (*keyring.PrivateKey, error) {
	var random io.Reader = d.source("key " + platform.ID + " " + purpose.String())
	return keyring.Generate(platform.Algorithm, random)
}

// Officer is somebody in office.
type Officer struct {
	ID, Name string
	Role     ledgerv1.OfficerRole
}

// Officers are those in office, the administrators first. All act for the whole district.
func Officers() []Officer {
	const (
		administrator = ledgerv1.OfficerRole_OFFICER_ROLE_ADMINISTRATOR
		certification = ledgerv1.OfficerRole_OFFICER_ROLE_CERTIFICATION
		registrar     = ledgerv1.OfficerRole_OFFICER_ROLE_REGISTRAR
	)
	return []Officer{
		{"administrator-1", "沈管理员", administrator},
		{"administrator-2", "何管理员", administrator},
		{"certifier-1", "陆认证员", certification},
		{"certifier-2", "钱认证员", certification},
		{"certifier-3", "俞认证员", certification},
		{"registrar-1", "章登记员", registrar},
	}
}
