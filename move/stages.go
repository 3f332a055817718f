package move

import (
	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan"
)

// Names of the stages that something is decided on. Stages that nothing asks
// for by name are named where they are made.
const (
	stageTTL        = "ttl"
	stageSeed       = "seed"
	stageForward    = "link-forward"
	stageReverse    = "link-reverse"
	stageIncrements = "increments"
	stageHandover   = "handover"
)

// flipStage is the name of the stage that flips a wave.
func flipStage(wave string) string { return "flip-" + wave }

// flipKey names the cutover's flip of a zone's records of a wave.
func flipKey(zone, wave string) plan.Key {
	return plan.Key{Kind: Cutover, Stage: flipStage(wave), Step: dns.FlipName(zone, wave)}
}

// flipOf returns zone and wave of a key that flipKey made; ok is false for every
// other key.
func flipOf(key plan.Key) (zone, wave string, ok bool) {
	zone, wave, ok = dns.FlipOf(key.Step)
	return zone, wave, ok && key == flipKey(zone, wave)
}
