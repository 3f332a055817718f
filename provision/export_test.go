package provision

// Put records a machine, as the droplets step does.
func (d *Directory) Put(m Machine) error {
	return d.update(func(all map[string]Machine) { all[m.Name] = m })
}

// BootstrapPath is where the first host key is kept.
var BootstrapPath = bootstrapPath

// ParseStatus reads cloud-init's answer.
var ParseStatus = parseStatus
