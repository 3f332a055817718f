package parity

import (
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
)

// Names of the stages, in their order. They come after provision's stages and after
// the seed of the databases.
const (
	stageFiles    = "files"
	stageServices = "services"
)

// Stages returns the stages that make the new hosts serve what the old ones do: the
// applications' files, then their services. It leaves out a stage without steps, and
// changes nothing.
func Stages(site provision.Site, d provision.Deps) []plan.Stage {
	var stages []plan.Stage
	if files := fileSteps(site, d); len(files) > 0 {
		stages = append(stages, plan.Stage{Name: stageFiles, Summary: "the applications' files, old addresses rewritten", Steps: files})
	}
	if services := serviceSteps(site, d); len(services) > 0 {
		stages = append(stages, plan.Stage{Name: stageServices, Summary: "the applications run and are healthy", Steps: services})
	}
	return stages
}
