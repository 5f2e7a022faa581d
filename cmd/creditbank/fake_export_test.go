package main_test

import (
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/learning-credit-bank/creditbank/api/access"
	creditbankv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/v1"
)

// ExportPortfolio implements creditbankv1.PortfolioServiceServer: the file is what was asked for, in two chunks. A file for the purpose
// "breaks" breaks off.
func (f fakePortfolio) ExportPortfolio(
	r *creditbankv1.ExportPortfolioRequest, stream grpc.ServerStreamingServer[creditbankv1.ExportPortfolioResponse],
) error {
	if err := f.bank.caller(stream.Context(), access.Resident, access.Officer); err != nil {
		return err
	}
	if strings.Contains(r.GetFromDate(), ".") {
		return refuse(codes.InvalidArgument, "FIELD_INVALID", "from_date", "a date is YYYY-MM-DD")
	}
	asked, err := protojson.Marshal(r)
	if err != nil {
		return err
	}
	file := &creditbankv1.ExportedFile{FileName: "record.json", MediaType: "application/json", LogSize: 9}
	if err := stream.Send(&creditbankv1.ExportPortfolioResponse{Part: &creditbankv1.ExportPortfolioResponse_File{File: file}}); err != nil {
		return err
	}
	for _, chunk := range [][]byte{asked[:10], asked[10:]} {
		if err := stream.Send(&creditbankv1.ExportPortfolioResponse{Part: &creditbankv1.ExportPortfolioResponse_Chunk{Chunk: chunk}}); err != nil {
			return err
		}
		if r.GetPurpose() == "breaks" {
			return refuse(codes.Internal, "INTERNAL", "", "the bank could not do this")
		}
	}
	return nil
}
