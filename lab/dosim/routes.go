package dosim

import "net/http"

// handler answers one request with Sim.mu held. A nil body means an empty answer.
type handler func(r *http.Request) (status int, body any, err error)

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, routes := range []map[string]handler{
		s.machineRoutes(), s.networkRoutes(), s.addressRoutes("reserved_ips"), s.addressRoutes("floating_ips"), s.storageRoutes(), s.accountRoutes(),
	} {
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

		"POST /v2/images":                         s.createImage,
		"PUT /v2/images/{image}":                  s.updateImage,
		"DELETE /v2/images/{image}":               s.deleteImage,
		"GET /v2/images/{image}/actions":          s.listImageActions,
		"POST /v2/images/{image}/actions":         s.createImageAction,
		"GET /v2/images/{image}/actions/{action}": s.getImageAction,

		"GET /v2/droplets":         s.listDroplets,
		"POST /v2/droplets":        s.createDroplets,
		"DELETE /v2/droplets":      s.deleteDropletsByTag,
		"GET /v2/droplets/{id}":    s.getDroplet,
		"DELETE /v2/droplets/{id}": s.deleteDroplet,

		"GET /v2/droplets/{id}/actions":          s.listDropletActions,
		"POST /v2/droplets/{id}/actions":         s.createDropletAction,
		"GET /v2/droplets/{id}/actions/{action}": s.getDropletAction,
		"GET /v2/droplets/{id}/firewalls":        s.listDropletFirewalls,
		"GET /v2/droplets/{id}/snapshots":        s.listDropletImages("snapshots", "snapshot"),
		"GET /v2/droplets/{id}/backups":          s.listDropletImages("backups", "backup"),
		"GET /v2/droplets/{id}/backups/policy":   s.getBackupPolicy,
		"GET /v2/droplets/{id}/neighbors":        s.emptyList("droplets"),
		"GET /v2/droplets/{id}/kernels":          s.emptyList("kernels"),
		"POST /v2/droplets/actions":              s.createActionsByTag,
		"GET /v2/actions":                        s.listActions,
		"GET /v2/actions/{action}":               s.getAction,
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

		"GET /v2/tags":                    s.listTags,
		"POST /v2/tags":                   s.createTag,
		"GET /v2/tags/{tag}":              s.getTag,
		"DELETE /v2/tags/{tag}":           s.deleteTag,
		"POST /v2/tags/{tag}/resources":   s.tagResources,
		"DELETE /v2/tags/{tag}/resources": s.untagResources,
	}
}

// addressRoutes returns the routes of reserved addresses under a name: floating_ips is
// their earlier one, and still served.
func (s *Sim) addressRoutes(name string) map[string]handler {
	at := " /v2/" + name
	return map[string]handler{
		"GET" + at:                            s.listReservedIPs,
		"POST" + at:                           s.createReservedIP,
		"GET" + at + "/{ip}":                  s.getReservedIP,
		"DELETE" + at + "/{ip}":               s.deleteReservedIP,
		"POST" + at + "/{ip}/actions":         s.createReservedIPAction,
		"GET" + at + "/{ip}/actions":          s.listReservedIPActions,
		"GET" + at + "/{ip}/actions/{action}": s.getReservedIPAction,
	}
}

// storageRoutes returns the routes of volumes and snapshots.
func (s *Sim) storageRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/volumes":                           s.listVolumes,
		"POST /v2/volumes":                          s.createVolume,
		"DELETE /v2/volumes":                        s.deleteVolumeByName,
		"POST /v2/volumes/actions":                  s.createVolumeActionByName,
		"GET /v2/volumes/{volume}":                  s.getVolume,
		"DELETE /v2/volumes/{volume}":               s.deleteVolume,
		"GET /v2/volumes/{volume}/{part}":           s.getVolumePart,
		"POST /v2/volumes/{volume}/actions":         s.createVolumeAction,
		"GET /v2/volumes/{volume}/actions/{action}": s.getVolumeAction,
		"POST /v2/volumes/{volume}/snapshots":       s.snapshotVolume,

		"GET /v2/snapshots":                       s.listSnapshots,
		"GET /v2/snapshots/{snapshot}":            s.getSnapshot(""),
		"DELETE /v2/snapshots/{snapshot}":         s.deleteSnapshot(""),
		"DELETE /v2/volumes/snapshots/{snapshot}": s.deleteSnapshot("volume"),
	}
}

// accountRoutes returns what common clients ask for besides: projects, the balance, and
// lists of kinds of which the simulator has none.
func (s *Sim) accountRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/projects":                      s.listProjects,
		"POST /v2/projects":                     s.createProject,
		"GET /v2/projects/{project}":            s.getProject,
		"PUT /v2/projects/{project}":            s.updateProject,
		"PATCH /v2/projects/{project}":          s.updateProject,
		"DELETE /v2/projects/{project}":         s.deleteProject,
		"GET /v2/projects/{project}/resources":  s.listProjectResources,
		"POST /v2/projects/{project}/resources": s.assignResources,

		"GET /v2/customers/my/balance":         s.getBalance,
		"GET /v2/customers/my/invoices":        s.emptyList("invoices"),
		"GET /v2/customers/my/billing_history": s.emptyList("billing_history"),
		"GET /v2/domains":                      s.emptyList("domains"),
		"GET /v2/load_balancers":               s.emptyList("load_balancers"),
		"GET /v2/certificates":                 s.emptyList("certificates"),
	}
}
