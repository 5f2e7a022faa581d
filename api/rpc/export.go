package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/learning-credit-bank/creditbank/api"
	"github.com/learning-credit-bank/creditbank/api/export"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// chunkBytes is how many bytes of a file one message has.
const chunkBytes = 64 << 10

// ExportPortfolio implements PortfolioService.
func (p *portfolios) ExportPortfolio(
	r *creditbankv1.ExportPortfolioRequest, stream grpc.ServerStreamingServer[creditbankv1.ExportPortfolioResponse],
) error {
	ctx, cancel := context.WithTimeout(stream.Context(), api.ExportTime)
	defer cancel()
	id, err := ownAccount(ctx, r.GetAccountId())
	if err != nil {
		return err
	}
	chunks := &chunkWriter{ctx: ctx, stream: stream}
	err = p.bank.ExportPortfolio(ctx, callerOf(ctx), api.Export{
		Account: id, Format: exportFormat(r.GetFormat()),
		Choice: export.Choice{
			From: r.GetFromDate(), To: r.GetToDate(), Categories: r.GetCategories(),
			EarnedOnly: r.GetEarnedOnly(), BestPerCourse: r.GetBestPerCourse(),
		},
		Deposit: deposit(r.GetShanghai()), Institution: r.GetInstitution(),
		Converted: export.Converted{School: r.GetShanghai().GetSchoolCode(), Level: educationLevel(r.GetShanghai().GetConvertedLevel())},
		Identity:  r.GetIncludeIdentity(), Purpose: r.GetPurpose(),
	}, func(file api.ExportedFile) (io.Writer, error) {
		return chunks, chunks.send(&creditbankv1.ExportPortfolioResponse{Part: &creditbankv1.ExportPortfolioResponse_File{
			File: &creditbankv1.ExportedFile{FileName: file.Name, MediaType: file.MediaType, LogSize: file.LogSize},
		}})
	})
	if err != nil {
		return err
	}
	return chunks.flush()
}

// chunkWriter sends what is written to it in messages of chunkBytes.
type chunkWriter struct {
	ctx     context.Context //nolint:containedctx // io.Writer has no room for one
	stream  grpc.ServerStreamingServer[creditbankv1.ExportPortfolioResponse]
	waiting []byte
	// failed is why nothing more is sent: a message may still be on its way then.
	failed error
}

// Write implements io.Writer.
func (w *chunkWriter) Write(b []byte) (n int, err error) {
	for n < len(b) {
		part := min(chunkBytes-len(w.waiting), len(b)-n)
		w.waiting = append(w.waiting, b[n:n+part]...)
		n += part
		if len(w.waiting) == chunkBytes {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (w *chunkWriter) flush() error {
	if len(w.waiting) == 0 {
		return nil
	}
	chunk := w.waiting
	w.waiting = nil // gRPC may still read what was sent
	return w.send(&creditbankv1.ExportPortfolioResponse{Part: &creditbankv1.ExportPortfolioResponse_Chunk{Chunk: chunk}})
}

// send sends a part. Where it can't, whoever asked has gone away.
func (w *chunkWriter) send(part *creditbankv1.ExportPortfolioResponse) error {
	if w.failed != nil {
		return w.failed
	}
	err := sendWithin(w.ctx, w.stream, part)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %v", context.Canceled, err)
	}
	w.failed = err
	return err
}

// exportFormat is the format that api knows; one that it does not know is for it to refuse.
func exportFormat(f creditbankv1.ExportFormat) export.Format {
	switch f {
	case creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CSV:
		return export.ShanghaiCSV
	case creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_XLSX:
		return export.ShanghaiXLSX
	case creditbankv1.ExportFormat_EXPORT_FORMAT_ELMO:
		return export.ELMO
	case creditbankv1.ExportFormat_EXPORT_FORMAT_JSON:
		return export.JSON
	case creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CONVERSION_CSV:
		return export.ConversionCSV
	case creditbankv1.ExportFormat_EXPORT_FORMAT_SHANGHAI_CONVERSION_XLSX:
		return export.ConversionXLSX
	default:
		return ""
	}
}

// deposit reads the codes of the Shanghai profile: each enum has them in their order.
func deposit(f *creditbankv1.ShanghaiFields) export.Deposit {
	return export.Deposit{
		StudentNumber: f.GetStudentNumber(), Major: f.GetMajor(), Year: f.GetGraduationYear(),
		Level: educationLevel(f.GetLevel()),
		Category: codeAt(int(f.GetCategory()), export.CategoryAdult, export.CategoryRegular, export.CategoryNetwork,
			export.CategoryVocational, export.CategorySelfTaught),
		Graduation: codeAt(int(f.GetGraduation()), export.Graduated, export.Completed),
		Season:     codeAt(int(f.GetSeason()), export.Spring, export.Autumn),
	}
}

func educationLevel(l creditbankv1.EducationLevel) export.Level {
	return codeAt(int(l), export.LevelBachelor, export.LevelJunior, export.LevelUpgrade, export.LevelFromSchool)
}

// codeAt is the code at a place, counted from 1; empty where there is none.
func codeAt[T ~string](place int, codes ...T) T {
	if place < 1 || place > len(codes) {
		return ""
	}
	return codes[place-1]
}
