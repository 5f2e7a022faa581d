package api

import statementv1 "github.com/learning-credit-bank/creditbank/proto/creditbank/statement/v1"

// DecodeStatement is decodeStatement, for tests.
func DecodeStatement(b []byte) (*statementv1.Statement, error) { return decodeStatement(b) }
