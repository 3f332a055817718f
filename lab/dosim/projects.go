package dosim

import (
	"net/http"
	"slices"
	"strconv"
)

// project groups resources. Every resource is in one; those that nobody assigned are in
// the default project. The vendor's document in ../shared/specs does not have this part.
type project struct {
	ID          string `json:"id"`
	OwnerUUID   string `json:"owner_uuid"`
	OwnerID     int    `json:"owner_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Purpose     string `json:"purpose"`
	Environment string `json:"environment"`
	IsDefault   bool   `json:"is_default"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
}

const accountUUID = "b6fr89dbf6d9156cace5f3c78dc9851d957381ef"

func (s *Sim) newProject(name string) *project {
	now := timestamp(s.options.Now())
	p := &project{ID: newUUID(), OwnerUUID: s.options.Account, OwnerID: 1, Name: name, CreatedAt: now, UpdatedAt: now}
	s.projects[p.ID] = p
	return p
}

func (s *Sim) addDefaultProject() {
	p := s.newProject("lab")
	p.IsDefault, p.Purpose, p.Environment = true, "Just trying out DigitalOcean", "Development"
}

func (s *Sim) defaultProject() *project {
	for _, p := range s.projects {
		if p.IsDefault {
			return p
		}
	}
	return nil // unreachable: there is always one
}

func (s *Sim) projectAt(r *http.Request) (*project, error) {
	if r.PathValue("project") == "default" {
		return s.defaultProject(), nil
	}
	if p := s.projects[r.PathValue("project")]; p != nil {
		return p, nil
	}
	return nil, notFound()
}

func (s *Sim) listProjects(r *http.Request) (int, any, error) {
	return page(r, "projects", sortedValues(s.projects))
}

func (s *Sim) getProject(r *http.Request) (int, any, error) {
	p, err := s.projectAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, "project", p)
}

type projectChange struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Purpose     *string `json:"purpose"`
	Environment *string `json:"environment"`
	IsDefault   *bool   `json:"is_default"`
}

func (s *Sim) createProject(r *http.Request) (int, any, error) {
	var in projectChange
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Name == nil || *in.Name == "" || in.Purpose == nil || *in.Purpose == "" {
		return 0, nil, unprocessable("name and purpose are required")
	}
	if err := s.checkProject(in, nil); err != nil {
		return 0, nil, err
	}
	p := s.newProject(*in.Name)
	s.applyProject(p, in)
	return object(http.StatusCreated, "project", p)
}

func (s *Sim) updateProject(r *http.Request) (int, any, error) {
	p, err := s.projectAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in projectChange
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if err := s.checkProject(in, p); err != nil {
		return 0, nil, err
	}
	s.applyProject(p, in)
	return object(http.StatusOK, "project", p)
}

func (s *Sim) checkProject(in projectChange, self *project) error {
	if in.Environment != nil && !slices.Contains([]string{"", "Development", "Staging", "Production"}, *in.Environment) {
		return unprocessable("environment must be one of Development, Staging, Production")
	}
	for _, p := range s.projects {
		if in.Name != nil && p != self && p.Name == *in.Name {
			return conflict("a project with that name already exists")
		}
	}
	return nil
}

func (s *Sim) applyProject(p *project, in projectChange) {
	for into, value := range map[*string]*string{&p.Name: in.Name, &p.Description: in.Description, &p.Purpose: in.Purpose, &p.Environment: in.Environment} {
		if value != nil {
			*into = *value
		}
	}
	if in.IsDefault != nil && *in.IsDefault {
		s.defaultProject().IsDefault = false
		p.IsDefault = true
	}
	p.UpdatedAt = timestamp(s.options.Now())
}

func (s *Sim) deleteProject(r *http.Request) (int, any, error) {
	p, err := s.projectAt(r)
	switch {
	case err != nil:
		return 0, nil, err
	case p.IsDefault:
		return 0, nil, forbidden("The default project cannot be deleted.")
	case len(s.resourcesOf(p)) > 0:
		return 0, nil, &apiError{status: http.StatusPreconditionFailed, id: "precondition_failed", message: "cannot delete a project with resources. move or remove the resources first"}
	}
	delete(s.projects, p.ID)
	return noContent()
}

// projectResources returns the URNs of all that can be in a project.
func (s *Sim) projectResources() []string {
	var out []string
	for _, d := range sortedValues(s.droplets) {
		out = append(out, d.urn())
	}
	for _, v := range sortedValues(s.volumes) {
		out = append(out, "do:volume:"+v.ID)
	}
	for _, ip := range s.reservedIPs() {
		out = append(out, "do:floatingip:"+ip.addr.String())
	}
	return out
}

type projectResource struct {
	URN        string            `json:"urn"`
	AssignedAt string            `json:"assigned_at"`
	Links      map[string]string `json:"links"`
	Status     string            `json:"status"`
}

func (s *Sim) resourcesOf(p *project) []projectResource {
	var out []projectResource
	for _, urn := range s.projectResources() {
		owner := s.projects[s.assigned[urn]]
		if owner == nil {
			owner = s.defaultProject()
		}
		if owner == p {
			out = append(out, projectResource{urn, p.CreatedAt, map[string]string{"self": ""}, "ok"})
		}
	}
	return out
}

func (s *Sim) listProjectResources(r *http.Request) (int, any, error) {
	p, err := s.projectAt(r)
	if err != nil {
		return 0, nil, err
	}
	return page(r, "resources", s.resourcesOf(p))
}

func (s *Sim) assignResources(r *http.Request) (int, any, error) {
	p, err := s.projectAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Resources []string `json:"resources"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	known := s.projectResources()
	out := []projectResource{}
	for _, urn := range in.Resources {
		if !slices.Contains(known, urn) {
			return 0, nil, notFound()
		}
	}
	for _, urn := range in.Resources {
		s.assigned[urn] = p.ID
		out = append(out, projectResource{urn, timestamp(s.options.Now()), map[string]string{"self": ""}, "assigned"})
	}
	return object(http.StatusOK, "resources", out)
}

// getBalance sums what the account's droplets cost in a month; nothing was ever paid.
func (s *Sim) getBalance(*http.Request) (int, any, error) {
	var usage float64
	for _, d := range s.droplets {
		usage += d.size.PriceMonthly
	}
	text := strconv.FormatFloat(usage, 'f', 2, 64)
	return http.StatusOK, map[string]string{
		"month_to_date_balance": text, "account_balance": "0.00", "month_to_date_usage": text, "generated_at": timestamp(s.options.Now()),
	}, nil
}
