package export

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	ledgerv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/ledger/v1"
	statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"
)

// jsonShape names the shape of the JSON. Fields may be added under the same name; none is renamed or changes its meaning.
const jsonShape = "creditbank-record/1"

type (
	jsonHead struct {
		Shape     string      `json:"shape"`
		Bank      jsonBank    `json:"bank"`
		Generated string      `json:"generated_time"`
		LogSize   uint64      `json:"log_size"`
		Learner   jsonLearner `json:"learner"`
		Choice    jsonChoice  `json:"choice"`
	}
	jsonBank struct {
		ID           string `json:"id"`
		Origin       string `json:"log_origin"`
		Organization string `json:"organization"`
		Code         string `json:"organization_code,omitempty"`
	}
	jsonLearner struct {
		Masked       bool   `json:"masked"`
		Name         string `json:"name"`
		DocumentKind string `json:"document_kind,omitempty"`
		Document     string `json:"document,omitempty"`
		BirthDate    string `json:"birth_date,omitempty"`
		Number       string `json:"account_number,omitempty"`
		Account      string `json:"account_id,omitempty"`
	}
	jsonChoice struct {
		From          string   `json:"from_date,omitempty"`
		To            string   `json:"to_date,omitempty"`
		Categories    []string `json:"categories,omitempty"`
		EarnedOnly    bool     `json:"earned_only"`
		BestPerCourse bool     `json:"best_per_course"`
	}
	jsonResult struct {
		Index         uint64       `json:"entry_index"`
		Merged        []uint64     `json:"merged_entry_indexes,omitempty"`
		Kind          Kind         `json:"kind"`
		Title         string       `json:"title"`
		Course        string       `json:"course,omitempty"`
		Version       string       `json:"course_version,omitempty"`
		Provider      string       `json:"provider,omitempty"`
		ProviderName  string       `json:"provider_name,omitempty"`
		SourceRecord  string       `json:"source_record,omitempty"`
		Category      string       `json:"category"`
		CategoryName  Text         `json:"category_name"`
		Level         int          `json:"level,omitempty"`
		Mode          string       `json:"mode,omitempty"`
		From          string       `json:"begin_date,omitempty"`
		To            string       `json:"end_date"`
		Recorded      string       `json:"record_time"`
		Outcome       string       `json:"outcome"`
		Minutes       int64        `json:"minutes"`
		Hour          int64        `json:"minutes_per_learning_hour,omitempty"`
		Score         *int32       `json:"score,omitempty"`
		Passed        *bool        `json:"passed,omitempty"`
		Credits       jsonCredits  `json:"milli_credits"`
		Points        int64        `json:"milli_points,omitempty"`
		Policy        string       `json:"policy_hash,omitempty"`
		Reasons       []jsonReason `json:"reasons,omitempty"`
		OfficerReason string       `json:"decision_reason_code,omitempty"`
		Note          string       `json:"decision_note,omitempty"`
	}
	jsonCredits struct {
		Pending     int64 `json:"pending"`
		Available   int64 `json:"available"`
		Reserved    int64 `json:"reserved"`
		Transferred int64 `json:"transferred"`
		Expired     int64 `json:"expired"`
		Reversed    int64 `json:"reversed"`
	}
	jsonReason struct {
		Stage  string `json:"stage"`
		Rule   string `json:"rule"`
		Before int64  `json:"before"`
		After  int64  `json:"after"`
	}
)

// writeJSON writes one object, with one result on each line of its entries.
func writeJSON(w io.Writer, r Record, results Results) error {
	b, l, c := r.Bank, r.Learner, r.Choice
	head, err := json.Marshal(jsonHead{
		Shape: jsonShape, Bank: jsonBank(b), Generated: r.Generated.UTC().Format(time.RFC3339Nano), LogSize: r.LogSize,
		Learner: jsonLearner{l.Masked, l.Name, l.DocumentKind, l.Document, l.BirthDate, l.Number, l.Account},
		Choice:  jsonChoice(c),
	})
	if err != nil {
		return fmt.Errorf("export: %v", err)
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"entries\":[", strings.TrimSuffix(string(head), "}")); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	separator := "\n"
	for result, err := range results {
		if err != nil {
			return err
		}
		line, err := json.Marshal(result.json())
		if err != nil {
			return fmt.Errorf("export: %v", err)
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, line); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		separator = ",\n"
	}
	if _, err := io.WriteString(w, "\n]}\n"); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func (r Result) json() jsonResult {
	c := r.Credits
	j := jsonResult{
		Index: r.Index, Merged: r.Merged, Kind: r.Kind, Title: r.Title, Course: r.Course, Version: r.Version,
		Provider: r.Provider, ProviderName: r.ProviderName, SourceRecord: r.SourceRecord,
		Category: r.Category, CategoryName: r.CategoryName, Level: r.Level, From: r.From, To: r.To,
		Recorded: r.Recorded.UTC().Format(time.RFC3339Nano), Outcome: short(r.Outcome.String(), "OUTCOME_"),
		Minutes: int64(r.Minutes), Hour: int64(r.Hour), Score: r.Score, Passed: r.Passed, Points: int64(r.Points),
		Credits: jsonCredits{
			int64(c.Pending), int64(c.Available), int64(c.Reserved), int64(c.Transferred), int64(c.Expired), int64(c.Reversed),
		},
		Policy: hex.EncodeToString(r.PolicyHash), OfficerReason: r.OfficerReason, Note: r.Note,
	}
	if r.Mode != statementv1.Mode_MODE_UNSPECIFIED {
		j.Mode = short(r.Mode.String(), "MODE_")
	}
	for _, reason := range r.Reasons {
		j.Reasons = append(j.Reasons, jsonReason{stageName(reason.Stage), reason.Rule, reason.Before, reason.After})
	}
	return j
}

func stageName(s ledgerv1.Stage) string { return short(s.String(), "STAGE_") }

func short(name, prefix string) string { return strings.TrimPrefix(name, prefix) }
