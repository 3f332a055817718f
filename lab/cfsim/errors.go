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

// apiError is a refusal: the status and the errors of its body.
type apiError struct {
	status     int
	errors     []message
	retryAfter time.Duration // only on 429
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%d: %s (%d)", e.status, e.errors[0].Message, e.errors[0].Code)
}

func refuse(status, code int, format string, args ...any) *apiError {
	return &apiError{status: status, errors: []message{{Code: code, Message: fmt.Sprintf(format, args...)}}}
}

// invalid is a refusal of a record for a reason that Cloudflare gives directly.
func invalid(code int, format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, code, format, args...)
}

// invalidChain is a refusal of a record with the reason inside a validation error.
func invalidChain(code int, format string, args ...any) *apiError {
	err := invalid(codeValidation, "DNS Validation Error")
	err.errors[0].ErrorChain = []message{{Code: code, Message: fmt.Sprintf(format, args...)}}
	return err
}

// Codes that Cloudflare answers with, from its documentation and public issues.
// Those marked "ours" stand in for codes nobody has published.
const (
	codeSlowDown        = 971
	codeInvalidToken    = 1000 // of /user/tokens/verify
	codeValidation      = 1004
	codeNotSuccessful   = 1016
	codeZoneExists      = 1061
	codeZoneName        = 1097
	codePurgeMixed      = 1092
	codePurgeItems      = 1094 // ours: empty or too many items
	codePurgeRate       = 1134
	codeBadHeaders      = 6003
	codeAuthFormat      = 6111
	codeBadParameter    = 6007 // ours: page, per_page, order, match
	codeNoRoute         = 7000
	codeCouldNotRoute   = 7003
	codeName            = 9000
	codeContentA        = 9005
	codeContentAAAA     = 9006
	codeContentCNAME    = 9007
	codeContentNS       = 9008
	codeContentMX       = 9009
	codeContentOther    = 9019 // ours: any other type
	codeTTL             = 9021
	codeType            = 9036 // ours: unknown record type
	codeCNAMESelf       = 9039
	codeNotProxiable    = 9041
	codePriority        = 9103 // ours: MX or URI without priority
	codeBadToken        = 9109
	codeBadBody         = 9207
	codeTagQuota        = 9300
	codeTagFormat       = 9302 // ours: not name:value
	codeCommentFormat   = 9312 // ours: newline in a comment
	codeCommentLong     = 9313
	codeAuthentication  = 10000
	codeInternal        = 10001 // ours: what a 500 says
	codeBatchLimit      = 81073 // ours: too many records in a batch
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
	return refuse(http.StatusNotFound, codeNoRecord, "Record does not exist.")
}

func errAuthentication() *apiError {
	return refuse(http.StatusForbidden, codeAuthentication, "Authentication error")
}

func errSlowDown(retryAfter time.Duration) *apiError {
	err := refuse(http.StatusTooManyRequests, codeSlowDown, "Please wait and consider throttling your request speed")
	err.retryAfter = retryAfter
	return err
}
