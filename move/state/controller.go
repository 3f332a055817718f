package state

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication/lead"
)

const controllerFile = "controller.json"

// Controller is this state folder as the servers know it. The folder gets its id when it is
// first written to, with create. A copy of the folder in another place or on
// another machine has the same id, and is another controller.
func (f *Folder) Controller(migration string, create bool) (lead.Controller, error) {
	var kept struct {
		ID string `json:"id"`
	}
	ok, err := f.read(controllerFile, &kept)
	if err != nil {
		return lead.Controller{}, err
	}
	if !ok && create {
		kept.ID = rand.Text()
		if err := plan.WriteJSON(f.Path(controllerFile), kept); err != nil {
			return lead.Controller{}, err
		}
	}
	folder, err := filepath.Abs(f.dir)
	if err != nil {
		return lead.Controller{}, fmt.Errorf("find the state folder: %w", err)
	}
	if resolved, err := filepath.EvalSymlinks(folder); err == nil {
		folder = resolved
	}
	events, err := f.lastEvent()
	return lead.Controller{Migration: migration, ID: kept.ID, Machine: machine(), Folder: folder, Who: who(), Events: events}, err
}

// lastEvent is the number of the journal's last event.
func (f *Folder) lastEvent() (int, error) {
	f.mu.Lock()
	j := f.journal
	f.mu.Unlock()
	if j != nil {
		return j.Events(), nil
	}
	events, err := f.Events()
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return events[len(events)-1].Seq, nil
}

// machine tells this machine from others: by its id where there is one, since a laptop's
// name changes with its network.
func machine() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(strings.TrimSpace(string(id))) > 0 {
		return "id " + strings.TrimSpace(string(id))
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return "name " + name
}
