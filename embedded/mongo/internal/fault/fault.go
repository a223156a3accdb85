// Package fault gives the errors that the server answers with: MongoDB's codes, their names, and
// the labels and details that drivers act upon.
package fault

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Code is one of MongoDB's error codes (src/mongo/base/error_codes.yml).
type Code int32

// The codes that this server answers with.
const (
	InternalError              Code = 1
	BadValue                   Code = 2
	FailedToParse              Code = 9
	Unauthorized               Code = 13
	TypeMismatch               Code = 14
	InvalidLength              Code = 16
	NamespaceNotFound          Code = 26
	IndexNotFound              Code = 27
	PathNotViable              Code = 28
	ConflictingUpdateOperators Code = 40
	CursorNotFound             Code = 43
	NamespaceExists            Code = 48
	MaxTimeMSExpired           Code = 50
	DollarPrefixedFieldName    Code = 52
	CommandNotFound            Code = 59
	ImmutableField             Code = 66
	CannotCreateIndex          Code = 67
	InvalidOptions             Code = 72
	InvalidNamespace           Code = 73
	IndexOptionsConflict       Code = 85
	IndexKeySpecsConflict      Code = 86
	ShutdownInProgress         Code = 91
	OperationFailed            Code = 96
	UnsatisfiableWriteConcern  Code = 100
	WriteConflict              Code = 112
	DocumentValidationFailure  Code = 121
	InvalidPipelineOperator    Code = 168
	TransactionTooOld          Code = 225
	NotImplemented             Code = 238
	NoSuchTransaction          Code = 251
	TransactionTooLarge        Code = 257
	TransactionNotAllowed      Code = 263
	BSONObjectTooLarge         Code = 10334
	DuplicateKey               Code = 11000
	ExceededMemoryLimit        Code = 146
	UnknownField               Code = 40415
	TooManySessions            Code = 261
	UnrecognizedStage          Code = 40324
	MissingField               Code = 40414
)

var names = map[Code]string{
	InternalError: "InternalError", BadValue: "BadValue", FailedToParse: "FailedToParse", Unauthorized: "Unauthorized",
	TypeMismatch: "TypeMismatch", InvalidLength: "InvalidLength", NamespaceNotFound: "NamespaceNotFound",
	IndexNotFound: "IndexNotFound", PathNotViable: "PathNotViable",
	ConflictingUpdateOperators: "ConflictingUpdateOperators", CursorNotFound: "CursorNotFound",
	NamespaceExists: "NamespaceExists", MaxTimeMSExpired: "MaxTimeMSExpired",
	DollarPrefixedFieldName: "DollarPrefixedFieldName", CommandNotFound: "CommandNotFound",
	ImmutableField: "ImmutableField", CannotCreateIndex: "CannotCreateIndex", InvalidOptions: "InvalidOptions",
	InvalidNamespace: "InvalidNamespace", IndexOptionsConflict: "IndexOptionsConflict",
	IndexKeySpecsConflict: "IndexKeySpecsConflict", ShutdownInProgress: "ShutdownInProgress",
	OperationFailed: "OperationFailed", UnsatisfiableWriteConcern: "UnsatisfiableWriteConcern",
	WriteConflict: "WriteConflict", DocumentValidationFailure: "DocumentValidationFailure",
	InvalidPipelineOperator: "InvalidPipelineOperator",
	TransactionTooOld:       "TransactionTooOld", NotImplemented: "NotImplemented", NoSuchTransaction: "NoSuchTransaction", TooManySessions: "TooManyLogicalSessions",
	TransactionTooLarge:   "TransactionTooLarge",
	TransactionNotAllowed: "OperationNotSupportedInTransaction", BSONObjectTooLarge: "BSONObjectTooLarge",
	DuplicateKey:        "DuplicateKey",
	ExceededMemoryLimit: "ExceededMemoryLimit", UnknownField: "IDLUnknownField",
}

// String is the code's name as MongoDB answers it in codeName.
func (c Code) String() string {
	if n, ok := names[c]; ok {
		return n
	}
	return fmt.Sprintf("Location%d", int32(c))
}

// TransientTransaction is the label that tells a driver to run the whole transaction again.
const TransientTransaction = "TransientTransactionError"

// Error is an error that a client sees.
type Error struct {
	Code    Code
	Message string
	// Labels are the errorLabels of the reply.
	Labels []string
	// Details are further fields of the reply, such as keyPattern and keyValue.
	Details bson.D
}

// Error gives the message as the client sees it.
func (e *Error) Error() string { return e.Message }

// New makes an error of a code.
func New(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Conflict is the error for a write that lost against another transaction; the driver runs the transaction again.
func Conflict() *Error {
	return &Error{
		Code: WriteConflict, Labels: []string{TransientTransaction},
		Message: "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.",
	}
}

// Unsupported is the refusal of something that MongoDB has and this server has not.
func Unsupported(what string) *Error {
	return New(NotImplemented, "%s is not supported by embedded/mongo, the server for development and tests", what)
}

// From finds the Error in err, or wraps what is unexpected as an internal error.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return New(InternalError, "%v", err)
}
