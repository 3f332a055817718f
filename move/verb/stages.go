package verb

import (
	"github.com/dcmigrate/migrate/dns"
	"github.com/dcmigrate/migrate/plan"
)

// Names of the stages that something is decided on. Stages that nothing asks
// for by name are named where they are made.
const (
	StageTTL        = "ttl"
	StageSeed       = "seed"
	StageForward    = "link-forward"
	StageReverse    = "link-reverse"
	StageIncrements = "increments"
	StageHandover   = "handover"
)

// FlipStage is the name of the stage that flips a wave.
func FlipStage(wave string) string { return "flip-" + wave }

// FlipKey names the cutover's flip of a zone's records of a wave.
func FlipKey(zone, wave string) plan.Key {
	return plan.Key{Kind: Cutover, Stage: FlipStage(wave), Step: dns.FlipName(zone, wave)}
}

// FlipOf returns zone and wave of a key that FlipKey made; ok is false for every
// other key.
func FlipOf(key plan.Key) (zone, wave string, ok bool) {
	zone, wave, ok = dns.ParseFlipName(key.Step)
	return zone, wave, ok && key == FlipKey(zone, wave)
}
