package spec

import "net/http"

// errata are what every Validator of a document tolerates from the start: where
// the document does not say what it means, and what its vendor accepts from
// clients in wide use.
func errata(name string) []Deviation {
	if name != DigitalOcean {
		return nil
	}
	return []Deviation{
		{
			Side: Response, Reason: "/status: value is not one of the allowed values",
			Path: "/v2/droplets", Why: "an unquoted off in the enumeration became false",
		},
		{
			Side: Response, Reason: "/droplet/status: value is not one of the allowed values",
			Path: "/v2/reserved_ips", Why: "as above",
		},
		{
			Method: http.MethodPost, Path: "/v2/droplets", Side: Request, Reason: "/ssh_keys: Value is not nullable",
			Why: "godo sends null when there are no keys",
		},
		{
			Method: http.MethodPost, Path: "/v2/droplets", Side: Request, Reason: "/volumes/",
			Why: "godo sends objects with an id, the document has strings",
		},
		{
			Path: "/v2/firewalls", Side: Request, Reason: "/tags: Value is not nullable",
			Why: "godo sends null when there are no tags; the document means nullable, but says so in one part of an allOf only",
		},
	}
}
