package cfsim

import (
	"fmt"
	"net/http"
	"time"
)

// message is one entry of the errors or messages of an answer.
type message struct {
	Code       int       `json:"code"`
	Message    string    `json:"message"`
	ErrorChain []message `json:"error_chain,omitempty"`
}

// apiError is an error answer: its status and the errors of its body.
type apiError struct {
	status     int
	errors     []message
	retryAfter time.Duration // only on 429
}

// Error implements error.
func (e *apiError) Error() string {
	return fmt.Sprintf("%d: %s (%d)", e.status, e.errors[0].Message, e.errors[0].Code)
}

// refusal is an error answer with one error.
func refusal(status, code int, format string, args ...any) *apiError {
	return &apiError{status: status, errors: []message{{Code: code, Message: fmt.Sprintf(format, args...)}}}
}

// invalid refuses a record with an error that names the reason.
func invalid(code int, format string, args ...any) *apiError {
	return refusal(http.StatusBadRequest, code, format, args...)
}

// invalidChain refuses a record with a validation error that has the reason in its chain.
func invalidChain(code int, format string, args ...any) *apiError {
	err := invalid(codeValidation, "DNS Validation Error")
	err.errors[0].ErrorChain = []message{{Code: code, Message: fmt.Sprintf(format, args...)}}
	return err
}

// Cloudflare's error codes, from its documentation and public issues. Those marked
// "stand-in" replace codes that are not published.
const (
	codeSlowDown        = 971
	codeInvalidToken    = 1000 // of /user/tokens/verify
	codeValidation      = 1004
	codeNotSuccessful   = 1016
	codeZoneExists      = 1061
	codeZoneName        = 1097
	codePurgeMixed      = 1092
	codePurgeItems      = 1094 // stand-in: empty or too many items
	codePurgeRate       = 1134
	codeBadHeaders      = 6003
	codeAuthFormat      = 6111
	codeBadParameter    = 6007 // stand-in: page, per_page, order, match
	codeNoRoute         = 7000
	codeCouldNotRoute   = 7003
	codeName            = 9000
	codeContentA        = 9005
	codeContentAAAA     = 9006
	codeContentCNAME    = 9007
	codeContentNS       = 9008
	codeContentMX       = 9009
	codeContentOther    = 9019 // stand-in: any other type
	codeTTL             = 9021
	codeType            = 9036 // stand-in: unknown record type
	codeCNAMESelf       = 9039
	codeNotProxiable    = 9041
	codePriority        = 9103 // stand-in: MX or URI without priority
	codeBadToken        = 9109
	codeBadBody         = 9207
	codeTagQuota        = 9300
	codeTagFormat       = 9302 // stand-in: not name:value
	codeCommentFormat   = 9312 // stand-in: newline in a comment
	codeCommentLong     = 9313
	codeAuthentication  = 10000
	codeInternal        = 10001 // stand-in: what a 500 says
	codeBatchLimit      = 81073 // stand-in: too many records in a batch
	codeNoRecord        = 81044
	codeCNAMEConflict   = 81053
	codeHostHasCNAME    = 81054
	codeNSConflict      = 81056
	codeRecordExists    = 81057
	codeIdenticalRecord = 81058
)

func errNoRoute(path string) *apiError {
	return &apiError{status: http.StatusNotFound, errors: []message{
		{Code: codeCouldNotRoute, Message: fmt.Sprintf("Could not route to %s, perhaps your object identifier is invalid?", path)},
		{Code: codeNoRoute, Message: "No route for that URI"},
	}}
}

func errNoRecord() *apiError {
	return refusal(http.StatusNotFound, codeNoRecord, "Record does not exist.")
}

func errAuthentication() *apiError {
	return refusal(http.StatusForbidden, codeAuthentication, "Authentication error")
}

func errSlowDown(retryAfter time.Duration) *apiError {
	err := refusal(http.StatusTooManyRequests, codeSlowDown, "Please wait and consider throttling your request speed")
	err.retryAfter = retryAfter
	return err
}
