package rpc_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/apitest"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// fileOf reads a file to its end: what it is, and its chunks.
func fileOf(t *testing.T, s *served, token string, r *creditbankv1.ExportPortfolioRequest) (*creditbankv1.ExportedFile, []string, error) {
	t.Helper()
	ctx := t.Context()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	stream, err := creditbankv1.NewPortfolioServiceClient(s.nobody()).ExportPortfolio(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	var (
		file   *creditbankv1.ExportedFile
		chunks []string
	)
	for {
		part, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return file, chunks, nil
		case err != nil:
			return file, chunks, err
		case part.GetFile() != nil:
			if file != nil || chunks != nil {
				t.Errorf("it says what it is in the middle: %v", part)
			}
			file = part.GetFile()
		default:
			chunks = append(chunks, string(part.GetChunk()))
		}
	}
}

// A file comes in chunks of a bounded size, and is whole.
func TestExportPortfolio(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	const count = 180
	for range count {
		s.Record(s.Completion(account.Number))
	}
	token := s.ResidentToken(account.ID)
	file, chunks, err := fileOf(t, s, token, &creditbankv1.ExportPortfolioRequest{Format: creditbankv1.ExportFormat_EXPORT_FORMAT_JSON})
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Entries []any
		LogSize uint64 `json:"log_size"`
	}
	if err := json.Unmarshal([]byte(strings.Join(chunks, "")), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Entries) != count || read.LogSize != file.GetLogSize() || file.GetMediaType() != "application/json" ||
		file.GetFileName() != "learning-record-2026-06-15.json" {
		t.Errorf("%v with %d entries", file, len(read.Entries))
	}
	for i, chunk := range chunks {
		if n := len(chunk); n > 64<<10 || n == 0 || i < len(chunks)-1 && n != 64<<10 {
			t.Errorf("chunk %d of %d has %d bytes", i, len(chunks), n)
		}
	}
	if len(chunks) < 2 {
		t.Errorf("there are %d chunks: too few to tell", len(chunks))
	}
}

// The codes of the Shanghai profile are those of the enums, in every place.
func TestExportCodes(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	s.Record(s.Completion(account.Number))
	token := s.ResidentToken(account.ID)
	row := func(f *creditbankv1.ShanghaiFields) []string {
		_, chunks, err := fileOf(t, s, token, &creditbankv1.ExportPortfolioRequest{
			AccountId: account.ID.String(), Format: creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CSV, Shanghai: f, IncludeIdentity: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(strings.Join(chunks, ""))).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%q, %v", rows, err)
		}
		return rows[1]
	}
	for code, level := range map[string]creditbankv1.EducationLevel{
		"": 0, "20": creditbankv1.EducationLevel_EDUCATION_LEVEL_BACHELOR, "21": creditbankv1.EducationLevel_EDUCATION_LEVEL_JUNIOR_COLLEGE,
		"22": creditbankv1.EducationLevel_EDUCATION_LEVEL_JUNIOR_TO_BACHELOR, "23": creditbankv1.EducationLevel_EDUCATION_LEVEL_SCHOOL_TO_BACHELOR,
	} {
		if got := row(&creditbankv1.ShanghaiFields{Level: level}); got[5] != code {
			t.Errorf("%v is %q", level, got[5])
		}
	}
	for code, category := range map[string]creditbankv1.EducationCategory{
		"": 0, "30": creditbankv1.EducationCategory_EDUCATION_CATEGORY_ADULT, "31": creditbankv1.EducationCategory_EDUCATION_CATEGORY_REGULAR,
		"32": creditbankv1.EducationCategory_EDUCATION_CATEGORY_NETWORK, "34": creditbankv1.EducationCategory_EDUCATION_CATEGORY_SELF_TAUGHT,
		"33": creditbankv1.EducationCategory_EDUCATION_CATEGORY_VOCATIONAL_SCHOOL,
	} {
		if got := row(&creditbankv1.ShanghaiFields{Category: category}); got[6] != code {
			t.Errorf("%v is %q", category, got[6])
		}
	}
	for _, test := range []struct {
		graduation creditbankv1.GraduationResult
		season     creditbankv1.GraduationSeason
		want       [2]string
	}{
		{want: [2]string{"", ""}},
		{creditbankv1.GraduationResult_GRADUATION_RESULT_GRADUATED, creditbankv1.GraduationSeason_GRADUATION_SEASON_SPRING, [2]string{"40", "50"}},
		{creditbankv1.GraduationResult_GRADUATION_RESULT_COMPLETED, creditbankv1.GraduationSeason_GRADUATION_SEASON_AUTUMN, [2]string{"41", "51"}},
	} {
		got := row(&creditbankv1.ShanghaiFields{
			Graduation: test.graduation, Season: test.season, StudentNumber: "S-1", Major: "工商管理", GraduationYear: "2027",
		})
		if got[0] != "S-1" || got[3] != "工商管理" || got[11] != "2027" || got[12] != test.want[0] || got[13] != test.want[1] {
			t.Errorf("%v became %q", test, got)
		}
	}
}

