package spec

import "net/http"

// errata returns the deviations that every Validator of a document tolerates:
// mistakes of the document, and what its vendor accepts from widely used clients.
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
