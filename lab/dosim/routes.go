package dosim

import "net/http"

// handler answers one request with Sim.mu held. A nil body means an empty answer.
type handler func(r *http.Request) (status int, body any, err error)

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, routes := range []map[string]handler{s.machineRoutes(), s.networkRoutes()} {
		for pattern, h := range routes {
			mux.HandleFunc(pattern, s.lockedHandler(h))
		}
	}
	return mux
}

// machineRoutes returns the routes of the account, the catalogue, and droplets.
func (s *Sim) machineRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/account":               s.getAccount,
		"GET /v2/account/keys":          s.listKeys,
		"POST /v2/account/keys":         s.createKey,
		"GET /v2/account/keys/{key}":    s.getKey,
		"PUT /v2/account/keys/{key}":    s.updateKey,
		"DELETE /v2/account/keys/{key}": s.deleteKey,

		"GET /v2/regions":        s.listRegions,
		"GET /v2/sizes":          s.listSizes,
		"GET /v2/images":         s.listImages,
		"GET /v2/images/{image}": s.getImage,

		"GET /v2/droplets":         s.listDroplets,
		"POST /v2/droplets":        s.createDroplets,
		"DELETE /v2/droplets":      s.deleteDropletsByTag,
		"GET /v2/droplets/{id}":    s.getDroplet,
		"DELETE /v2/droplets/{id}": s.deleteDroplet,

		"GET /v2/droplets/{id}/actions":          s.listDropletActions,
		"POST /v2/droplets/{id}/actions":         s.createDropletAction,
		"GET /v2/droplets/{id}/actions/{action}": s.getDropletAction,
		"GET /v2/droplets/{id}/firewalls":        s.listDropletFirewalls,
		"POST /v2/droplets/actions":              s.createActionsByTag,
		"GET /v2/actions":                        s.listActions,
		"GET /v2/actions/{action}":               s.getAction,

		// The simulator has none of these, so the lists are empty.
		"GET /v2/volumes":                 s.emptyList("volumes"),
		"GET /v2/snapshots":               s.emptyList("snapshots"),
		"GET /v2/droplets/{id}/snapshots": s.emptyList("snapshots"),
		"GET /v2/droplets/{id}/backups":   s.emptyList("backups"),
	}
}

// networkRoutes returns the routes of VPCs, firewalls, tags and reserved addresses.
func (s *Sim) networkRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/vpcs":              s.listVPCs,
		"POST /v2/vpcs":             s.createVPC,
		"GET /v2/vpcs/{id}":         s.getVPC,
		"PUT /v2/vpcs/{id}":         s.replaceVPC,
		"PATCH /v2/vpcs/{id}":       s.patchVPC,
		"DELETE /v2/vpcs/{id}":      s.deleteVPC,
		"GET /v2/vpcs/{id}/members": s.listVPCMembers,

		"GET /v2/firewalls":                  s.listFirewalls,
		"POST /v2/firewalls":                 s.createFirewall,
		"GET /v2/firewalls/{id}":             s.getFirewall,
		"PUT /v2/firewalls/{id}":             s.replaceFirewall,
		"DELETE /v2/firewalls/{id}":          s.deleteFirewall,
		"POST /v2/firewalls/{id}/droplets":   s.attachDroplets,
		"DELETE /v2/firewalls/{id}/droplets": s.detachDroplets,
		"POST /v2/firewalls/{id}/tags":       s.attachTags,
		"DELETE /v2/firewalls/{id}/tags":     s.detachTags,
		"POST /v2/firewalls/{id}/rules":      s.addRules,
		"DELETE /v2/firewalls/{id}/rules":    s.removeRules,

		"GET /v2/tags":                               s.listTags,
		"POST /v2/tags":                              s.createTag,
		"GET /v2/tags/{tag}":                         s.getTag,
		"DELETE /v2/tags/{tag}":                      s.deleteTag,
		"POST /v2/tags/{tag}/resources":              s.tagResources,
		"DELETE /v2/tags/{tag}/resources":            s.untagResources,
		"GET /v2/reserved_ips":                       s.listReservedIPs,
		"POST /v2/reserved_ips":                      s.createReservedIP,
		"GET /v2/reserved_ips/{ip}":                  s.getReservedIP,
		"DELETE /v2/reserved_ips/{ip}":               s.deleteReservedIP,
		"POST /v2/reserved_ips/{ip}/actions":         s.createReservedIPAction,
		"GET /v2/reserved_ips/{ip}/actions":          s.listReservedIPActions,
		"GET /v2/reserved_ips/{ip}/actions/{action}": s.getReservedIPAction,
	}
}