// The codes of the conversion profile, and the institution that they belong to, reach the bank.
func TestExportConversionCodes(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	for _, format := range []creditbankv1.ExportFormat{
		creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CONVERSION_CSV, creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CONVERSION_XLSX,
	} {
		ask := func(institution string, f *creditbankv1.ShanghaiFields) (*creditbankv1.ExportedFile, error) {
			file, _, err := fileOf(t, s, s.ResidentToken(account.ID), &creditbankv1.ExportPortfolioRequest{
				Format: format, Institution: institution, Shanghai: f,
			})
			return file, err
		}
		file, err := ask(apitest.Root, &creditbankv1.ShanghaiFields{
			SchoolCode: "10250", ConvertedLevel: creditbankv1.EducationLevel_EDUCATION_LEVEL_SCHOOL_TO_BACHELOR,
		})
		if err != nil || !strings.HasPrefix(file.GetFileName(), "learning-record-shanghai-conversion-") {
			t.Errorf("%v: %v, %v", format, file, err)
		}
		for _, f := range []*creditbankv1.ShanghaiFields{
			{SchoolCode: "10250"}, {ConvertedLevel: creditbankv1.EducationLevel_EDUCATION_LEVEL_BACHELOR},
		} {
			if _, err := ask("", f); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%v of no institution: %v", f, err)
			}
		}
	}
}

func TestExportPortfolioRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t, apitest.NewBank(t))
	account := s.Open()
	token := s.ResidentToken(account.ID)
	elmo := creditbankv1.ExportFormat_EXPORT_FORMAT_ELMO
	unknown := &creditbankv1.ExportPortfolioRequest{Format: elmo}
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	for name, test := range map[string]struct {
		token   string
		request *creditbankv1.ExportPortfolioRequest
		code    codes.Code
		reason  api.Reason
		field   string
	}{
		"nobody":        {"", &creditbankv1.ExportPortfolioRequest{AccountId: account.ID.String(), Format: elmo}, codes.Unauthenticated, api.ReasonUnauthenticated, ""},
		"a platform":    {s.PlatformToken(apitest.Platform), &creditbankv1.ExportPortfolioRequest{AccountId: account.ID.String(), Format: elmo}, codes.PermissionDenied, api.ReasonDenied, ""},
		"no account":    {token, &creditbankv1.ExportPortfolioRequest{AccountId: "1", Format: elmo}, codes.InvalidArgument, api.ReasonField, "account_id"},
		"no format":     {token, &creditbankv1.ExportPortfolioRequest{}, codes.InvalidArgument, api.ReasonExportFormat, "format"},
		"no such form":  {token, &creditbankv1.ExportPortfolioRequest{Format: 99}, codes.InvalidArgument, api.ReasonUnknownEnum, "format"},
		"no such field": {token, unknown, codes.InvalidArgument, api.ReasonUnknownField, "99"},
		"no such level": {token, &creditbankv1.ExportPortfolioRequest{Format: elmo, Shanghai: &creditbankv1.ShanghaiFields{Level: 9}}, codes.InvalidArgument, api.ReasonUnknownEnum, "shanghai.level"},
		"no year":       {token, &creditbankv1.ExportPortfolioRequest{Format: elmo, Shanghai: &creditbankv1.ShanghaiFields{GraduationYear: "26"}}, codes.InvalidArgument, api.ReasonExportCode, "shanghai.graduation_year"},
	} {
		file, chunks, err := fileOf(t, s, test.token, test.request)
		t.Log(name)
		refused(t, err, test.code, test.reason, test.field)
		if file != nil || chunks != nil {
			t.Errorf("%s: there is a file", name)
		}
	}
}
